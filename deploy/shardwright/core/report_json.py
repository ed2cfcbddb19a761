"""A report and its run as JSON values, for programs. The schema is a promise: keys are added, never renamed or removed.

`schema` grows when a key's meaning changes. Every key is in `docs/reports.md`; a test compares the two.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..model.report import MemberRow, Report, Severity, ShardRow
from ..model.run import RunRecord
from ..model.slots import SLOT_COUNT
from .report_text import members, of_severity, shown_verdict, unowned, verdict_line

SCHEMA = 1


def report_json(report: Report | None, run: RunRecord) -> dict[str, Any]:
    """The whole page as JSON values; `cluster` is None where no report came about.

    Args:
        report: what was verified, or None where the run ended before.
        run: the run.
    """
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": str(shown_verdict(report, run)),
        "summary": verdict_line(report, run),
        "run": run_json(run),
        "cluster": _cluster(report) if report is not None else None,
        "shards": [_shard(s) for s in report.shards] if report else [],
        "findings": [asdict(f) | {"severity": str(f.severity)} for f in report.findings] if report else [],
    }
    if report is not None and report.drift is not None:
        values["drift"] = [asdict(d) | {"truth": str(d.truth), "mend": str(d.mend)} for d in report.drift]
    return values


def run_json(run: RunRecord) -> dict[str, Any]:
    """One run as JSON values; the ledger's lines hold the same."""
    return asdict(run) | {
        "command": str(run.command),
        "verdict": str(run.verdict),
        "seconds": round(run.seconds, 3),
        "changed": run.changed,
        "host_changes": [{"host": host, "change": change} for host, change in run.host_changes],
        "steps": list(run.steps),
        "warnings": list(run.warnings),
    }


def _cluster(report: Report) -> dict[str, Any]:
    return {
        "name": report.cluster,
        "product": report.product,
        "healthy": report.healthy,
        "nodes": len(members(report)),
        "slots_total": SLOT_COUNT,
        "slots_served": report.slots_served,
        "slots_unowned": str(unowned(report)),
        "counts": {str(severity): len(of_severity(report, severity)) for severity in Severity},
    }


def _shard(shard: ShardRow) -> dict[str, Any]:
    return {
        "name": shard.name,
        "slots": str(shard.slots),
        "slot_count": len(shard.slots),
        "primary": _member(shard.primary) if shard.primary else None,
        "replicas": [_member(m) for m in shard.replicas],
    }


def _member(row: MemberRow) -> dict[str, Any]:
    values = asdict(row)
    values["lag_bytes"] = values.pop("lag")
    return values

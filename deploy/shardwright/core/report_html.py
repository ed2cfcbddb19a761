"""What the HTML page says, as plain values for `templates/report.html.j2`. Knows no markup; the renderer escapes all text.

The page's only script opens the folded parts for printing. Its text is here, and not in the template, because the page's
content security policy allows exactly that script by its hash and nothing else: a hostile node name can't bring another.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ..model.report import MemberRow, Report, Severity, ShardRow
from ..model.run import RunRecord, Verdict
from ..model.slots import SLOT_COUNT, SlotSet
from .rendering import renderer
from .report_slotmap import HUES, SIDE, Region, SlotMap, path, slot_map, wide
from .report_text import (
    changes_line,
    count,
    duration,
    members,
    of_severity,
    printable,
    shown_verdict,
    size,
    slots_text,
    told_otherwise,
    verdict_line,
    verdict_word,
)

_SCRIPT = "onbeforeprint=function(){for(const d of document.getElementsByTagName(`details`))d.open=true}"
_KINDS = {
    Verdict.PROVED: "ok",
    Verdict.NOT_PROVED: "error",
    Verdict.FAILED: "error",
    Verdict.REFUSED: "warning",
    Verdict.PLANNED: "info",
    Verdict.DONE: "ok",
}
_GROUPS = ((Severity.ERROR, "Errors"), (Severity.WARNING, "Warnings"), (Severity.INFO, "Notes"))


def report_html(report: Report | None, run: RunRecord) -> str:
    """The page as HTML text: self-contained, no request leaves it.

    Args:
        report: what was verified, or None where the run ended before.
        run: the run.
    """
    return printable(renderer().render("report.html.j2", page(report, run)))


def page(report: Report | None, run: RunRecord) -> dict[str, Any]:
    """The values that the template takes."""
    verdict = shown_verdict(report, run)
    planned = run.verdict is Verdict.PLANNED
    values = {
        "cluster": run.cluster,
        "eyebrow": f"shardwright {run.command}, {run.started.replace('T', ' ').replace('Z', ' UTC')}",
        "verdict": verdict_word(verdict).capitalize(),
        "verdict_kind": _KINDS[verdict],
        "said": _said(report, run),
        "warnings": told_otherwise(report, run),
        "steps": run.steps,
        "steps_title": "Cluster steps that would be done" if planned else "Cluster steps done",
        "host_changes": run.host_changes,
        "changes_title": "Changes on hosts that would be made" if planned else "Changes on hosts",
        "meta": _meta(report, run),
        "script": _SCRIPT,
        "script_hash": "sha256-" + base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode(),
    }
    return values | (_cluster(report, run) if report else _no_cluster(run))


def _said(report: Report | None, run: RunRecord) -> str:
    if run.error:
        return run.error
    line = verdict_line(report, run)
    return line.partition(": ")[2].removesuffix(f" ({duration(run.seconds)})")


def _no_cluster(run: RunRecord) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(("attention", "map", "legend", "shards", "held"), ())
    return empty | {"facts": _run_facts(run)}


def _run_facts(run: RunRecord) -> list[dict[str, str]]:
    return [
        {"name": "Changes", "value": f"{len(run.host_changes) + len(run.steps):,}", "of": "", "kind": ""},
        {"name": "Time", "value": duration(run.seconds), "of": "", "kind": ""},
    ]


def _cluster(report: Report, run: RunRecord) -> dict[str, Any]:
    drawn, rows = slot_map(report), members(report)
    attention = [
        {"title": title, "kind": str(severity), "findings": of_severity(report, severity)}
        for severity, title in _GROUPS
        if of_severity(report, severity)
    ]
    return {
        "facts": _facts(report, run),
        "attention": attention,
        "held": of_severity(report, Severity.OK),
        "side": SIDE,
        "map": _map(drawn),
        "map_description": _described(drawn),
        "legend": _legend(report, drawn),
        "zones": int(any(m.zone for m in rows)),
        "racks": int(any(m.rack for m in rows)),
        "shards": [_shard(n, shard) for n, shard in enumerate(report.shards)],
    }


def _facts(report: Report, run: RunRecord) -> list[dict[str, str]]:
    served, errors = report.slots_served, len(of_severity(report, Severity.ERROR))
    warnings = len(of_severity(report, Severity.WARNING)) + len(told_otherwise(report, run))
    held = len(of_severity(report, Severity.OK))
    rows = members(report)
    zones = len({m.zone for m in rows if m.zone})
    where = f"on {count(len({m.host for m in rows}), 'host')}" + (f", {count(zones, 'zone')}" if zones else "")
    notes = len(of_severity(report, Severity.INFO))
    checks = {"name": "Checks that held", "value": f"{held:,}", "of": f"of {held:,}", "kind": ""}
    if errors or warnings or notes:
        others = ((errors, "error"), (warnings, "warning"), (notes, "note"))
        checks["of"] = ", ".join(count(n, w) for n, w in others if n)
        checks["kind"] = "error" if errors else ""
    return [
        {
            "name": "Slots served",
            "value": f"{served:,}",
            "of": f"of {SLOT_COUNT:,}",
            "kind": "" if served == SLOT_COUNT else "error",
        },
        {"name": "Shards", "value": f"{len(report.shards):,}", "of": "", "kind": ""},
        {"name": "Nodes", "value": f"{len(rows):,}", "of": where, "kind": ""},
        checks,
        *_run_facts(run),
    ]


def _map(drawn: SlotMap) -> dict[str, Any]:
    bad = [
        {
            "kind": kind,
            "path": path(slots),
            "wide_path": path(wide(slots)),
            "title": f"{title}: {count(len(slots), 'slot')}, {slots_text(slots, 24)}",
        }
        for kind, title, slots in (
            ("hole", "No owner", drawn.unowned),
            ("disputed", "More than one owner", drawn.disputed),
        )
        if slots
    ]
    regions = [
        {
            "hue": region.hue,
            "path": region.path,
            "label_y": region.label_y,
            "label": _short(region.name),
            "title": f"{region.name}: {count(len(region.slots), 'slot')}, {slots_text(region.slots, 24)}",
        }
        for region in drawn.regions
    ]
    return {"regions": regions, "bad": bad, "borders": drawn.borders, "ticks": drawn.marked_rows, "rings": drawn.rings}


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def _described(drawn: SlotMap) -> str:
    parts = [_described_region(r) for r in drawn.regions[:24]]
    more = len(drawn.regions) - len(parts)
    parts += [f"{count(more, 'more shard')}"] if more > 0 else []
    holes = f"No owner: {slots_text(drawn.unowned)}." if drawn.unowned else "Every slot has an owner."
    disputed = f" More than one owner: {slots_text(drawn.disputed)}." if drawn.disputed else ""
    return f"{holes}{disputed} {'; '.join(parts)}." if parts else holes


def _described_region(region: Region) -> str:
    return f"{region.name} has {count(len(region.slots), 'slot')}, {slots_text(region.slots)}"


def _legend(report: Report, drawn: SlotMap) -> list[dict[str, Any]]:
    bad = [_legend_item("hole", "No owner", drawn.unowned, True)] if drawn.unowned else []
    bad += [_legend_item("disputed", "More than one owner", drawn.disputed, True)] if drawn.disputed else []
    return bad + [_legend_item(f"h{n % HUES}", s.name, s.slots, False) for n, s in enumerate(report.shards)]


def _legend_item(kind: str, name: str, slots: SlotSet, bad: bool) -> dict[str, Any]:
    ranges = slots_text(slots, 4) if slots else "no slots"
    return {"kind": kind, "name": name, "number": f"{len(slots):,}", "ranges": ranges, "bad": bad}


def _shard(number: int, shard: ShardRow) -> dict[str, Any]:
    rows = ([shard.primary] if shard.primary else []) + list(shard.replicas)
    slots = f"{count(len(shard.slots), 'slot')}, {slots_text(shard.slots)}" if shard.slots else "no slots"
    return {
        "name": shard.name,
        "kind": f"h{number % HUES}",
        "slots": slots,
        "has_primary": shard.primary is not None,
        "members": [_member(row, row is shard.primary) for row in rows],
    }


def _member(row: MemberRow, primary: bool) -> dict[str, Any]:
    return {
        "node": row.node,
        "address": row.address,
        "role": row.role,
        "role_kind": "primary" if primary else "replica",
        "zone": row.zone or "none",
        "rack": row.rack or "none",
        "version": row.version or "unknown",
        "link_up": row.link_up,
        "down": "silent" if row.role == "silent" else "link down",
        "lag": "–" if primary else size(row.lag),  # noqa: RUF001
        "key_count": f"{row.keys:,}",
    }


def _meta(report: Report | None, run: RunRecord) -> list[tuple[str, dict[str, Any]]]:
    values = [
        ("Run", run.run_id, True),
        ("Command", str(run.command), False),
        ("Started", run.started, False),
        ("Time taken", duration(run.seconds), False),
        ("Run by", run.actor, False),
        ("Server", report.product if report else "", False),
        ("Changes", changes_line(run), False),
        ("Exit code", str(run.exit_code), False),
        ("Error code", run.error_code, True),
        ("shardwright", run.tool_version, False),
        ("cluster.yml", f"sha256 {run.spec_sha256}" if run.spec_sha256 else "", True),
        ("Plan", run.plan_fingerprint, True),
    ]
    return [(name, {"text": text, "mono": mono}) for name, text, mono in values if text]

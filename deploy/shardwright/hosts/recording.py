"""Leaves the record of a run: report files, and its line in the ledger, whatever the run came to.

Knows what a run did on hosts (`results`) and how records are written (`adapters`), nothing of clusters. A record that
can't be written is said and does not hide the error that ended the run.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from ..adapters import ledger, report_files, run_context
from ..errors import PlanError, ShardwrightError, SpecError
from ..model.report import Report
from ..model.run import Command, RunRecord, Verdict
from .results import Run

_SCRIPTS = {
    "cluster.py": Command.DEPLOY,
    "verify.py": Command.VERIFY,
    "remove.py": Command.REMOVE,
    "drift.py": Command.DRIFT,
    "prune.py": Command.PRUNE,
    "drill.py": Command.DRILL,
}


def command_of(arguments: list[str]) -> Command | None:
    """What pyinfra was called for, by the names of our scripts; None for its own commands, which leave no record."""
    found = [_SCRIPTS[name] for name in (Path(a).name for a in arguments) if name in _SCRIPTS]
    return found[-1] if found else None


def check_writable(run: Run) -> None:
    """Prove that the record can be written, before anything is deployed.

    Raises:
        ApplyError: ``reports-not-writable``.
    """
    ledger.check_writable(run.reports)


def record_of(
    run: Run, verdict: Verdict, exit_code: int, *, fingerprint: str = "", steps: tuple[str, ...] = ()
) -> RunRecord:
    """The record of `run` as it ended.

    Args:
        run: with its changes, warnings and error.
        verdict: how it ended.
        exit_code: of the process.
        fingerprint: of the plan that was made.
        steps: of the cluster that were done, in order.
    """
    moment = datetime.fromtimestamp(run.started, UTC)
    error = run.error
    return RunRecord(
        run_id=run.run_id,
        cluster=run.environment.spec.name,
        command=run.command or Command.DEPLOY,
        started=run_context.started(moment),
        seconds=round(time.time() - run.started, 1),
        actor=run_context.actor(),
        tool_version=run_context.tool_version(),
        verdict=verdict,
        exit_code=exit_code,
        spec_sha256=run_context.spec_sha256(run.environment.path),
        plan_fingerprint=fingerprint,
        host_changes=run.host_changes,
        steps=steps,
        warnings=warnings_of(run),
        error_code=error.code if error else "",
        error="\n".join(x for x in (error.message, error.hint) if x) if error else "",
    )


def warnings_of(run: Run) -> tuple[str, ...]:
    """Everything that the user must know although it failed nothing, in words."""
    said = [f"{p.path}: {p.found} [{p.code}]" for p in run.environment.warnings]
    said += [f"{host}: {text} [{code}]" for host, code, text in run.warnings]
    said += [
        f"{instance} would run otherwise after a new start: {', '.join(why)} [restart-needed]"
        for _, instance, why in run.restart_needed
    ]
    return tuple(said)


def write(run: Run, report: Report | None, record: RunRecord) -> None:
    """Write the report files and the ledger's line, once a run.

    Raises:
        ApplyError: ``reports-not-writable`` or ``ledger-locked``.
    """
    if run.recorded:
        return
    run.recorded = True
    report_files.write_reports(run.reports, report, record)
    ledger.append(run.reports, record)


def record_failure(run: Run) -> None:
    """Leave the record of a run that an error ended."""
    error = run.error
    if run.command is None or error is None:
        return
    steps = (*(str(step) for phase in run.admitted for step in phase.steps), *error.done)
    refused = isinstance(error, SpecError | PlanError) and not run.host_changes and not steps
    record = record_of(run, Verdict.REFUSED if refused else Verdict.FAILED, error.exit_code, steps=steps)
    run.recorded = False  # what was proved before the error is not how the run ended
    try:
        write(run, None, record)
    except ShardwrightError as unwritable:
        print(f"WARNING {unwritable}", file=sys.stderr, flush=True)

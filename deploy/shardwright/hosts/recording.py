"""Leaves the record of a run: report files, and its line in the ledger, whatever the run came to.

Knows what a run did on hosts (`results`) and how records are written (`adapters`), nothing of clusters. A record that
can't be written is said and does not hide the error that ended the run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ..adapters import ledger, report_files, run_records
from ..control.run import Proof
from ..errors import ShardwrightError
from ..model.report import Report
from ..model.run import Command, RunRecord
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


def record_of(run: Run, ended: Proof | ShardwrightError | None) -> RunRecord:
    """The record of `run` as it ended, with what was done about passwords before files were written."""
    return run_records.record_of(
        run.command or Command.DEPLOY,
        run.environment.path,
        run.environment.spec.name,
        run.started,
        ended,
        run_id=run.run_id,
        before=(str(step) for phase in run.admitted for step in phase.steps),
        host_changes=run.host_changes,
        warnings=warnings_of(run),
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
    record = record_of(run, error)
    run.recorded = False  # what was proved before the error is not how the run ended
    try:
        write(run, None, record)
    except ShardwrightError as unwritable:
        print(f"WARNING {unwritable}", file=sys.stderr, flush=True)

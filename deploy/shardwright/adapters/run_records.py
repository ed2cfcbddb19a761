"""The record of a run, made from how it ended: by a proof, by an error, or done. The same for every front door."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from ..control.run import Proof
from ..errors import PlanError, ShardwrightError, SpecError
from ..model.run import Command, RunRecord, Verdict
from . import run_context


def record_of(
    command: Command,
    spec_path: Path,
    cluster: str,
    started: float,
    ended: Proof | ShardwrightError | None,
    *,
    run_id: str = "",
    before: Iterable[str] = (),
    host_changes: Iterable[tuple[str, str]] = (),
    warnings: Iterable[str] = (),
) -> RunRecord:
    """The record of a run that ends now.

    Args:
        command: what was asked for.
        spec_path: the cluster.yml.
        cluster: its name.
        started: seconds since 1970.
        ended: what was found and done; or the error that ended it, which holds what was done before; None where it did
            what was asked and there is nothing to prove.
        run_id: as it was given at the start; else made now.
        before: steps on the cluster that `ended` does not know of.
        host_changes: what was changed on hosts, as (host, text).
        warnings: what the user must know although it failed nothing.
    """
    moment = datetime.fromtimestamp(started, UTC)
    changes, steps = tuple(host_changes), tuple(before)
    fingerprint = error_code = error = ""
    if ended is None:
        verdict, exit_code = Verdict.DONE, 0
    elif isinstance(ended, ShardwrightError):
        steps += ended.done
        untouched = isinstance(ended, SpecError | PlanError) and not (changes or steps)
        verdict, exit_code = Verdict.REFUSED if untouched else Verdict.FAILED, ended.exit_code
        error_code, error = ended.code, str(ended)
    else:
        healthy = ended.report.healthy
        verdict, exit_code = (Verdict.PROVED, 0) if healthy else (Verdict.NOT_PROVED, 1)
        if ended.outcome is not None:
            fingerprint = ended.outcome.first.fingerprint
            steps += tuple(str(step) for phase in ended.outcome.phases for step in phase.steps)
    return RunRecord(
        run_id=run_id or run_context.run_id(moment),
        cluster=cluster,
        command=command,
        started=run_context.started(moment),
        seconds=round(time.time() - started, 1),
        actor=run_context.actor(),
        tool_version=run_context.tool_version(),
        verdict=verdict,
        exit_code=exit_code,
        spec_sha256=run_context.spec_sha256(spec_path),
        plan_fingerprint=fingerprint,
        host_changes=changes,
        steps=steps,
        warnings=tuple(warnings),
        error_code=error_code,
        error=error,
    )

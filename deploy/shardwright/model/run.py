"""What one run of shardwright was: `RunRecord`. A value only; who fills it in is the front doors' business.

A run that never came to a report (a mistake in the spec, a host away) has a record all the same: the ledger and the CI
page must show the failures first of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Command(StrEnum):
    """What was asked for."""

    DEPLOY = "deploy"
    PLAN = "plan"
    APPLY = "apply"
    VERIFY = "verify"
    REMOVE = "remove"
    DRIFT = "drift"
    PRUNE = "prune"
    DRILL = "drill"


class Verdict(StrEnum):
    """How the run ended.

    `PROVED`: every check held. `NOT_PROVED`: the checks ran and one did not hold. `FAILED`: an error ended the run.
    `PLANNED`: the plan was shown and nothing touched. `REFUSED`: stopped before any change, for want of a consent or of
    a valid spec. `DONE`: it did what was asked, and there is nothing to prove (`remove`).
    """

    PROVED = "proved"
    NOT_PROVED = "not-proved"
    FAILED = "failed"
    PLANNED = "planned"
    REFUSED = "refused"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run, for the report, the ledger and CI. Holds no secret: every text has been through a masking edge.

    Attributes:
        run_id: sortable by time (UTC): ``20260131T174205Z-3f9a``.
        cluster: the cluster's name.
        command: what was asked for.
        started: ISO 8601 in UTC, to the second: ``2026-01-31T17:42:05Z``.
        seconds: wall time of the whole run.
        actor: who ran it: ``user@host``, in CI followed by the job's URL.
        tool_version: of shardwright.
        spec_sha256: of `cluster.yml` as read; empty where it could not be read.
        plan_fingerprint: of (topology, state); empty where no plan was made.
        host_changes: what was changed on the hosts, as (host, text), in order; of a plan, what would be.
        steps: the cluster steps that were done, in order, as the plan's explanation words them; of a plan, all of them.
        warnings: what the user must know although it did not fail the run.
        verdict: how it ended.
        exit_code: of the process.
        error_code: kebab-case code of the error that ended the run; empty where none did.
        error: that error's text with its hint; may have several lines.
    """

    run_id: str
    cluster: str
    command: Command
    started: str
    seconds: float
    actor: str
    tool_version: str
    verdict: Verdict
    exit_code: int
    spec_sha256: str = ""
    plan_fingerprint: str = ""
    host_changes: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error_code: str = ""
    error: str = ""

    @property
    def changed(self) -> bool:
        """Whether the run changed anything, on a host or in the cluster. A plan lists changes and makes none."""
        return self.verdict is not Verdict.PLANNED and bool(self.host_changes or self.steps)

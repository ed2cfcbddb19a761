"""The `Journal` port made real: tells a `Progress` what the control loop does, and keeps the steps that were done.

A step counts as done when its phase's condition is met, not when its command was sent: what was only sent is in the error
that ended the run.
"""

from __future__ import annotations

from ..model.plan import Phase, Plan
from ..model.progress import Moment, Progress, ProgressEvent, silent


class ProgressJournal:
    """Hears a run; afterwards `steps` and `fingerprint` are for its `RunRecord`."""

    def __init__(self, progress: Progress = silent) -> None:
        self._progress = progress
        self._phase: Phase | None = None
        self.fingerprint = ""
        self._steps: list[str] = []

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the phases whose condition was met, in order."""
        return tuple(self._steps)

    def planned(self, plan: Plan) -> None:
        """Keep the fingerprint of the first plan: later ones of the same run are its rest."""
        self.fingerprint = self.fingerprint or plan.fingerprint

    def phase_started(self, phase: Phase) -> None:
        """Tell of it."""
        self._phase = phase
        self._progress(ProgressEvent(Moment.STARTED, phase.name, f"{len(phase.steps):,} to do"))

    def waiting(self, phase: Phase, done: int, total: int, what: str) -> None:
        """Tell of it."""
        self._progress(ProgressEvent(Moment.WAITING, phase.name, f"waiting for {what}" if what else "", done, total))

    def phase_ended(self, phase: Phase, seconds: float) -> None:
        """Its steps are done."""
        self._phase = None
        self._steps += map(str, phase.steps)
        count = f"{len(phase.steps):,} done in {seconds:.1f} s"
        self._progress(ProgressEvent(Moment.FINISHED, phase.name, count))

    def failed(self, reason: str) -> None:
        """The run ended within a phase: tell of it, so that no spinner goes on."""
        if self._phase is not None:
            self._progress(ProgressEvent(Moment.FAILED, self._phase.name, reason))
            self._phase = None

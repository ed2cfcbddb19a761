"""What happens while a run works, as values: `ProgressEvent`, and `Progress`, whoever wants to hear of it.

Knows nothing of terminals. A listener is a plain callable of one event, not an object with a method per kind: events
can be recorded, compared and replayed by tests, and a run stays free of nesting (no context manager to leave).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Moment(StrEnum):
    """Of a phase: it began, it waits or counts on, it ended well, it ended badly."""

    STARTED = "started"
    WAITING = "waiting"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """One thing to tell.

    Attributes:
        moment: what happened to the phase.
        phase: its name in a few words, the same in all events of the phase: ``join the nodes``.
        detail: what is waited for, or what came out: ``every node to know all others``.
        done: how many of `of`; 0 where nothing is counted.
        of: how many in all; 0 where nothing is counted.
    """

    moment: Moment
    phase: str
    detail: str = ""
    done: int = 0
    of: int = 0


class Progress(Protocol):
    """Hears of progress; must not raise, and may be called from any thread."""

    def __call__(self, event: ProgressEvent) -> None:
        """Take note of one event."""


def silent(event: ProgressEvent) -> None:
    """The `Progress` that tells nobody."""

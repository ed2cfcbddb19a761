"""What a plan costs, as values: `PhasePrice` and `Price`. What moves is counted on the live cluster; bytes and times are
estimates, and whatever could not be counted is None, never 0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PhasePrice:
    """The price of one phase.

    Attributes:
        slots, keys, bytes: that move from one primary to another.
        copies, copied: whole copies that replicas take of their primaries, and their bytes.
        failovers, restarts, resets: of nodes.
        in_sync: least number of in-sync replicas, while the phase goes on, of any shard that holds keys; None where no
            shard does.
        seconds: how long it takes.
    """

    slots: int = 0
    keys: int | None = 0
    bytes: int | None = 0
    copies: int = 0
    copied: int | None = 0
    failovers: int = 0
    restarts: int = 0
    resets: int = 0
    in_sync: int | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """The prices of a plan's phases, in their order. `gaps` says what could not be counted, and why."""

    phases: tuple[PhasePrice, ...]
    gaps: tuple[str, ...] = ()

    @property
    def total(self) -> PhasePrice:
        """Of all phases: sums, and the least of the least."""
        every = self.phases
        in_sync = [p.in_sync for p in every if p.in_sync is not None]
        return PhasePrice(
            slots=sum(p.slots for p in every),
            keys=_sum(p.keys for p in every),
            bytes=_sum(p.bytes for p in every),
            copies=sum(p.copies for p in every),
            copied=_sum(p.copied for p in every),
            failovers=sum(p.failovers for p in every),
            restarts=sum(p.restarts for p in every),
            resets=sum(p.resets for p in every),
            in_sync=min(in_sync, default=None),
            seconds=sum(p.seconds for p in every),
        )


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total

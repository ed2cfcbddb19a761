"""A limit on what all slot moves of a run send together: how much at once, and how long to rest after it.

Bytes are counted as memory at the source, which is what can be known before a key is sent. A limit holds in the mean: what
is sent at once goes as fast as it can, and is kept to a fraction of a second's worth.
"""

from __future__ import annotations

from ..ports import Clock

BURST = 0.1
"""Seconds of the limit that are sent at once, key by key."""


class Pace:
    """Keeps the mean of what is spent at `bytes_per_second`; None is without limit."""

    def __init__(self, clock: Clock, bytes_per_second: float | None = None) -> None:
        self._clock = clock
        self._rate = bytes_per_second
        self._paid = clock.now()

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._rate is not None

    def share(self, seconds: float, lanes: int) -> float:
        """Bytes that each of `lanes` may send in so many seconds; infinite without a limit."""
        return float("inf") if self._rate is None else self._rate * seconds / max(1, lanes)

    def begin(self) -> None:
        """What is spent next is sent from now on: time that passed unused is not saved up."""
        self._paid = max(self._paid, self._clock.now())

    def spend(self, size: float) -> None:
        """Rest until `size` bytes more are paid for."""
        if self._rate is None:
            return
        self._paid += size / self._rate
        rest = self._paid - self._clock.now()
        if rest > 0:
            self._clock.sleep(rest)

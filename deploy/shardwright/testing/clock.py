"""`VirtualClock`: time that passes only when somebody sleeps, and what is due then happens in order.

Knows nothing of servers. Events of one instant happen in the order in which they were arranged, so that a run is a function
of its seed alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class VirtualClock:
    """`ports.Clock` whose `sleep` carries out all that falls due meanwhile."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._order = count()

    def now(self) -> float:
        """Virtual seconds since the start."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of virtual time pass."""
        self.run_until(self._now + seconds)

    def after(self, seconds: float, action: Action) -> None:
        """Have `action` carried out when `seconds` more have passed."""
        heapq.heappush(self._due, (self._now + seconds, next(self._order), action))

    def every(self, seconds: float, action: Callable[[], bool | None]) -> None:
        """Have `action` carried out every so many seconds, until it returns False."""

        def tick() -> None:
            if action() is not False:
                self.after(seconds, tick)

        self.after(seconds, tick)

    def run_until(self, moment: float, done: Callable[[], bool] | None = None) -> bool:
        """Let time pass up to `moment`, or only until `done` holds; gives whether it does (False without `done`)."""
        due = self._due
        while True:
            if done is not None and done():
                return True
            if not due or due[0][0] > moment:
                break
            self._now, _, action = heapq.heappop(due)
            action()
        self._now = max(self._now, moment)
        return False if done is None else done()

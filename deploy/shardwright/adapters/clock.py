"""Real time: the only place in the package that sleeps. Waits with a condition and a limit call it between two looks."""

from __future__ import annotations

import time


class RealClock:
    """`ports.Clock` on the system's monotonic clock."""

    def now(self) -> float:
        """See `ports.Clock.now`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `ports.Clock.sleep`."""
        time.sleep(seconds)

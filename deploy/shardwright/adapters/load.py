"""Calls each of several steps over and over, in a thread of its own, until it is stopped: `ports.Load` in real time.

Inside pyinfra these threads are greenlets. What a step raises ends its thread and is raised again by `stop`: a writer that
died is no measurement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

JOIN_SECONDS = 15.0


class ThreadedLoad:
    """One thread a step, `interval` seconds of rest after each call."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def start(self, steps: Sequence[Callable[[], None]]) -> None:
        """See `ports.Load.start`."""
        self._threads = [threading.Thread(target=self._run, args=(step,), daemon=True) for step in steps]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """See `ports.Load.stop`."""
        self._over.set()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
        self._threads = []
        if self._errors:
            raise self._errors[0]

    def _run(self, step: Callable[[], None]) -> None:
        try:
            while not self._over.wait(self._interval):
                step()
        except Exception as error:  # told by stop()
            self._errors.append(error)

"""A stream with one deadline and one measure of bytes for a whole exchange, whatever the peer does.

Sockets have a limit for each read: a peer that sends a byte a second never exceeds it and holds a run for as long as it
likes, and one that sends without end fills the memory. Knows nothing of the protocol that is spoken over it.
"""

from __future__ import annotations

import time
from typing import Any, Protocol


class Stream(Protocol):
    """What a socket and an ssh channel have in common."""

    def settimeout(self, value: float | None, /) -> None:
        """Seconds for one read or write; 0: not to wait at all."""

    def recv(self, count: int, /) -> bytes:
        """At most `count` bytes; none at the end."""

    def send(self, data: memoryview, /) -> int:
        """How many bytes of `data` were sent."""


class TooMuch(Exception):
    """The peer sent more than the exchange may carry."""


class BoundedStream:
    """`stream` as redis-py uses one; `begin` starts an exchange. Limits of single reads are not heeded but for 0, which
    asks what is there already."""

    def __init__(self, stream: Stream, deadline: float, most: int) -> None:
        self._stream = stream
        self._waits = True
        self.begin(deadline, most)

    def begin(self, deadline: float, most: int) -> None:
        """From now on until `deadline` (of `time.monotonic`) at most `most` bytes may come."""
        self._deadline, self._most, self.taken = deadline, most, 0

    def settimeout(self, value: float | None) -> None:
        """Whether reads wait: only 0 says no."""
        self._waits = value != 0

    def recv(self, count: int) -> bytes:
        """See `Stream.recv`.

        Raises:
            TooMuch: more has come than the exchange may carry.
            TimeoutError: the exchange is over time.
        """
        self._stream.settimeout(self._left() if self._waits else 0)
        data = self._stream.recv(count)
        self.taken += len(data)
        if self.taken > self._most:
            raise TooMuch(f"more than {self._most >> 20} MiB")
        return data

    def sendall(self, data: bytes) -> None:
        """Send all of it; raises `TimeoutError` where the exchange is over time."""
        left = memoryview(data)
        while left:
            self._stream.settimeout(self._left())
            left = left[self._stream.send(left) :]

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the exchange is over time")
        return left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

"""A transport that numbers every effect and lets the run die at one of them.

An effect is a pipeline with a write, sent to one node. Within one round the nodes get theirs in the order of the request:
what comes after the effect in question is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import Silence
from shardwright.model.wire import Answer, Command
from shardwright.ports import Transport

_READS = frozenset(
    {
        ("CLUSTER", "MYID"),
        ("CLUSTER", "INFO"),
        ("CLUSTER", "NODES"),
        ("CLUSTER", "COUNTKEYSINSLOT"),
        ("CLUSTER", "GETKEYSINSLOT"),
        ("CONFIG", "GET"),
    }
)


class Death(BaseException):
    """The process is gone: nothing of ours catches it."""


class Fate(StrEnum):
    """What becomes of the effect: it was the last thing done; only the first half of its commands arrived; it was done,
    its reply never came, and the process lives on."""

    LAST = "last"
    HALF = "half"
    REPLY_LOST = "reply-lost"


class Dying:
    """`ports.Transport` over another one. `fatal` is the number of the effect, from 1; 0 lets everything through."""

    def __init__(self, inner: Transport, fatal: int = 0, fate: Fate = Fate.LAST) -> None:
        self._inner = inner
        self._fatal = fatal
        self._fate = fate
        self.effects: list[tuple[Endpoint, tuple[Command, ...]]] = []

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        writing = [e for e, batch in requests.items() if any(not _reads(command) for command in batch)]
        first = len(self.effects) + 1
        self.effects += [(e, tuple(requests[e])) for e in writing]
        if not first <= self._fatal < first + len(writing):
            return self._inner.ask(requests, timeout=timeout)
        victim = writing[self._fatal - first]
        if self._fate is Fate.REPLY_LOST:
            answers = self._inner.ask(requests, timeout=timeout)
            answers[victim] = Silence(victim, "closed", "the connection was cut")
            return answers
        earlier = {e: requests[e] for e in writing[: self._fatal - first]}
        batch = requests[victim]
        keep = len(batch) if self._fate is Fate.LAST else len(batch) // 2
        self._inner.ask({**earlier, victim: batch[:keep]}, timeout=timeout)
        raise Death

    def address(self, endpoint: Endpoint) -> str:
        return self._inner.address(endpoint)

    def close(self) -> None:
        self._inner.close()


def _reads(command: Command) -> bool:
    return command[0] in {"INFO", "READONLY", "GET", "MEMORY", "DUMP", "DBSIZE"} or command[:2] in _READS

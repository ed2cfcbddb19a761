"""A transport that lets a test look on, or step in, before and after each exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.engine.kit import Lab

from shardwright.model.endpoint import Endpoint
from shardwright.model.wire import Answer, Command

Look = Callable[[list[tuple[str, ...]]], None]


class Watching:
    """`ports.Transport` over a lab's own; the commands of an exchange are told as text."""

    def __init__(self, made: Lab, before: Look | None = None, after: Look | None = None) -> None:
        self._inner, self._before, self._after = made.transport, before, after

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        commands = [
            tuple(w.decode("latin-1") if isinstance(w, bytes) else str(w) for w in command)
            for batch in requests.values()
            for command in batch
        ]
        if self._before:
            self._before(commands)
        answers = self._inner.ask(requests, timeout=timeout)
        if self._after:
            self._after(commands)
        return answers

    def address(self, endpoint: Endpoint) -> str:
        return self._inner.address(endpoint)

    def close(self) -> None:
        """The lab closes the inner one."""

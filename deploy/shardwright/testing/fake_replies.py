"""Replies that several commands of the servers share, and the one that does not come yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..model.wire import Reply, ReplyError


class Later:
    """The answer of a server that does not answer yet; ask again with the same command."""


@dataclass(frozen=True)
class Held:
    """What a command waits for: so many replicas that have so much, until then."""

    replicas: int
    offset: int
    until: float


PENDING: Final = Later()
Answered = Reply | Later
OK: Final = b"OK"
SYNTAX: Final = ReplyError("ERR syntax error")
NOT_INTEGER: Final = ReplyError("ERR value is not an integer or out of range")
NO_REPLICAS: Final = ReplyError("NOREPLICAS Not enough good replicas to write.")


def arity(name: str) -> ReplyError:
    """Too few or too many words."""
    return ReplyError(f"ERR wrong number of arguments for '{name}' command")

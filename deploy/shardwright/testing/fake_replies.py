"""Replies that several commands of the servers share."""

from __future__ import annotations

from typing import Final

from ..model.wire import ReplyError

OK: Final = b"OK"
SYNTAX: Final = ReplyError("ERR syntax error")
NOT_INTEGER: Final = ReplyError("ERR value is not an integer or out of range")


def arity(name: str) -> ReplyError:
    """Too few or too many words."""
    return ReplyError(f"ERR wrong number of arguments for '{name}' command")

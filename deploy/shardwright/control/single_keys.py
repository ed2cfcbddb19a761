"""What to make of a MIGRATE that failed for a key: is it the key, is it on both ends, and how long may another try take.

A MIGRATE that timed out may be carried out by its target all the same. The key is on both ends then, and the next MIGRATE
finds it there: with the same value, sending it again with REPLACE overwrites nothing; with another, a person decides.
"""

from __future__ import annotations

from ..model.wire import Command, Reply

MIGRATE_MS = 5_000
"""Milliseconds that a source waits for a target: below any sensible node timeout, since nobody else is served meanwhile."""
PATIENT_SHARE = 0.8
"""Of the node timeout, for another try with one key: the others would call a source failed that is silent for longer."""
ASK_TIMEOUT: Command = ("CONFIG", "GET", "cluster-node-timeout")


def of_one_key(message: str) -> bool:
    """Whether the error is about a key, and not about a node's role or state."""
    return message.startswith("IOERR") or on_both_ends(message)


def on_both_ends(message: str) -> bool:
    """Whether the target has such a key already."""
    return "Target instance replied with error: BUSYKEY" in message


def patience(reply: Reply) -> int:
    """Milliseconds for another try, from the reply to `ASK_TIMEOUT`."""
    text = reply[1] if isinstance(reply, list) and len(reply) == 2 else b""
    limit = int(text) if isinstance(text, bytes) and text.isdigit() else 0
    return max(MIGRATE_MS, int(PATIENT_SHARE * limit))


def same_value(one: Reply, other: Reply) -> bool:
    """Whether two DUMPs are of the same value; their last ten bytes are a version and a checksum."""
    return isinstance(one, bytes) and isinstance(other, bytes) and len(one) > 10 and one[:-10] == other[:-10]


def shown(key: bytes) -> str:
    """The key's name for a message."""
    return repr(key[:100].decode("utf-8", "backslashreplace"))


def too_slow(key: bytes, limit: int, why: str) -> str:
    """What to say of a key that could not be moved in `limit` milliseconds."""
    hint = "raise cluster-node-timeout for the move, or make the key smaller"
    return f"{shown(key)} could not be moved within {limit / 1000:g} s ({why}): {hint}"

"""Finishes the move of one slot that somebody else began. Moving slots on purpose is not done here.

Both ends are marked before the first key goes: a source that is not marked goes on taking new keys, which would be deleted
when the target takes the slot over. MIGRATE without REPLACE and without COPY: a key that exists on both ends is refused by
the target, the slot stays open, and a person decides. Ownership changes only when the source holds no key of the slot.
"""

from __future__ import annotations

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import FinishSlot
from ..model.secret import Secret
from ..ports import Command, Reply, ReplyError, Transport

BATCH = 100
"""Keys moved by one MIGRATE."""
TIMEOUT = 30.0
"""Seconds that one batch may take."""
ROUNDS = 100_000
"""Batches after which a slot that never empties is given up."""


def finish_slot(step: FinishSlot, transport: Transport, password: Secret | None) -> Silence | str | None:
    """Move the rest of the slot and give it to its target; the reason where that can't be done."""
    problem = _mark(step, transport)
    if problem:
        return problem
    for _ in range(ROUNDS):
        keys = _one(step, transport, ("CLUSTER", "GETKEYSINSLOT", step.slot, BATCH))
        if isinstance(keys, Silence | str):
            return keys
        if not isinstance(keys, list) or not keys:
            break
        moved = _one(step, transport, _migrate(step, keys, password))
        if isinstance(moved, Silence | str):
            return moved
    else:
        return f"slot {step.slot} was not empty after {ROUNDS:,} batches of {BATCH} keys"
    return _hand_over(step, transport)


def _mark(step: FinishSlot, transport: Transport) -> Silence | str | None:
    """Mark both ends, target first; an end that owns the slot already, or owns it no more, needs no mark."""
    marks: tuple[tuple[Endpoint, Command, str], ...] = (
        (step.target, ("CLUSTER", "SETSLOT", step.slot, "IMPORTING", step.node_id), "already the owner"),
        (step.node, ("CLUSTER", "SETSLOT", step.slot, "MIGRATING", step.target_id), "not the owner"),
    )
    for node, command, needless in marks:
        answer = transport.ask({node: [command]}, timeout=TIMEOUT)[node]
        if isinstance(answer, Silence):
            return answer
        if isinstance(answer[0], ReplyError) and needless not in answer[0].message:
            return answer[0].message
    return None


def _hand_over(step: FinishSlot, transport: Transport) -> Silence | str | None:
    """Target first: it then owns the slot with the newer epoch, and a crash in between leaves no slot without an owner."""
    setslot: Command = ("CLUSTER", "SETSLOT", step.slot, "NODE", step.target_id)
    for node in (step.target, step.node):
        answer = transport.ask({node: [setslot]}, timeout=TIMEOUT)[node]
        if isinstance(answer, Silence):
            return answer
        if isinstance(answer[0], ReplyError):
            return answer[0].message
    return None


def _migrate(step: FinishSlot, keys: list[Reply], password: Secret | None) -> Command:
    auth: tuple[str | Secret, ...] = ("AUTH2", "default", password) if password else ()
    names = [key for key in keys if isinstance(key, bytes)]
    limit = int(TIMEOUT * 1000)
    return ("MIGRATE", step.target_address, step.target.port, "", 0, limit, *auth, "KEYS", *names)


def _one(step: FinishSlot, transport: Transport, command: Command) -> Reply | Silence | str:
    """The reply of the source, the silence in its place, or its error as text."""
    answer = transport.ask({step.node: [command]}, timeout=TIMEOUT + 5)[step.node]
    if isinstance(answer, Silence):
        return answer
    reply = answer[0]
    return reply.message if isinstance(reply, ReplyError) else reply

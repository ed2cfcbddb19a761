"""Finishes the move of one slot that somebody else began. Moving slots on purpose is not done here.

Both ends are marked before the first key goes: a source that is not marked goes on taking new keys, which would be deleted
when the target takes the slot over. MIGRATE without REPLACE and without COPY: a key that exists on both ends is refused by
the target, the slot stays open, and a person decides; unless both have the same value, as a MIGRATE leaves behind that timed
out and was carried out all the same. Ownership changes only when the source holds no key of the slot.
"""

from __future__ import annotations

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import FinishSlot
from ..model.secret import Secret
from ..ports import Command, Reply, ReplyError, Transport
from .migrating import Failure
from .single_keys import ASK_TIMEOUT, MIGRATE_MS, of_one_key, on_both_ends, patience, same_value, shown, too_slow

BATCH = 100
"""Keys moved by one MIGRATE."""
TIMEOUT = 90.0
"""Seconds for one exchange."""
ROUNDS = 100_000
"""Batches after which a slot that never empties is given up."""


def finish_slot(step: FinishSlot, transport: Transport, password: Secret | None) -> Failure | None:
    """Move the rest of the slot and give it to its target; the reason where that can't be done.

    Final is what is wrong with a key. What a server says of its part in the cluster or of its replicas may pass.
    """
    problem = _mark(step, transport)
    if problem:
        return problem
    for _ in range(ROUNDS):
        keys = _one(step.node, transport, ("CLUSTER", "GETKEYSINSLOT", step.slot, BATCH))
        if isinstance(keys, Failure):
            return keys
        if not isinstance(keys, list) or not keys:
            break
        names = [key for key in keys if isinstance(key, bytes)]
        moved = _one(step.node, transport, _migrate(step, names, password, limit=MIGRATE_MS))
        if isinstance(moved, Failure) and of_one_key(moved.message):
            moved = _one_by_one(step, names, transport, password)
        if isinstance(moved, Failure):
            return moved
    else:
        return Failure(f"slot {step.slot} was not empty after {ROUNDS:,} batches of {BATCH} keys", final=True)
    return _hand_over(step, transport)


def _mark(step: FinishSlot, transport: Transport) -> Failure | None:
    """Mark both ends, target first; an end that owns the slot already, or owns it no more, needs no mark."""
    marks: tuple[tuple[Endpoint, Command, str], ...] = (
        (step.target, ("CLUSTER", "SETSLOT", step.slot, "IMPORTING", step.node_id), "already the owner"),
        (step.node, ("CLUSTER", "SETSLOT", step.slot, "MIGRATING", step.target_id), "not the owner"),
    )
    for node, command, needless in marks:
        answer = _one(node, transport, command)
        if isinstance(answer, Failure) and needless not in answer.message:
            return answer
    return None


def _hand_over(step: FinishSlot, transport: Transport) -> Failure | None:
    """Target first: it then owns the slot with the newer epoch, and a crash in between leaves no slot without an owner."""
    setslot: Command = ("CLUSTER", "SETSLOT", step.slot, "NODE", step.target_id)
    for node in (step.target, step.node):
        answer = _one(node, transport, setslot)
        if isinstance(answer, Failure):
            return answer
    return None


def _one_by_one(step: FinishSlot, names: list[bytes], transport: Transport, password: Secret | None) -> Failure | None:
    """Each key alone, so that the one that can't be moved is named."""
    told = _one(step.node, transport, ASK_TIMEOUT)
    if isinstance(told, Failure):
        return told
    limit = patience(told)
    for name in names:
        moved = _one(step.node, transport, _migrate(step, [name], password, limit=limit))
        if isinstance(moved, Failure) and on_both_ends(moved.message):
            if not _same(step, name, transport):
                ends = f"both {step.node} and {step.target}"
                why = f"slot {step.slot}: key {shown(name)} is on {ends}, with different values: {moved.message}"
                return Failure(why, final=True)
            moved = _one(step.node, transport, _migrate(step, [name], password, limit=limit, again=True))
        if isinstance(moved, Failure) and of_one_key(moved.message):
            return Failure(f"slot {step.slot}: key {too_slow(name, limit, moved.message)}", final=True)
        if isinstance(moved, Failure):
            return moved
    return None


def _same(step: FinishSlot, name: bytes, transport: Transport) -> bool:
    """Whether both ends have the same value of the key."""
    dump: Command = ("DUMP", name)
    answers = transport.ask({step.node: [dump], step.target: [("ASKING",), dump]}, timeout=TIMEOUT)
    ours, theirs = answers[step.node], answers[step.target]
    return not isinstance(ours, Silence) and not isinstance(theirs, Silence) and same_value(ours[0], theirs[-1])


def _migrate(
    step: FinishSlot, names: list[bytes], password: Secret | None, *, limit: int, again: bool = False
) -> Command:
    auth: tuple[str | Secret, ...] = ("AUTH2", "default", password) if password else ()
    replace = ("REPLACE",) if again else ()
    return ("MIGRATE", step.target_address, step.target.port, "", 0, limit, *replace, *auth, "KEYS", *names)


def _one(node: Endpoint, transport: Transport, command: Command) -> Reply | Failure:
    """The reply of the node, or why there is none."""
    answer = transport.ask({node: [command]}, timeout=TIMEOUT)[node]
    if isinstance(answer, Silence):
        return Failure(f"{answer.reason}: {answer.detail}")
    reply = answer[0]
    return Failure(reply.message) if isinstance(reply, ReplyError) else reply

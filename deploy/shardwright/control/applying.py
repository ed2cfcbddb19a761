"""`apply`: sends the steps of one phase, one pipeline a node, all nodes at once.

A reply that never came is not an error here but an unknown: the caller looks again, and what was not done is planned
again. Nothing is ever repeated unseen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.commands import commands
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import CloseSlot, FinishSlot, Forget, MigrateSlots, Phase, Restart, Step
from ..model.progress import Progress
from ..model.secret import Secret
from ..ports import Answer, Clock, Command, ReplyError, Transport, Unordered
from .migrating import migrate
from .moving import finish_slot

TIMEOUT = 10.0
"""Seconds that one node has for the steps of one phase."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the server refused, or whose reply never came, or that ended early for a reason that passes (`lost`)."""

    step: Step
    message: str
    lost: bool = False


def send(
    phase: Phase,
    transport: Transport,
    password: Secret | None,
    *,
    clock: Clock,
    progress: Progress,
    primaries: Sequence[Endpoint] = (),
    bytes_per_second: float | None = None,
) -> tuple[Refusal, ...]:
    """Carry out the steps of `phase` that servers do; gives those that were refused or stayed without a reply.

    Args:
        phase: what to do.
        transport: to all nodes.
        password: that sources of slot moves log in with at their targets.
        clock: for the waits of slot moves.
        progress: hears how slot moves get on.
        primaries: whom to tell of slots that have moved.
        bytes_per_second: limit of what slot moves send, all together.
    """
    plain = [step for step in phase.steps if not isinstance(step, FinishSlot | MigrateSlots | Restart)]
    moves = [step for step in phase.steps if isinstance(step, FinishSlot)]
    refusals = _send_plain(plain, transport)
    for move in moves:
        if problem := finish_slot(move, transport, password):
            refusals.append(Refusal(move, problem.message, lost=not problem.final))
    migrations = [step for step in phase.steps if isinstance(step, MigrateSlots)]
    failed = migrate(
        migrations, transport, clock, password, progress, primaries=primaries, bytes_per_second=bytes_per_second
    )
    refusals += [Refusal(step, why.message, lost=not why.final) for step, why in failed.items()]
    return tuple(refusals)


def _send_plain(steps: Sequence[Step], transport: Transport) -> list[Refusal]:
    by_node: dict[Endpoint, list[tuple[Step, Command]]] = defaultdict(list)
    for step in steps:
        by_node[step.node] += [(step, command) for command in commands(step)]
    batches = {e: tuple(command for _, command in rows) for e, rows in by_node.items()}
    for e, rows in by_node.items():
        if all(isinstance(step, CloseSlot) for step, _ in rows):
            batches[e] = Unordered(batches[e])
    answers = transport.ask(batches, timeout=TIMEOUT)
    return [refusal for e, rows in by_node.items() for refusal in _refusals([s for s, _ in rows], answers[e])]


def _refusals(steps: Sequence[Step], answer: Answer) -> list[Refusal]:
    if isinstance(answer, Silence):
        return [Refusal(step, f"{answer.reason}: {answer.detail}", lost=True) for step in steps]
    pairs = zip(steps, answer, strict=False)
    refused = [_refusal(step, reply.message) for step, reply in pairs if isinstance(reply, ReplyError)]
    return [
        refusal for refusal in refused if not (isinstance(refusal.step, Forget) and "Unknown node" in refusal.message)
    ]


def _refusal(step: Step, message: str) -> Refusal:
    """Why a mark stays on a slot may pass: a replica that lags, a node that was failed over since our look."""
    return Refusal(step, message, lost=isinstance(step, CloseSlot))

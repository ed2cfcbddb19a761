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
from ..model.plan import FinishSlot, Phase, Step
from ..model.secret import Secret
from ..ports import Answer, Command, ReplyError, Transport
from .moving import finish_slot

TIMEOUT = 10.0
"""Seconds that one node has for the steps of one phase."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the server refused, or whose reply never came (`lost`)."""

    step: Step
    message: str
    lost: bool = False


def send(phase: Phase, transport: Transport, password: Secret | None) -> tuple[Refusal, ...]:
    """Carry out the steps of `phase`; gives those that were refused or stayed without a reply."""
    plain = [step for step in phase.steps if not isinstance(step, FinishSlot)]
    moves = [step for step in phase.steps if isinstance(step, FinishSlot)]
    refusals = _send_plain(plain, transport)
    for move in moves:
        problem = finish_slot(move, transport, password)
        if isinstance(problem, Silence):
            refusals.append(Refusal(move, f"{problem.reason}: {problem.detail}", lost=True))
        elif problem:
            refusals.append(Refusal(move, problem))
    return tuple(refusals)


def _send_plain(steps: Sequence[Step], transport: Transport) -> list[Refusal]:
    by_node: dict[Endpoint, list[tuple[Step, Command]]] = defaultdict(list)
    for step in steps:
        by_node[step.node] += [(step, command) for command in commands(step)]
    answers = transport.ask({e: [command for _, command in rows] for e, rows in by_node.items()}, timeout=TIMEOUT)
    return [refusal for e, rows in by_node.items() for refusal in _refusals([s for s, _ in rows], answers[e])]


def _refusals(steps: Sequence[Step], answer: Answer) -> list[Refusal]:
    if isinstance(answer, Silence):
        return [Refusal(step, f"{answer.reason}: {answer.detail}", lost=True) for step in steps]
    pairs = zip(steps, answer, strict=False)
    return [Refusal(step, reply.message) for step, reply in pairs if isinstance(reply, ReplyError)]

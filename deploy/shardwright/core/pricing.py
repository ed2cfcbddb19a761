"""`price`: what a plan costs, from the plan, the state it was made on, and what was weighed on the servers. Pure.

Knows nothing of how keys are counted. The estimate of time is a sum of the phases' own: they follow one another, and the
moves of one phase go on at once, so that the slowest source decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..model.endpoint import Endpoint
from ..model.observation import Role
from ..model.plan import Failover, FinishSlot, Forget, MigrateSlots, Phase, Plan, Replicate, Step, Until
from ..model.price import PhasePrice, Price
from ..model.slots import SlotSet
from ..model.state import ClusterState
from .rates import ATOMIC, BAN, BY_KEY, COPIED_BYTES, FAILOVER, FOLLOWS, NODE, OTHER, PHASE, RESTART, Rate

_AWAY = ("Reset", "Restart")


@dataclass(frozen=True, slots=True)
class Weight:
    """What one primary holds. `keys` counts those of the slots that were asked for; a slot that is not there was not
    counted. `dataset` is the memory of all its keys, in bytes; None where it was not told."""

    keys: Mapping[int, int]
    bytes_per_key: float | None
    dataset: int | None


def price(
    made: Plan, state: ClusterState, weights: Mapping[Endpoint, Weight], gaps: Mapping[Endpoint, str] | None = None
) -> Price:
    """The price of `made`, phase by phase.

    Args:
        made: the plan.
        state: that it was made on.
        weights: of the primaries that give or are copied; those that are missing could not be weighed.
        gaps: why not.
    """
    copies = _Copies.of(state)
    phases = tuple(_phase(phase, state, weights, copies) for phase in made.phases)
    return Price(phases, tuple(f"{endpoint}: {why}" for endpoint, why in (gaps or {}).items()))


def moving(step: Step) -> SlotSet:
    """The slots that a step moves with their keys."""
    if isinstance(step, MigrateSlots):
        return step.slots
    return SlotSet.of(step.slot) if isinstance(step, FinishSlot) else SlotSet()


def _phase(phase: Phase, state: ClusterState, weights: Mapping[Endpoint, Weight], copies: _Copies) -> PhasePrice:
    kinds = Counter(type(step).__name__ for step in phase.steps)
    moves = [_Move.of(step, weights.get(step.node)) for step in phase.steps if moving(step)]
    taken = [step for step in phase.steps if isinstance(step, Replicate) and copies.is_new(step)]
    datasets = [_dataset(step, state, weights) for step in taken]
    seconds = PHASE.get(phase.until, OTHER) + NODE * len(state.nodes) + _moving_seconds(moves)
    copied = [size for size in datasets if size != 0]
    seconds += max([FOLLOWS + (size or 0) / COPIED_BYTES for size in copied], default=0.0)
    seconds += FAILOVER * bool(kinds["Failover"]) + RESTART * bool(kinds["Restart"])
    seconds += BAN * any(isinstance(step, Forget) for step in phase.steps)
    return PhasePrice(
        slots=sum(len(m.slots) for m in moves),
        keys=_all(m.keys for m in moves),
        bytes=_all(m.bytes for m in moves),
        copies=len(copied),
        copied=_all(iter(datasets)),
        failovers=kinds["Failover"],
        restarts=kinds["Restart"],
        resets=kinds["Reset"],
        in_sync=copies.least_in(phase, moves),
        seconds=round(seconds, 1),
    )


@dataclass(frozen=True, slots=True)
class _Move:
    step: Step
    slots: SlotSet
    target: Endpoint
    rate: Rate
    keys: int | None
    bytes: int | None

    @classmethod
    def of(cls, step: Step, weight: Weight | None) -> _Move:
        assert isinstance(step, MigrateSlots | FinishSlot)
        slots = moving(step)
        rate = ATOMIC if isinstance(step, MigrateSlots) and step.atomic else BY_KEY
        counts = [weight.keys.get(slot) for slot in slots] if weight is not None else [None]
        keys = _all(iter(counts))
        each = weight.bytes_per_key if weight is not None else None
        size = None if keys is None or (keys and each is None) else round(keys * (each or 0.0))
        return cls(step, slots, step.target, rate, keys, size)


def _moving_seconds(moves: list[_Move]) -> float:
    lanes: Counter[Endpoint] = Counter()
    for move in moves:
        rate = move.rate
        seconds = len(move.slots) / rate.slots + (move.keys or 0) / rate.keys + (move.bytes or 0) / rate.bytes
        lanes[move.step.node] += seconds  # type: ignore[assignment]
    return float(max(lanes.values(), default=0.0))


def _dataset(step: Replicate, state: ClusterState, weights: Mapping[Endpoint, Weight]) -> int | None:
    primary = state.nodes.get(step.primary)
    if primary is not None and not primary.view.keys:
        return 0
    weight = weights.get(step.primary)
    return weight.dataset if weight is not None else None


def _all(counts: Iterator[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


@dataclass
class _Copies:
    """Who follows whom and is in step, carried from phase to phase; `holding` are the primaries with keys.

    Only shards that hold keys count: of the others nothing can be lost.
    """

    follows: dict[Endpoint, Endpoint] = field(default_factory=dict)
    slots: dict[Endpoint, SlotSet] = field(default_factory=dict)
    holding: set[Endpoint] = field(default_factory=set)

    @classmethod
    def of(cls, state: ClusterState) -> _Copies:
        made, ids = cls(), state.by_id
        for endpoint, node in state.nodes.items():
            view = node.view
            if node.role is Role.PRIMARY:
                made.slots[endpoint] = node.slots
                made.holding |= {endpoint} if view.keys and node.slots else set()
            elif view.primary_link_up and not view.syncing and node.primary_id in ids:
                made.follows[endpoint] = ids[node.primary_id].endpoint
        return made

    def is_new(self, step: Replicate) -> bool:
        """Whether the replica has to take a whole copy."""
        return self.follows.get(step.node) != step.primary

    def least_in(self, phase: Phase, moves: list[_Move]) -> int | None:
        """The least number of copies that are in step while `phase` goes on; then takes in what the phase does."""
        away = {step.node for step in phase.steps if type(step).__name__ in _AWAY or isinstance(step, Failover)}
        away |= {step.node for step in phase.steps if isinstance(step, Replicate) and self.is_new(step)}
        during = self._least(away)
        self._take_in(phase, moves)
        after = self._least(set()) if phase.until in (Until.MOVED, Until.CLOSED) else during
        return min((count for count in (during, after) if count is not None), default=None)

    def _least(self, away: set[Endpoint]) -> int | None:
        counts = Counter(primary for node, primary in self.follows.items() if node not in away)
        return min((counts[primary] for primary in self.holding), default=None)

    def _take_in(self, phase: Phase, moves: list[_Move]) -> None:
        for step in phase.steps:
            if isinstance(step, Replicate):
                self.follows[step.node] = step.primary
            elif isinstance(step, Failover):
                self._hand_over(step)
            elif type(step).__name__ == "Reset":
                self.follows.pop(step.node, None)
                self.holding.discard(step.node)
        for move in moves:
            left = self.slots.get(move.step.node, SlotSet()) - move.slots
            self.slots[move.step.node] = left
            self.slots[move.target] = self.slots.get(move.target, SlotSet()) | move.slots
            if not left:
                self.holding.discard(move.step.node)
            if move.keys is None or move.keys:
                self.holding.add(move.target)

    def _hand_over(self, step: Failover) -> None:
        self.follows = {n: step.node if p == step.primary else p for n, p in self.follows.items() if n != step.node}
        self.follows[step.primary] = step.node
        self.slots[step.node] = self.slots.pop(step.primary, SlotSet())
        if step.primary in self.holding:
            self.holding = (self.holding - {step.primary}) | {step.node}

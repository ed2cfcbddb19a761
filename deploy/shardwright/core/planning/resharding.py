"""Moves slots until every shard owns its quota: the phase between replicas and settings.

Why here: whoever is to own more has its replicas by then, so that no slot is ever without the copies that the spec asks for;
and the picture is agreed, since a slot must not move while two nodes think differently of it.

Why not on every difference: a shard that is off its quota by a few slots serves as well as any other, and moving them costs
every client a redirection. So slots move only where a shard is off by more than `TOLERANCE`, owns none, or must be drained;
then all shards come to their exact quotas at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...engines.product import Capability
from ...errors import PlanError
from ...model.endpoint import Endpoint
from ...model.plan import Hazard, MigrateSlots, Phase, Until
from ...model.slots import SLOT_COUNT, SlotSet
from ...model.state import ClusterState
from ...model.topology import Topology
from ..abilities import able
from ..verification.memory import memory_limit
from .assigning import Assignment
from .moving import Move, moves

TOLERANCE = 0.02
"""Share of its quota by which a shard may be off before slots move."""
FULL = 0.8
"""Share of a target's `maxmemory` that may be in use after a move."""


def move_phase(
    topology: Topology, state: ClusterState, assignment: Assignment, arriving: Mapping[Endpoint, SlotSet]
) -> tuple[Phase | None, tuple[Hazard, ...]]:
    """The moves, and the hazard that they are most of the cluster; no phase where every shard is near its quota.

    Args:
        topology: what should be.
        state: what is.
        assignment: primaries, and slots that they are given before.
        arriving: slots that the closing of open slots hands over before.

    Raises:
        PlanError: ``target-lacks-memory``.
    """
    owned = _owned(state, assignment, arriving)
    quotas = {assignment.primary_of(shard).endpoint: shard.quota for shard in topology.shards}
    order = [*quotas, *sorted(e for e, slots in owned.items() if slots and e not in quotas)]
    if not _worth_it(owned, quotas):
        return None, ()
    found = moves(order, owned, quotas)
    _room(found, state)
    steps = tuple(_step(move, state) for move in found)
    phase = Phase("move slots", steps, Until.MOVED, 60.0 + len(state.nodes))
    return phase, tuple(_hazards(found, topology))


def agree_phase(state: ClusterState, move: Phase) -> Phase | None:
    """Waits until all nodes have one picture of a healthy cluster; none where they have, and the ends of `move` say ok. One
    that was just started takes no keys for some seconds."""
    ends = {end for step in move.steps if isinstance(step, MigrateSlots) for end in (step.node, step.target)}
    calm = state.agreed and all(state.nodes[end].view.cluster_ok for end in ends)
    return None if calm else Phase("come together", (), Until.WHOLE, 60.0 + len(state.nodes))


def _owned(
    state: ClusterState, assignment: Assignment, arriving: Mapping[Endpoint, SlotSet]
) -> dict[Endpoint, SlotSet]:
    """What each node owns once the phases before are done."""
    handed = SlotSet()
    for slots in arriving.values():
        handed |= slots
    return {
        e: (node.slots - handed) | arriving.get(e, SlotSet()) | assignment.slots.get(e, SlotSet())
        for e, node in state.nodes.items()
    }


def _worth_it(owned: Mapping[Endpoint, SlotSet], quotas: Mapping[Endpoint, int]) -> bool:
    for endpoint, slots in owned.items():
        quota = quotas.get(endpoint, 0)
        if abs(len(slots) - quota) > quota * TOLERANCE or (quota and not slots):
            return True
    return False


def _step(move: Move, state: ClusterState) -> MigrateSlots:
    source, target = state.nodes[move[0]], state.nodes[move[1]]
    atomic = all(able(end.view, Capability.ATOMIC_SLOT_MIGRATION) for end in (source, target))
    return MigrateSlots(move[0], source.id, move[1], target.id, target.view.address, move[2], atomic)


def _hazards(found: Sequence[Move], topology: Topology) -> Iterator[Hazard]:
    total = sum(len(slots) for _, _, slots in found)
    if total * 2 > SLOT_COUNT:
        yield Hazard(
            "moves-most-slots",
            topology.name,
            f"{total:,} of {SLOT_COUNT:,} slots would move, with their keys, between {len(found)} pairs of nodes",
        )


def _room(found: Sequence[Move], state: ClusterState) -> None:
    """Refuse a target that would be fuller than `FULL`; sizes are the sources' memory by their share of slots."""
    coming: dict[Endpoint, float] = {}
    for source, target, slots in found:
        node = state.nodes[source]
        size = node.view.memory_used * len(slots) / max(1, len(node.slots)) if node.view.keys else 0.0
        coming[target] = coming.get(target, 0.0) + size
    for target, size in coming.items():
        view = state.nodes[target].view
        limit = memory_limit(view)
        if size and limit and view.memory_used + size > limit * FULL:
            raise PlanError(
                "target-lacks-memory",
                f"{target} would hold about {(view.memory_used + size) / 2**20:,.0f} MiB after the move "
                f"({view.memory_used / 2**20:,.0f} now, {size / 2**20:,.0f} coming); {FULL:.0%} of its maxmemory are "
                f"{limit * FULL / 2**20:,.0f} MiB",
                hint="raise maxmemory in cluster.yml (it is set live), or add shards; then run again",
            )

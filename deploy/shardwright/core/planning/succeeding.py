"""Lets the source of a move by key follow its successor, whatever else it loses meanwhile.

A deploy forbids servers to move replicas by themselves (`cluster-allow-replica-migration no`), and with that a Redis primary
that is failed over follows its successor only if that claims exactly what it owned. While it hands slots over, the target of
the move may take some at the same moment: then the source stays behind as a primary, deletes the keys of what it lost, or
ends itself over that (8.0). With `yes`, it follows whoever takes its last slot. So sources get that while they give.

Not those that give everything away: whoever takes their last slot is no successor, and they would copy all that it has.
Newer Valkey follows within its shard anyway.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...engines.product import Capability
from ...model.endpoint import Endpoint
from ...model.plan import Configure, FinishSlot, MigrateSlots, Phase, Until, steps_of
from ...model.slots import SlotSet
from ...model.state import ClusterState, NodeState
from ..abilities import able

SETTING = "cluster-allow-replica-migration"


def succeed_phase(state: ClusterState, moving: Iterable[Phase | None]) -> Phase | None:
    """Before the phases that move slots: their sources by key that keep some."""
    given: dict[Endpoint, SlotSet] = {}
    for step in steps_of(moving):
        if isinstance(step, FinishSlot):
            given[step.node] = given.get(step.node, SlotSet()) | SlotSet.of(step.slot)
        elif isinstance(step, MigrateSlots) and not step.atomic:
            given[step.node] = given.get(step.node, SlotSet()) | step.slots
    steps = tuple(
        Configure(source, SETTING, "yes", temporary=True)
        for source, slots in sorted(given.items())
        if state.nodes[source].slots - slots and _stays_behind(state.nodes[source])
    )
    return Phase("let sources follow", steps, Until.CONFIGURED, 30.0) if steps else None


def _stays_behind(node: NodeState) -> bool:
    return node.view.settings.get(SETTING) == "no" and not able(node.view, Capability.FOLLOWS_IN_SHARD)

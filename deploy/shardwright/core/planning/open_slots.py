"""Slots that somebody left marked as moving.

The rule, and why it never drops a key: keys of the slot are counted on all primaries. Where another end holds some besides
the owner, the move is finished in its own direction, key by key without REPLACE, so that a key on both ends stops the step
instead of overwriting one. So it is where both ends are marked: clients are sent to the target with every new key then, and
one may arrive there between our count and our step. Else the marks come off and the owner keeps the slot: nothing had moved,
and nobody is sent away. Where a primary that has no part in the move holds keys, or more than one end besides the owner, a
person decides.
"""

from __future__ import annotations

from ...errors import PlanError
from ...model.endpoint import Endpoint, NodeId
from ...model.observation import Role
from ...model.plan import CloseSlot, FinishSlot, Phase, Step, Until
from ...model.slots import SlotSet
from ...model.state import ClusterState, OpenSlot


def open_slots_phase(state: ClusterState) -> Phase | None:
    """Closes every open slot; none where no slot is open.

    Raises:
        PlanError: ``stray-keys`` (keys of an open slot lie where its move does not explain them).
    """
    steps = tuple(step for slot in state.open_slots for step in _close(slot, state))
    return Phase("close open slots", steps, Until.CLOSED, 60.0 + len(steps)) if steps else None


def arriving(phase: Phase | None) -> dict[Endpoint, SlotSet]:
    """The slots that each target owns after the phase."""
    found: dict[Endpoint, SlotSet] = {}
    for step in phase.steps if phase is not None else ():
        if isinstance(step, FinishSlot):
            found[step.target] = found.get(step.target, SlotSet()) | SlotSet.of(step.slot)
    return found


def _close(slot: OpenSlot, state: ClusterState) -> tuple[Step, ...]:
    owner = next((e for e, node in state.nodes.items() if slot.slot in node.slots), None)
    elsewhere = [e for e, node in state.nodes.items() if e != owner and node.view.stray.get(slot.slot)]
    if not elsewhere and (ends := _under_way(slot.slot, owner, state)):
        return (_finish(slot.slot, *ends, state), *(CloseSlot(e, slot.slot) for e in slot.marked if e not in ends))
    if not elsewhere:
        return tuple(CloseSlot(end, slot.slot) for end in slot.marked)
    ends = _move(slot, owner, elsewhere, state)
    if ends is None:
        return tuple(CloseSlot(end, slot.slot) for end in slot.marked)
    source, target = ends
    others = (CloseSlot(end, slot.slot) for end in slot.marked if end not in ends)
    return (_finish(slot.slot, source, target, state), *others)


def _under_way(slot: int, owner: Endpoint | None, state: ClusterState) -> tuple[Endpoint, Endpoint] | None:
    """Source and target where the owner sends clients to a primary that takes them in; else nothing."""
    if owner is None:
        return None
    source = state.nodes[owner]
    target = state.by_id.get(dict(source.view.myself.migrating).get(slot, NodeId("")))
    if target is None or target.role is not Role.PRIMARY:
        return None
    return (owner, target.endpoint) if (slot, source.id) in target.view.myself.importing else None


def _move(
    slot: OpenSlot, owner: Endpoint | None, elsewhere: list[Endpoint], state: ClusterState
) -> tuple[Endpoint, Endpoint] | None:
    """Source and target of the move to finish; None where the only holder is to be the owner anyway."""
    holders = [e for e, node in state.nodes.items() if node.view.stray.get(slot.slot)]
    if owner is None:
        if len(holders) == 1:
            return None
        if slot.source is not None and slot.target is not None and set(holders) == {slot.source, slot.target}:
            return slot.source, slot.target
        raise _stray(slot, owner, state)
    if len(elsewhere) > 1 or (elsewhere[0] not in slot.marked and elsewhere[0] != slot.target):
        raise _stray(slot, owner, state)
    holder = elsewhere[0]
    leaves = any(s == slot.slot for s, _ in state.nodes[holder].view.myself.migrating)
    return (holder, owner) if leaves else (owner, holder)


def _finish(slot: int, source: Endpoint, target: Endpoint, state: ClusterState) -> FinishSlot:
    start, end = state.nodes[source], state.nodes[target]
    return FinishSlot(source, start.id, slot, target, end.id, end.view.address)


def _stray(slot: OpenSlot, owner: Endpoint | None, state: ClusterState) -> PlanError:
    held = ", ".join(
        f"{e} holds {n.view.stray[slot.slot]:,}" for e, n in state.nodes.items() if slot.slot in n.view.stray
    )
    return PlanError(
        "stray-keys",
        f"slot {slot.slot} is marked as moving, is owned by {owner or 'nobody'}, and its keys lie where the move does not "
        f"explain them: {held} keys",
        hint="compare the keys with CLUSTER GETKEYSINSLOT on each; move or delete what is wrong, then run again",
    )

"""Slots that somebody left marked as moving.

The rule, and why it never drops a key: keys of the slot are counted on both ends. Where the target holds none, the marks
come off and the source keeps the slot: nothing had moved. Where it holds some, the move is finished in its own direction,
key by key without REPLACE, so that a key on both ends stops the step instead of overwriting one. A mark whose other end is
gone comes off, since the owner holds what there is.
"""

from __future__ import annotations

from ...model.plan import CloseSlot, FinishSlot, Phase, Step, Until
from ...model.state import ClusterState, OpenSlot


def open_slots_phase(state: ClusterState) -> Phase | None:
    """Closes every open slot; none where no slot is open."""
    steps = tuple(step for slot in state.open_slots for step in _close(slot, state))
    return Phase("close open slots", steps, Until.CLOSED, 60.0 + len(steps)) if steps else None


def _close(slot: OpenSlot, state: ClusterState) -> tuple[Step, ...]:
    source, target = slot.source, slot.target
    if source is not None and target is not None and source in state.nodes and target in state.nodes:
        held = state.nodes[target].view.stray.get(slot.slot, 0)
        if held or slot.slot in state.nodes[target].slots:
            end = state.nodes[target]
            return (FinishSlot(source, slot.slot, target, end.id, end.view.address),)
    return tuple(
        CloseSlot(end, slot.slot) for end in (source, target) if end is not None and _marked(state, end, slot.slot)
    )


def _marked(state: ClusterState, end: object, slot: int) -> bool:
    for endpoint, node in state.nodes.items():
        if endpoint == end:
            mine = node.view.myself
            return any(s == slot for s, _ in (*mine.migrating, *mine.importing))
    return False

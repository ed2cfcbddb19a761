"""Shards that are gone as a whole: their slots are taken from the dead owner, so that living shards can serve them, empty.

Needs consent by name, since it is what makes the loss final: if the dead owner came back later, it would find its slots with
others and delete its keys. A shard of which any of our nodes has a copy is never given up.
"""

from __future__ import annotations

from dataclasses import replace

from ...model.plan import Forget, Hazard, Phase, Until
from ...model.slots import SLOT_COUNT
from ...model.state import ClusterState
from .refusing import lost_owners


def give_up_phase(state: ClusterState) -> tuple[Phase | None, tuple[Hazard, ...], ClusterState]:
    """Forgets the lost owners; gives also the state as it is after that, in which their slots have no owner."""
    lost = lost_owners(state)
    if not lost:
        return None, (), state
    steps = tuple(Forget(endpoint, owner.id) for owner in lost for endpoint in owner.known_by)
    hazards = tuple(
        Hazard(
            "loses-shard",
            f"{owner.address or 'no address'}:{owner.port}",
            f"{len(owner.slots):,} of {SLOT_COUNT:,} slots ({owner.slots}) were held by {owner.id[:8]} at "
            f"{owner.address or 'an unknown address'}:{owner.port}; it is failed, no node of cluster.yml has a copy, and "
            "all keys in them are lost if it is given up (start it again with its data if it still exists)",
        )
        for owner in lost
    )
    gone = {owner.id for owner in lost}
    rest = replace(state, strangers=tuple(s for s in state.strangers if s.id not in gone))
    return Phase("give up", steps, Until.FORGOTTEN, 30.0), hazards, rest

"""Which observed node is the primary of each shard, and which slots without an owner go to whom.

Membership is desired, the primary is observed: whoever owns slots stays the owner. Ranges are chosen only for slots that
nobody owns, and fill each shard up to its quota in the order of the shards, so that fresh shards get contiguous ranges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...errors import PlanError
from ...model.endpoint import Endpoint
from ...model.observation import Role
from ...model.slots import SlotSet
from ...model.state import ClusterState
from ...model.topology import Node, Shard, Topology
from ..draining import leader_in


@dataclass(frozen=True, slots=True)
class Assignment:
    """The primary of each shard (by shard name) and the slots that each primary is to be given (by endpoint)."""

    primaries: Mapping[str, Node]
    slots: Mapping[Endpoint, SlotSet]

    def primary_of(self, shard: Shard) -> Node:
        """The primary that the shard has or is to get."""
        return self.primaries[shard.name]


def assign(
    topology: Topology, state: ClusterState, arriving: Mapping[Endpoint, SlotSet] = MappingProxyType({})
) -> Assignment:
    """Primaries and slots for `topology` on what `state` shows.

    Args:
        topology: what should be.
        state: what is.
        arriving: slots that an earlier phase of the same plan gives to an endpoint.

    Raises:
        PlanError: ``stray-keys`` (keys in ownerless slots that no single primary can take over).
    """
    primaries = {shard.name: _primary(shard, state) for shard in topology.shards}
    return Assignment(primaries, _share_out(topology, state, primaries, arriving))


def _primary(shard: Shard, state: ClusterState) -> Node:
    """Who leads the shard; a shard whose members all replicate others is given a primary by a reset before."""
    leader = leader_in(shard, state)
    return next((node for node in shard.members if node.endpoint == leader), shard.primary)


def _share_out(
    topology: Topology,
    state: ClusterState,
    primaries: Mapping[str, Node],
    arriving: Mapping[Endpoint, SlotSet],
) -> dict[Endpoint, SlotSet]:
    free = state.uncovered
    handed = SlotSet()
    for slots in arriving.values():
        handed |= slots
    free -= handed
    owned = {e: (node.slots - handed) | arriving.get(e, SlotSet()) for e, node in state.nodes.items()}
    shares: dict[Endpoint, SlotSet] = {}
    ours = {node.endpoint for node in primaries.values()}
    for endpoint, slots in (*_kept_keys(state, free, ours), *_given_up(state, ours)):
        back = slots & free
        free -= back
        if back:
            shares[endpoint] = shares.get(endpoint, SlotSet()) | back
    for shard in topology.shards:
        endpoint = primaries[shard.name].endpoint
        mine = owned[endpoint] | shares.get(endpoint, SlotSet())
        share = free.take(max(0, shard.quota - len(mine)))
        if share:
            shares[endpoint] = shares.get(endpoint, SlotSet()) | share
            free -= share
    return shares


def _kept_keys(state: ClusterState, free: SlotSet, ours: Collection[Endpoint]) -> Iterator[tuple[Endpoint, SlotSet]]:
    """Slots without an owner go to the primary that holds keys of them."""
    for slot, endpoint in _holders(state, free).items():
        if endpoint not in ours:
            raise PlanError(
                "stray-keys",
                f"slot {slot} has no owner, and {endpoint}, which holds keys of it, is not a primary of this topology",
                hint="make that node a primary again, or move those keys by hand, then run again",
            )
        yield endpoint, SlotSet.of(slot)


def _given_up(state: ClusterState, ours: Collection[Endpoint]) -> Iterator[tuple[Endpoint, SlotSet]]:
    """Slots that peers still list as a primary's, which it does not own any more: others could not take them, since the
    servers refuse a slot that they know to be another's."""
    owned = {n.id: (n.endpoint, n.slots) for n in reversed([*state.nodes.values()]) if n.endpoint in ours}
    for node in state.nodes.values():
        for peer in node.view.peers:
            if peer.slots and peer.id in owned and peer.slots != owned[peer.id][1]:
                yield owned[peer.id][0], peer.slots - owned[peer.id][1]


def _holders(state: ClusterState, free: SlotSet) -> dict[int, Endpoint]:
    """The primary that holds keys of a slot without an owner, by slot."""
    found: dict[int, Endpoint] = {}
    for endpoint, node in state.nodes.items():
        if node.role is not Role.PRIMARY:
            continue
        for slot, count in node.view.stray.items():
            if not count or slot not in free:
                continue
            if slot in found:
                raise PlanError(
                    "stray-keys",
                    f"slot {slot} has no owner, and both {found[slot]} and {endpoint} hold keys of it",
                    hint="compare the keys on both (CLUSTER GETKEYSINSLOT), delete the wrong ones, then run again",
                )
            found[slot] = endpoint
    return found

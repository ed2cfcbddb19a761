"""Which nodes give all their slots away: owners that lead no shard of the topology. Pure; plans nothing.

Of several owners in one shard the one with the most slots leads it, as in `fit`: a replica may have taken over since, and
left the former primary those that came to it in that moment.
"""

from __future__ import annotations

from operator import itemgetter

from ..model.endpoint import Endpoint
from ..model.observation import Role
from ..model.state import ClusterState
from ..model.topology import Shard, Topology


def owner_in(shard: Shard, state: ClusterState) -> Endpoint | None:
    """The member that owns the shard's slots, or the most of them; none where no member owns any."""
    seen = [(n.endpoint, len(state.nodes[n.endpoint].slots)) for n in shard.members if n.endpoint in state.nodes]
    endpoint, slots = max(seen, key=itemgetter(1), default=(None, 0))
    return endpoint if slots else None


def leader_in(shard: Shard, state: ClusterState) -> Endpoint | None:
    """The owner, or the primary that is to become it; none where all members replicate others."""
    primaries = [n.endpoint for n in shard.members if _leads(n.endpoint, state)]
    holding = (e for e in primaries if state.nodes[e].view.stray)
    return owner_in(shard, state) or next(holding, None) or next(iter(primaries), None)


def drained(topology: Topology, state: ClusterState) -> frozenset[Endpoint]:
    """Members of the cluster that own slots and are to own none."""
    staying = {owner_in(shard, state) for shard in topology.shards}
    return frozenset(e for e, node in state.nodes.items() if node.slots and e not in staying)


def awaiting_drain(topology: Topology, state: ClusterState) -> frozenset[Endpoint]:
    """Nodes that can take their places only after a drain: those that are drained, and their replicas, which stay the
    copies of what has not moved yet."""
    leaving = drained(topology, state)
    ids = {state.nodes[e].id for e in leaving}
    return leaving | {e for e, node in state.nodes.items() if node.primary_id in ids}


def _leads(endpoint: Endpoint, state: ClusterState) -> bool:
    return endpoint in state.nodes and state.nodes[endpoint].role is Role.PRIMARY

"""Gives primaries back where one failure domain leads half of the shards or more, or evenly where that was asked for.

A failover is not drift, and who leads is left alone, but for this: the loss of such a domain would leave no majority to
elect. Each handover is a manual failover to a replica that is linked and in step, which refuses writes of its shard for
some milliseconds and loses nothing; it is planned only on a cluster that is whole. After a rolling restart, by which
primaries change hands anyway, it is planned on who leads then: before, it would hand back what is yet to be restarted.

One failover a phase: replicas that ask for votes at the same time take them from one another, and a cluster that does not
become whole again after the first is no place for the second.
"""

from __future__ import annotations

from ...model.plan import Failover, Phase, Until
from ...model.state import ClusterState
from ...model.topology import Node, Shard, Topology
from ..electing import failover_limit
from ..leading_evenly import even_handovers
from ..losses import handovers
from .rolling import Roll


def lead_phases(topology: Topology, state: ClusterState, rolled: Roll) -> tuple[Phase, ...]:
    """The failovers after which no domain leads too many shards, or each as many as the others where the topology says so;
    none where there is nothing to gain, or nothing can be done."""
    leading = rolled.leading
    able = {
        shard.name: [n for n in shard.members if n != leading[shard.name]]
        if rolled.phases
        else _able(shard, state, leading[shard.name])
        for shard in topology.shards
    }
    limit = failover_limit(topology)
    found = (even_handovers if topology.even_primaries else handovers)(topology, leading, able)
    return tuple(
        Phase("hand over", (Failover(node.endpoint, leading[name].endpoint),), Until.LED, limit) for name, node in found
    )


def _able(shard: Shard, state: ClusterState, primary: Node) -> list[Node]:
    """Replicas of the primary that are linked and not copying; a node that is only to become one is not."""
    primary_id = state.nodes[primary.endpoint].id
    seen = [(node, state.nodes[node.endpoint]) for node in shard.members if node != primary]
    return [n for n, s in seen if s.primary_id == primary_id and s.view.primary_link_up and not s.view.syncing]

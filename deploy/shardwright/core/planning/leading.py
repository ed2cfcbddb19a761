"""Gives primaries back where one failure domain leads half of the shards or more.

A failover is not drift, and who leads is left alone, but for this: the loss of such a domain would leave no majority to
elect. Each handover is a manual failover to a replica that is linked and in step, which refuses writes of its shard for
some milliseconds and loses nothing; it is planned only on a cluster that is whole. After a rolling restart, by which
primaries change hands anyway, it is planned on who leads then: before, it would hand back what is yet to be restarted.
"""

from __future__ import annotations

from ...model.plan import Failover, Phase, Until
from ...model.state import ClusterState
from ...model.topology import Node, Shard, Topology
from ..losses import handovers
from .rolling import Roll


def lead_phase(topology: Topology, state: ClusterState, rolled: Roll) -> Phase | None:
    """The failovers after which no domain leads too many shards; none where none does, or nothing can be done."""
    leading = rolled.leading
    able = {
        shard.name: [n for n in shard.members if n != leading[shard.name]]
        if rolled.phases
        else _able(shard, state, leading[shard.name])
        for shard in topology.shards
    }
    steps = tuple(Failover(node.endpoint, leading[name].endpoint) for name, node in handovers(topology, leading, able))
    return Phase("hand over", steps, Until.LED, 60.0) if steps else None


def _able(shard: Shard, state: ClusterState, primary: Node) -> list[Node]:
    """Replicas of the primary that are linked and not copying; a node that is only to become one is not."""
    primary_id = state.nodes[primary.endpoint].id
    seen = [(node, state.nodes[node.endpoint]) for node in shard.members if node != primary]
    return [n for n, s in seen if s.primary_id == primary_id and s.view.primary_link_up and not s.view.syncing]

"""Nodes that must be emptied before they can take part, which needs consent by name.

A primary that lost its slots and still holds their keys is no such node as long as nobody else owns them: it gets them back.

A shard that nobody leads, since all its members replicate others, gets its primary by a reset too: that is the only way in
which a server stops being a replica. Its copy is dropped by it, so it must not be the last one.

A reset is always *hard*: with its old identity kept, the node's former peers would go on talking to it, and its gossip
would introduce our nodes to theirs.
"""

from __future__ import annotations

from ...model.observation import Role
from ...model.plan import Hazard, Phase, Reset, Until
from ...model.state import ClusterState, NodeState
from ...model.topology import Topology
from ..draining import leader_in
from .forming import last_copy
from .refusing import left_over


def reset_phase(topology: Topology, state: ClusterState) -> tuple[Phase | None, tuple[Hazard, ...]]:
    """The resets and one hazard for each; no phase where every node can take part as it is."""
    nodes = [state.nodes[node.endpoint] for node in topology.nodes]
    steps, hazards = [], []
    for node in nodes:
        hazard = _hazard(node, state)
        if hazard is not None:
            steps.append(Reset(node.endpoint, node.view.keys))
            hazards.append(hazard)
    for shard in topology.shards:
        if leader_in(shard, state) is None:
            node = state.nodes[shard.primary.endpoint]
            steps.append(Reset(node.endpoint, 0))
            hazards.extend(last_copy(node, state))
    if not steps:
        return None, ()
    return Phase("reset", tuple(steps), Until.EMPTY, 30.0), tuple(hazards)


def _hazard(node: NodeState, state: ClusterState) -> Hazard | None:
    view = node.view
    alone = not node.knows
    idle = node.role is Role.PRIMARY and not node.slots and not alone and sum(view.stray.values()) < view.keys
    if view.keys and (alone or idle):
        place = "knows no other node" if alone else "is a primary without slots"
        return Hazard(
            "resets-nonempty-node",
            str(node.endpoint),
            f"{node.endpoint} holds {view.keys:,} keys and {place}: joining it would delete them "
            "(export them first, or take another node)",
        )
    if node.id in left_over(state):
        return Hazard(
            "leaves-other-cluster",
            str(node.endpoint),
            f"{node.endpoint} holds no keys, but still lists {len(node.knows)} nodes of another cluster, all of them failed",
        )
    return None

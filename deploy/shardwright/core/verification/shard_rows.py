"""The table of shards that people read: from the topology's order and what is observed."""

from __future__ import annotations

from ...model.observation import Role
from ...model.report import MemberRow, ShardRow
from ...model.slots import SlotSet
from ...model.state import ClusterState, NodeState
from ...model.topology import Node, Shard, Topology
from .copies import lag_of, primary_of


def shard_rows(topology: Topology, state: ClusterState) -> tuple[ShardRow, ...]:
    """A row for each shard, in the order of the topology."""
    return tuple(_row(shard, state) for shard in topology.shards)


def _row(shard: Shard, state: ClusterState) -> ShardRow:
    primary = primary_of(shard, state)
    slots = SlotSet()
    for node in shard.members:
        if node.endpoint in state.nodes:
            slots |= state.nodes[node.endpoint].slots
    members = {node.endpoint: _member(node, state.nodes.get(node.endpoint), primary) for node in shard.members}
    replicas = tuple(row for endpoint, row in members.items() if primary is None or endpoint != primary.endpoint)
    return ShardRow(shard.name, slots, members[primary.endpoint] if primary else None, replicas)


def _member(node: Node, seen: NodeState | None, primary: NodeState | None) -> MemberRow:
    role = seen.role if seen else None
    follows = seen is not None and primary is not None and seen.primary_id == primary.id
    lag = 0 if seen is not None and seen is primary else lag_of(seen, primary) if follows and seen and primary else None
    return MemberRow(
        node=node.name,
        address=str(node.endpoint),
        host=node.host,
        zone=node.zone,
        rack=node.rack,
        role=role.value if role else "silent",
        version=seen.view.version if seen else "",
        link_up=bool(seen and (seen is primary or (follows and seen.view.primary_link_up and role is Role.REPLICA))),
        lag=lag,
        keys=seen.view.keys if seen else 0,
    )

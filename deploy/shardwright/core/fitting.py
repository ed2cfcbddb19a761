"""`fit`: the topology that is nearest to what the cluster is already, among all that the spec allows.

`place` decides who shares a shard without knowing what runs. Followed to the letter on a cluster that grew, failed over or
was made by somebody else, that would swap replicas, and so copy data, for no gain. So where the observed shards keep the
rules of the spec (number, size, domains), their members stay together, and only what is missing is filled in. On a cluster
that is not formed yet, or that is as `place` says, the topology comes back unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..model.endpoint import Endpoint
from ..model.observation import Role
from ..model.state import ClusterState, NodeState
from ..model.topology import Node, Shard, Topology


def fit(topology: Topology, state: ClusterState) -> Topology:
    """The same nodes, quotas and number of shards, with observed shards kept together.

    A primary that owns slots leads a shard; where more own slots than there are shards, those with the most slots lead and
    the rest are filled in as members, to be drained.
    """
    owners = _leading(topology, state)
    if not owners:
        return topology
    seats = _seats(topology, owners)
    kept = {name: _followers(topology, state, owner) for name, owner in seats.items()}
    filled = _filled(topology, seats, kept)
    return replace(topology, shards=tuple(replace(s, members=filled[s.name]) for s in topology.shards))


def _leading(topology: Topology, state: ClusterState) -> list[Node]:
    """Owners among the topology's nodes: at most as many as there are shards, the fullest ones, in the topology's order."""
    seen = [(node, state.nodes[node.endpoint]) for node in topology.nodes if node.endpoint in state.nodes]
    owning = [(node, len(s.slots)) for node, s in seen if s.role is Role.PRIMARY and s.slots]
    fullest = sorted(owning, key=lambda pair: -pair[1])[: len(topology.shards)]
    chosen = {node.endpoint for node, _ in fullest}
    return [node for node, _ in owning if node.endpoint in chosen]


def _seats(topology: Topology, owners: list[Node]) -> dict[str, Node]:
    """An owner for each shard that gets one, by shard name: its own shard's first, then any free one in order."""
    seats: dict[str, Node] = {}
    rest: list[Node] = []
    for owner in owners:
        shard = topology.shard_of(owner.endpoint)
        if shard.name in seats:
            rest.append(owner)
        else:
            seats[shard.name] = owner
    free = [shard.name for shard in topology.shards if shard.name not in seats]
    return seats | dict(zip(free, rest, strict=False))


def _followers(topology: Topology, state: ClusterState, owner: Node) -> list[Node]:
    """The owner's present replicas that may stay: ours, no more than the shard's size, no domain twice."""
    size = max(len(shard.members) for shard in topology.shards)
    primary = state.nodes[owner.endpoint]
    members = [owner]
    for node in topology.nodes:
        seen = state.nodes.get(node.endpoint)
        if seen is not None and _follows(seen, primary) and len(members) < size and _apart(node, members, topology.spread):
            members.append(node)
    return members[1:]


def _follows(node: NodeState, primary: NodeState) -> bool:
    return node.role is Role.REPLICA and node.primary_id == primary.id


def _apart(node: Node, members: Iterable[Node], spread: str) -> bool:
    return spread == "none" or all(_domain(node, spread) != _domain(m, spread) for m in members)


def _domain(node: Node, spread: str) -> tuple[str, ...]:
    return {"host": (node.host,), "rack": (node.zone, node.rack), "zone": (node.zone,)}.get(spread, (node.name,))


def _filled(topology: Topology, seats: dict[str, Node], kept: dict[str, list[Node]]) -> dict[str, tuple[Node, ...]]:
    """Every shard at its size: owner, kept followers, then its own members of the plan, then whoever is free and apart."""
    teams = {s.name: [seats[s.name], *kept[s.name]] if s.name in seats else [] for s in topology.shards}
    taken = {node.endpoint for team in teams.values() for node in team}
    for shard in topology.shards:
        _take(teams[shard.name], shard, shard.members, taken, topology.spread)
    for shard in topology.shards:
        _take(teams[shard.name], shard, topology.nodes, taken, topology.spread)
    for shard in topology.shards:
        _take(teams[shard.name], shard, topology.nodes, taken, "none")
    return {name: tuple(team) for name, team in teams.items()}


def _take(team: list[Node], shard: Shard, pool: Iterable[Node], taken: set[Endpoint], spread: str) -> None:
    for node in _free(pool, taken):
        if len(team) >= len(shard.members):
            return
        if _apart(node, team, spread):
            team.append(node)
            taken.add(node.endpoint)


def _free(pool: Iterable[Node], taken: set[Endpoint]) -> Iterator[Node]:
    for node in pool:
        if node.endpoint not in taken:
            yield node

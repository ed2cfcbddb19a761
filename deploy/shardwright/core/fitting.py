"""`fit`: the topology that is nearest to what the cluster is already, among all that the spec allows.

`place` decides who shares a shard without knowing what runs. Followed to the letter on a cluster that grew, failed over or
was made by somebody else, that would swap replicas, and so copy data, for no gain. So where the observed shards keep the
rules of the spec (number, size, domains), their members stay together, and only what is missing is filled in. Where nobody
who is free stands apart from a shard that lacks a member, replicas of other shards change places. On a cluster
that is not formed yet, or that is as `place` says, the topology comes back unchanged.

Which instances hold no place is decided here too: of those that are not leaving, the ones that the cluster needs least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..model.endpoint import Endpoint
from ..model.observation import Role
from ..model.state import ClusterState, NodeState
from ..model.topology import Node, Shard, Topology

CHANGES = 4
"""Replicas that change places at most, one after another, so that one more stands apart."""

Teams = dict[str, list[Node]]
"""The members that each shard has so far, its leader first, by the shard's name."""


def fit(topology: Topology, state: ClusterState) -> Topology:
    """The same hosts, quotas and number of shards, with observed shards kept together.

    A primary that owns slots leads a shard; where more own slots than there are shards, those with the most slots lead, and
    the others are members or spares, to be drained. A shard that nobody leads yet gets a node that is idle, if one is.
    """
    members = [s for s in topology.spares if not s.leaving and s.endpoint in state.nodes]
    pool = [*topology.nodes, *members]
    leaders = _leading(pool, len(topology.shards), state)
    if not leaders:
        return topology
    free = [*_free(pool, _teams(topology, leaders, pool, state))]
    while len(leaders) < len(topology.shards):
        leaders.append(_newcomer(topology, leaders, free, state))
        free.remove(leaders[-1])
    teams = _teams(topology, leaders, pool, state)
    _fill(topology, pool, teams)
    taken = {node.endpoint for team in teams.values() for node in team}
    shards = tuple(replace(s, members=tuple(teams[s.name])) for s in topology.shards)
    return replace(
        topology,
        shards=shards,
        spares=tuple(n for n in (*topology.nodes, *topology.spares) if n.endpoint not in taken),
    )


def _leading(pool: Iterable[Node], shards: int, state: ClusterState) -> list[Node]:
    """Owners in the pool: at most as many as there are shards, the fullest ones, in the pool's order."""
    seen = [(node, state.nodes[node.endpoint]) for node in pool if node.endpoint in state.nodes]
    owning = [(node, len(s.slots)) for node, s in seen if s.role is Role.PRIMARY and s.slots]
    fullest = sorted(owning, key=lambda pair: -pair[1])[:shards]
    chosen = {node.endpoint for node, _ in fullest}
    return [node for node, _ in owning if node.endpoint in chosen]


def _teams(topology: Topology, leaders: Iterable[Node], pool: Sequence[Node], state: ClusterState) -> Teams:
    """Each leader with the replicas that it has and that may stay."""
    chosen = {node.endpoint for node in leaders}
    seats = _seats(topology, [node for node in pool if node.endpoint in chosen])
    return {s.name: _kept(s, pool, state, seats[s.name], topology.spread) for s in topology.shards if s.name in seats}


def _seats(topology: Topology, leaders: list[Node]) -> dict[str, Node]:
    """A leader for each shard that gets one, by shard name: its own shard's first, then any free one in order.

    Whether a leader owns slots yet makes no difference: else shards would change names, and with them members, as soon as
    slots have moved to a newcomer.
    """
    home = {node.endpoint: shard.name for shard in topology.shards for node in shard.members}
    seats: dict[str, Node] = {}
    rest: list[Node] = []
    for leader in leaders:
        name = home.get(leader.endpoint)
        if name is None or name in seats:
            rest.append(leader)
        else:
            seats[name] = leader
    free = [shard.name for shard in topology.shards if shard.name not in seats]
    return seats | dict(zip(free, rest, strict=False))


def _kept(shard: Shard, pool: Iterable[Node], state: ClusterState, leader: Node, spread: str) -> list[Node]:
    """The leader with its present replicas that may stay: no more than the shard's size, no domain twice."""
    team = [leader]
    primary = state.nodes.get(leader.endpoint)
    for node in pool:
        follows = _follows(state.nodes.get(node.endpoint), primary)
        if follows and len(team) < len(shard.members) and _apart(node, team, spread):
            team.append(node)
    return team


def _follows(node: NodeState | None, primary: NodeState | None) -> bool:
    return node is not None and primary is not None and node.role is Role.REPLICA and node.primary_id == primary.id


def _newcomer(topology: Topology, leaders: Iterable[Node], free: Iterable[Node], state: ClusterState) -> Node:
    """Who is to lead one more shard: idle before busy, then of a shard that none of its own leads, as `place` says, then
    where the fewest lead."""
    leading = {node.endpoint for node in leaders}
    teams = ([node.endpoint for node in shard.members] for shard in topology.shards)
    homes = {endpoint for team in teams if leading.isdisjoint(team) for endpoint in team}

    def strain(node: Node) -> tuple[bool, bool, int, int]:
        seen = state.nodes.get(node.endpoint)
        idle = seen is not None and seen.role is Role.PRIMARY and not seen.slots
        zone, host = (sum(getattr(lead, at) == getattr(node, at) for lead in leaders) for at in ("zone", "host"))
        return not idle, node.endpoint not in homes, zone, host

    return min(free, key=strain)


def _fill(topology: Topology, pool: Iterable[Node], teams: Teams) -> None:
    """Every shard at its size: its own members of the plan first, then whoever is free and apart; then others change
    places, and at last whoever is free."""
    pool = list(pool)
    for members, spread in ((None, topology.spread), (pool, topology.spread), (pool, "none")):
        if spread != topology.spread:
            _make_room(topology, pool, teams)
        for shard in topology.shards:
            team = teams[shard.name]
            for node in [*_free(shard.members if members is None else members, teams)]:
                if len(team) < len(shard.members) and _apart(node, team, spread):
                    team.append(node)


def _make_room(topology: Topology, pool: Iterable[Node], teams: Teams) -> None:
    sizes = {shard.name: len(shard.members) for shard in topology.shards}
    for node in [*_free(pool, teams)]:
        if any(len(team) < sizes[name] for name, team in teams.items()):
            _seat(node, sizes, teams, topology.spread, {node.endpoint}, CHANGES)


def _seat(node: Node, sizes: Mapping[str, int], teams: Teams, spread: str, moved: set[Endpoint], changes: int) -> bool:
    """Find a place for `node` apart from others, where need be that of a replica for which another is found (an
    augmenting path); nothing is changed where there is none."""
    for name, team in teams.items():
        if len(team) < sizes[name] and _apart(node, team, spread):
            team.append(node)
            return True
    if not changes:
        return False
    for team in teams.values():
        for at, member in enumerate(team[1:], start=1):
            if member.endpoint in moved or not _apart(node, [*team[:at], *team[at + 1 :]], spread):
                continue
            moved.add(member.endpoint)
            team[at] = node
            if _seat(member, sizes, teams, spread, moved, changes - 1):
                return True
            team[at] = member
    return False


def _free(pool: Iterable[Node], teams: Mapping[str, list[Node]]) -> Iterator[Node]:
    taken: set[Endpoint] = {node.endpoint for team in teams.values() for node in team}
    for node in pool:
        if node.endpoint not in taken:
            yield node


def _apart(node: Node, members: Iterable[Node], spread: str) -> bool:
    return spread == "none" or all(_domain(node, spread) != _domain(m, spread) for m in members)


def _domain(node: Node, spread: str) -> tuple[str, ...]:
    return {"host": (node.host,), "rack": (node.zone, node.rack), "zone": (node.zone,)}.get(spread, (node.name,))

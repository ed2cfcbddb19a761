"""Prepare each node for itself, let each shard come together, then join the shards.

Why this is fast: a node tells the others its slots and its role with the first message on a new link, and again only when
the node timeout paces it to. So all that a node will be is settled before it meets more than its own shard: slots before
anyone meets anyone, roles while a shard is alone. Then one round of gossip carries everything, started at three seeds in
different failure domains. All nodes are numbered before, so that no epochs collide.

Why this is safe: the temporary node timeout comes with elections switched off, and only where no node holds a key.
Replicas get lower numbers than primaries: servers drop messages of a node whose primary has the lower epoch as stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model.endpoint import Endpoint
from ...model.observation import Role
from ...model.plan import AddSlots, Configure, Hazard, Meet, Phase, Replicate, SetEpoch, Step, Until
from ...model.state import ClusterState, NodeState
from ...model.topology import Node, Topology
from ..draining import awaiting_drain
from .assigning import Assignment

SEEDS = 3


def node_timeout(nodes: int) -> int:
    """Node timeout while `nodes` servers form a cluster, in ms.

    Short paces gossip. But each node writes to each other twice in that time, and so the load grows with the square of the
    nodes: above some 120 on one small machine nothing shorter than the usual 15 s is bearable.
    """
    return min(max(1_000, nodes * nodes), 15_000)


def prepare_phase(topology: Topology, state: ClusterState, assignment: Assignment) -> Phase | None:
    """Numbers and slots, with temporary settings where no data can be at risk. No node hears of another yet."""
    steps: list[Step] = [*_epochs(topology, state), *_slots(assignment)]
    meetings = (*_within_shards(topology, state, assignment), *_between_shards(topology, state, assignment))
    if (steps or meetings) and not any(node.view.keys for node in state.nodes.values()):
        steps += _temporary(topology, state)
    return Phase("prepare", tuple(steps), Until.PREPARED, 20.0) if steps else None


def introduce_phase(topology: Topology, state: ClusterState, assignment: Assignment) -> Phase | None:
    """Makes every member meet its own primary, where they do not know each other."""
    steps = tuple(_within_shards(topology, state, assignment))
    return Phase("introduce", steps, Until.ACQUAINTED, 20.0 + len(topology.nodes) / 4) if steps else None


def gather_phases(
    topology: Topology, state: ClusterState, assignment: Assignment
) -> tuple[tuple[Phase, ...], tuple[Hazard, ...]]:
    """Gives replicas their primaries, then joins the shards; only the last of these phases waits for the whole."""
    replicates, hazards = _replications(topology, state, assignment)
    joins = tuple(_between_shards(topology, state, assignment))
    limit = 60.0 + len(topology.nodes)
    phases = []
    if replicates:
        until = Until.FOLLOWING if joins else Until.WHOLE
        phases.append(Phase("replicate", replicates, until, limit))
    apart = len(state.groups) > 1 or _ungathered(topology, state) or _unfinished(state) or bool(assignment.slots)
    if joins or (apart and not replicates):
        phases.append(Phase("join", joins, Until.WHOLE, limit))
    return tuple(phases), hazards


def _replications(
    topology: Topology, state: ClusterState, assignment: Assignment
) -> tuple[tuple[Step, ...], tuple[Hazard, ...]]:
    """Each member that does not replicate its shard's primary does so; a hazard where that takes a last copy away.

    Those that must be drained first, and their replicas, are left to `replicate_drained_phase`.
    """
    later = awaiting_drain(topology, state)
    steps: list[Step] = []
    hazards: list[Hazard] = []
    for shard in topology.shards:
        primary = assignment.primary_of(shard)
        primary_id = state.nodes[primary.endpoint].id
        for member in shard.members:
            node = state.nodes[member.endpoint]
            if member == primary or node.primary_id == primary_id or member.endpoint in later:
                continue
            steps.append(Replicate(member.endpoint, primary.endpoint, primary_id))
            hazards.extend(last_copy(node, state))
    return tuple(steps), tuple(hazards)


def replicate_drained_phase(topology: Topology, state: ClusterState, assignment: Assignment) -> Phase | None:
    """Places the members that had to wait until slots had moved away; their copies are of nothing by then."""
    steps: list[Step] = []
    later = awaiting_drain(topology, state)
    for member in sorted(node.endpoint for node in topology.nodes if node.endpoint in later):
        primary = assignment.primary_of(topology.shard_of(member)).endpoint
        primary_id = state.nodes[primary].id
        if member != primary and state.nodes[member].primary_id != primary_id:
            steps.append(Replicate(member, primary, primary_id))
    return Phase("replicate", tuple(steps), Until.WHOLE, 60.0 + len(topology.nodes)) if steps else None


def _ungathered(topology: Topology, state: ClusterState) -> bool:
    wanted = {state.nodes[node.endpoint].id for node in topology.nodes}
    return any(not wanted <= state.nodes[n.endpoint].knows | {state.nodes[n.endpoint].id} for n in topology.nodes)


def _unfinished(state: ClusterState) -> bool:
    """Whether an earlier run was ended while the cluster formed, before every node said ok."""
    views = [node.view for node in state.nodes.values()]
    return any(not v.cluster_ok and v.settings.get("cluster-replica-no-failover") == "yes" for v in views)


def last_copy(node: NodeState, state: ClusterState) -> Iterator[Hazard]:
    """The hazard that `node` is the only live copy of its primary's keys, where it is."""
    old = state.by_id.get(node.primary_id) if node.primary_id else None
    if node.role is not Role.REPLICA or old is None or not old.view.keys:
        return
    others = [n for n in state.nodes.values() if n.primary_id == old.id and n.id != node.id and n.view.primary_link_up]
    if not others:
        yield Hazard(
            "drops-last-replica",
            str(node.endpoint),
            f"{node.endpoint} is the only replica of {old.endpoint} ({old.view.keys:,} keys) and would leave it",
        )


def _temporary(topology: Topology, state: ClusterState) -> Iterator[Configure]:
    wanted = {
        "cluster-node-timeout": str(node_timeout(len(topology.nodes))),
        "cluster-replica-no-failover": "yes",
        "repl-diskless-sync-delay": "0",
    }
    for node in topology.nodes:
        settings = state.nodes[node.endpoint].view.settings
        for name, value in wanted.items():
            if settings.get(name) != value:
                yield Configure(node.endpoint, name, value, temporary=True)


def _epochs(topology: Topology, state: ClusterState) -> Iterator[SetEpoch]:
    taken = {node.view.myself.epoch for node in state.nodes.values() if node.view.myself.epoch}
    replicas = [member for shard in topology.shards for member in shard.members[1:]]
    ordered = [*replicas, *(shard.primary for shard in topology.shards)]
    for epoch, node in enumerate(ordered, start=1):
        seen = state.nodes[node.endpoint]
        if not seen.view.peers and not seen.view.myself.epoch and epoch not in taken:
            yield SetEpoch(node.endpoint, epoch)


def _slots(assignment: Assignment) -> Iterator[AddSlots]:
    for endpoint, slots in sorted(assignment.slots.items()):
        yield AddSlots(endpoint, slots)


def _within_shards(topology: Topology, state: ClusterState, assignment: Assignment) -> Iterator[Meet]:
    for shard in topology.shards:
        for member in shard.members:
            yield from _meet(member.endpoint, assignment.primary_of(shard).endpoint, state)


def _between_shards(topology: Topology, state: ClusterState, assignment: Assignment) -> Iterator[Meet]:
    """What is left to introduce once each shard has come together: groups that shards join are one by then."""
    groups = _with_shards_together(topology, state)
    seeds = _seeds(topology, groups, assignment)
    for shard in topology.shards:
        primary = assignment.primary_of(shard)
        for seed in seeds:
            will_meet = any({primary.endpoint, seed.endpoint} <= group for group in groups)
            if not will_meet or any({primary.endpoint, seed.endpoint} <= group for group in state.groups):
                yield from _meet(primary.endpoint, seed.endpoint, state)
    yield from _with_the_left(topology, groups, seeds, state)


def _with_the_left(
    topology: Topology, groups: Sequence[frozenset[Endpoint]], seeds: Sequence[Node], state: ClusterState
) -> Iterator[Meet]:
    """Groups in which nobody holds a place any more, as when all hosts are replaced at once: they are to be drained, and so
    must be met too."""
    places = {node.endpoint for node in topology.nodes}
    for group in groups:
        if not group & places:
            for seed in seeds:
                yield from _meet(seed.endpoint, min(group), state)


def _with_shards_together(topology: Topology, state: ClusterState) -> list[frozenset[Endpoint]]:
    """The groups as they are once the members of each shard know each other, largest first."""
    groups = list(state.groups)
    for shard in topology.shards:
        members = {member.endpoint for member in shard.members}
        touched = [group for group in groups if group & members]
        groups = [group for group in groups if not group & members] + [frozenset().union(*touched)]
    return sorted(groups, key=lambda group: (-len(group), min(group)))


def _meet(node: Endpoint, peer: Endpoint, state: ClusterState) -> Iterator[Meet]:
    one, other = state.nodes[node], state.nodes[peer]
    if one.id != other.id and not _acquainted(one, other):
        yield Meet(node, peer, other.view.address)


def _acquainted(one: NodeState, other: NodeState) -> bool:
    """Whether they know each other, or will: one knows the other at its address, and the other is not all alone.

    A link that is down comes back by itself. But a node that knows nobody, as after a reset, hears nothing from those
    that know it: it takes their messages for a stranger's.
    """
    return (_looks_for(one, other) and _looks_for(other, one)) or any(
        _looks_for(a, b) and b.knows for a, b in ((one, other), (other, one))
    )


def _looks_for(one: NodeState, other: NodeState) -> bool:
    return other.id in one.knows - one.misplaced


def _seeds(topology: Topology, groups: Sequence[frozenset[Endpoint]], assignment: Assignment) -> list[Node]:
    """Three primaries in zones, then hosts, that differ as far as they can; of the largest group where one exists."""
    largest = groups[0] if groups and len(groups[0]) > 1 else frozenset()
    pool = [assignment.primary_of(shard) for shard in topology.shards]
    pool.sort(key=lambda node: node.endpoint not in largest)
    chosen: list[Node] = []
    while pool and len(chosen) < SEEDS:
        best = min(
            pool,
            key=lambda n: (
                bool(largest) and n.endpoint not in largest,
                sum(n.zone == c.zone for c in chosen),
                sum(n.host == c.host for c in chosen),
            ),
        )
        chosen.append(best)
        pool.remove(best)
    return chosen

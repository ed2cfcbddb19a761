"""Starts outdated servers anew, one phase at a time, so that every slot stays served and every shard keeps its copies.

Why this order: replicas first, so that a primary is only ever handed over to a server that is new already: a newer server
follows an older one, and the other way round it need not. Then shard by shard: the primary is handed over by a manual
failover, which loses nothing, and as a replica it is restarted at once. So no primary is restarted but that of a shard
without replicas, which needs a consent by name.

Why one host at a time: that a host's servers are away together is what the cluster is laid out for; two hosts at a time
could leave a shard without a copy if one more fails. Of a shard one member at a time, even on one host.

Members that still stand alone and empty, as spares do that are to be grown into, come before all that: nobody misses them,
and run as they do they might not fit in, with another bus port or as replicas of a version that they can't read.

Each phase ends only when who was restarted is back and has caught up, and is planned from what is seen then: the order
follows from who is outdated and who leads, so re-planning gives the rest of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ...engines import blocked
from ...engines.version import Version, VersionRange
from ...errors import PlanError, SpecError
from ...model.endpoint import Endpoint
from ...model.plan import Failover, Hazard, Phase, Restart, Until
from ...model.state import ClusterState, NodeState
from ...model.topology import Node, Shard, Topology
from ..electing import failover_limit
from .assigning import Assignment

START_LIMIT = 120.0
BYTES_A_SECOND = 10 * 2**20
"""Data that a server loads and its primary sends, at the slowest: sets the limit of a restart."""
FORK_SHARE = 0.25
"""Part of a primary's memory that must be free on its host: while a copy is sent, pages that clients change are doubled."""


@dataclass(frozen=True, slots=True)
class Roll:
    """The phases, their hazards, and who leads each shard after them, when all replicas have caught up."""

    phases: tuple[Phase, ...]
    hazards: tuple[Hazard, ...]
    leading: Mapping[str, Node]


@dataclass
class _Course:
    """Where the rolling restart stands while it is thought through."""

    topology: Topology
    state: ClusterState
    leading: dict[str, Node]
    todo: dict[Endpoint, tuple[str, ...]]
    lagging: set[Endpoint]
    phases: list[Phase] = field(default_factory=list)
    hazards: list[Hazard] = field(default_factory=list)


def roll(topology: Topology, state: ClusterState, assignment: Assignment) -> Roll:
    """What restarts the outdated nodes of `topology`; no phases where none is outdated.

    Raises:
        PlanError: ``downgrades``, ``upgrade-path``, ``sync-lacks-memory``.
    """
    leading = {shard.name: assignment.primary_of(shard) for shard in topology.shards}
    todo = {n.endpoint: why for n in topology.nodes if (why := state.outdated.get(n.endpoint)) and not _idle(n, state)}
    if not todo:
        return Roll((), (), leading)
    for endpoint in todo:
        _direct_way(topology, state.nodes[endpoint])
    lagging = {n.endpoint for shard in topology.shards for n in shard.members if _lags(state.nodes[n.endpoint])}
    course = _Course(topology, state, leading, todo, lagging)
    _room(course)
    if not state.agreed or lagging - todo.keys():
        course.phases.append(Phase("come together", (), Until.READY, _limit(state, topology.nodes)))
    while course.todo:
        batch = _replicas(course)
        if batch:
            _restart(course, batch)
        else:
            _lead(course)
    return Roll(tuple(course.phases), tuple(course.hazards), course.leading)


def renew_phase(topology: Topology, state: ClusterState) -> Phase | None:
    """Restarts the outdated among those that do not belong to the cluster yet.

    Raises:
        PlanError: ``downgrades``, ``upgrade-path``.
    """
    nodes = tuple(n for n in topology.nodes if n.endpoint in state.outdated and _idle(n, state))
    for node in nodes:
        _direct_way(topology, state.nodes[node.endpoint])
    steps = tuple(Restart(n.endpoint, "; ".join(state.outdated[n.endpoint])) for n in nodes)
    return Phase("restart", steps, Until.STARTED, START_LIMIT) if steps else None


def _idle(node: Node, state: ClusterState) -> bool:
    """Whether it is alone and holds nothing."""
    seen = state.nodes[node.endpoint]
    return not (seen.knows or seen.view.peers or seen.slots or seen.view.keys or seen.primary_id)


def _lags(node: NodeState) -> bool:
    return node.primary_id is not None and (not node.view.primary_link_up or node.view.syncing)


def _replicas(course: _Course) -> tuple[Node, ...]:
    """Outdated replicas of the first host that has some, one of a shard; those without a link to their primary first."""
    found: dict[str, list[Node]] = {}
    for shard in course.topology.shards:
        waiting = [n for n in shard.members if n.endpoint in course.todo and n != course.leading[shard.name]]
        unlinked = [n for n in waiting if n.endpoint in course.lagging]
        hosts: set[str] = set()
        for node in unlinked or waiting:
            if node.host not in hosts:
                hosts.add(node.host)
                found.setdefault(node.host, []).append(node)
    order = [node.host for node in course.topology.nodes if node.host in found]
    return tuple(found[order[0]]) if order else ()


def _restart(course: _Course, nodes: tuple[Node, ...]) -> None:
    steps = tuple(Restart(n.endpoint, "; ".join(course.todo.pop(n.endpoint))) for n in nodes)
    course.lagging -= {n.endpoint for n in nodes}
    course.phases.append(Phase("restart", steps, Until.RESTARTED, _limit(course.state, nodes)))


def _lead(course: _Course) -> None:
    """Only primaries are left: the first of them is handed over, or restarted where nobody could take over."""
    shard = next(s for s in course.topology.shards if course.leading[s.name].endpoint in course.todo)
    leader = course.leading[shard.name]
    heir = _heir(shard, leader, course)
    if heir is None:
        course.hazards.extend(_alone(leader, course.state))
        _restart(course, (leader,))
        return
    course.leading[shard.name] = heir
    step = Failover(heir.endpoint, leader.endpoint)
    course.phases.append(Phase("hand over", (step,), Until.HANDED, failover_limit(course.topology)))


def _heir(shard: Shard, leader: Node, course: _Course) -> Node | None:
    """The first of the shard's replicas; all are new by then. One that has caught up is better than one that lags."""
    others = [node for node in shard.members if node != leader]
    return min(others, key=lambda n: n.endpoint in course.lagging, default=None)


def _alone(leader: Node, state: ClusterState) -> Iterator[Hazard]:
    view = state.nodes[leader.endpoint].view
    slots = len(state.nodes[leader.endpoint].slots)
    yield Hazard(
        "restarts-without-replica",
        str(leader.endpoint),
        f"{leader.endpoint} must be started anew and has no replica: its {slots:,} slots ({view.keys:,} keys) are not "
        "served until it has loaded its data (to leave it as it runs: pyinfra --data restart=no)",
    )
    if view.keys and not view.aof_enabled and not view.settings.get("save", "unknown"):
        yield Hazard(
            "restart-loses-keys",
            str(leader.endpoint),
            f"{leader.endpoint} keeps nothing on disk and has no replica: its {view.keys:,} keys are lost by a restart",
        )


def _limit(state: ClusterState, nodes: tuple[Node, ...]) -> float:
    """Seconds for nodes to stop, load and catch up."""
    largest = max(state.nodes[n.endpoint].view.memory_used for n in nodes)
    return START_LIMIT + len(state.nodes) + 2 * largest / BYTES_A_SECOND


def _direct_way(topology: Topology, node: NodeState) -> None:
    """Refuse a version that can't follow the one that runs."""
    view = node.view
    try:
        running = Version.parse(view.version)
    except SpecError:
        return
    reason = blocked(view.product, running, topology.product, VersionRange.parse(topology.versions))
    if reason is not None:
        raise PlanError(
            reason.code,
            f"{view.endpoint} runs {view.product} {view.version}, wanted {topology.product} {topology.versions}: "
            f"{reason.reason}; nothing was restarted",
            hint=reason.way,
        )


def _room(course: _Course) -> None:
    """Refuse where a primary's host has no memory left for sending a whole copy, which a restarted replica may need."""
    nodes, seen = course.state.nodes, course.state.memory
    for shard in course.topology.shards:
        leader = course.leading[shard.name].endpoint
        replicas = [n for n in shard.members if n.endpoint != leader]
        need = nodes[leader].view.memory_used * FORK_SHARE
        outdated = any(n.endpoint in course.todo for n in shard.members)
        if not (outdated and replicas and nodes[leader].view.keys and seen.get(leader)) or need <= seen[leader]:
            continue
        raise PlanError(
            "sync-lacks-memory",
            f"{leader} holds {nodes[leader].view.memory_used / 2**20:,.0f} MiB, and {seen[leader] / 2**20:,.0f} MiB are "
            f"available on its host; sending a whole copy to a restarted replica may take {need / 2**20:,.0f} MiB "
            f"({FORK_SHARE:.0%}); nothing was restarted",
            hint="free memory there (see: free -m), or lower maxmemory and let keys expire; then run again",
        )

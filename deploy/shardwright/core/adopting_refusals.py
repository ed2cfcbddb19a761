"""What a spec can't say of a running cluster: a refusal each, with what was found and how to get out of it.

Part of `adopting`. Refuses rather than guesses wherever an apply would have to move, copy or drop something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..engines import ENGINES, Version, VersionRange, engine_of
from ..errors import PlanError, SpecError
from ..model.observation import Role
from ..model.state import ClusterState, NodeState

_AGAIN = "; then adopt again"


def refusals(state: ClusterState) -> Iterator[PlanError]:
    """Every reason why no spec says `state`; of a picture that is not whole only that."""
    broken = [*_silent(state), *_broken(state)]
    yield from broken
    if not broken:
        yield from _engine(state)
        yield from _members(state)
        yield from _addresses(state)
        yield from _persistence(state)


def members_of(state: ClusterState) -> list[list[NodeState]]:
    """The shards: each primary that owns slots, lowest slot first, with its replicas behind it."""
    owners = [node for node in state.nodes.values() if node.role is Role.PRIMARY and node.slots]
    owners.sort(key=lambda node: node.slots.ranges()[0])
    return [[owner, *(n for n in state.nodes.values() if n.primary_id == owner.id)] for owner in owners]


def _silent(state: ClusterState) -> Iterator[PlanError]:
    gone = [f"{endpoint} ({silence.reason}: {silence.detail})" for endpoint, silence in state.silences.items()]
    known = {(endpoint.host, endpoint.port) for endpoint in state.silences}
    gone += [
        f"{s.address or 'no address'}:{s.port}, node {s.id[:8]}"
        for s in state.strangers
        if (s.address, s.port) not in known
    ]
    if gone:
        yield PlanError(
            "adopt-member-silent",
            f"{len(gone)} members that the others list gave no view: {'; '.join(gone)}",
            hint="bring them back, or see that this machine reaches them at the addresses that they announce; if one is "
            f"gone for good, CLUSTER FORGET its id on every other node within a minute{_AGAIN}",
        )


def _broken(state: ClusterState) -> Iterator[PlanError]:
    found = []
    if state.uncovered:
        found.append(f"{len(state.uncovered):,} slots have no owner ({state.uncovered})")
    found += [f"slots {d.slots} are claimed by {' and '.join(map(str, d.claimants))}" for d in state.disputes]
    if state.open_slots:
        found.append(f"{len(state.open_slots)} slots stand open, as {state.open_slots[0].slot}")
    found += [f"{' and '.join(map(str, places))} share the id {i[:8]}" for i, places in state.duplicates]
    if not state.agreed and not state.silences and not found:
        found.append("its nodes have different pictures of members, roles or owners")
    if found:
        yield PlanError(
            "adopt-not-whole",
            f"the cluster is not whole: {'; '.join(found)}",
            hint=f"mend it with the tool that made it (redis-cli --cluster check, --cluster fix){_AGAIN}",
        )


def _engine(state: ClusterState) -> Iterator[PlanError]:
    runs = Counter((node.view.product, node.view.version) for node in state.nodes.values())
    text = ", ".join(f"{product} {version} on {n}" for (product, version), n in sorted(runs.items()))
    if len({product for product, _ in runs}) > 1:
        yield PlanError(
            "adopt-engine",
            f"the servers are of several products: {text}",
            hint=f"a spec names one: finish the migration that was begun{_AGAIN}",
        )
    elif not all(_known(product, version) for product, version in runs):
        known = ", ".join(f"{e.title} {e.series[0][0]}.{e.series[0][1]} and newer" for e in list(ENGINES.values())[:2])
        yield PlanError("adopt-engine", f"the servers are {text}; known are {known}", hint=f"upgrade them{_AGAIN}")


def _known(product: str, version: str) -> bool:
    try:
        series = Version.parse(version).series
        return not engine_of(product).check_range(VersionRange.parse(f"{series[0]}.{series[1]}"))
    except SpecError:
        return False


def _members(state: ClusterState) -> Iterator[PlanError]:
    teams = members_of(state)
    if len(teams) < 3:
        yield PlanError(
            "adopt-too-few-shards",
            f"{len(teams)} primaries own slots, wanted at least 3: of 2 no majority is left when one fails",
            hint=f"add primaries and rebalance (redis-cli --cluster add-node, --cluster rebalance){_AGAIN}",
        )
    placed = {node.endpoint for team in teams for node in team}
    idle = [str(endpoint) for endpoint in state.nodes if endpoint not in placed]
    if idle:
        yield PlanError(
            "adopt-idle-node",
            f"{', '.join(idle)} neither own slots nor replicate a node that does; a spec has no place for them",
            hint="make each a replica (CLUSTER REPLICATE ID-OF-A-PRIMARY), or take it out (redis-cli --cluster del-node)"
            + _AGAIN,
        )
    yield from _uneven(teams)


def _uneven(teams: list[list[NodeState]]) -> Iterator[PlanError]:
    counts = Counter(len(team) - 1 for team in teams)
    if len(counts) < 2:
        return
    mean = sum(len(team) - 1 for team in teams) / len(teams)
    usual = max(counts, key=lambda n: (counts[n], -abs(n - mean)))
    odd = "; ".join(
        f"{team[0].endpoint} has {len(team) - 1} ({', '.join(str(n.endpoint) for n in team[1:]) or 'none'})"
        for team in teams
        if len(team) - 1 != usual
    )
    yield PlanError(
        "adopt-replicas-uneven",
        f"a spec gives every shard the same number of replicas; {counts[usual]} of {len(teams)} shards have {usual}, but "
        f"{odd}",
        hint="move a replica (CLUSTER REPLICATE, sent to the replica), add one, or take one out (redis-cli --cluster "
        f"del-node){_AGAIN}",
    )


def _addresses(state: ClusterState) -> Iterator[PlanError]:
    offsets = Counter(endpoint.bus_port - endpoint.port for endpoint in state.nodes)
    if len(offsets) > 1:
        text = ", ".join(f"{offset:,} on {n} nodes" for offset, n in offsets.most_common())
        yield PlanError(
            "adopt-bus-offset",
            f"bus port minus client port is not the same everywhere: {text}",
            hint=f"a spec has one bus_offset: set cluster-port on the odd ones and restart them{_AGAIN}",
        )
    tls = [str(e) for e, n in state.nodes.items() if _uses_tls(n)]
    if tls:
        yield PlanError(
            "adopt-tls",
            f"{len(tls)} nodes use TLS ({', '.join(tls[:6])}), which this version of shardwright does not write",
            hint="it can't be adopted yet",
        )
    ported = [
        f"{e} listens on {p}"
        for e, n in state.nodes.items()
        if (p := n.view.settings.get("port", str(e.port))) != str(e.port)
    ]
    if ported:
        yield PlanError(
            "adopt-port-mapped",
            f"{len(ported)} nodes announce another port than they listen on: {', '.join(ported[:6])}",
            hint="a spec has one port for both; it can't be adopted behind such a mapping",
        )


def _uses_tls(node: NodeState) -> bool:
    told = node.view.settings
    return told.get("tls-cluster") == "yes" or told.get("tls-replication") == "yes" or told.get("tls-port", "0") != "0"


def _persistence(state: ClusterState) -> Iterator[PlanError]:
    keeping = [
        n for n in state.nodes.values() if n.view.settings.get("appendonly") == "yes" or n.view.settings.get("save")
    ]
    if not keeping and any(node.role is Role.REPLICA for node in state.nodes.values()):
        yield PlanError(
            "adopt-nothing-persisted",
            "no node writes an append-only file or snapshots: a primary that restarts empty makes its replicas empty",
            hint=f'CONFIG SET save "3600 1" (or appendonly yes) on every node{_AGAIN}',
        )

"""Does every shard have its primary and its replicas, linked and in sync?"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.observation import Role
from ...model.report import Finding, Severity
from ...model.state import ClusterState, NodeState
from ...model.topology import Shard, Topology
from ..histories import LACKING_HINT, lacks_keys

LAG_LIMIT = 10 * 1024 * 1024
"""Bytes that a replica may be behind before it counts as out of sync; offsets are read at slightly different moments."""
REPEATS = 3
"""Whole copies beyond one for each replica, and connections cut off, from which they are said to have one cause."""


def copies(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Shards without a primary, members elsewhere, links that are down, replicas that lag or lack keys."""
    problems = [finding for shard in topology.shards for finding in _shard(shard, state)]
    yield from problems
    if not problems:
        count = sum(len(shard.members) - 1 for shard in topology.shards)
        yield Finding("replicas-in-sync", Severity.OK, topology.name, f"{count} replicas, all linked and in sync")


def primary_of(shard: Shard, state: ClusterState) -> NodeState | None:
    """The member that owns the shard's slots."""
    seen = [state.nodes[node.endpoint] for node in shard.members if node.endpoint in state.nodes]
    return next((node for node in seen if node.role is Role.PRIMARY and node.slots), None)


def lag_of(replica: NodeState, primary: NodeState) -> int:
    """Bytes that the replica is behind."""
    return max(0, primary.view.offset - replica.view.offset)


def _shard(shard: Shard, state: ClusterState) -> Iterator[Finding]:
    primary = primary_of(shard, state)
    if primary is None:
        hint = "run the deploy again; if its data is on a silent node, bring that back first"
        yield Finding(
            "shard-without-primary", Severity.ERROR, shard.name, f"no member of {shard.name} owns slots", hint
        )
        return
    for member in shard.members:
        node = state.nodes.get(member.endpoint)
        if node is None:
            yield Finding(
                "replica-missing",
                Severity.ERROR,
                member.name,
                f"{member.name} of {shard.name} is silent",
                "bring it back",
            )
            continue
        if node is primary:
            continue
        view = node.view
        if node.primary_id != primary.id:
            message = f"{member.name} is no replica of {primary.endpoint}"
            yield Finding("replica-misplaced", Severity.ERROR, member.name, message, "run the deploy again")
        elif not view.primary_link_up:
            hint = "look at its log: password (masterauth), network, or a full sync that never ends"
            message = f"{member.name} has lost the link to its primary {primary.endpoint}"
            yield Finding("replica-link-down", Severity.ERROR, member.name, message, hint)
        elif view.syncing or lag_of(node, primary) > LAG_LIMIT:
            state_text = "is still copying" if view.syncing else f"is {lag_of(node, primary):,} bytes behind"
            yield Finding(
                "replica-out-of-sync",
                Severity.ERROR,
                member.name,
                f"{member.name} {state_text}",
                "wait and verify again",
            )
        elif lacks_keys(node, primary):
            message = f"{member.name} says to be in step with {primary.endpoint} and holds {view.keys:,} of its "
            message += f"{primary.view.keys:,} keys"
            yield Finding("replica-lacks-keys", Severity.ERROR, member.name, message, LACKING_HINT)
    yield from _repeating(shard, primary, state)


def _repeating(shard: Shard, primary: NodeState, state: ClusterState) -> Iterator[Finding]:
    """Copies that are begun again and again: what clients write meanwhile is more than the replica's buffer holds."""
    followers = [n for n in state.nodes.values() if n.primary_id == primary.id]
    waiting = any(not n.view.primary_link_up or n.view.syncing for n in followers)
    again = primary.view.full_copies - len(followers)
    if waiting and again >= REPEATS and primary.view.cut_off >= REPEATS:
        message = (
            f"{primary.endpoint} has begun {primary.view.full_copies} whole copies (replicas: {len(followers)}), and cut "
            f"{primary.view.cut_off} connections off whose buffer was full: such a copy never ends"
        )
        hint = (
            "raise client-output-buffer-limit (replica) and repl-backlog-size in cluster.yml and deploy (both are set "
            "live), or write less until the replica has caught up"
        )
        yield Finding("copies-repeat", Severity.WARNING, shard.name, message, hint)

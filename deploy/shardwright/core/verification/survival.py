"""May any one host die, and any one zone? Proved by taking each away on paper.

A domain may die if every shard keeps a member elsewhere and a majority of the primaries stays up to elect it. What the
layout can't give (one host; two zones) is said as information, not as a failure, unless the spec asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...model.report import Finding, Severity
from ...model.state import ClusterState
from ...model.topology import Node, Shard, Topology
from .copies import primary_of

Label = Callable[[Node], str]

_LEVELS: tuple[tuple[str, Label], ...] = (
    ("host", lambda node: node.host),
    ("rack", lambda node: f"{node.zone}/{node.rack}" if node.rack else ""),
    ("zone", lambda node: node.zone),
)
_ORDER = ("none", "host", "rack", "zone")


def survival(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """For each level of failure domains with labels: whether any one of them may die."""
    primaries = _primaries(topology, state)
    shards = [[n for n in shard.members if _counts(n, shard, state)] for shard in topology.shards]
    yield from _shared(topology)
    for level, label in _LEVELS:
        domains = sorted({label(node) for node in topology.nodes})
        if domains == [""] or "" in domains:
            continue
        fatal = [d for d in domains if _dies(shards, primaries, label, d)]
        yield _finding(topology, level, domains, fatal)


def _finding(topology: Topology, level: str, domains: list[str], fatal: list[str]) -> Finding:
    if not fatal:
        message = (
            f"any one {level} of {len(domains)} may die: each shard keeps a member and a majority of primaries stays"
        )
        return Finding(f"{level}-loss-survived", Severity.OK, topology.name, message)
    asked = _ORDER.index(level) <= _ORDER.index(topology.spread) and len(domains) >= 3
    message = f"the cluster would not survive the loss of {level} {', '.join(fatal)}"
    hint = (
        "fail primaries over so that none of these holds half of them (CLUSTER FAILOVER on a replica elsewhere)"
        if asked
        else f"the layout has {len(domains)} of them; three or more, with members spread, would survive"
    )
    severity = Severity.ERROR if asked else Severity.INFO
    return Finding(f"{level}-loss-fatal", severity, ", ".join(fatal), message, hint)


def _primaries(topology: Topology, state: ClusterState) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for shard in topology.shards:
        primary = primary_of(shard, state)
        node = next((n for n in shard.members if primary is not None and n.endpoint == primary.endpoint), None)
        if node is not None:
            found[shard.name] = node
    return found


def _counts(node: Node, shard: Shard, state: ClusterState) -> bool:
    """Whether the node is there and holds a live copy of the shard."""
    seen, primary = state.nodes.get(node.endpoint), primary_of(shard, state)
    if seen is None or primary is None:
        return False
    follows = seen.primary_id == primary.id and seen.view.primary_link_up and not seen.view.syncing
    return seen.id == primary.id or follows


def _dies(shards: list[list[Node]], primaries: dict[str, Node], label: Label, domain: str) -> bool:
    left = sum(label(node) != domain for node in primaries.values())
    bare = any(all(label(node) == domain for node in members) for members in shards)
    return bare or left * 2 <= len(shards)


def _shared(topology: Topology) -> Iterator[Finding]:
    label = dict(_LEVELS).get(topology.spread)
    if label is None:
        return
    for shard in topology.shards:
        labels = [label(node) for node in shard.members]
        twice = sorted({x for x in labels if x and labels.count(x) > 1})
        if twice:
            message = f"{shard.name} has more than one member in {topology.spread} {', '.join(twice)}"
            yield Finding(
                "domain-shared", Severity.ERROR, shard.name, message, "add hosts, or lower `spread` in cluster.yml"
            )

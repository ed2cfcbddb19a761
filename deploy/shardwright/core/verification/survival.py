"""May any one host die, and any one zone? Proved by taking each away on paper.

A domain may die if every shard keeps a member elsewhere and a majority of the primaries stays up to elect it. What the
layout can't give (one host; two zones) is said as information, not as a failure, unless the spec asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.report import Finding, Severity
from ...model.state import ClusterState
from ...model.topology import Node, Shard, Topology
from ..histories import lacks_keys
from ..losses import LEVELS, fatal, handovers, levels_of
from .copies import primary_of


def survival(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """For each level of failure domains with labels: whether any one of them may die."""
    leading = leading_nodes(topology, state)
    copies = live_copies(topology, state)
    best = _best_leading(topology)
    yield from _shared(topology)
    for level, label, domains in levels_of(topology):
        lost = fatal(copies, leading.values(), label, domains)
        possible = not fatal([shard.members for shard in topology.shards], best, label, domains)
        yield _finding(topology, level, len(domains), lost, possible)


def _finding(topology: Topology, level: str, count: int, lost: tuple[str, ...], possible: bool) -> Finding:
    if not lost:
        message = f"any one {level} of {count} may die: each shard keeps a member and a majority of primaries stays"
        return Finding(f"{level}-loss-survived", Severity.OK, topology.name, message)
    names = ", ".join(lost)
    message = f"the cluster would not survive the loss of {level} {names}"
    few = f"{count} {level}{'' if count == 1 else 's'}"
    hint = (
        "bring back what is silent or unlinked, then run the deploy again: it hands primaries over"
        if possible
        else f"{few} can't give that: it takes three or more, with each shard's members apart"
    )
    return Finding(f"{level}-loss-fatal", Severity.ERROR if possible else Severity.INFO, names, message, hint)


def _best_leading(topology: Topology) -> list[Node]:
    """Primaries as the layout could have them if all members were there."""
    preferred = {shard.name: shard.primary for shard in topology.shards}
    changed = handovers(topology, preferred, {shard.name: shard.members for shard in topology.shards})
    return [*{**preferred, **dict(changed)}.values()]


def live_copies(topology: Topology, state: ClusterState) -> list[list[Node]]:
    """For each shard the members that are there and hold a live copy."""
    return [[n for n in shard.members if _counts(n, shard, state)] for shard in topology.shards]


def leading_nodes(topology: Topology, state: ClusterState) -> dict[str, Node]:
    """The primary of each shard that has one, by the shard's name."""
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
    return seen.id == primary.id or (follows and not lacks_keys(seen, primary))


def _shared(topology: Topology) -> Iterator[Finding]:
    label = dict(LEVELS).get(topology.spread)
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

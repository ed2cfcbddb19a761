"""What the loss of one failure domain would take: the arithmetic that planning and verification share.

A domain may die if every shard keeps a member elsewhere, and if more than half of the primaries stand elsewhere to elect
another. How members are dealt out is placement's; which member leads changes with every failover, and can be changed back
at no cost: `handovers` says by which failovers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ..model.observation import Health
from ..model.state import ClusterState, StrangerState
from ..model.topology import Node, Topology

Label = Callable[[Node], str]

LEVELS: tuple[tuple[str, Label], ...] = (
    ("host", lambda node: node.host),
    ("rack", lambda node: f"{node.zone}/{node.rack}" if node.rack else ""),
    ("zone", lambda node: node.zone),
)


def levels_of(topology: Topology) -> tuple[tuple[str, Label, tuple[str, ...]], ...]:
    """The levels at which every node has a label: name, label of a node, all domains in order."""
    found = []
    for name, label in LEVELS:
        domains = tuple(sorted({label(node) for node in topology.nodes}))
        if "" not in domains:
            found.append((name, label, domains))
    return tuple(found)


def fatal(
    copies: Sequence[Iterable[Node]], leading: Iterable[Node], label: Label, domains: Iterable[str]
) -> tuple[str, ...]:
    """The domains whose loss the cluster would not survive.

    Args:
        copies: for each shard the nodes that hold a live copy.
        leading: the primaries, at most one a shard.
        label: of the level.
        domains: all of the level.
    """
    primaries = Counter(label(node) for node in leading)
    kept = sum(primaries.values())
    held = [{label(node) for node in nodes} for nodes in copies]
    return tuple(d for d in domains if any(h <= {d} for h in held) or (kept - primaries[d]) * 2 <= len(copies))


def owner_count(state: ClusterState) -> int:
    """Owners of slots, asked or not: those who vote."""
    return sum(bool(node.slots) for node in state.nodes.values()) + sum(bool(s.slots) for s in state.strangers)


def owners_gone(state: ClusterState) -> tuple[StrangerState, ...]:
    """Owners of slots that gave us no view and that no node which did takes for well."""
    return tuple(s for s in state.strangers if s.slots and s.health is not Health.OK)


def votes_missing(state: ClusterState) -> int:
    """How many of `owners_gone` must come back at least, before the others can elect a replica in place of the rest.

    More than half of all owners must vote, and those that are gone count. 0 where enough are there.
    """
    count, gone = owner_count(state), len(owners_gone(state))
    return max(0, count // 2 + 1 - (count - gone)) if gone else 0


def handovers(
    topology: Topology, leading: Mapping[str, Node], able: Mapping[str, Sequence[Node]]
) -> tuple[tuple[str, Node], ...]:
    """Failovers after which no domain leads half of the shards: shard's name and its new primary, in the shards' order.

    Domains lie in one another, so the widest level at which it can be had settles all narrower ones too. Levels with fewer
    than three domains do not count: of two, one always leads half.

    Args:
        topology: for shards and levels.
        leading: the primary of each shard, by name.
        able: those of its members that could take over, by name.
    """
    for _, label, domains in reversed(levels_of(topology)):
        after = _relieved(label, leading, able, (len(topology.shards) - 1) // 2) if len(domains) >= 3 else None
        if after is not None:
            return tuple((name, node) for name, node in after.items() if node != leading[name])
    return ()


def _relieved(
    label: Label, leading: Mapping[str, Node], able: Mapping[str, Sequence[Node]], most: int
) -> dict[str, Node] | None:
    """The primaries with at most `most` in a domain, by chains of handovers; None where that can't be had."""
    now = dict(leading)
    while True:
        led = Counter(label(node) for node in now.values())
        over = next((domain for domain in sorted(led) if led[domain] > most), None)
        if over is None:
            return now
        room = {label(node) for nodes in able.values() for node in nodes if led[label(node)] < most}
        chain = _chain(label, now, able, over, room)
        if chain is None:
            return None
        now |= chain


def _chain(
    label: Label, now: Mapping[str, Node], able: Mapping[str, Sequence[Node]], start: str, room: Collection[str]
) -> dict[str, Node] | None:
    """The shortest chain that takes one primary out of `start`: each shard hands over to the next domain, until `room`."""
    chains: dict[str, dict[str, Node]] = {start: {}}
    queue = [start]
    for domain in queue:
        for name, primary in now.items():
            for node in able.get(name, ()) if label(primary) == domain else ():
                if label(node) in chains:
                    continue
                chains[label(node)] = {**chains[domain], name: node}
                if label(node) in room:
                    return chains[label(node)]
                queue.append(label(node))
    return None

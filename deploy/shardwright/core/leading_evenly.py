"""Who should lead each shard so that primaries are spread as evenly as their members allow, by the fewest failovers.

Evenly over zones first, then over the racks of each, then over hosts; but before all that, no domain leads half of the
shards where that can be had (`losses.handovers` would undo it otherwise). Who leads is a flow: each shard sends one lead to
the host of its primary, from there to rack, zone and a common sink, and each lead more in a domain costs more than the last.
Such a flow is the cheapest exactly when no round trip of handovers has a negative cost, so those are taken until none is
left: unlike with "take from the most loaded", nothing better exists then.

Equal choices are told apart by a hash of names, which stays the same when a part of the handovers is done: so what is
planned after that is the rest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ..model.topology import Node, Topology
from .losses import levels_of

Place = tuple[str, ...]
"""A domain by the path to it: (), (zone,), (zone, rack), (zone, rack, host)."""
Arc = tuple[int, Place, Place, str, Node | None]
"""A lead more that flows from one place to the next: its cost, both ends, and who leads which shard by it, if it is that."""
TIE = 1 << 32
"""Above every hash that tells equal choices apart."""


def even_handovers(
    topology: Topology, leading: Mapping[str, Node], able: Mapping[str, Sequence[Node]]
) -> tuple[tuple[str, Node], ...]:
    """Failovers after which the primaries are spread evenly: shard's name and its new primary, the most useful first.

    Args:
        topology: for the shards, in order.
        leading: the primary of each shard, by name.
        able: those of its members that could take over, by name.
    """
    weights = _Weights(topology)
    now = dict(leading)
    while chain := _saving(now, leading, able, weights):
        now |= chain
    return tuple(_in_order({n: node for n, node in now.items() if node != leading[n]}, leading, weights))


class _Weights:
    """What one lead more costs at each level; a level outweighs all that come after it together."""

    def __init__(self, topology: Topology) -> None:
        self.shards = len(topology.shards)
        self.most = (self.shards - 1) // 2
        many = {name for name, _, domains in levels_of(topology) if len(domains) >= 3}
        self.critical = [name in many for name in ("zone", "rack", "host")]
        failover = 2 * TIE
        step = 4 * self.shards * self.shards * failover
        self.failover = failover
        self.even = [step**3, step**2, step]
        self.excess = [step**4, step**5, step**6]

    def of(self, place: Place, lead: int) -> int:
        """Cost of the lead number `lead` (from 1) in this place."""
        if not place:
            return 0
        level = len(place) - 1
        excess = self.excess[level] if self.critical[level] and lead > self.most else 0
        return (2 * lead - 1) * self.even[level] + excess


def _path(node: Node) -> tuple[Place, Place, Place]:
    return (node.zone,), (node.zone, node.rack), (node.zone, node.rack, node.host)


def _loads(leading: Mapping[str, Node]) -> Counter[Place]:
    return Counter(place for node in leading.values() for place in _path(node))


def _saving(
    now: Mapping[str, Node], first: Mapping[str, Node], able: Mapping[str, Sequence[Node]], weights: _Weights
) -> dict[str, Node]:
    """A round trip of handovers that costs less than nothing: new primaries by shard; empty where there is none.

    Bellman and Ford's search: while costs fall, the way in which each place was reached closes to a circle only where
    going round is a saving.
    """
    arcs = [*_handovers(now, first, able, weights), *_flows(now, first, able, weights)]
    cost: dict[Place, int] = {}
    came: dict[Place, Arc] = {}
    while True:
        fell = False
        for arc in arcs:
            reached = cost.get(arc[1], 0) + arc[0]
            if reached < cost.get(arc[2], 0):
                cost[arc[2]], came[arc[2]], fell = reached, arc, True
        if not fell:
            return {}
        circle = _circle(came)
        if circle:
            return {shard: node for _, _, _, shard, node in circle if node is not None}


def _circle(came: Mapping[Place, Arc]) -> list[Arc]:
    """A circle in the ways by which places were reached; empty where there is none."""
    seen: dict[Place, Place] = {}
    for start in came:
        here = start
        while here in came and here not in seen:
            seen[here] = start
            here = came[here][1]
        if seen.get(here) == start and here in came:
            circle, at = [came[here]], came[here][1]
            while at != here:
                circle.append(came[at])
                at = came[at][1]
            return circle
    return []


def _handovers(
    now: Mapping[str, Node], first: Mapping[str, Node], able: Mapping[str, Sequence[Node]], weights: _Weights
) -> Iterator[Arc]:
    for name, primary in now.items():
        for node in {*able.get(name, ()), first[name]} - {primary}:
            price = _price(name, node, first, weights) - _price(name, primary, first, weights)
            yield price, _path(primary)[2], _path(node)[2], name, node


def _price(name: str, node: Node, first: Mapping[str, Node], weights: _Weights) -> int:
    if node == first[name]:
        return 0
    digest = hashlib.sha256(f"{name} {node.name}".encode()).digest()
    return weights.failover + int.from_bytes(digest[:4], "big") // (2 * weights.shards)


def _flows(
    now: Mapping[str, Node], first: Mapping[str, Node], able: Mapping[str, Sequence[Node]], weights: _Weights
) -> Iterator[Arc]:
    """One lead more in a place, up to the common sink; and one less, down from it."""
    loads = _loads(now)
    nodes = [*now.values(), *first.values(), *(node for nodes in able.values() for node in nodes)]
    for place in {place for node in nodes for place in _path(node)}:
        yield weights.of(place, loads[place] + 1), place, place[:-1], "", None
        if loads[place]:
            yield -weights.of(place, loads[place]), place[:-1], place, "", None


def _in_order(changes: dict[str, Node], leading: Mapping[str, Node], weights: _Weights) -> Iterator[tuple[str, Node]]:
    """Each time the one after which the spread is the best: so none makes a domain lead more than it need on the way."""
    now, left = dict(leading), dict(changes)
    loads = _loads(now)

    def gain(name: str) -> int:
        ups, downs = set(_path(left[name])), set(_path(now[name]))
        more = sum(weights.of(place, loads[place] + 1) for place in ups - downs)
        return more - sum(weights.of(place, loads[place]) for place in downs - ups)

    while left:
        best = min(left, key=gain)
        loads.subtract(_path(now[best]))
        now[best] = left.pop(best)
        loads.update(_path(now[best]))
        yield best, now[best]

"""Spreading primaries on request: as even as any choice of members is, by the fewest failovers, and then at rest."""

from __future__ import annotations

from collections import Counter
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from shardwright.core.leading_evenly import even_handovers
from shardwright.core.losses import handovers
from shardwright.model.endpoint import Endpoint
from shardwright.model.topology import Node, Shard, Topology

Leading = dict[str, Node]


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Topology, Leading, dict[str, tuple[Node, ...]]]:
    """Three to six shards on up to seven hosts in up to three zones with two racks; any member leads, some can't."""
    where = draw(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("rs")), min_size=3, max_size=7))
    labelled = draw(st.booleans())
    shards, leading, able = [], {}, {}
    for number in range(draw(st.integers(3, 6))):
        size = draw(st.integers(2, min(3, len(where))))
        hosts = draw(st.permutations(range(len(where))))[:size]
        members = tuple(
            Node(Endpoint(f"10.0.0.{h}", 7000 + number, 17000 + number), f"h{h}", where[h][0], where[h][1] * labelled)
            for h in hosts
        )
        name = f"shard-{number}"
        shards.append(Shard(name, members, 1))
        leading[name] = draw(st.sampled_from(members))
        able[name] = tuple(m for m in members if m != leading[name] and draw(st.integers(0, 4)))
    return Topology("t", tuple(shards), even_primaries=True), leading, able


def excess(topology: Topology, leading: Leading) -> list[int]:
    """Of hosts, racks, zones: primaries above the most that is less than half, where three domains are labelled."""
    most = (len(leading) - 1) // 2
    found = []
    for level in ("host", "rack", "zone"):
        labels = [getattr(n, level) for n in topology.nodes]
        paths = {path(n, level) for n in topology.nodes}
        led = Counter(path(n, level) for n in leading.values())
        critical = all(labels) and len(paths) >= 3
        found.append(sum(max(0, count - most) for count in led.values()) if critical else 0)
    return found


def path(node: Node, level: str) -> tuple[str, ...]:
    return {"zone": (node.zone,), "rack": (node.zone, node.rack), "host": (node.zone, node.rack, node.host)}[level]


def unevenness(topology: Topology, leading: Leading) -> tuple[list[int], list[int]]:
    squares = [
        sum(count**2 for count in Counter(path(n, level) for n in leading.values()).values())
        for level in ("zone", "rack", "host")
    ]
    return excess(topology, leading), squares


@given(clusters())
@settings(max_examples=150, deadline=None)
def test_no_choice_is_more_even_and_none_as_even_takes_fewer_failovers(cluster) -> None:
    topology, leading, able = cluster
    changes = dict(even_handovers(topology, leading, able))
    assert all(node in able[name] for name, node in changes.items())
    names = list(leading)
    choices = [dict(zip(names, choice, strict=True)) for choice in product(*((leading[n], *able[n]) for n in names))]
    best = min((unevenness(topology, c), sum(c[n] != leading[n] for n in names)) for c in choices)
    assert (unevenness(topology, {**leading, **changes}), len(changes)) == best


@given(clusters())
@settings(deadline=None)
def test_after_each_failover_the_rest_is_what_was_planned_and_at_the_end_nobody_wants_more(cluster) -> None:
    topology, leading, able = cluster
    planned = even_handovers(topology, leading, able)
    now = dict(leading)
    for done, (name, node) in enumerate(planned):
        able = {**able, name: tuple({*able[name], now[name]} - {node})}
        now[name] = node
        assert even_handovers(topology, now, able) == planned[done + 1 :]
    assert handovers(topology, now, able) == ()


def test_a_thousand_nodes_take_no_longer_than_a_look_at_them() -> None:
    """All primaries in one zone of three: two thirds go, and the search ends."""
    shards, leading, able = [], {}, {}
    for n in range(330):
        members = tuple(Node(Endpoint(f"10.{z}.{n}.1", 1, 2), f"{z}{n}", "abc"[z]) for z in range(3))
        shards.append(Shard(f"s{n}", members, 1))
        leading[f"s{n}"], able[f"s{n}"] = members[0], members[1:]
    changes = even_handovers(Topology("t", tuple(shards)), leading, able)
    after = Counter(node.zone for node in {**leading, **dict(changes)}.values())
    assert after == {"a": 110, "b": 110, "c": 110}
    assert len(changes) == 220

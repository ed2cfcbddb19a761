"""Handing primaries over: ends where no domain leads half of the shards, wherever that can be had, and moves nobody else."""

from __future__ import annotations

from itertools import product

from hypothesis import assume, given
from hypothesis import strategies as st

from shardwright.core.losses import fatal, handovers, levels_of
from shardwright.model.endpoint import Endpoint
from shardwright.model.topology import Node, Shard, Topology


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Topology, dict[str, Node]]:
    """Three to five shards of two or three members in three zones, and a primary for each."""
    shards, leading = [], {}
    for number in range(draw(st.integers(3, 5))):
        zones = draw(st.lists(st.sampled_from("abc"), min_size=2, max_size=3, unique=True))
        members = tuple(
            Node(Endpoint(f"10.0.{number}.{m}", 6379, 16379), f"h{number}-{m}", zone) for m, zone in enumerate(zones)
        )
        shards.append(Shard(f"shard-{number}", members, 1))
        leading[f"shard-{number}"] = draw(st.sampled_from(members))
    topology = Topology("t", tuple(shards))
    assume(len({node.zone for node in topology.nodes}) == 3)
    return topology, leading


def zone_is_fatal(topology: Topology, leading: dict[str, Node]) -> bool:
    """By the definition: some zone leads half of the shards or more."""
    zones = [node.zone for node in leading.values()]
    return any(zones.count(zone) * 2 >= len(zones) for zone in zones)


@given(clusters())
def test_no_zone_leads_half_where_any_choice_of_primaries_avoids_that(cluster) -> None:
    topology, leading = cluster
    able = {shard.name: shard.members for shard in topology.shards}
    after = {**leading, **dict(handovers(topology, leading, able))}
    names = [shard.name for shard in topology.shards]
    choices = product(*(shard.members for shard in topology.shards))
    possible = any(not zone_is_fatal(topology, dict(zip(names, choice, strict=True))) for choice in choices)
    assert zone_is_fatal(topology, after) is not possible


@given(clusters())
def test_once_done_nothing_more_is_handed_over(cluster) -> None:
    topology, leading = cluster
    able = {shard.name: shard.members for shard in topology.shards}
    after = {**leading, **dict(handovers(topology, leading, able))}
    assert handovers(topology, after, able) == ()


@given(clusters())
def test_what_is_called_fatal_is_what_the_definition_says(cluster) -> None:
    topology, leading = cluster
    for level, label, domains in levels_of(topology):
        if level == "zone":
            found = fatal([shard.members for shard in topology.shards], leading.values(), label, domains)
            assert bool(found) is zone_is_fatal(topology, leading)

"""Who shares a shard, where zones were written into the cluster.yml of a cluster that runs already."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.properties.planning_model import World

from shardwright.core.consolidation import consolidate
from shardwright.core.fitting import fit
from shardwright.core.placement import place
from shardwright.core.planning import plan
from shardwright.model.plan import Failover, Replicate
from shardwright.model.spec import ClusterSpec, Domain, EngineChoice, HostSpec, Product
from shardwright.model.topology import Topology


def topology(zones: str, spread: Domain) -> Topology:
    hosts = tuple(HostSpec(f"h{n}", f"10.0.0.{n}", (6379,), zone=z) for n, z in enumerate(zones, start=1))
    spec = ClusterSpec("zoned", EngineChoice(Product.VALKEY), 3, len(zones) // 3 - 1, hosts, spread=spread)
    return replace(place(spec), settings=())


def formed(wanted: Topology) -> World:
    world = World.fresh(wanted)
    while steps := plan(wanted, consolidate(world.observation())).steps:
        world = world.run(steps)
    return world


@pytest.mark.parametrize("zones", ["abbcac", "aabbcc", "abccba", "aaabbb", "aaabbbccc", "abcabcabc", "abbcca"])
def test_replicas_change_places_until_zones_are_apart(zones: str) -> None:
    """The cluster was formed while nobody knew of zones."""
    world = formed(topology("x" * len(zones), Domain.HOST))
    state = consolidate(world.observation())
    fitted = fit(topology(zones, Domain.ZONE), state)
    for shard in fitted.shards:
        assert len({member.zone for member in shard.members}) == len(shard.members), shard
        assert state.nodes[shard.primary.endpoint].slots, "who leads stays where it is"
    made = plan(fitted, state)
    assert {type(step) for step in made.steps} <= {Replicate, Failover}
    for phase in made.phases:
        world = world.run(phase.steps)
    after = consolidate(world.observation())
    assert plan(fit(topology(zones, Domain.ZONE), after), after).empty

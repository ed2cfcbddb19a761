"""Primaries are spread evenly on request, by manual failovers, while another process writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.kit import Lab, assert_proved, eventually, lab, nodes_of, topology_of
from tests.engine.moves import assert_nothing_lost
from tests.engine.writing import writing

from shardwright.control.observing import look
from shardwright.core.planning import plan
from shardwright.model.topology import Topology
from shardwright.testing.servers import Server

pytestmark = pytest.mark.engine


def on_two_hosts(servers: Sequence[Server]) -> Topology:
    """Each shard has a member on either; of two hosts one always leads half, so no rule of ours acts unasked."""
    made = topology_of(servers)
    shards = (
        replace(s, members=tuple(replace(n, host="ab"[(k + m) % 2], zone="") for m, n in enumerate(s.members)))
        for k, s in enumerate(made.shards)
    )
    return replace(made, shards=tuple(shards))


def led_by_host(made: Lab) -> Counter[str]:
    hosts = {node.endpoint.port: node.host for node in made.topology.nodes}
    return Counter(hosts[row["port"]] for row in nodes_of(made[0]).values() if row["slots"])


def test_a_failover_is_left_alone_until_evenness_is_asked_for(tmp_path: Path) -> None:
    with lab(tmp_path, topology=on_two_hosts) as made:
        made.converge()
        assert led_by_host(made) == {"a": 2, "b": 1}
        shard = next(s for s in made.topology.shards if s.primary.host == "b")
        replica = made[made.ports.index(shard.members[1].endpoint.port)]
        replica.execute_command("CLUSTER FAILOVER")
        eventually(lambda: led_by_host(made) == {"a": 3}, "one host leads all")
        eventually(lambda: look(made.topology, made.transport).agreed, "all have heard of it")
        assert not made.converge().changed
        with writing(made.ports[0]) as told:
            made.topology = replace(made.topology, even_primaries=True)
            steps = plan(made.topology, look(made.topology, made.transport)).steps
            assert len(steps) == 1
            outcome = made.converge()
            assert [step for phase in outcome.phases for step in phase.steps] == list(steps)
            eventually(lambda: made[0].dbsize() + made[1].dbsize() + made[2].dbsize() > 200, "writes go on")
        assert led_by_host(made) == {"a": 2, "b": 1}
        assert_proved(made)
        assert not made.converge().changed
        assert_nothing_lost(made, told)

"""Converging on fake servers: from fresh ones, over bad networks, killed anywhere; it ends in the same proved cluster."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulation.kit import deploy, interrupted, judge, servers_for, shape, watch_owners

from shardwright.control.converging import Means, converge
from shardwright.control.run import verify_only
from shardwright.errors import ApplyError
from shardwright.model.topology import Topology
from shardwright.testing.clock import VirtualClock
from shardwright.testing.fake_transport import Killed
from shardwright.testing.strategies import MODES, Fault, Network, faults, networks, topologies, topology

THREE = topology(3, 1)
quickly = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def effects_of(wanted: Topology) -> int:
    return deploy(wanted, servers_for(wanted))[1].effects


EFFECTS = effects_of(THREE)


class MortalClock:
    """The deployer's clock; it dies in its first sleep that ends after `death`."""

    def __init__(self, clock: VirtualClock, death: float) -> None:
        self._clock, self._death = clock, death

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        if self._clock.now() > self._death:
            raise Killed


@quickly
@given(topologies(), networks())
def test_fresh_servers_become_the_topology_and_a_second_run_changes_nothing(wanted: Topology, network: Network) -> None:
    cluster = servers_for(wanted, network)
    breaches = watch_owners(cluster)
    deploy(wanted, cluster)
    assert judge(wanted, cluster) == []
    again, transport = deploy(wanted, cluster)
    assert not again.changed
    assert transport.effects == 0
    assert breaches == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(1, EFFECTS + 1))
def test_killed_at_every_effect_the_next_run_ends_the_same(number: int, mode: str) -> None:
    reference = servers_for(THREE)
    deploy(THREE, reference)
    cluster = servers_for(THREE)
    breaches = watch_owners(cluster)
    interrupted(THREE, cluster, Fault(number, mode))
    deploy(THREE, cluster)
    assert judge(THREE, cluster) == []
    assert shape(THREE, cluster) == shape(THREE, reference)
    assert deploy(THREE, cluster)[1].effects == 0
    assert breaches == []


def test_killed_at_any_moment_the_next_run_ends_whole() -> None:
    for moment in range(1, 100):
        cluster = servers_for(THREE)
        mortal = MortalClock(cluster.clock, moment * 0.04)
        try:
            converge(THREE, Means(cluster.transport(), mortal, cluster.prober()))
            break
        except Killed:
            deploy(THREE, cluster)
        assert judge(THREE, cluster) == [], f"killed at {moment * 0.04:.2f} s"
    assert moment > 20


@quickly
@given(topologies((3, 6)), networks(), st.data())
def test_killed_several_times_in_a_row_the_last_run_ends_whole(
    wanted: Topology, network: Network, data: st.DataObject
) -> None:
    cluster = servers_for(wanted, network)
    breaches = watch_owners(cluster)
    for fault in data.draw(st.lists(faults(4 * len(wanted.nodes)), min_size=1, max_size=3)):
        interrupted(wanted, cluster, fault)
        cluster.clock.sleep(data.draw(st.sampled_from([0.0, 0.3, 5.0, 60.0])))
    deploy(wanted, cluster)
    assert judge(wanted, cluster) == []
    assert deploy(wanted, cluster)[1].effects == 0
    assert breaches == []


# Redis too, once the test below holds: a lost PONG leaves the same one-sided acquaintance.
@quickly
@given(topologies((3, 5), (0, 1), ("valkey",)), networks(loss=0.1, slowest=0.1))
def test_a_slow_and_lossy_bus_costs_runs_and_time_but_not_the_end(wanted: Topology, network: Network) -> None:
    """A lost MEET is not sent again by the run that sent it; that run fails with a reason, and the next goes on."""
    cluster = servers_for(wanted, network)
    breaches = watch_owners(cluster)
    for _ in range(6):
        try:
            deploy(wanted, cluster)
            break
        except ApplyError as error:
            assert error.code in ("nodes-disagree", "wait-timed-out")  # noqa: PT017
    assert judge(wanted, cluster) == []
    assert deploy(wanted, cluster)[1].effects == 0
    assert breaches == []


def test_a_replica_that_is_known_but_knows_nobody_is_introduced_again() -> None:
    """Seen on real Redis 7.0 too: meet two fresh servers, CLUSTER RESET SOFT one of them, converge: stuck for ever."""
    wanted = topology(3, 1, "redis")
    cluster = servers_for(wanted)
    primary, replica = (node.endpoint for node in wanted.shards[0].members)
    transport = cluster.transport()
    transport.ask({replica: [("CLUSTER", "MEET", primary.host, primary.port, primary.bus_port)]}, timeout=1)
    cluster.clock.sleep(1)
    assert transport.ask({replica: [("CLUSTER", "RESET", "SOFT")]}, timeout=1)[replica] == [b"OK"]
    deploy(wanted, cluster)
    assert judge(wanted, cluster) == []


def test_the_verifier_agrees_with_the_judge() -> None:
    cluster = servers_for(THREE)
    means = Means(cluster.transport(), cluster.clock)
    assert not verify_only(THREE, means).report.healthy
    deploy(THREE, cluster)
    proof = verify_only(THREE, means)
    errors = [f for f in proof.report.findings if f.severity.value == "error"]
    assert errors == []


def test_a_large_cluster_is_planned_and_carried_out() -> None:
    """`SHARDWRIGHT_SIM_NODES=1000` for the size of the documentation; takes minutes then."""
    nodes = int(os.environ.get("SHARDWRIGHT_SIM_NODES", "60"))
    wanted = topology(nodes // 2, 1)
    cluster = servers_for(wanted, gossip="instant")
    deploy(wanted, cluster)
    assert judge(wanted, cluster) == []
    assert deploy(wanted, cluster)[1].effects == 0

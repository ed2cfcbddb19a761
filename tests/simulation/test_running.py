"""Clusters that hold data: what a deploy refuses, mends and never loses, and what the engine itself loses under a fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulation.kit import CALM, deploy, judge, servers_for, watch_owners

from shardwright.control.converging import Means, converge
from shardwright.errors import PlanError, ShardwrightError
from shardwright.model.endpoint import Endpoint
from shardwright.model.plan import Replicate
from shardwright.model.topology import Topology
from shardwright.testing.accounting import Account, FakeClient, TransportClient, Writer
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.strategies import Network, networks, topologies, topology

THREE = topology(3, 1)
PERSISTENT = {"appendonly": "yes"}
quickly = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def running(wanted: Topology = THREE, network: Network = CALM, **options: object) -> FakeCluster:
    """A proved cluster that is persistent and has a node timeout of 2 s."""
    fast = {**PERSISTENT, "cluster-node-timeout": "2000"}
    cluster = servers_for(wanted, network, settings=fast, **options)
    deploy(quick(wanted), cluster)
    return cluster


def quick(wanted: Topology) -> Topology:
    live = dict(wanted.live) | {"cluster-node-timeout": "2000"}
    return Topology(wanted.name, wanted.shards, tuple(live.items()), product=wanted.product)


def writing(cluster: FakeCluster, every: float = 0.002) -> Writer:
    writer = Writer(FakeClient(cluster))
    cluster.clock.every(every, lambda: writer.write(cluster.clock.now()))
    return writer


def whole_again(cluster: FakeCluster, wanted: Topology, limit: float = 60.0) -> None:
    cluster.heal()
    for server in cluster.servers:
        if not server.running:
            cluster.start(server)
    deadline = cluster.clock.now() + limit
    while cluster.clock.now() < deadline:
        cluster.clock.sleep(1.0)
        if not [w for w in judge(quick(wanted), cluster) if "keys" not in w]:
            return
    raise AssertionError(judge(quick(wanted), cluster))


def settle(writer: Writer, cluster: FakeCluster, least: int = 500) -> Account:
    account = writer.check()
    assert len(account.acknowledged) >= least, "too few writes for a statement"
    assert account.resurrected == ()
    return account


# What the engine alone does.


def test_a_manual_failover_loses_nothing() -> None:
    cluster = running()
    writer = writing(cluster)
    cluster.clock.sleep(1)
    transport = cluster.transport()
    replica = next(s for s in cluster.servers if s.myself.replica)
    assert transport.ask({replica.endpoint: [("CLUSTER", "FAILOVER")]}, timeout=1)[replica.endpoint] == [b"OK"]
    cluster.clock.sleep(3)
    assert not replica.myself.replica
    account = settle(writer, cluster)
    assert account.lost == ()
    assert len(account.acknowledged) > 1000


def test_a_killed_process_loses_nothing_and_a_lost_host_what_was_on_its_way() -> None:
    lost = {}
    for host_lost in (False, True):
        cluster = running(network=Network(1, (0.03, 0.06), 0.0))
        writer = writing(cluster)
        cluster.clock.sleep(1)
        cluster.kill(next(s for s in cluster.servers if s.owned), host_lost=host_lost)
        cluster.clock.sleep(10)
        whole_again(cluster, THREE)
        lost[host_lost] = len(settle(writer, cluster).lost)
    assert lost[False] == 0
    assert 0 < lost[True] < 30


def test_a_cut_off_primary_goes_on_taking_writes_for_about_the_node_timeout_and_all_of_them_are_lost() -> None:
    cluster = running()
    writer = writing(cluster)
    cluster.clock.sleep(1)
    primary = next(s for s in cluster.servers if s.owned)
    began = cluster.clock.now()
    cluster.isolate(primary)
    cluster.clock.sleep(10)
    whole_again(cluster, THREE)
    account = settle(writer, cluster)
    assert account.lost
    window = account.window(began)
    assert window is not None
    assert window[0] >= 0
    assert 1.0 < window[1] < 4.0


def test_a_one_way_cut_fails_a_primary_too() -> None:
    cluster = running()
    primary = next(s for s in cluster.servers if s.owned)
    replica = next(s for s in cluster.servers if s.myself.primary_id == primary.id)
    slots = primary.owned
    for other in cluster.servers:
        if other is not primary:
            cluster.cut(primary, other, one_way=True)
    cluster.clock.sleep(15)
    assert replica.owned == slots
    whole_again(cluster, THREE)


@quickly
@given(networks(slowest=0.01), st.integers(0, 5), st.sampled_from(["kill", "host", "cut", "freeze"]))
def test_after_any_one_fault_the_cluster_is_whole_again_and_no_refused_write_is_there(
    network: Network, victim: int, fault: str
) -> None:
    cluster = running(network=network)
    writer = writing(cluster, 0.01)
    server = cluster[victim]
    cluster.clock.sleep(1)
    {
        "kill": lambda: cluster.kill(server),
        "host": lambda: cluster.kill(server, host_lost=True),
        "cut": lambda: cluster.isolate(server, clients=True),
        "freeze": lambda: cluster.freeze(server),
    }[fault]()
    cluster.clock.sleep(12)
    if server.frozen:
        cluster.thaw(server)
    whole_again(cluster, THREE)
    account = settle(writer, cluster, 300)
    if fault == "kill":
        assert account.lost == ()
    deploy(quick(THREE), cluster)  # may hand primaries back, where one zone now leads most shards
    assert [w for w in judge(quick(THREE), cluster) if "keys" not in w] == []
    assert deploy(quick(THREE), cluster)[1].effects == 0


# What a deploy does on it.


@quickly
@given(topologies((3, 5), (1, 2)), networks(), st.data())
def test_a_wiped_replica_is_put_back_without_a_slot_unserved_or_a_write_lost(
    wanted: Topology, network: Network, data: st.DataObject
) -> None:
    cluster = running(wanted, network)
    writer = writing(cluster, 0.02)
    cluster.clock.sleep(1)
    replicas = [s for s in cluster.servers if s.myself.replica]
    victim = data.draw(st.sampled_from(range(len(replicas))))
    cluster.wipe(replicas[victim])
    cluster.clock.sleep(data.draw(st.sampled_from([8.0, 20.0])))
    breaches = watch_owners(cluster)
    deploy(quick(wanted), cluster)
    cluster.clock.sleep(0.5)
    assert settle(writer, cluster, 50).lost == ()
    assert [w for w in judge(quick(wanted), cluster) if "keys" not in w] == []
    assert breaches == []
    assert deploy(quick(wanted), cluster)[1].effects == 0


@pytest.mark.parametrize("product", ["valkey", "redis"])
def test_the_old_identity_of_a_wiped_replica_stays_forgotten_after_the_ban(product: str) -> None:
    wanted = topology(3, 1, product)
    cluster = running(wanted)
    victim = next(s for s in cluster.servers if s.myself.replica)
    old = victim.id
    cluster.wipe(victim)
    cluster.clock.sleep(8)
    assert any(old in server.peers for server in cluster.servers)
    deploy(quick(wanted), cluster)
    cluster.clock.sleep(75)
    assert not any(old in server.peers for server in cluster.servers)
    assert judge(quick(wanted), cluster) == []


def test_settings_that_a_killed_run_left_behind_are_put_back_under_load() -> None:
    cluster = running()
    for server in cluster.servers:
        server.settings |= {"cluster-replica-no-failover": "yes", "repl-diskless-sync-delay": "0"}
    writer, breaches = writing(cluster), watch_owners(cluster)
    outcome, _ = deploy(quick(THREE), cluster)
    cluster.clock.sleep(1)
    assert outcome.changed
    assert judge(quick(THREE), cluster) == [] or all("keys" in w for w in judge(quick(THREE), cluster))
    assert settle(writer, cluster, 300).lost == ()
    assert breaches == []


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_a_slot_that_somebody_left_open_is_closed_and_its_keys_are_all_there(moved: int) -> None:
    cluster = running()
    transport = cluster.transport()
    owners = [s for s in cluster.servers if s.owned]
    source = next(s for s in owners if s.owned >> 3300 & 1)  # the slot of {b}
    target = next(s for s in owners if s is not source)
    keys = [f"{{b}}{n}" for n in range(3)]
    a, b = source.endpoint, target.endpoint
    transport.ask({a: [("SET", key, "v") for key in keys]}, timeout=1)
    transport.ask({b: [("CLUSTER", "SETSLOT", 3300, "IMPORTING", source.id)]}, timeout=1)
    transport.ask({a: [("CLUSTER", "SETSLOT", 3300, "MIGRATING", target.id)]}, timeout=1)
    if moved:
        transport.ask({a: [("MIGRATE", b.host, b.port, "", 0, 1000, "KEYS", *keys[:moved])]}, timeout=1)
    breaches = watch_owners(cluster)
    try:
        deploy(quick(THREE), cluster)
    except PlanError as error:  # quotas no longer fit after the slot went on to its target
        assert error.code in ("layout-differs", "slots-must-move")  # noqa: PT017
    client = TransportClient(cluster.transport(), cluster.endpoints)
    assert [client.get(key) for key in keys] == ["v"] * 3
    assert all(not s.migrating and not s.importing for s in cluster.servers)
    assert breaches == []


# What a deploy refuses; nothing is touched then.


def refused(cluster: FakeCluster, wanted: Topology) -> str:
    transport = cluster.transport()
    with pytest.raises(ShardwrightError) as caught:
        converge(wanted, Means(transport, cluster.clock))
    assert transport.effects == 0
    return caught.value.code


def test_a_clone_is_refused_before_anything_is_met() -> None:
    wanted = topology(3, 1)
    spare = topology(4, 1)
    cluster = running()
    cluster.clone(cluster[0], spare.shards[3].members[0].endpoint)
    cluster.add(spare.shards[3].members[1].endpoint)
    assert refused(cluster, spare) == "duplicate-node-id"
    assert len(wanted.nodes) == 6


def test_nodes_of_another_cluster_are_refused() -> None:
    cluster = running()
    fewer = Topology("other", topology(3, 0).shards)
    assert refused(cluster, fewer) in ("belongs-to-another-cluster", "layout-differs", "members-unnamed")


def test_a_dead_member_is_named_and_nothing_is_changed() -> None:
    cluster = running()
    cluster.kill(cluster[5])
    assert refused(cluster, quick(THREE)) == "nodes-silent"


def test_a_server_with_keys_is_not_taken_without_consent() -> None:
    cluster = servers_for(THREE, settings={"cluster-require-full-coverage": "no"})
    stranger = cluster[0]
    transport = cluster.transport()
    transport.ask({stranger.endpoint: [("CLUSTER", "ADDSLOTSRANGE", 0, 16383)]}, timeout=1)
    cluster.clock.sleep(5)
    assert transport.ask({stranger.endpoint: [("SET", "b", "1")]}, timeout=1)[stranger.endpoint] == [b"OK"]
    transport.ask({stranger.endpoint: [("CLUSTER", "DELSLOTSRANGE", 0, 16383)]}, timeout=1)
    assert refused(cluster, THREE) == "hazard-not-allowed"
    assert stranger.store.values() == {b"b": b"1"}


def test_a_server_that_comes_back_under_another_address_is_found_again_by_its_peers() -> None:
    cluster = running()
    moved = cluster[1]
    cluster.move(moved, Endpoint("10.9.9.9", 6379, 16379))
    cluster.clock.sleep(10)
    for server in cluster.servers:
        if server is not moved:
            assert server.peers[moved.id].at == moved.at
            assert not server.peers[moved.id].fail


def test_a_replica_that_moved_to_another_primary_is_brought_back_unasked() -> None:
    """As replicas do by themselves where `cluster-allow-replica-migration` lets them: here onto the host of its primary."""
    wanted = topology(3, 2)
    first, second = wanted.shards[0], wanted.shards[1]
    host = first.primary.host
    moved = replace(second.members[2], host=host)
    second = replace(second, members=(*second.members[:2], moved))
    wanted = replace(quick(wanted), shards=(first, second, wanted.shards[2]))
    cluster = running(wanted)
    transport = cluster.transport()
    transport.ask({moved.endpoint: [("CLUSTER", "REPLICATE", cluster[first.primary.endpoint].id)]}, timeout=1)
    cluster.clock.sleep(5)
    assert judge(wanted, cluster) != []
    outcome, _ = deploy(wanted, cluster)
    assert [type(step) for phase in outcome.phases for step in phase.steps] == [Replicate]
    assert judge(wanted, cluster) == []


def test_without_a_wish_primaries_stay_where_a_failover_put_them_and_with_it_they_are_spread() -> None:
    wanted = replace(quick(topology(5, 1)), even_primaries=False)
    shards = tuple(
        replace(s, members=tuple(replace(n, zone="", rack="", host=f"h{(k + m) % 2}") for m, n in enumerate(s.members)))
        for k, s in enumerate(wanted.shards)
    )
    wanted = replace(wanted, shards=shards)
    cluster = running(wanted)
    writer, breaches = writing(cluster), watch_owners(cluster)
    for shard in (wanted.shards[1], wanted.shards[3]):
        replica = cluster[shard.members[1].endpoint]
        cluster.transport().ask({replica.endpoint: [("CLUSTER", "FAILOVER")]}, timeout=1)
        cluster.clock.sleep(6)
        assert not replica.myself.replica
    assert not deploy(wanted, cluster)[0].changed
    outcome, _ = deploy(replace(wanted, even_primaries=True), cluster)
    assert [len(phase.steps) for phase in outcome.phases] == [1, 1]
    led = [n.host for n in wanted.nodes if cluster[n.endpoint].owned]
    assert sorted(map(led.count, ("h0", "h1"))) == [2, 3]
    assert not deploy(replace(wanted, even_primaries=True), cluster)[0].changed
    cluster.clock.sleep(1)
    assert settle(writer, cluster).lost == ()
    assert breaches == []

"""What every placement must have, whatever the hosts: asserted on topologies, never on how they came about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shardwright.core.placement import place
from shardwright.model.endpoint import Endpoint
from shardwright.model.spec import ClusterSpec, Domain, EngineChoice, HostSpec, Persistence, Product
from shardwright.model.topology import Node, Topology

FIRST_PORT = 7000


def host(number: int, zone: str = "", rack: str = "", instances: int = 1) -> HostSpec:
    ports = tuple(range(FIRST_PORT, FIRST_PORT + instances))
    return HostSpec(f"h{number}", f"10.0.{number // 250}.{number % 250 + 1}", ports, zone=zone, rack=rack)


def spec(shards: int, replicas: int, hosts: list[HostSpec], spread: Domain = Domain.HOST) -> ClusterSpec:
    return ClusterSpec("c", EngineChoice(Product.BUNDLED), shards, replicas, tuple(hosts), spread=spread)


@st.composite
def specs(draw: st.DrawFn) -> ClusterSpec:
    """Any spec with enough servers, however uneven; the spread may be impossible."""
    rows = draw(
        st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("rst"), st.integers(1, 3)), min_size=1, max_size=14)
    )
    hosts = [host(n, zone, rack, instances) for n, (zone, rack, instances) in enumerate(rows)]
    replicas = draw(st.integers(0, 3))
    most = sum(len(h.ports) for h in hosts) // (1 + replicas)
    assume(most >= 3)
    return spec(draw(st.integers(3, most)), replicas, hosts, draw(st.sampled_from(Domain)))


@st.composite
def even_specs(draw: st.DrawFn) -> ClusterSpec:
    """Three zones of equal size in any order, hosts of one instance, every instance used."""
    replicas, shards = draw(st.integers(0, 2)), 3 * draw(st.integers(1, 6))
    hosts = [host(n, "abc"[n % 3]) for n in range(shards * (1 + replicas))]
    draw(st.randoms(use_true_random=False)).shuffle(hosts)
    return spec(shards, replicas, hosts, Domain.ZONE)


def domain(node: Node, level: Domain) -> tuple[str, ...]:
    return {
        Domain.ZONE: (node.zone,),
        Domain.RACK: (node.zone, node.rack),
        Domain.HOST: (node.host,),
        Domain.NONE: (node.name,),
    }[level]


def possible(wanted: ClusterSpec, level: Domain) -> bool:
    """No more than a bound: a domain serves each shard at most once. That it is enough is what the test shows."""
    nowhere = Endpoint("10.0.0.1", 1, 1)
    nodes = [Node(nowhere, h.name, h.zone, h.rack) for h in wanted.hosts for _ in h.ports]
    sizes = Counter(domain(n, level) for n in nodes) if level is not Domain.NONE else Counter({(): len(nodes)})
    needed = wanted.shards * (1 + wanted.replicas)
    return level is Domain.NONE or sum(min(size, wanted.shards) for size in sizes.values()) >= needed


def apart(topology: Topology, level: Domain) -> bool:
    return all(len({domain(m, level) for m in s.members}) == len(s.members) for s in topology.shards)


@given(specs())
def test_shape(wanted: ClusterSpec) -> None:
    topology = place(wanted)
    assert [len(s.members) for s in topology.shards] == [1 + wanted.replicas] * wanted.shards
    assert len({s.name for s in topology.shards}) == wanted.shards
    assert len(set(topology.nodes)) == len(topology.nodes)
    offered = {(h.name, h.address, p, p + 10_000, h.zone, h.rack) for h in wanted.hosts for p in h.ports}
    used = {(n.host, n.endpoint.host, n.endpoint.port, n.endpoint.bus_port, n.zone, n.rack) for n in topology.nodes}
    assert used <= offered


@given(specs())
def test_quotas(wanted: ClusterSpec) -> None:
    quotas = [s.quota for s in place(wanted).shards]
    assert sum(quotas) == 16_384
    assert max(quotas) - min(quotas) <= 1


@given(specs())
def test_deterministic(wanted: ClusterSpec) -> None:
    assert place(wanted) == place(replace(wanted, hosts=tuple(replace(h) for h in wanted.hosts)))


@given(specs())
@settings(max_examples=400)
def test_domains_are_kept_apart_wherever_that_is_possible(wanted: ClusterSpec) -> None:
    topology = place(wanted)
    for level in (Domain.HOST, Domain.RACK, Domain.ZONE):
        if possible(wanted, level):
            assert apart(topology, level)


@given(specs())
def test_ports_of_a_host_are_used_in_order(wanted: ClusterSpec) -> None:
    used: dict[str, list[int]] = {}
    for node in place(wanted).nodes:
        used.setdefault(node.host, []).append(node.endpoint.port)
    assert all(sorted(ports) == list(range(FIRST_PORT, FIRST_PORT + len(ports))) for ports in used.values())


@given(st.integers(3, 8), st.integers(0, 2), st.integers(1, 3), st.integers(0, 4))
def test_equal_hosts_get_equal_load(shards: int, replicas: int, instances: int, spare: int) -> None:
    size = shards * (1 + replicas)
    hosts = max(-(-size // instances), 1 + replicas) + spare
    topology = place(spec(shards, replicas, [host(n, instances=instances) for n in range(hosts)]))
    servers = Counter(n.host for n in topology.nodes)
    primaries = Counter(s.primary.host for s in topology.shards)
    assert max(servers.values()) - min(servers[f"h{n}"] for n in range(hosts)) <= 1
    assert max(primaries.values()) <= -(-shards // min(hosts, size))


@given(
    st.integers(3, 9), st.integers(0, 2), st.integers(1, 4), st.sampled_from(["aaabbbccc", "abcabcabc", "ccbbbacaa"])
)
def test_zones_with_room_to_spare_are_used_evenly(shards: int, replicas: int, instances: int, zones: str) -> None:
    assume(shards * (1 + replicas) <= len(zones) * instances)
    topology = place(
        spec(shards, replicas, [host(n, z, instances=instances) for n, z in enumerate(zones)], Domain.ZONE)
    )
    servers = Counter({z: sum(n.zone == z for n in topology.nodes) for z in "abc"})
    primaries = Counter({z: sum(s.primary.zone == z for s in topology.shards) for z in "abc"})
    for counted in (servers, primaries):
        assert max(counted.values()) - min(counted.values()) <= 1


@given(even_specs())
def test_equal_zones_lead_equally_often_and_any_may_die(wanted: ClusterSpec) -> None:
    topology = place(wanted)
    primaries = Counter(s.primary.zone for s in topology.shards)
    assert set(primaries.values()) == {wanted.shards // 3}
    assert max(Counter(s.primary.host for s in topology.shards).values()) == 1
    for lost in "abc":
        alive = sum(s.primary.zone != lost for s in topology.shards)
        assert alive > wanted.shards / 2
        assert wanted.replicas == 0 or all(any(m.zone != lost for m in s.members) for s in topology.shards)


@given(specs())
def test_no_zone_leads_a_majority_where_another_choice_of_leaders_would_avoid_it(wanted: ClusterSpec) -> None:
    """Against trying every choice: the balance over zones is the best that these members allow."""
    assume((1 + wanted.replicas) ** wanted.shards <= 4_096)
    topology = place(wanted)
    choices = [[]]
    for shard in topology.shards:
        choices = [[*chosen, m.zone] for chosen in choices for m in shard.members]
    best = min(max(Counter(chosen).values()) for chosen in choices)
    assert max(Counter(s.primary.zone for s in topology.shards).values()) == best


@given(st.integers(3, 12), st.integers(0, 2), st.integers(1, 9), st.sampled_from([1, 3]))
def test_appended_hosts_leave_the_shards_alone(shards: int, replicas: int, more: int, zones: int) -> None:
    """Hosts of one instance in zones by turns: neither spare hosts nor further shards move a member."""
    size = 1 + replicas

    def placed(count: int, hosts: int) -> list[frozenset[str]]:
        topology = place(spec(count, replicas, [host(n, "abc"[n % zones]) for n in range(hosts)]))
        return [frozenset(m.name for m in s.members) for s in topology.shards]

    before = placed(shards, shards * size)
    assert placed(shards, shards * size + more) == before
    assert placed(shards + more, (shards + more) * size)[:shards] == before


def test_known_case_in_zones_by_turns_and_in_blocks() -> None:
    for zones in ("abcabc", "aabbcc", "cbabca"):
        topology = place(spec(3, 1, [host(n, z) for n, z in enumerate(zones)], Domain.ZONE))
        assert sorted(s.primary.zone for s in topology.shards) == ["a", "b", "c"]
        assert apart(topology, Domain.ZONE)


@given(st.integers(4, 12), st.integers(2, 3))
def test_what_a_host_leaves_behind_is_taken_over_by_several(hosts: int, instances: int) -> None:
    """Hardly two hosts share more than one shard, or one would have to carry all of the other's load.

    Dealing hosts out in order may leave the last two to each other, so two repetitions in all are granted.
    """
    assume(hosts * instances % 2 == 0)
    topology = place(spec(hosts * instances // 2, 1, [host(n, instances=instances) for n in range(hosts)]))
    pairs = Counter(frozenset(m.host for m in s.members) for s in topology.shards)
    assert sum(n - 1 for n in pairs.values()) <= 2


def test_every_order_of_uneven_hosts_is_served() -> None:
    """Two big hosts and two small ones fit only if the big ones are in every shard."""
    for sizes in set(permutations([3, 1, 1, 1])):
        topology = place(spec(3, 1, [host(n, instances=k) for n, k in enumerate(sizes)]))
        assert apart(topology, Domain.HOST)


def test_settings_are_split_and_persistence_is_in_the_servers_words() -> None:
    given_settings = (("cluster-node-timeout", "5000"), ("maxmemory", "1gb"))
    wanted = replace(
        spec(3, 0, [host(n) for n in range(3)]),
        settings=given_settings,
        persistence=Persistence(aof=False, fsync="always", save=((60, 1),)),
        engine=EngineChoice(Product.BUNDLED, "9.1"),
    )
    topology = place(wanted)
    assert dict(topology.live) == {
        "cluster-node-timeout": "5000",
        "cluster-replica-no-failover": "no",
        "repl-diskless-sync-delay": "5",
    }
    assert dict(topology.settings) == {
        "appendfsync": "always",
        "appendonly": "no",
        "cluster-allow-replica-migration": "no",
        "maxmemory": "1gb",
        "save": "60 1",
    }
    assert (topology.product, topology.versions, topology.spread) == ("valkey", "9.1", "host")

"""What simulations share: fake clusters by version, running a deploy, and a judgement that reads the servers themselves."""

from __future__ import annotations

from contextlib import suppress

from shardwright.control.converging import Means, Outcome, converge
from shardwright.errors import ShardwrightError
from shardwright.model.topology import Topology
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.fake_server import ALL, FakeServer
from shardwright.testing.fake_transport import FakeTransport, Killed
from shardwright.testing.strategies import Fault, Network

VERSIONS = {"valkey": "9.1.2", "redis": "7.0.15"}
CALM = Network(0, (0.0002, 0.002), 0.0)


def servers_for(topology: Topology, network: Network = CALM, **options: object) -> FakeCluster:
    return FakeCluster.of(
        topology,
        version=VERSIONS[topology.product],
        seed=network.seed,
        delay=network.delay,
        loss=network.loss,
        **options,
    )


def deploy(topology: Topology, cluster: FakeCluster, allowed: tuple[str, ...] = ()) -> tuple[Outcome, FakeTransport]:
    transport = cluster.transport()
    means = Means(transport, cluster.clock, cluster.prober(), allowed=allowed)
    return converge(topology, means), transport


def interrupted(topology: Topology, cluster: FakeCluster, fault: Fault) -> None:
    """A deploy to which the fault happens; whether it dies of it, fails or gets through is its own affair."""
    transport = cluster.transport()
    fault.arm(transport)
    with suppress(Killed, ShardwrightError):
        converge(topology, Means(transport, cluster.clock, cluster.prober()))


def judge(topology: Topology, cluster: FakeCluster) -> list[str]:
    """What is wrong with the cluster, from the servers' own memories; nothing of the code under test is asked."""
    wrong: list[str] = []
    servers = {server.endpoint: server for server in cluster.servers}
    ids = {servers[node.endpoint].id for node in topology.nodes}
    claimed = 0
    for shard in topology.shards:
        members = [servers[node.endpoint] for node in shard.members]
        primaries = [s for s in members if not s.myself.replica]
        if len(primaries) != 1:
            wrong.append(f"{shard.name} has {len(primaries)} primaries")
            continue
        lead = primaries[0]
        if lead.owned.bit_count() != shard.quota or claimed & lead.owned:
            wrong.append(f"{shard.name} owns {lead.owned.bit_count()} slots, wanted {shard.quota} of its own")
        claimed |= lead.owned
        for replica in members:
            if replica is not lead and (replica.myself.primary_id != lead.id or not replica.copying.up):
                wrong.append(f"{replica.endpoint} is no linked replica of {lead.endpoint}")
            if replica is not lead and replica.store.values() != lead.store.values():
                wrong.append(f"{replica.endpoint} has other keys than {lead.endpoint}")
    if claimed != ALL:
        wrong.append(f"{16384 - claimed.bit_count()} slots have no owner")
    truth = {s.id: (s.myself.replica, s.myself.primary_id, s.owned) for s in servers.values()}
    for server in (servers[node.endpoint] for node in topology.nodes):
        wrong += _views(server, ids, truth, topology)
    return wrong


def _views(
    server: FakeServer, ids: set[str], truth: dict[str, tuple[bool, str | None, int]], topology: Topology
) -> list[str]:
    wrong = [] if server.ok else [f"{server.endpoint} says that the cluster is not ok"]
    known = {peer.id for peer in server.peers.values() if not peer.handshake}
    if known | {server.id} != ids:
        wrong.append(f"{server.endpoint} knows {len(known)} peers, wanted {len(ids) - 1}")
    for peer in server.peers.values():
        if peer.id in truth and (peer.replica, peer.primary_id, peer.slots) != truth[peer.id]:
            wrong.append(f"{server.endpoint} has an old picture of {peer.at}")
    for name, value in topology.live:
        if server.settings[name] != value:
            wrong.append(f"{server.endpoint} runs with {name} {server.settings[name]}, wanted {value}")
    return wrong


def shape(topology: Topology, cluster: FakeCluster) -> list[tuple[str, str | None, str]]:
    """The end state with ids and epochs masked: who is what, of whom, with which slots."""
    names = {cluster[node.endpoint].id: str(node.endpoint) for node in topology.nodes}
    rows = []
    for node in topology.nodes:
        server = cluster[node.endpoint]
        lead = names.get(server.myself.primary_id or "")
        rows.append((str(node.endpoint), lead, f"{server.owned:x}"))
    return rows


def watch_owners(cluster: FakeCluster, every: float = 0.02) -> list[str]:
    """Watches that a slot which some server owns by its own word never loses its owner; gives the list of breaches."""
    breaches: list[str] = []
    served = 0

    def look() -> None:
        nonlocal served
        now = 0
        for server in cluster.servers:
            now |= server.owned
        if served & ~now:
            breaches.append(f"at {cluster.clock.now():.3f} s {(served & ~now).bit_count()} slots have no owner")
        served |= now

    look()
    cluster.clock.every(every, look)
    return breaches

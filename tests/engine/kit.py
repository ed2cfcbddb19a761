"""What the tests on real servers share: starting them, driving our code, and looking at the result by other means.

The result is read with redis-py's client and by hand, never with the code under test.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.engine.ports import block

from shardwright.adapters.resp import RespTransport
from shardwright.control.converging import Means, Outcome, converge
from shardwright.control.run import form_and_verify, verify_only
from shardwright.model.endpoint import Endpoint
from shardwright.model.report import Finding, Report
from shardwright.model.secret import Secret
from shardwright.model.topology import Node, Shard, Topology
from shardwright.ports import Transport
from shardwright.testing.servers import Server, Servers

SLOTS = 16_384
FAST = {"repl-diskless-sync-delay": "0"}
"""Settings of a test's server that only make it quicker."""


class Slots(frozenset[int]):
    """A set of slots that tests can compare and whose repr is short."""

    def __repr__(self) -> str:
        return f"Slots({len(self)} from {min(self, default=None)} to {max(self, default=None)})"


class HastyClock:
    """Real time, told to be faster than it is: bounded waits end sooner. `pace` 1 is real."""

    def __init__(self, pace: float) -> None:
        self._pace = pace

    def now(self) -> float:
        return time.monotonic() * self._pace

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._pace)


def client(port: int, password: str | None = None, host: str = "127.0.0.1") -> redis.Redis:
    """redis-py's client of one node, which neither retries nor follows redirects."""
    return redis.Redis(
        host=host,
        port=port,
        password=password,
        decode_responses=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=10,
    )


@dataclass
class Lab:
    """Servers, the topology that they should become, and a transport."""

    servers: list[Server]
    topology: Topology
    password: str | None = None

    def __post_init__(self) -> None:
        self.transport = RespTransport(Secret(self.password) if self.password else None)

    def __getitem__(self, index: int) -> redis.Redis:
        server = self.servers[index]
        return client(server.port, server.password, server.endpoint.host)

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]

    def means(self, *, allowed: Collection[str] = (), pace: float = 1.0, transport: Transport | None = None) -> Means:
        secret = Secret(self.password) if self.password else None
        return Means(transport or self.transport, HastyClock(pace), password=secret, allowed=allowed)

    def converge(self, **how: Any) -> Outcome:
        outcome = converge(self.topology, self.means(**how))
        self.topology = outcome.topology
        return outcome

    def deploy(self, **how: Any) -> Report:
        """Form and verify."""
        proof = form_and_verify(self.topology, self.means(**how))
        self.topology = proof.outcome.topology if proof.outcome else self.topology
        return proof.report

    def verify(self, *, canary: bool = True, pace: float = 1.0) -> Report:
        return verify_only(self.topology, self.means(pace=pace), canary=canary).report

    def primary_ports(self) -> dict[int, set[int]]:
        """The slots of each primary, by port, as the first server lists them."""
        rows = nodes_of(self[0])
        return {row["port"]: row["slots"] for row in rows.values() if row["role"] == "master"}


@contextmanager
def lab(
    directory: Path,
    count: int = 6,
    *,
    replicas: int = 1,
    binary: Path | None = None,
    password: str | None = None,
    settings: Mapping[str, str] | None = None,
    spare: int = 0,
    topology: Callable[[Sequence[Server]], Topology] | None = None,
) -> Iterator[Lab]:
    """`count` servers of the topology, and `spare` more that stand outside of it."""
    with block(max(10, count + spare)) as ports:
        chosen = list(ports)[: count + spare]
        with Servers(
            directory, chosen, binary=binary, password=password, settings={**FAST, **(settings or {})}
        ) as them:
            wanted = topology(them.servers[:count]) if topology else topology_of(them.servers[:count], replicas)
            made = Lab(them.servers, wanted, password)
            try:
                yield made
            finally:
                made.transport.close()


def topology_of(servers: Sequence[Server], replicas: int = 1) -> Topology:
    """Preferred primaries first, then their replicas; a host for each server, three zones."""
    return laid_out([server.endpoint for server in servers], replicas, product=product_of(servers[0]))


def product_of(server: Server) -> str:
    """By the name of its binary."""
    return "redis" if "redis" in server.binary.name else "valkey"


def laid_out(endpoints: Sequence[Endpoint], replicas: int, *, product: str = "valkey") -> Topology:
    """The topology of `topology_of`, of endpoints."""
    count = len(endpoints) // (1 + replicas)
    nodes = [Node(e, f"h{n}", zone="abc"[(n % count + n // count) % 3]) for n, e in enumerate(endpoints)]
    shards = []
    for n in range(count):
        quota = SLOTS // count + (1 if n < SLOTS % count else 0)
        shards.append(Shard(f"shard-{n + 1}", tuple(nodes[n::count]), quota))
    return Topology("test", tuple(shards), product=product)


def without_zones(topology: Topology) -> Topology:
    """The same nodes on hosts in one zone, where any member may lead its shard."""
    shards = (replace(s, members=tuple(replace(n, zone="") for n in s.members)) for s in topology.shards)
    return replace(topology, shards=tuple(shards))


def nodes_of(one: redis.Redis) -> dict[str, dict[str, Any]]:
    """CLUSTER NODES by id: address, port, role, primary's id, slots, flags, link. Read by hand: redis-py keeps one node for
    each address, and those that have lost theirs share one."""
    one.response_callbacks.pop("CLUSTER NODES", None)
    return dict(map(_row, one.execute_command("CLUSTER NODES").splitlines()))


def _row(line: str) -> tuple[str, dict[str, Any]]:
    node_id, where, marks, primary, _, _, _, link, *words = line.split(" ")
    address, flags = where.partition("@")[0], marks.split(",")
    slots: set[int] = set()
    for word in words:
        if word and word[0] != "[":
            first, _, last = word.partition("-")
            slots |= set(range(int(first), int(last or first) + 1))
    return node_id, {
        "address": address,
        "port": int(address.rpartition(":")[2]),
        "role": "master" if "master" in flags else "slave",
        "primary": primary,
        "slots": Slots(slots),
        "flags": flags,
        "connected": link == "connected",
        "myself": "myself" in flags,
    }


def shape(made: Lab) -> dict[int, tuple[str, int | None, frozenset[int]]]:
    """What the cluster is, with identities masked: role, port of the primary, and slots by port, as node 0 lists them."""
    rows = nodes_of(made[0])
    ports = {node_id: row["port"] for node_id, row in rows.items()}
    return {r["port"]: (r["role"], ports.get(r["primary"]), r["slots"]) for r in rows.values()}


def assert_proved(made: Lab, *, live: Mapping[str, str] | None = None) -> None:
    """The servers are the topology: from each of them, asked by redis-py alone.

    Entries in handshake are passed over: a second meeting leaves one for a moment, under an identity that is made up.
    """
    members = made.topology.nodes
    views = []
    for node in members:
        one = client(node.endpoint.port, made.password, node.endpoint.host)
        rows = {i: r for i, r in nodes_of(one).items() if "handshake" not in r["flags"]}
        assert {r["port"] for r in rows.values()} == {n.endpoint.port for n in members}, node.name
        assert all(r["connected"] for r in rows.values()), (node.name, rows)
        assert not [r for r in rows.values() if {"fail", "fail?", "noaddr"} & set(r["flags"])], rows
        views.append({i: (r["role"], r["primary"], r["slots"]) for i, r in rows.items()})
        assert one.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
        replication = one.info("replication")
        assert replication["role"] == "master" or replication["master_link_status"] == "up"
        for name, value in {**dict(made.topology.live), **(live or {})}.items():
            assert one.config_get(name)[name] == value, (node.name, name)
    assert all(view == views[0] for view in views)
    owned = [slot for role, _, slots in views[0].values() for slot in slots]
    assert sorted(owned) == list(range(SLOTS))
    _assert_shards(made, views[0])


def _assert_shards(made: Lab, view: Mapping[str, tuple[str, str, frozenset[int]]]) -> None:
    ids = {row["port"]: node_id for node_id, row in nodes_of(made[0]).items()}
    for shard in made.topology.shards:
        mine = [ids[n.endpoint.port] for n in shard.members]
        leads = [i for i in mine if view[i][0] == "master"]
        assert len(leads) == 1, shard.name
        assert all(view[i][1] == leads[0] for i in mine if i != leads[0]), shard.name
        assert abs(len(view[leads[0]][2]) - shard.quota) <= 1


def fill(made: Lab, count: int = 300) -> dict[str, str]:
    """Keys all over the cluster, written by redis-py's cluster client."""
    pairs = {f"k{n}": f"v{n}" for n in range(count)}
    host, port = made.servers[0].endpoint.host, made.ports[0]
    with redis.RedisCluster(host=host, port=port, password=made.password, decode_responses=True) as all_of_it:
        for key, value in pairs.items():
            all_of_it.set(key, value)
    return pairs


def assert_kept(made: Lab, pairs: Mapping[str, str]) -> None:
    """Every key is there with its value, for a client of the cluster."""
    host, port = made.servers[0].endpoint.host, made.ports[0]
    with redis.RedisCluster(host=host, port=port, password=made.password, decode_responses=True) as all_of_it:
        lost = [key for key, value in pairs.items() if all_of_it.get(key) != value]
    assert not lost


def fail_over(replica: redis.Redis) -> None:
    """By hand, until it leads: servers give a failover up after 5 s, which a busy machine can take."""
    for _ in range(5):
        with suppress(redis.ResponseError):  # it leads since the last look
            replica.execute_command("CLUSTER", "FAILOVER")
        asked = time.monotonic()
        while time.monotonic() < asked + 6:
            if replica.info("replication")["role"] == "master":
                return
            time.sleep(0.02)
    raise AssertionError("five failovers by hand, and it does not lead")


def eventually(holds: Callable[[], bool], what: str, limit: float = 20.0) -> None:
    """Wait until `holds`, at most `limit` seconds."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(0.05)


def found(report: Report, code: str) -> list[Finding]:
    """The findings of that code."""
    return [finding for finding in report.findings if finding.code == code]


def codes(report: Report, severity: str) -> set[str]:
    """The codes of that severity."""
    return {finding.code for finding in report.findings if finding.severity.value == severity}

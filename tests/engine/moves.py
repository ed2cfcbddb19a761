"""What the tests of slot moves share: clusters formed from a layout, layouts that move many slots or few, proofs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import redis
from tests.engine.kit import Lab, assert_proved, lab, nodes_of, product_of
from tests.engine.writing import Told

from shardwright.core.placement import place
from shardwright.model.slots import slot_of
from shardwright.model.spec import ClusterSpec, Domain, EngineChoice, HostSpec, Persistence, Product
from shardwright.model.topology import Topology
from shardwright.testing.servers import Server

SHIFTED = 300
"""Slots that move from the second shard to the first: few, since key by key each is handed over by itself."""


def wanted(
    servers: Sequence[Server],
    shards: int,
    replicas: int = 1,
    *,
    leaving: Collection[int] = (),
    aof: bool = False,
    timeout: str = "15000",
) -> Topology:
    """A host for each server; `leaving` are positions."""
    product = Product(product_of(servers[0]))
    hosts = tuple(
        HostSpec(f"h{s.port}", "127.0.0.1", (s.port,), zone="abc"[n % 3], leaving=n in leaving)
        for n, s in enumerate(servers)
    )
    kept = Persistence(aof, "everysec", ())
    spec = ClusterSpec("test", EngineChoice(product), shards, replicas, hosts, persistence=kept, spread=Domain.HOST)
    made = place(spec)
    return replace(made, live=tuple((name, timeout if name == "cluster-node-timeout" else v) for name, v in made.live))


@contextmanager
def formed(
    directory: Path,
    servers: int,
    *,
    binary: Path | None = None,
    password: str | None = None,
    settings: Mapping[str, str] | None = None,
    timeout: str = "15000",
) -> Iterator[Lab]:
    """Three shards of two on the first six of the servers."""
    aof = (settings or {}).get("appendonly") == "yes"
    with lab(
        directory,
        6,
        spare=servers - 6,
        binary=binary,
        password=password,
        settings=settings,
        topology=lambda them: wanted(them, 3, aof=aof, timeout=timeout),
    ) as made:
        made.converge()
        yield made


def shifted(made: Lab, slots: int = SHIFTED) -> Topology:
    """The same shards, with some slots more for the first at the cost of the second."""
    one, two, three = made.topology.shards
    shards = (replace(one, quota=one.quota + slots), replace(two, quota=two.quota - slots), three)
    return replace(made.topology, shards=shards)


def ends(made: Lab) -> tuple[int, int]:
    """Ports of the primaries that the slots of `shifted` leave, and come to."""
    rows = slots_by_port(made)
    first, second = ({n.endpoint.port for n in shard.members} for shard in made.topology.shards[:2])
    return next(p for p in rows if p in second), next(p for p in rows if p in first)


def leaving_tag(made: Lab) -> int:
    """A hash tag of a slot that leaves: a source's highest go first."""
    slots = sorted(slots_by_port(made)[ends(made)[0]])[-SHIFTED:]
    return next(n for n in range(9_999) if slot_of(f"{n}".encode()) in slots)


def slots_by_port(made: Lab, index: int = 0) -> dict[int, set[int]]:
    return {r["port"]: r["slots"] for r in nodes_of(made[index]).values() if r["slots"]}


def moving(commands: list[tuple[str, ...]]) -> bool:
    """Whether keys are on their way by one of these commands."""
    return any("MIGRATE" in c or "MIGRATESLOTS" in c for c in commands)


def assert_proved_once_calm(made: Lab) -> None:
    """The proof, once it holds: a run ends when its steps are done, and servers close and open links when they are late."""
    end = time.monotonic() + 60
    while True:
        try:
            return assert_proved(made)
        except AssertionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def assert_no_slot_is_open(made: Lab) -> None:
    """By each primary's own list: a slot that is marked stands there in brackets."""
    for port in slots_by_port(made):
        one = made[made.ports.index(port)]
        one.response_callbacks.pop("CLUSTER NODES", None)
        assert not [word for word in one.execute_command("CLUSTER NODES").split() if word.startswith("[")]


def assert_nothing_lost(made: Lab, told: Told, index: int = 0, *, least: int = 100) -> None:
    """Every acknowledged write is there, by redis-py's client; and there were enough of them to mean something."""
    assert len(told.acknowledged) > least
    port = made.ports[index]
    with redis.RedisCluster("127.0.0.1", port, password=made.password, decode_responses=True) as client:
        assert [k for k, v in told.acknowledged.items() if client.get(k) != v] == []
    assert told.misread == []


def assert_alone_and_empty(made: Lab, indices: Collection[int]) -> None:
    for n in indices:
        assert len(nodes_of(made[n])) == 1
        assert made[n].dbsize() == 0

"""Growing, shrinking and replacing on real servers, while another process writes; runs that die on the way."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from tests.engine.dying import Death, Dying, Fate
from tests.engine.kit import (
    Lab,
    assert_kept,
    assert_proved,
    eventually,
    fill,
    found,
    lab,
    nodes_of,
    product_of,
)
from tests.engine.releases import each_release
from tests.engine.watching import Watching
from tests.engine.writing import Told, writing

from shardwright.core.placement import place
from shardwright.core.planning import resharding
from shardwright.errors import ApplyError, PlanError, ShardwrightError
from shardwright.model.spec import ClusterSpec, Domain, EngineChoice, HostSpec, Persistence, Product
from shardwright.model.topology import Topology
from shardwright.testing.servers import Server

pytestmark = pytest.mark.engine
FIRST = range(6)
SHORT = "3000"
"""A node timeout, in ms, for tests that wait for it to pass."""


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


def by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes plans move slots key by key on servers that could do it at once."""
    monkeypatch.setattr(resharding, "_can_atomic", lambda node: False)


def slots_by_port(made: Lab, index: int = 0) -> dict[int, set[int]]:
    return {r["port"]: r["slots"] for r in nodes_of(made[index]).values() if r["slots"]}


def assert_proved_once_calm(made: Lab) -> None:
    """The proof, once links are up again: a run ends when its steps are done, and what it tells then waits for that."""

    def calm() -> bool:
        nodes = [made[made.ports.index(n.endpoint.port)] for n in made.topology.nodes]
        ok = all(one.execute_command("CLUSTER INFO")["cluster_state"] == "ok" for one in nodes)
        ok = ok and all(one.info("replication").get("master_link_status", "up") == "up" for one in nodes)
        return ok and all(row["connected"] for one in nodes for row in nodes_of(one).values())

    eventually(calm, "every node is linked to all and serves", 60)
    assert_proved(made)


def assert_nothing_lost(made: Lab, told: Told, index: int = 0) -> None:
    """Every acknowledged write is there, by redis-py's client; and there were enough of them to mean something."""
    assert len(told.acknowledged) > 100
    port = made.ports[index]
    with redis.RedisCluster("127.0.0.1", port, password=made.password, decode_responses=True) as client:
        assert [k for k, v in told.acknowledged.items() if client.get(k) != v] == []
    assert told.misread == []


def assert_alone_and_empty(made: Lab, indices: Collection[int]) -> None:
    for n in indices:
        assert len(nodes_of(made[n])) == 1
        assert made[n].dbsize() == 0


@pytest.mark.parametrize("password", [None, "a b\"c'#$"], ids=["open", "password"])
@each_release
def test_three_shards_become_four_and_three_again(tmp_path: Path, binary: Path, password: str | None) -> None:
    with formed(tmp_path, 8, binary=binary, password=password) as made:
        pairs = fill(made)
        before = slots_by_port(made)
        with writing(made.ports[0], password) as told:
            made.topology = wanted(made.servers, 4)
            made.converge()
            grown = slots_by_port(made)
            assert_proved_once_calm(made)
            assert not made.converge().changed
            made.topology = wanted(made.servers, 3)
            made.converge()
        assert all(grown[port] < before[port] for port in before), "nobody got slots but the newcomer"
        assert {len(slots) for slots in grown.values()} == {4096}
        assert_proved_once_calm(made)
        assert not made.converge().changed
        assert_nothing_lost(made, told)
        assert_kept(made, pairs)
        assert_alone_and_empty(made, (6, 7))


def test_a_key_by_key_move_of_a_newer_server_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_key(monkeypatch)
    with formed(tmp_path, 8) as made:
        with redis.RedisCluster("127.0.0.1", made.ports[0]) as client:
            for n in range(20):
                client.set(f"big{n}", b"x" * 1_000_000)
        with writing(made.ports[0]) as told:
            made.topology = wanted(made.servers, 4)
            made.converge()
        assert_proved_once_calm(made)
        assert_nothing_lost(made, told)
        with redis.RedisCluster("127.0.0.1", made.ports[0]) as client:
            assert {client.strlen(f"big{n}") for n in range(20)} == {1_000_000}


def test_replicas_are_added_and_taken_away(tmp_path: Path) -> None:
    with formed(tmp_path, 9) as made:
        with writing(made.ports[0]) as told:
            made.topology = wanted(made.servers, 3, 2)
            made.converge()
            assert_proved_once_calm(made)
            made.topology = wanted(made.servers, 3, 1)
            made.converge()
        assert_proved_once_calm(made)
        assert not made.converge().changed
        assert_nothing_lost(made, told)
        gone = {s.port for s in made.servers} - {n.endpoint.port for n in made.topology.nodes}
        assert_alone_and_empty(made, [made.ports.index(port) for port in gone])


def test_a_leaving_host_is_emptied_and_stays_forgotten(tmp_path: Path) -> None:
    """Looks again when the servers' ban on forgotten nodes has run out: takes 70 s."""
    with formed(tmp_path, 8) as made:
        pairs = fill(made)
        made.topology = wanted(made.servers, 3, leaving=(0, 1))
        report = made.deploy()
        assert report.healthy, report.findings
        assert found(report, "stay-forgotten")
        assert_alone_and_empty(made, (0, 1))
        rows = nodes_of(made[2])
        assert {r["port"] for r in rows.values()} == set(made.ports[2:])
        made.topology = wanted(made.servers[2:], 3)
        assert not made.converge().changed
        made.servers = made.servers[2:]
        assert_kept(made, pairs)


EFFECTS = (3, 14)


@pytest.mark.parametrize("fate", [Fate.LAST, Fate.HALF])
def test_a_key_by_key_move_that_dies_anywhere_is_finished(
    tmp_path: Path, fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_key(monkeypatch)
    with formed(tmp_path, 8) as made:
        pairs = fill(made, 2000)
        made.topology = wanted(made.servers, 4)
        made.converge()
        for turn, fatal in enumerate(EFFECTS):
            made.topology = wanted(made.servers, 3 if turn % 2 == 0 else 4)
            with pytest.raises(Death):
                made.converge(transport=Dying(made.transport, fatal, fate))
            made.converge()
            assert_proved_once_calm(made)
            assert_kept(made, pairs)
            one = made[0]
            one.response_callbacks.pop("CLUSTER NODES", None)
            assert not [word for word in one.execute_command("CLUSTER NODES").split() if word.startswith("[")]


def test_an_atomic_move_that_was_left_running_is_waited_for(tmp_path: Path) -> None:
    with formed(tmp_path, 8) as made:
        pairs = fill(made, 2000)
        made.topology = wanted(made.servers, 4)
        dying = Dying(made.transport)
        made.converge(transport=dying)
        starts = [n for n, (_, batch) in enumerate(dying.effects, 1) if any("MIGRATESLOTS" in c for c in batch)]
        assert len(starts) == 3
        made.topology = wanted(made.servers, 3)
        with pytest.raises(Death):
            made.converge(transport=Dying(made.transport, 1))
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)


@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "by-key"])
@pytest.mark.parametrize("end", ["source", "target"])
def test_an_end_that_is_killed_during_a_move_and_comes_back(
    tmp_path: Path, end: str, atomic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not atomic:
        by_key(monkeypatch)
    with formed(tmp_path, 8, settings={"appendonly": "yes"}) as made:
        pairs = fill(made, 3000)
        made.topology = wanted(made.servers, 4, aof=True)
        outcome = made.converge()
        newcomer = next(made.ports.index(p) for p in slots_by_port(made) if made.ports.index(p) > 5)
        assert outcome.changed
        made.topology = wanted(made.servers, 3, aof=True)
        victim = made.servers[newcomer if end == "source" else 0]
        with pytest.raises(ShardwrightError):
            made.converge(transport=_Killing(made, victim), pace=10)
        victim.start()
        eventually(lambda: made[made.ports.index(victim.port)].info("persistence")["loading"] == 0, "it has loaded")
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)


class _Killing:
    """A transport that kills a server at the first command that moves slots."""

    def __init__(self, made: Lab, victim: Server) -> None:
        self._inner, self._victim = made.transport, victim

    def ask(self, requests, *, timeout):
        moving = any({"MIGRATESLOTS", "MIGRATE"} & set(map(str, c)) for batch in requests.values() for c in batch)
        answers = self._inner.ask(requests, timeout=timeout)
        if moving and self._victim.process is not None:
            self._victim.kill()
        return answers

    def address(self, endpoint):
        return self._inner.address(endpoint)

    def close(self) -> None:
        """The lab closes the inner one."""


def test_a_key_on_both_ends_stops_its_slot_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_key(monkeypatch)
    with formed(tmp_path, 8) as made:
        pairs = fill(made)
        made.topology = wanted(made.servers, 4)
        made.converge()
        source = next(made.ports.index(p) for p in slots_by_port(made) if made.ports.index(p) > 5)
        key = next(
            k for k in pairs if made[0].execute_command("CLUSTER KEYSLOT", k) in slots_by_port(made)[made.ports[source]]
        )
        slot = made[0].execute_command("CLUSTER KEYSLOT", key)
        ids = {row["port"]: i for i, row in nodes_of(made[0]).items()}
        made.topology = wanted(made.servers, 3)
        target = made.ports.index(_target_of(made, slot))
        made[target].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[made.ports[source]])
        one = made[target].client()
        one.execute_command("ASKING")
        one.execute_command("SET", key, "another")
        one.close()
        with pytest.raises(ApplyError) as raised:
            made.converge()
        assert raised.value.code == "step-refused"
        assert made[source].get(key) == pairs[key]
        one = made[target].client()
        one.execute_command("ASKING")
        assert one.execute_command("GET", key) == "another"
        one.close()


def _target_of(made: Lab, slot: int) -> int:
    from shardwright.control.observing import look
    from shardwright.core.fitting import fit
    from shardwright.core.planning import plan
    from shardwright.model.plan import MigrateSlots

    state = look(made.topology, made.transport)
    steps = plan(fit(made.topology, state), state).steps
    return next(s.target.port for s in steps if isinstance(s, MigrateSlots) and slot in s.slots)


def test_another_machine_takes_the_place_of_a_dead_one(tmp_path: Path) -> None:
    with formed(tmp_path, 7, timeout=SHORT) as made:
        pairs = fill(made)
        replicas = [n for n in FIRST if made[n].info("replication")["role"] == "slave"]
        dead = replicas[-1]
        old = made[dead].execute_command("CLUSTER MYID")
        made.servers[dead].kill()
        other = next(n for n in FIRST if n != dead)
        eventually(lambda: "fail" in nodes_of(made[other])[old]["flags"], "it is failed", 60)
        alive = [s for n, s in enumerate(made.servers) if n != dead]
        made.topology = wanted(alive, 3, timeout=SHORT)
        made.converge()
        assert_proved_once_calm(made)
        assert old not in nodes_of(made[other])
        made.servers = alive
        assert_kept(made, pairs)


def test_a_dead_machine_that_comes_back_once_it_was_forgotten_is_told_and_taken_out(tmp_path: Path) -> None:
    """It still knows the others, and introduces itself as soon as their ban is over: takes 80 s."""
    with formed(tmp_path, 7, timeout=SHORT) as made:
        dead = next(n for n in FIRST if made[n].info("replication")["role"] == "slave")
        old = made[dead].execute_command("CLUSTER MYID")
        made.servers[dead].kill()
        other = next(n for n in FIRST if n != dead)
        eventually(lambda: "fail" in nodes_of(made[other])[old]["flags"], "it is failed", 60)
        back: list[threading.Timer] = []

        def comes_back(commands: list[tuple[str, ...]]) -> None:
            if not back and any(c[:2] == ("CLUSTER", "FORGET") for c in commands):
                back.append(threading.Timer(3, made.servers[dead].start))
                back[0].start()

        made.topology = wanted([s for n, s in enumerate(made.servers) if n != dead], 3, timeout=SHORT)
        report = made.deploy(transport=Watching(made, after=comes_back))
        assert back
        assert not report.healthy
        assert [f.subject for f in found(report, "forgotten-came-back")] == [f"127.0.0.1:{made.ports[dead]}"]
        with pytest.raises(PlanError) as raised:
            made.converge()
        assert raised.value.code == "belongs-to-another-cluster"
        assert f"127.0.0.1:{made.ports[dead]}" in raised.value.message
        made.topology = wanted(made.servers, 3, leaving=(dead,), timeout=SHORT)
        made.converge()
        assert_proved_once_calm(made)
        assert_alone_and_empty(made, (dead,))


def test_a_shard_that_is_gone_is_given_up_only_with_consent(tmp_path: Path) -> None:
    with formed(tmp_path, 8, settings={"cluster-require-full-coverage": "no"}, timeout=SHORT) as made:
        pairs = fill(made)
        rows = {made.ports.index(row["port"]): (i, row) for i, row in nodes_of(made[5]).items()}
        owner = next(
            n for n, (_, row) in rows.items() if row["slots"] and n != 5 and rows[5][1]["primary"] != rows[n][0]
        )
        lost = [n for n, (i, row) in rows.items() if n == owner or row["primary"] == rows[owner][0]]
        slots = rows[owner][1]["slots"]
        for n in lost:
            made.servers[n].kill()
        eventually(lambda: all("fail" in nodes_of(made[5])[rows[n][0]]["flags"] for n in lost), "both are failed", 60)
        made.servers = [s for n, s in enumerate(made.servers) if n not in lost]
        made.topology = wanted(made.servers, 3, timeout=SHORT)
        with pytest.raises(PlanError) as raised:
            made.converge()
        assert raised.value.code == "hazard-not-allowed"
        assert "loses-shard" in raised.value.message
        assert f"{len(slots):,} of 16,384 slots" in raised.value.message
        made.converge(allowed=("loses-shard",))
        assert_proved_once_calm(made)
        left = {k: v for k, v in pairs.items() if made[0].execute_command("CLUSTER KEYSLOT", k) not in slots}
        assert left
        assert_kept(made, left)

"""Growing, shrinking and replacing on real servers, while another process writes; runs that die on the way."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import redis
from tests.engine.dying import Death, Dying, Fate
from tests.engine.kit import Lab, assert_kept, eventually, fill, found, nodes_of
from tests.engine.moves import (
    assert_alone_and_empty,
    assert_no_slot_is_open,
    assert_nothing_lost,
    assert_proved_once_calm,
    ends,
    formed,
    leaving_tag,
    shifted,
    slots_by_port,
    wanted,
)
from tests.engine.releases import each_release, releases
from tests.engine.watching import Watching
from tests.engine.writing import writing

from shardwright.errors import ApplyError, PlanError, ShardwrightError
from shardwright.model.slots import slot_of
from shardwright.testing.servers import Server

pytestmark = pytest.mark.engine
FIRST = range(6)
SHORT = "3000"
"""A node timeout, in ms, for tests that wait for it to pass."""
BIG = {f"big{n}": 500_000 for n in range(20)}
"""Keys that are large beside all others, and their lengths."""


@each_release
def test_three_shards_become_four_and_three_again(tmp_path: Path, binary: Path) -> None:
    password = "a b\"c'#$"
    with formed(tmp_path, 8, binary=binary, password=password) as made:
        pairs = fill(made)
        with redis.RedisCluster("127.0.0.1", made.ports[0], password=password) as client:
            for key, size in BIG.items():
                client.set(key, b"x" * size)
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
        with redis.RedisCluster("127.0.0.1", made.ports[0], password=password) as client:
            assert {key: client.strlen(key) for key in BIG} == BIG
        assert_alone_and_empty(made, (6, 7))


@releases("valkey-8.1")
def test_replicas_are_added_and_taken_away(tmp_path: Path, binary: Path) -> None:
    with formed(tmp_path, 9, binary=binary) as made:
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


@releases("redis-7.0")
def test_a_leaving_host_is_emptied_and_stays_forgotten(tmp_path: Path, binary: Path) -> None:
    """Looks again when the ban on forgotten nodes has run out: takes 70 s. Redis 7.0 tells nobody whom it forgot."""
    with formed(tmp_path, 8, binary=binary) as made:
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


@releases("redis-7.0", "valkey-9.1")
def test_all_hosts_are_replaced_at_once(tmp_path: Path, binary: Path) -> None:
    """The hosts that hold the data and those that are to hold it know nothing of one another at first."""
    with formed(tmp_path, 12, binary=binary) as made:
        pairs = fill(made)
        with writing(made.ports[0]) as told:
            made.topology = wanted(made.servers, 3, leaving=FIRST)
            made.converge(allowed=("moves-most-slots",))
        assert not made.converge().changed
        assert_alone_and_empty(made, FIRST)
        made.servers = made.servers[6:]
        made.topology = wanted(made.servers, 3)
        assert not made.converge().changed
        assert_proved_once_calm(made)
        assert_nothing_lost(made, told)
        assert_kept(made, pairs)


EFFECTS = (3, 14)


@releases("redis-7.0", "valkey-8.1")
@pytest.mark.parametrize("fate", [Fate.LAST, Fate.HALF])
def test_a_key_by_key_move_that_dies_anywhere_is_finished(tmp_path: Path, binary: Path, fate: Fate) -> None:
    with formed(tmp_path, 6, binary=binary) as made:
        pairs = fill(made, 2000)
        even, more = made.topology, shifted(made, 600)
        for turn, fatal in enumerate(EFFECTS):
            made.topology = more if turn % 2 == 0 else even
            with pytest.raises(Death):
                made.converge(transport=Dying(made.transport, fatal, fate))
            made.converge()
            assert_proved_once_calm(made)
            assert_kept(made, pairs)
            assert_no_slot_is_open(made)


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


@pytest.mark.parametrize(
    ("binary", "end"),
    [
        pytest.param(("valkey", "9.1"), "source", id="valkey-9.1-source"),
        pytest.param(("valkey", "9.1"), "target", id="valkey-9.1-target"),
        pytest.param(("valkey", "8.1"), "source", id="valkey-8.1-source"),
        pytest.param(("redis", "8.0"), "target", id="redis-8.0-target"),
    ],
    indirect=["binary"],
)
def test_an_end_that_is_killed_during_a_move_and_comes_back(tmp_path: Path, binary: Path, end: str) -> None:
    with formed(tmp_path, 6, binary=binary, settings={"appendonly": "yes"}) as made:
        pairs = fill(made, 3000)
        source, target = ends(made)
        made.topology = shifted(made)
        victim = made.servers[made.ports.index(source if end == "source" else target)]
        with pytest.raises(ShardwrightError):
            made.converge(transport=_Killing(made, victim), pace=10)
        victim.start()
        eventually(lambda: made[made.ports.index(victim.port)].info("persistence")["loading"] == 0, "it has loaded")
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)
        assert_no_slot_is_open(made)


@releases("redis-7.0", "valkey-8.1")
def test_a_target_that_dies_during_a_move_and_is_succeeded_by_its_replica(tmp_path: Path, binary: Path) -> None:
    """The replica has the keys that had come; the mark of their slot it has from Valkey alone."""
    with formed(tmp_path, 6, binary=binary, settings={"appendonly": "yes"}, timeout=SHORT) as made:
        pairs = fill(made, 3000)
        rows = nodes_of(made[0])
        victim = made.ports.index(ends(made)[1])
        lost = next(i for i, row in rows.items() if row["port"] == made.ports[victim])
        heir = made[made.ports.index(next(row["port"] for row in rows.values() if row["primary"] == lost))]
        made.topology = shifted(made)
        with pytest.raises(ShardwrightError):
            made.converge(transport=_Killing(made, made.servers[victim]), pace=10)
        eventually(lambda: heir.info("replication")["role"] == "master", "the replica leads", 30)
        made.servers[victim].start()
        eventually(lambda: made[victim].info("replication")["role"] == "slave", "the dead one follows it", 30)
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)
        assert_no_slot_is_open(made)


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


@releases("redis-8.0")
def test_a_key_on_both_ends_stops_its_slot_and_is_named(tmp_path: Path, binary: Path) -> None:
    with formed(tmp_path, 6, binary=binary) as made:
        fill(made)
        source, target = (made.ports.index(port) for port in ends(made))
        key = f"{{{leaving_tag(made)}}}"
        made[source].set(key, "ours")
        made[target].execute_command(
            "CLUSTER SETSLOT", slot_of(key.encode()), "IMPORTING", made[source].cluster("myid")
        )
        made.topology = shifted(made)
        one = made[target].client()
        one.execute_command("ASKING")
        one.execute_command("SET", key, "another")
        with pytest.raises(ApplyError) as raised:
            made.converge()
        assert raised.value.code == "step-refused"
        assert made[source].get(key) == "ours"
        one.execute_command("ASKING")
        assert one.execute_command("GET", key) == "another"
        one.close()


@each_release
def test_another_machine_takes_the_place_of_a_dead_one(tmp_path: Path, binary: Path) -> None:
    with formed(tmp_path, 7, binary=binary, timeout=SHORT) as made:
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


@each_release
def test_a_shard_that_is_gone_is_given_up_only_with_consent(tmp_path: Path, binary: Path) -> None:
    with formed(tmp_path, 8, binary=binary, settings={"cluster-require-full-coverage": "no"}, timeout=SHORT) as made:
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

"""What is refused: by code, by the nodes it is about, with a remedy; and nothing is touched."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.crc import key_slot
from tests.engine.kit import (
    Lab,
    assert_kept,
    assert_proved,
    eventually,
    fill,
    lab,
    laid_out,
    nodes_of,
    without_zones,
)

from shardwright.control.converging import converge
from shardwright.control.observing import look
from shardwright.core.planning import plan
from shardwright.errors import ApplyError, ObservationError, PlanError, ShardwrightError
from shardwright.model.endpoint import Endpoint
from shardwright.model.topology import Shard
from shardwright.ports import Unreachable

pytestmark = pytest.mark.engine


def refused(
    made: Lab, code: str, *words: str, pace: float = 1.0, kind: type[ShardwrightError] = PlanError
) -> ShardwrightError:
    """That converging is refused with this code, and that the message has these words and a remedy."""
    with pytest.raises(kind) as raised:
        made.converge(pace=pace)
    error = raised.value
    assert error.code == code, error
    for word in words:
        assert word in error.message, (word, error.message)
    assert error.hint
    return error


def keep_slots(made: Lab, index: int, count: int = 20) -> dict[str, str]:
    """Make one server a cluster of its own, with keys."""
    one = made[index]
    one.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    eventually(lambda: one.execute_command("CLUSTER INFO")["cluster_state"] == "ok", "it serves alone")
    pairs = {f"own{n}": str(n) for n in range(count)}
    for key, value in pairs.items():
        one.set(key, value)
    return pairs


def with_short_timeout(made: Lab) -> tuple[tuple[str, str], ...]:
    """The settings to keep, with a node timeout of a second: a dead node is called so while a test waits."""
    return tuple((name, "1000" if name == "cluster-node-timeout" else value) for name, value in made.topology.live)


def snapshot(made: Lab, indices: Iterable[int]) -> list[tuple[object, ...]]:
    """All that a cluster is: its lists of nodes without times, its keys and its epochs."""
    found = []
    for n in indices:
        rows = nodes_of(made[n])
        view = sorted((i, r["address"], r["role"], r["primary"], len(r["slots"])) for i, r in rows.items())
        epoch = made[n].execute_command("CLUSTER INFO")["cluster_current_epoch"]
        found.append((view, epoch, sorted(made[n].scan_iter(count=1000))))
    return found


def test_a_node_with_keys_is_refused_and_emptied_only_by_consent(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        pairs = keep_slots(made, 4)
        before = snapshot(made, range(6))
        error = refused(made, "hazard-not-allowed", "resets-nonempty-node", str(made.ports[4]), "20 keys")
        assert "--allow resets-nonempty-node" in error.hint
        assert error.exit_code == 4
        assert snapshot(made, range(6)) == before
        assert {k: made[4].get(k) for k in pairs} == pairs
        with pytest.raises(PlanError):
            made.converge(allowed=["leaves-other-cluster"])
        made.converge(allowed=["resets-nonempty-node"])
        assert_proved(made)
        assert made[4].dbsize() == 0


def test_a_member_of_a_living_cluster_is_refused_and_that_cluster_is_untouched(tmp_path: Path) -> None:
    with lab(tmp_path, spare=3) as made:
        theirs = replace(made, topology=laid_out([s.endpoint for s in (*made.servers[6:], made.servers[5])], 0))
        theirs.converge()
        with made[6].client() as one:
            for n in range(300):
                try:
                    one.set(f"t{n}", "1")
                except Exception:
                    continue
        before = snapshot(made, range(9))
        error = refused(made, "belongs-to-another-cluster", str(made.ports[5]))
        assert any(str(port) in error.message for port in made.ports[6:])
        assert snapshot(made, range(9)) == before
        assert "CLUSTER FORGET" in error.hint


def test_two_clusters_with_data_are_not_joined(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        halves = []
        for half in (made.servers[:3], made.servers[3:]):
            part = replace(made, topology=laid_out([s.endpoint for s in half], 0))
            part.converge()
            halves.append((part, fill(Lab(half, part.topology), 30)))
        before = snapshot(made, range(6))
        refused(made, "two-clusters", "30 keys", *map(str, made.ports))
        assert snapshot(made, range(6)) == before


def test_slots_that_two_lonely_nodes_claim_are_nobodys_to_give(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        for n in (0, 1):
            made[n].execute_command("CLUSTER", "ADDSLOTSRANGE", 100, 199)
        before = snapshot(made, range(6))
        refused(made, "slots-claimed-twice", "100-199", str(made.ports[0]), str(made.ports[1]))
        assert snapshot(made, range(6)) == before


def test_a_node_with_another_password_is_named(tmp_path: Path) -> None:
    with lab(tmp_path, password="right") as made:
        made.servers[2].kill()
        made.servers[2].password = "wrong"
        made.servers[2].start()
        error = refused(made, "nodes-silent", f"h2:{made.ports[2]}", "unauthorised", kind=ObservationError)
        assert "1 of 6" in error.message
        assert error.exit_code == 3
        assert "right" not in error.message.replace("right password", "")
        assert all(len(nodes_of(made[n])) == 1 for n in range(6))


def test_a_node_without_any_password_is_named(tmp_path: Path) -> None:
    """It would take part, and its data would be open to everyone."""
    with lab(tmp_path, password="right") as made:
        made.servers[2].kill()
        made.servers[2].password = None
        made.servers[2].start()
        refused(made, "nodes-silent", f"h2:{made.ports[2]}", kind=ObservationError)


def test_nodes_that_want_a_password_where_none_is_given_are_named(tmp_path: Path) -> None:
    with lab(tmp_path, password="right") as made:
        bare = Lab(made.servers, made.topology)
        error = refused(bare, "nodes-silent", "unauthorised", "6 of 6", kind=ObservationError)
        assert "password" in error.hint


def test_a_replica_with_another_password_for_its_primary_is_named(tmp_path: Path) -> None:
    with lab(tmp_path, password="right") as made:
        made[4].config_set("masterauth", "wrong")
        error = refused(made, "password-differs", str(made.ports[4]), pace=12, kind=ApplyError)
        assert "masterauth" in error.hint
        assert "wrong" not in error.message.replace("wrong address", "")
        made[4].config_set("masterauth", "right")
        assert made.deploy().healthy
        assert_proved(made)


def test_a_frozen_node_is_named_in_bounded_time(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        process = made.servers[3].process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        try:
            before = time.monotonic()
            refused(made, "nodes-silent", f"h3:{made.ports[3]}", "timed-out", kind=ObservationError)
            assert time.monotonic() - before < 30
        finally:
            os.kill(process.pid, signal.SIGCONT)
        made.converge()
        assert_proved(made)


def test_a_node_that_freezes_during_the_run_is_named(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        process = made.servers[3].process
        assert process is not None

        def freeze(event: object) -> None:
            if getattr(event, "phase", "") == "replicate":
                os.kill(process.pid, signal.SIGSTOP)

        means = replace(made.means(pace=10), progress=freeze)
        try:
            with pytest.raises(ShardwrightError) as raised:
                converge(made.topology, means)
            assert raised.value.code == "nodes-silent"
            assert str(made.ports[3]) in raised.value.message
        finally:
            os.kill(process.pid, signal.SIGCONT)
        made.converge()
        assert_proved(made)


def test_a_server_that_does_not_run_is_named_after_a_bounded_wait(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.servers[5].kill()
        refused(made, "nodes-silent", f"h5:{made.ports[5]}", "refused", pace=30, kind=ObservationError)
        assert all(len(nodes_of(made[n])) == 1 for n in range(5))


def test_a_server_that_is_just_starting_is_waited_for(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.servers[5].kill()
        later = threading.Timer(1.5, made.servers[5].start)
        later.start()
        try:
            made.converge()
        finally:
            later.join()
        assert_proved(made)


def test_a_server_that_is_no_cluster_node_is_named(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.servers[1].kill()
        made.servers[1].settings = {**made.servers[1].settings, "cluster-enabled": "no"}
        made.servers[1].start()
        refused(made, "nodes-silent", f"h1:{made.ports[1]}", "not-a-cluster-node", kind=ObservationError)


def test_something_else_behind_the_port_is_named(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.servers[1].kill()
        for garbage in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"$x\r\n",
            b"*1\r\n" * 3000,
            b"$5\r\nab",
            b"\x00" * 4096,
            b"",
        ):
            with answering(made.ports[1], garbage):
                error = refused(made, "nodes-silent", f"h1:{made.ports[1]}", pace=30, kind=ObservationError)
                assert error.message.replace("\n", "").isprintable()


@contextmanager
def answering(port: int, what: bytes) -> Iterator[None]:
    """A server that answers everybody with the same bytes, and hangs up."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        listening.settimeout(0.1)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    peer, _ = listening.accept()
                except OSError:
                    continue
                with peer:
                    peer.recv(1024)
                    peer.sendall(what)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(("name", "value"), [("cluster-announce-port", "19"), ("cluster-announce-ip", "127.0.0.9")])
def test_a_wrong_announced_address_is_named(tmp_path: Path, name: str, value: str) -> None:
    with lab(tmp_path) as made:
        made[2].config_set(name, value)
        error = refused(made, "address-differs", str(made.ports[2]), value, pace=8, kind=ApplyError)
        assert "cluster-announce" in error.hint
        made[2].config_set(name, "0" if name.endswith("port") else "")
        eventually(lambda: made.deploy().healthy, "the right address is known to all")


def test_a_closed_bus_port_is_named_before_anyone_is_introduced(tmp_path: Path) -> None:
    class FromHere:
        def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
            source = min(sources)
            return tuple(Unreachable(source, t, "refused") for t in targets if closed(t.host, t.bus_port))

    def closed(host: str, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((host, port)) != 0

    with lab(tmp_path) as made:
        made.servers[1].kill()
        made.servers[1].settings = {**made.servers[1].settings, "cluster-port": str(made.ports[1] + 10_007)}
        made.servers[1].start()
        with pytest.raises(ApplyError) as raised:
            converge(made.topology, replace(made.means(), prober=FromHere()))
        assert raised.value.code == "bus-port-closed"
        assert f"127.0.0.1:{made.ports[1] + 10_000}" in raised.value.message
        assert str(made.ports[1] + 10_000) in raised.value.hint
        assert all(len(nodes_of(made[n])) == 1 for n in range(6))


def test_a_clone_is_refused_before_anyone_is_introduced(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.servers[5].kill()
        made.servers[0].stop()
        shutil.copy(made.servers[0].directory / "nodes.conf", made.servers[5].directory / "nodes.conf")
        made.servers[0].start()
        made.servers[5].start()
        error = refused(made, "duplicate-node-id", str(made.ports[0]), str(made.ports[5]))
        assert "nodes.conf" in error.hint
        assert all(len(nodes_of(made[n])) == 1 for n in range(6))


def test_one_server_under_two_names_is_said_to_be_one(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        first = made.topology.shards[0]
        alias = replace(first.members[1], endpoint=replace(first.members[0].endpoint, host="localhost"))
        shards = (Shard(first.name, (first.members[0], alias), first.quota), *made.topology.shards[1:])
        made.topology = replace(made.topology, shards=shards)
        error = refused(made, "duplicate-node-id", "localhost", "one server")
        assert "cluster.yml" in error.hint


def test_servers_that_are_named_by_host_name_are_met_by_address(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        named = [replace(s.endpoint, host="localhost") for s in made.servers]
        made.topology = replace(laid_out(named, 1), live=made.topology.live)
        assert made.deploy().healthy
        assert {r["address"] for r in nodes_of(made[0]).values()} == {f"127.0.0.1:{port}" for port in made.ports}


def test_a_plan_that_was_read_before_a_change_is_refused(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        read = plan(made.topology, look(made.topology, made.transport))
        made[0].execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 10)
        with pytest.raises(PlanError) as raised:
            converge(made.topology, made.means(), fitting=read.fingerprint)
        assert raised.value.code == "stale-plan"
        assert read.fingerprint[:12] in raised.value.message
        assert "plan" in raised.value.hint
        assert all(len(nodes_of(made[n])) == 1 for n in range(6))


def test_an_open_slot_makes_a_plan_stale(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        read = plan(made.topology, look(made.topology, made.transport))
        assert read.empty
        made[1].execute_command("CLUSTER", "SETSLOT", 5, "IMPORTING", made[0].execute_command("CLUSTER MYID"))
        with pytest.raises(PlanError) as raised:
            converge(made.topology, made.means(), fitting=read.fingerprint)
        assert raised.value.code == "stale-plan"


def test_hosts_that_were_regrouped_in_the_file_stay_as_the_cluster_has_them(tmp_path: Path) -> None:
    """Which member serves which shard is observed: swapping them would copy data for no gain."""
    with lab(tmp_path) as made:
        made.topology = without_zones(made.topology)
        made.converge()
        pairs = fill(made, 50)
        one, two, three = made.topology.shards
        before = snapshot(made, range(6))
        for members in ((one.members[0], two.members[0]), (one.members[0], two.members[1])):
            rest = tuple(n for n in (*one.members, *two.members) if n not in members)
            shards = (Shard(one.name, members, one.quota), Shard(two.name, rest, two.quota), three)
            made.topology = replace(made.topology, shards=shards)
            assert not made.converge().changed
        assert snapshot(made, range(6)) == before
        assert_kept(made, pairs)


def test_a_node_that_lost_sight_of_its_living_cluster_is_not_taken(tmp_path: Path) -> None:
    """One node alone can't know whether the others are dead or only out of its reach."""
    with lab(tmp_path, spare=3, settings={"cluster-node-timeout": "1000"}) as made:
        theirs = replace(made, topology=laid_out([s.endpoint for s in (*made.servers[6:], made.servers[5])], 0))
        theirs.topology = replace(theirs.topology, live=with_short_timeout(theirs))
        theirs.converge()
        for server in made.servers[6:]:
            server.kill()
        eventually(
            lambda: sum("fail?" in r["flags"] or "fail" in r["flags"] for r in nodes_of(made[5]).values()) == 3,
            "they are gone",
        )
        error = refused(made, "belongs-to-another-cluster", str(made.ports[5]), pace=20)
        assert "CLUSTER RESET HARD" in error.hint
        assert len(nodes_of(made[5])) == 4


def test_a_node_left_over_from_a_cluster_that_is_gone_is_reset_by_consent(tmp_path: Path) -> None:
    with lab(tmp_path, spare=1, settings={"cluster-node-timeout": "1000"}) as made:
        made[5].execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        made[6].execute_command("CLUSTER", "MEET", "127.0.0.1", made.ports[5])
        eventually(
            lambda: [r["flags"] for r in nodes_of(made[5]).values() if not r["myself"]] == [["master"]], "they have met"
        )
        made.servers[6].kill()
        eventually(lambda: any("fail" in r["flags"] for r in nodes_of(made[5]).values()), "it is failed")
        before = snapshot(made, range(6))
        error = refused(made, "hazard-not-allowed", "leaves-other-cluster", str(made.ports[5]))
        assert "--allow leaves-other-cluster" in error.hint
        assert snapshot(made, range(6)) == before
        made.converge(allowed=["leaves-other-cluster"])
        assert_proved(made)


def test_slots_of_a_shard_that_lost_everything_are_given_away_only_when_it_is_forgotten(tmp_path: Path) -> None:
    with lab(tmp_path, settings={"cluster-node-timeout": "1000"}) as made:
        made.topology = replace(made.topology, live=with_short_timeout(made))
        made.converge()
        pairs = fill(made, 100)
        old = made[1].execute_command("CLUSTER MYID")
        for n in (4, 1):
            made.servers[n].kill()
        eventually(lambda: "fail" in nodes_of(made[0])[old]["flags"], "it is failed")
        for n in (4, 1):
            for file in made.servers[n].directory.iterdir():
                file.unlink()
            made.servers[n].start()
        eventually(lambda: "noaddr" in nodes_of(made[0])[old]["flags"], "its place is taken")
        before = snapshot(made, (0, 2, 3, 5))
        error = refused(made, "hazard-not-allowed", "loses-shard", "5,461 of 16,384 slots", old[:8], pace=10)
        assert "--allow loses-shard" in error.hint
        assert snapshot(made, (0, 2, 3, 5)) == before
        made.converge(allowed=["loses-shard"])
        assert made.deploy().healthy
        assert_proved(made)
        kept = {k: v for k, v in pairs.items() if not 5462 <= key_slot(k.encode()) <= 10922}
        assert 50 < len(kept) < 100
        assert_kept(made, kept)


def test_primaries_of_one_epoch_are_told_apart_in_the_end(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        for n in range(6):
            made[n].execute_command("CLUSTER", "SET-CONFIG-EPOCH", 7)
        made.converge()
        assert_proved(made)
        epochs = [made[n].execute_command("CLUSTER INFO")["cluster_my_epoch"] for n in range(3)]
        assert len(set(epochs)) == 3


def test_a_dead_member_elsewhere_is_forgotten_and_keeps_nobody_from_healing(tmp_path: Path) -> None:
    """A host was replaced by another one, and nobody told the servers to forget it."""
    with lab(tmp_path, spare=1, settings={"cluster-node-timeout": "1000"}) as made:
        made.topology = replace(made.topology, live=with_short_timeout(made))
        made.converge()
        made[6].execute_command("CLUSTER", "MEET", "127.0.0.1", made.ports[0])
        eventually(lambda: all(len(nodes_of(made[n])) == 7 for n in range(6)), "the seventh has joined")
        made.servers[6].kill()
        made.servers[4].kill()
        eventually(
            lambda: "fail" in next(r for r in nodes_of(made[0]).values() if r["port"] == made.ports[6])["flags"],
            "it is failed",
        )
        for file in made.servers[4].directory.iterdir():
            file.unlink()
        made.servers[4].start()
        report = made.deploy()
        assert report.healthy, report.findings
        assert not any(f.code == "dead-member" for f in report.findings)
        assert not any(made.ports[6] in {r["port"] for r in nodes_of(made[n]).values()} for n in range(6))
        assert not made.converge().changed

"""Nodes that do not answer as they should are refused: by code, by name, with a remedy, in bounded time."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.kit import (
    Lab,
    assert_proved,
    eventually,
    lab,
    laid_out,
    nodes_of,
)
from tests.engine.refusing import refused

from shardwright.control.converging import converge
from shardwright.control.observing import look
from shardwright.core.planning import plan
from shardwright.core.planning.fingerprint import basis
from shardwright.errors import ApplyError, ObservationError, PlanError, ShardwrightError
from shardwright.model.endpoint import Endpoint
from shardwright.model.saved_plan import SavedPlan
from shardwright.ports import Unreachable

pytestmark = pytest.mark.engine


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


def test_servers_that_are_named_by_host_name_are_met_by_address(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        named = [replace(s.endpoint, host="localhost") for s in made.servers]
        made.topology = replace(laid_out(named, 1), live=made.topology.live)
        assert made.deploy().healthy
        assert {r["address"] for r in nodes_of(made[0]).values()} == {f"127.0.0.1:{port}" for port in made.ports}


def written_down(made: Lab) -> SavedPlan:
    """The plan of now, as it is kept to be read."""
    state = look(made.topology, made.transport)
    now = plan(made.topology, state)
    steps = tuple(str(step) for step in now.steps)
    return SavedPlan("test", "", "", "", "", now.fingerprint, basis(made.topology, state), steps)


def test_a_plan_that_was_read_before_a_change_is_refused(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        read = written_down(made)
        made[0].execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 10)
        with pytest.raises(PlanError) as raised:
            converge(made.topology, made.means(), fitting=read)
        assert raised.value.code == "stale-plan"
        assert read.fingerprint[:12] in raised.value.message
        assert "plan" in raised.value.hint
        assert all(len(nodes_of(made[n])) == 1 for n in range(6))


def test_an_open_slot_makes_a_plan_stale(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        read = written_down(made)
        assert not read.steps
        made[1].execute_command("CLUSTER", "SETSLOT", 5, "IMPORTING", made[0].execute_command("CLUSTER MYID"))
        with pytest.raises(PlanError) as raised:
            converge(made.topology, made.means(), fitting=read)
        assert raised.value.code == "stale-plan"

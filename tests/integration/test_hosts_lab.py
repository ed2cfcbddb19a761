"""Deploys over ssh to real hosts, as an unprivileged user with sudo: all engines, and the ways in which a host fails us."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.hosts_kit import CANARY, NEXT, Environment, Result, client, logs_in, watched_arguments
from tests.lab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SPEC = """\
name: {name}
engine: {engine}
shards: 3
replicas: {replicas}
spread: {spread}
ssh: {{user: deploy, key: {key}, known_hosts: {known_hosts}}}
hosts:
{hosts}
security: {{password: {{env: SHARDWRIGHT_PASSWORD}}}}
{more}
"""


class Deployed(Environment):
    """A cluster over lab hosts: one server each."""

    def __init__(self, directory: Path, hosts: list[LabHost], engine: str, more: str = "") -> None:
        self.hosts = hosts
        super().__init__(directory, self.spec(engine, more))

    def spec(self, engine: str, more: str = "", known_hosts: Path | None = None) -> str:
        rows = "\n".join(f"  - {{name: {h.name}, address: {h.address}, zone: {h.zone}}}" for h in self.hosts)
        return SPEC.format(
            name="trial",
            engine=engine,
            replicas=1 if len(self.hosts) == 6 else 0,
            spread="zone" if len(self.hosts) == 6 else "none",
            key=self.hosts[0].ssh_key,
            known_hosts=known_hosts or self.hosts[0].known_hosts,
            hosts=rows,
            more=more,
        )

    def untouched(self, *but: LabHost) -> bool:
        """Whether nothing of ours lies on the hosts."""
        asked = ["sh", "-c", "ls -d /opt/shardwright /etc/shardwright /var/lib/shardwright/* 2>/dev/null; true"]
        return all(not h.exec(asked).stdout.strip() for h in self.hosts if h not in but)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    made = Lab(f"deploys-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    made.down()
    yield made
    made.down()


@pytest.fixture
def three(lab: Lab, tmp_path: Path) -> Deployed:
    """Three fresh hosts for a cluster of the bundled engine, which needs no repository."""
    return Deployed(tmp_path, lab.fresh(3), "bundled")


def explained(result: Result, code: int, error: str, *words: str) -> None:
    """The run ended as said, with one error of that code that has these words, and without a traceback."""
    assert result.code == code, result
    assert f"[{error}]" in result.err, result
    for word in words:
        assert word in result.err.split("ERROR", 1)[1], (word, result)
    assert "Traceback" not in result.err, result
    assert CANARY not in result.err + result.out


def sudo_calls(host: LabHost) -> int:
    """How many commands sudo has run for us, by the host's own journal."""
    said = host.exec(["sh", "-c", "journalctl -q _COMM=sudo -o cat | grep -c 'COMMAND=/usr/bin/sh'; true"]).stdout
    return int(said.strip() or 0)


ENGINES = {
    "redis": ("redis", "", r"Redis server v=7\.0\."),
    "valkey": ('{product: valkey, version: "8.0", suite: bookworm-backports}', "", r"Valkey server v=8\.0\."),
    "bundled": ("bundled", "transport: ssh", r"Valkey server v=9\.1\."),
}


@pytest.mark.parametrize("name", ENGINES)
def test_each_engine_from_bare_hosts(lab: Lab, tmp_path: Path, name: str) -> None:
    engine, more, version = ENGINES[name]
    cluster = Deployed(tmp_path, lab.fresh(6), engine, more)
    with watched_arguments("can4ry-") as seen:
        first = cluster.run("cluster", "-vv", "--diff")
    assert first.proved, first
    assert seen == []
    assert "can4ry-" not in first.out + first.err
    for host in cluster.hosts:
        assert "cluster_state:ok" in raw_info(host)
        unit = host.exec(
            ["systemctl", "show", "-p", "ActiveState,UnitFileState,MainPID", "shardwright-trial@6379"]
        ).stdout
        assert "ActiveState=active" in unit
        assert "UnitFileState=enabled" in unit
        pid = unit.split("MainPID=")[1].split()[0]
        assert re.search(version, host.exec([f"/proc/{pid}/exe", "--version"], check=False).stdout), name
        listeners = host.exec(["ss", "-Hltn", "sport = :6379"]).stdout.split("\n")
        assert [line.split()[3] for line in listeners if line] == [f"{host.address}:6379"]
        assert host.exec(["sh", "-c", "journalctl | grep -c can[4]ry-; true"]).stdout.strip() == "0"

    before = [sudo_calls(host) for host in cluster.hosts]
    second = cluster.run()
    assert second.proved, second
    assert second.changed_nothing, second
    calls = [sudo_calls(host) - was for host, was in zip(cluster.hosts, before, strict=True)]
    assert max(calls) <= 5, calls

    cluster.hosts[0].exec(["systemctl", "stop", "shardwright-trial@6379"])
    passwords = "password: {env: NEXT_PASSWORD}, retired: {env: SHARDWRIGHT_PASSWORD}"
    cluster.write(cluster.spec(engine, more).replace("password: {env: SHARDWRIGHT_PASSWORD}", passwords))
    with watched_arguments("can4ry-") as seen:
        repaired = cluster.run("cluster", "-vv", "--diff")
    assert repaired.code == 0, repaired
    assert "restart-needed" not in repaired.out
    assert "can4ry-" not in repaired.out + repaired.err
    assert seen == []
    taken = [(logs_in(h.address, 6379, CANARY), logs_in(h.address, 6379, NEXT)) for h in cluster.hosts]
    assert taken == [(False, True)] * 6

    gone = cluster.run("remove", "--data", "confirm_data=trial")
    assert gone.code == 0, gone
    assert cluster.untouched()
    for host in cluster.hosts:
        assert (
            host.exec(["sh", "-c", "find / -xdev -name '*shardwright*' -not -path '/run/*' | wc -l"]).stdout.strip()
            == "0"
        )
        assert "no such user" in host.exec(["id", "shardwright"], check=False).stderr


def raw_info(host: LabHost) -> str:
    info = client(host.address, 6379).execute_command("CLUSTER INFO")
    return "\n".join(f"{k}:{v}" for k, v in info.items())


def test_a_host_that_is_down_stops_the_run_before_any_change(lab: Lab, three: Deployed) -> None:
    lab.stop("h2")
    result = three.run()
    host = three.hosts[1]
    explained(result, 3, "host-unreachable", f"h2 ({host.address}, zone {host.zone})", "nothing was changed")
    lab.start("h2")
    assert three.untouched()
    assert three.run().proved


def test_a_host_with_another_key_is_refused(lab: Lab, three: Deployed) -> None:
    lab.reset("h2", rekey=True)
    result = three.run()
    explained(result, 3, "host-key-changed", "h2 (", "SHA256:")
    assert len(set(re.findall(r"SHA256:[\w+/]+", result.err))) == 2
    assert three.untouched()
    lab.trust()
    assert three.run().proved


def test_a_host_without_a_known_key_is_refused(three: Deployed) -> None:
    lines = three.hosts[0].known_hosts.read_text().splitlines()
    fewer = three.directory / "known_hosts"
    fewer.write_text("\n".join(line for line in lines if three.hosts[2].address not in line) + "\n")
    three.write(three.spec("bundled", known_hosts=fewer))
    explained(three.run(), 3, "host-key-unknown", "h3 (", str(fewer))
    assert three.hosts[2].address not in fewer.read_text()
    assert three.untouched()


def test_a_user_without_sudo_is_told_the_rule(three: Deployed) -> None:
    """On a host like any other, and on the first, which has the lock and is asked for it before any is looked at."""
    for host in (three.hosts[2], three.hosts[0]):
        host.exec(["sh", "-c", "rm -f /etc/sudoers.d/*; sed -i '/^deploy/d; /^%sudo/d' /etc/sudoers"])
        explained(three.run(), 3, "sudo-refused", f"{host.name} (", "deploy", "NOPASSWD", "/etc/sudoers.d/")
    assert three.untouched()


def test_hosts_that_are_mixed_up_are_told_before_anything_is_written(three: Deployed) -> None:
    """The ways into two hosts are exchanged: what would be made there would be marked as the other's for good."""
    one, two, _ = three.hosts
    spec = three.spec("bundled")
    row = "address: {}, zone: {}"
    crossed = spec
    for host, way in ((one, two), (two, one)):
        crossed = crossed.replace(
            row.format(host.address, host.zone), f"address: {host.address}, connect: {way.address}"
        )
    three.write(crossed)
    refused = three.run()
    assert refused.code == 4, refused
    assert refused.err.count("[address-not-there]") + refused.err.count("and the host that answers has") >= 2, refused
    assert three.untouched()
    three.write(spec)
    assert three.run().proved


def test_a_limit_that_matches_no_host_is_no_green_run(three: Deployed) -> None:
    for words in (("--limit", "h1,h2"), ("--limit", "h1", "--limit", "h9")):
        refused = three.run("verify", *words)
        explained(refused, 4, "limit-matches-nothing", "h1, h2, h3")
        assert "Connecting" not in refused.err
    for script, data in (("remove", "confirm_data=another"), ("prune", "keep=many"), ("drill", "confirm_drill=no")):
        refused = three.run(script, "--data", data)
        assert refused.code == 4, refused
        assert "Traceback" not in refused.err, refused
        assert "Connecting" not in refused.err, refused
    assert three.untouched()


def test_a_removal_leaves_no_server_without_its_unit(three: Deployed) -> None:
    spec = three.spec("bundled")
    both = spec.replace("name: h1,", "name: h1, ports: [6379, 6400],", 1)
    three.write(both)
    assert three.run().proved
    three.write(spec)
    explained(three.run("remove", "--data", "confirm_data=trial"), 4, "removal-incomplete", "h1 (", "6400")
    assert "cluster_state:ok" in raw_info(three.hosts[0])
    three.write(both)
    most = three.run("remove", "--data", "confirm_data=trial", "--exclude", "h3")
    assert most.code == 0, most
    assert "left out of this run (--limit), so nothing was removed there: h3" in most.err, most
    assert not three.untouched()
    assert three.run("remove", "--data", "confirm_data=trial").code == 0
    assert three.untouched()


def test_a_full_disk_is_named_and_mended(lab: Lab, three: Deployed) -> None:
    lab.faults.mount_disk(three.hosts[1], "/var/lib/shardwright", 256)
    lab.faults.fill_disk(three.hosts[1], "/var/lib/shardwright", 240)
    result = three.run()
    explained(result, 3, "disk-full", "h2 (", "/var/lib/shardwright", "MiB", "df -h")
    assert three.untouched(three.hosts[1])
    lab.faults.free_disk(three.hosts[1], "/var/lib/shardwright")
    assert three.run().proved


def test_a_read_only_disk_is_named(lab: Lab, three: Deployed) -> None:
    lab.faults.mount_disk(three.hosts[0], "/var/lib/shardwright", 256)
    lab.faults.read_only(three.hosts[0], "/var/lib/shardwright", True)
    explained(three.run(), 3, "read-only", "h1 (", "/var/lib/shardwright", "remount,rw")
    lab.faults.read_only(three.hosts[0], "/var/lib/shardwright", False)
    assert three.run().proved


def test_a_file_that_cannot_be_replaced_stops_all_at_the_barrier(three: Deployed) -> None:
    """`chattr +i` is not to be had on every file system; a directory in the file's place is."""
    three.hosts[1].exec(["mkdir", "-p", "/etc/shardwright/trial/6379.conf/x"])
    result = three.run()
    explained(result, 5, "path-in-the-way", "h2 (", "/etc/shardwright/trial/6379.conf")
    running = [h.exec(["pgrep", "-c", "valkey-server"], check=False).stdout.strip() for h in three.hosts]
    assert running == ["0", "0", "0"]
    three.hosts[1].exec(["rm", "-r", "/etc/shardwright/trial/6379.conf"])
    assert three.run().proved


def test_a_taken_port_names_pid_and_program(three: Deployed) -> None:
    script = (
        "import socket, time; s = socket.create_server(('', 6379)); open('/run/holder', 'w').close(); time.sleep(600)"
    )
    three.hosts[0].exec(["systemd-run", "--unit=holder", "python3", "-c", script])
    wait_for(lambda: three.hosts[0].exec(["test", "-e", "/run/holder"], check=False).returncode == 0)
    pid = three.hosts[0].exec(["systemctl", "show", "-p", "MainPID", "--value", "holder"]).stdout.strip()
    explained(three.run(), 4, "port-taken", "h1 (", f"pid {pid}, python3", "port 6379")
    assert three.untouched()


def test_ssh_that_dies_in_the_middle_ends_the_run_in_time(lab: Lab, three: Deployed) -> None:
    process = three.start()
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "Create user" in line:
            lab.faults.block_ssh(three.hosts[1])
            break
    rest = threading.Thread(target=lambda: said.extend(process.stderr), daemon=True)  # type: ignore[arg-type]
    rest.start()
    assert process.wait(120) in (3, 5), "".join(said)
    rest.join(5)
    text = "".join(said)
    assert "h2 (" in text.split("ERROR", 1)[1]
    lab.faults.heal(three.hosts[1])
    assert three.run().proved


def test_two_deploys_at_once_over_ssh_and_an_apply(three: Deployed) -> None:
    first = three.start()
    assert first.stderr is not None
    for line in first.stderr:
        if "Install engine" in line:
            break
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second, apply = three.run(), three.shardwright("apply", ".")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    explained(second, 4, "locked", "h1 (", f"pid {first.pid}", "since")
    explained(apply, 4, "locked", "h1 (", f"pid {first.pid}", "since")
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert three.run().changed_nothing


class TestPackages:
    """What apt can do to us."""

    @pytest.fixture
    def redis(self, lab: Lab, tmp_path: Path) -> Deployed:
        return Deployed(tmp_path, lab.fresh(3), "redis")

    def test_a_held_lock_is_waited_for_and_named(self, lab: Lab, redis: Deployed) -> None:
        lab.faults.hold_apt_lock(redis.hosts[1])
        result = redis.run("cluster", "--data", "apt_lock_wait=3")
        explained(result, 5, "apt-locked", "h2 (", "held by process", "its lock was left alone")
        assert lab.faults.apt_locked(redis.hosts[1])
        lab.faults.release_apt_lock(redis.hosts[1])
        assert redis.run().proved

    def test_killed_while_apt_works_and_run_again(self, redis: Deployed) -> None:
        process = redis.start()
        assert process.stderr is not None
        for line in process.stderr:
            if "Install engine" in line:
                break
        wait_for(lambda: redis.hosts[0].exec(["pgrep", "-x", "apt-get"], check=False).returncode == 0)
        process.kill()
        process.wait(10)
        assert redis.run().proved
        for host in redis.hosts:
            assert host.exec(["systemctl", "is-active", "redis-server"], check=False).stdout.strip() == "inactive"
            left = host.exec(
                ["sh", "-c", "ls -d /run/shardwright-run.* /usr/sbin/policy-rc.d 2>/dev/null; true"]
            ).stdout
            assert left.strip() == ""

    def test_a_version_that_is_not_offered_installs_nothing(self, redis: Deployed) -> None:
        redis.write(redis.spec('{product: redis, version: "8.0"}'))
        explained(redis.run(), 5, "engine-not-offered", "apt offers redis-server 5:7.0.15", "8.0", "apt-cache policy")
        assert all("no packages" in h.exec(["dpkg", "-l", "redis-server"], check=False).stderr for h in redis.hosts)

    def test_a_suite_that_no_source_has(self, redis: Deployed) -> None:
        redis.write(redis.spec("{product: redis, suite: bookworm-nowhere}"))
        explained(redis.run(), 5, "suite-missing", "bookworm-nowhere", "/etc/apt/sources.list")

    def test_a_running_service_of_the_distribution_is_left_alone(self, redis: Deployed) -> None:
        host = redis.hosts[2]
        host.exec(["sh", "-c", "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install redis-server"])
        pid = host.exec(["systemctl", "show", "-p", "MainPID", "--value", "redis-server"]).stdout.strip()
        result = redis.run()
        explained(
            result, 4, "distribution-service-running", "h3 (", f"pid {pid}", "systemctl disable --now redis-server"
        )
        assert host.exec(["systemctl", "is-active", "redis-server"]).stdout.strip() == "active"
        assert redis.untouched()
        host.exec(["systemctl", "disable", "--now", "redis-server"])
        assert redis.run().proved
        assert host.exec(["systemctl", "is-enabled", "redis-server"], check=False).stdout.strip() == "masked"


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not within the limit"
        time.sleep(0.05)


def test_the_files_of_a_host_say_nothing_to_its_other_users(three: Deployed) -> None:
    assert three.run().proved
    search = "grep -rl --exclude-dir=proc --exclude-dir=sys can4ry- / 2>/dev/null; true"
    for host in three.hosts:
        holders = host.exec(["sh", "-c", search], timeout=120).stdout.split()
        assert holders == ["/etc/shardwright/trial/6379.conf"]
        mode = host.exec(["stat", "-c", "%a %U %G", holders[0]]).stdout.split()
        assert mode == ["640", "root", "shardwright"]
        assert "Permission denied" in host.ssh(f"cat {holders[0]}", check=False).stderr


def test_a_bus_port_closed_one_way_is_named_by_pair(lab: Lab, three: Deployed) -> None:
    one, two, _ = three.hosts
    lab.faults.block_port(two, 16379, one)
    result = three.run()
    explained(result, 5, "bus-port-closed", f"{one.address}:6379", f"{two.address}:6379", "16379")
    lab.faults.heal(two)
    assert three.run().proved


def test_through_a_jump_host(three: Deployed) -> None:
    gate, *rest = three.hosts
    rows = three.spec("bundled", "transport: ssh")
    for host in rest:
        row = f"{{name: {host.name}, address: {host.address}, zone: {host.zone}}}"
        rows = rows.replace(row, row[:-1] + f", ssh: {{jump: {gate.address}}}}}")
    three.write(rows)
    result = three.run()
    assert result.proved, result
    for host in rest:
        said = host.exec("journalctl -q -u ssh -o cat | grep 'Accepted publickey for deploy'").stdout
        assert f"from {gate.address} " in said
        assert len([line for line in said.splitlines() if f"from {gate.address} " not in line]) == 0


def test_a_server_that_cannot_start_says_why_without_its_secrets(three: Deployed) -> None:
    three.write(three.spec("bundled", "settings: {maxmemory: 64mb}"))
    assert three.run().proved
    host = three.hosts[1]
    host.exec("systemctl stop shardwright-trial@6379")
    host.exec("rm /var/lib/shardwright/trial/6379/.shardwright-node")
    result = three.run()
    explained(result, 5, "data-dir-unmarked", "h2 (", "/var/lib/shardwright/trial/6379", "mount the file system")


def test_damaged_data_is_named_with_the_servers_words_and_left_alone(three: Deployed) -> None:
    assert three.run().proved
    host, unit, data = three.hosts[1], "shardwright-trial@6379", "/var/lib/shardwright/trial/6379"
    assert host.exec(f"systemctl show -p OOMPolicy --value {unit}").stdout.strip() == "continue"
    host.exec(f"systemctl stop {unit} && cp -a {data}/appendonlydir /root/kept")
    host.exec(f"truncate -s 40 {data}/appendonlydir/*.base.rdb")
    before = host.exec(f"cd {data} && sha256sum appendonlydir/* nodes.conf").stdout
    result = three.run()
    explained(result, 5, "data-damaged", "h2 (", f"its data in {data}: appendonly.aof.", ".base.rdb (Short read")
    assert f"move all of {data} but .shardwright-node away" in result.err
    assert "--fix" not in result.err
    assert host.exec(f"cd {data} && sha256sum appendonlydir/* nodes.conf").stdout == before
    host.exec(f"rm -r {data}/appendonlydir && cp -a /root/kept {data}/appendonlydir")
    assert three.run().proved


def test_storage_is_mounted_before_anything_lies_in_it(three: Deployed) -> None:
    mounts = "mounts: [{source: tmpfs, target: /var/lib/shardwright, fstype: tmpfs, options: [size=300m, mode=0755]}]"
    three.write(three.spec("bundled", mounts))
    result = three.run()
    assert result.proved, result
    for host in three.hosts:
        assert host.exec("findmnt -no FSTYPE /var/lib/shardwright").stdout.strip() == "tmpfs"
        assert len(host.exec("grep /var/lib/shardwright /etc/fstab").stdout.splitlines()) == 1
        assert host.exec("findmnt -no TARGET -T /var/lib/shardwright/trial/6379/nodes.conf").stdout.strip() == (
            "/var/lib/shardwright"
        )
    assert three.run().changed_nothing
    victim = three.hosts[2]
    victim.exec("systemctl stop shardwright-trial@6379; umount /var/lib/shardwright")
    again = three.run()
    explained(again, 5, "data-dir-unmarked", "h3 (", "/var/lib/shardwright/trial/6379")


def test_packets_that_are_lost_end_in_a_proof_or_in_names(lab: Lab, tmp_path: Path) -> None:
    """Two nodes a host, so that primaries have replicas elsewhere."""
    made = Deployed(tmp_path, lab.fresh(3), "bundled")
    text = made.spec("bundled").replace("replicas: 0", "replicas: 1").replace("spread: none", "spread: host")
    made.write(re.sub(r"(zone: \w+)}", r"\1, ports: [6379, 6380]}", text))
    for host in made.hosts:
        lab.faults.lose(host, 0.3, *(h for h in made.hosts if h is not host))
    result = made.run(timeout=400)
    dropped = [lab.faults.dropped(host) for host in made.hosts]
    assert sum(dropped) > 20 * len(made.hosts)
    assert min(dropped) > 5
    if not result.proved:
        assert result.code in (1, 5), result
        assert any(f"{host.address}:63" in result.err + result.out for host in made.hosts), result
        assert "Traceback" not in result.err
    lab.faults.heal()
    assert made.run().proved

    two = made.hosts[1]
    for port in (6379, 6380):
        lab.faults.lose_large(two, port, *(h for h in made.hosts if h is not two))
    blind = made.run("verify")
    assert blind.code == 1, blind
    assert "canary-not-replicated" in blind.out
    assert f"{two.address}:63" in blind.out
    assert lab.faults.dropped(two) > 0
    lab.faults.heal()
    assert made.run("verify").proved


def test_a_disk_that_fills_under_running_servers_changes_and_restarts_nothing(lab: Lab, three: Deployed) -> None:
    two = three.hosts[1]
    lab.faults.mount_disk(two, "/var/lib/shardwright", 256)
    assert three.run().proved
    # A server that can't save its list of nodes ends itself, and nodes that just met still write theirs.
    wait_for(lambda: two.exec("find /var/lib/shardwright -name nodes.conf -newermt '-3 seconds'").stdout == "")
    pid = two.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout
    lab.faults.fill_disk(two, "/var/lib/shardwright", 240)
    server = client(two.address, 6379)
    server.execute_command("BGSAVE")
    wait_for(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "err")
    for script in ("cluster", "verify"):
        explained(three.run(script), 3, "disk-full", "h2 (", "0 MiB are free", "/var/lib/shardwright", "df -h")
    assert two.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout == pid
    lab.faults.free_disk(two, "/var/lib/shardwright")
    unproved = three.run()
    assert unproved.code == 1, unproved
    assert "persistence-failing" in unproved.out
    assert "h2:6379" in unproved.out
    server.execute_command("BGSAVE")
    wait_for(lambda: server.info("persistence")["rdb_last_bgsave_status"] == "ok")
    assert three.run().changed_nothing
    assert two.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout == pid


def test_runs_with_different_limits_exclude_one_another(lab: Lab, three: Deployed) -> None:
    assert three.run().proved
    three.write(three.spec("bundled", "settings: {timeout: 7}"))
    first = three.start("cluster", "--limit", "h2")
    assert first.stderr is not None
    for line in first.stderr:
        if "Install engine" in line:
            break
    os.kill(first.pid, signal.SIGSTOP)
    try:
        second = three.run("cluster", "--limit", "h3")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    explained(second, 4, "locked", "h1 (", f"pid {first.pid}")
    first.communicate(timeout=120)
    assert first.returncode == 0
    lab.faults.block_ssh(three.hosts[0], refuse=True)
    third = three.run("cluster", "--limit", "h3")
    assert third.code == 0, third
    assert "lock-elsewhere" in third.out
    assert "the lock is on h2, as h1" in " ".join(third.out.split())
    lab.faults.heal()


def test_archives_that_fail_and_the_wrong_engine_are_named_for_each_host(lab: Lab, tmp_path: Path) -> None:
    """One host has Valkey where Redis should be, one reaches no mirror, one gets a package that is not what was signed."""
    made = Deployed(tmp_path, lab.fresh(3), "redis")
    one, two, three = made.hosts
    one.exec(
        "apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends redis-server"
    )
    one.exec("systemctl disable --now redis-server")
    one.exec("printf '#!/bin/sh\necho Valkey server v=8.0.1 sha=0 bits=64\n' >/usr/bin/redis-check-rdb")
    nowhere = "deb [trusted=yes] http://127.0.0.1:9/debian bookworm main"
    for host, line in ((two, nowhere), (three, "deb [trusted=yes] file:/srv/repo ./")):
        host.exec("mkdir /root/apt && mv /etc/apt/sources.list* /root/apt/ && rm -rf /var/lib/apt/lists/*")
        host.exec(f"echo '{line}' >/etc/apt/sources.list")
    three.exec(
        "set -e; mkdir -p /srv/repo /root/p/DEBIAN; for name in redis-server redis-tools; do cd /root/p; "
        "printf 'Package: %s\\nVersion: 5:7.0.99\\nArchitecture: all\\nMaintainer: x <x@x>\\nDescription: x\\n' $name "
        ">DEBIAN/control; dpkg-deb -b . /srv/repo/$name.deb; cd /srv/repo; dpkg-deb -f $name.deb >>Packages; "
        "printf 'Filename: ./%s.deb\\nSize: %s\\nSHA256: %064d\\n\\n' $name $(stat -c %s $name.deb) 0 >>Packages; done"
    )
    result = made.run()
    assert result.code == 5, result
    said = result.err.split("ERROR", 1)[1]
    for host, words in (
        (one, ("[engine-version]", "Valkey server v=8.0.1", "wanted redis", "engine: bundled")),
        (two, ("[apt-failed]", "http://127.0.0.1:9/debian", "engine: bundled")),
        (three, ("[apt-failed]", "Hash Sum mismatch", "engine: bundled")),
    ):
        block = next(part for part in said.split("\n- ") if f"{host.name} ({host.address}" in part)
        assert [word for word in words if word not in block] == [], block
    for host in (two, three):
        assert host.exec("command -v redis-server", check=False).stdout == ""
        host.exec("rm /etc/apt/sources.list; mv /root/apt/* /etc/apt/; rm -rf /var/lib/apt/lists/*; apt-get -q update")
    one.exec("DEBIAN_FRONTEND=noninteractive apt-get -qy install --reinstall redis-tools")
    assert made.run().proved

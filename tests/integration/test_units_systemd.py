"""The unit on a real host with systemd: Debian's Redis and the carried Valkey, locked in, guarded, restarted, rebooted."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest
import redis
from tests.golden.specs import BUNDLE, NASTY
from tests.integration.blueprint_kit import connect, hash_without_passwords
from tests.lab.lab import Lab, LabHost

from shardwright.core.blueprint import blueprint
from shardwright.core.engine_choice import engine_install
from shardwright.core.placement import place
from shardwright.model.blueprint import Blueprint
from shardwright.model.secret import Secret
from shardwright.model.spec import (
    ClusterSpec,
    Domain,
    EngineChoice,
    HostSpec,
    Product,
    Security,
    ServiceManager,
)
from shardwright.testing.servers import bundled_binary

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def blueprint_for(address: str, product: Product) -> Blueprint:
    spec = ClusterSpec(
        name="debian" if product is Product.REDIS else "carried",
        engine=EngineChoice(product),
        shards=1,
        replicas=1,
        hosts=(HostSpec("h1", address, (6379, 6380) if product is Product.REDIS else (7379, 7380)),),
        settings=(("tcp-backlog", "5000"),),
        security=Security(Secret(NASTY)),
        spread=Domain.NONE,
        service_manager=ServiceManager.SYSTEMD,
    )
    return blueprint(spec, place(spec), "h1", engine_install(spec, BUNDLE))


def lay_out(host: LabHost, found: Blueprint) -> None:
    for d in found.directories:
        host.exec(f"mkdir -p {d.path} && chown {d.owner}:{d.group} {d.path} && chmod {d.mode} {d.path}")
    for f in found.files:
        host.exec(f"install -o {f.owner} -g {f.group} -m {f.mode} /dev/stdin '{f.path}'", stdin=f.content)
    host.exec(
        f"systemctl daemon-reload && {found.guard} adopt {' '.join(str(i.endpoint.port) for i in found.instances)}"
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if reason := Lab.available():
        pytest.skip(reason)
    made = Lab("units")
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(scope="module")
def host(lab: Lab) -> LabHost:
    (made,) = lab.fresh(1)
    made.exec("systemctl mask redis-server.service")
    made.exec("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install redis-server", timeout=400)
    made.exec("useradd --system --no-create-home --shell /usr/sbin/nologin shardwright")
    return made


@pytest.fixture(scope="module", params=[Product.REDIS, Product.BUNDLED], ids=lambda p: p.value)
def site(request: pytest.FixtureRequest, host: LabHost) -> Iterator[tuple[LabHost, Blueprint]]:
    found = blueprint_for(host.address, request.param)
    if request.param is Product.BUNDLED:
        server = PurePosixPath(found.engine.server)
        host.exec(f"mkdir -p {server.parent}")
        copied = bundled_binary().read_bytes()
        host.exec(f"base64 -d > {server} && chmod 755 {server}", stdin=base64.b64encode(copied).decode())
    lay_out(host, found)
    yield host, found
    for i in found.instances:
        host.exec(f"systemctl stop {i.service}", check=False)


Running = tuple[LabHost, Blueprint, redis.Redis]


@pytest.fixture
def running(site: tuple[LabHost, Blueprint]) -> Running:
    """Both instances started; a client of the first."""
    host, found = site
    for i in found.instances:
        host.exec(f"systemctl reset-failed {i.service}; systemctl start {i.service}")
    where = found.instances[0].endpoint
    client = connect(where.host, where.port, NASTY)
    wait_for(lambda: answers(client), "the server answers")
    return host, found, client


def wait_for(condition: Callable[[], bool], what: str, limit: float = 20) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"not within {limit} s: {what}"
        time.sleep(0.1)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def show(host: LabHost, unit: str, name: str) -> str:
    return host.exec(f"systemctl show --value -p {name} {unit}").stdout.strip()


def test_both_instances_are_up_and_ready(running: Running) -> None:
    host, found, _ = running
    for i in found.instances:
        assert show(host, i.service, "ActiveState") == "active"
        if found.engine.notify:
            assert show(host, i.service, "StatusText").startswith("Ready to accept connections")


def test_the_process_is_locked_in(running: Running) -> None:
    host, found, _ = running
    pid = show(host, found.instances[0].service, "MainPID")
    status = dict(line.split(":\t", 1) for line in host.exec(f"cat /proc/{pid}/status").stdout.splitlines())
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert set(status["Uid"].split()) == {host.exec("id -u shardwright").stdout.strip()}
    limits = host.exec(f"cat /proc/{pid}/limits").stdout
    # A host may be given less by what it runs in.
    (most,) = [
        int(line.split()[4]) for line in host.exec("cat /proc/1/limits").stdout.splitlines() if "open files" in line
    ]
    wanted = str(min(65_536, most))
    assert [line.split()[3:5] for line in limits.splitlines() if line.startswith("Max open")] == [[wanted, wanted]]
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    lowered = host.exec(
        "echo -500 2>/dev/null >/proc/self/oom_score_adj && cat /proc/self/oom_score_adj", check=False
    ).stdout
    assert host.exec(f"cat /proc/{pid}/oom_score_adj").stdout == (lowered or "0\n")
    words = host.exec(f"tr '\\0' ' ' </proc/{pid}/cmdline").stdout
    assert NASTY not in words


def test_systemd_finds_nothing_wrong_with_the_unit(running: Running) -> None:
    host, found, _ = running
    unit = found.instances[0].service
    done = host.exec(f"systemd-analyze verify {unit}")
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "shardwright" in line]
    assert ours == []
    host.exec(f"systemd-analyze security --no-pager --threshold=12 {unit}")


def test_it_can_do_its_work_locked_in(running: Running) -> None:
    _, _, client = running
    assert client.eval("return redis.call('ping')", 0) in (b"PONG", "PONG")
    before = client.info("persistence")["rdb_last_save_time"]
    wait_for(lambda: time.time() > before + 1, "the clock moves on: a save's time is in whole seconds")
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_save_time"] > before, "the snapshot is saved")
    assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"
    client.bgrewriteaof()
    wait_for(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, "the AOF is rewritten")
    assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    assert client.execute_command("CLUSTER SAVECONFIG") in (True, b"OK")


def test_it_can_change_neither_its_configuration_nor_its_directory(running: Running) -> None:
    _, _, client = running
    with pytest.raises(redis.ResponseError, match="Rewriting config file"):
        client.config_rewrite()
    with pytest.raises(redis.ResponseError, match="protected"):
        client.config_set("dir", "/tmp")
    with pytest.raises(redis.ResponseError, match="not allowed"):
        client.execute_command("DEBUG", "JMAP")


def test_others_can_read_nothing(running: Running) -> None:
    host, found, _ = running
    name = found.cluster
    tops = f"/etc/shardwright/{name} /var/lib/shardwright/{name}"
    assert (
        host.exec(f"su -s /bin/sh nobody -c 'ls {tops}; cat /etc/shardwright/{name}/*.conf'", check=False).stdout == ""
    )
    loose = host.exec(f"find {tops} -perm /007 ! -name '*.expected'").stdout
    assert loose == ""


def test_the_hash_says_what_the_process_started_with(running: Running) -> None:
    host, found, _ = running
    for i in found.instances:
        (text,) = [f.content for f in found.files if f.path == i.config]
        assert host.exec(f"cat {i.started}").stdout.strip() == hash_without_passwords(text)
    first, second = found.instances
    host.exec(f"systemctl stop {first.service}")
    assert host.exec(f"ls {first.started}", check=False).returncode != 0
    assert host.exec(f"ls {second.started}").returncode == 0


def test_a_killed_server_comes_back(running: Running) -> None:
    host, found, client = running
    unit = found.instances[0].service
    before = show(host, unit, "MainPID")
    host.exec(f"kill -9 {before}")
    wait_for(lambda: show(host, unit, "MainPID") not in (before, "0") and answers(client), "the server is back")
    assert show(host, unit, "NRestarts") == "1"


def test_the_guard_stops_a_start_that_would_lose_data(running: Running) -> None:
    host, found, client = running
    i = found.instances[0]
    manifest = f"{i.data}/appendonlydir/appendonly.aof.manifest"
    host.exec(f"systemctl stop {i.service} && mv {manifest} /root/kept")
    try:
        assert host.exec(f"systemctl start {i.service}", check=False, timeout=60).returncode != 0
        journal = host.exec(f"journalctl -q -o cat -u {i.service} -n 20").stdout
        assert "shardwright-guard: [aof-manifest-missing]" in journal
        wait_for(lambda: show(host, i.service, "ActiveState") == "failed", "systemd gives up", limit=60)
    finally:
        host.exec(f"mv /root/kept {manifest} && systemctl reset-failed {i.service}; systemctl start {i.service}")
    wait_for(lambda: answers(client), "the server is back")


def test_it_does_not_start_beside_its_file_system(running: Running) -> None:
    host, found, client = running
    i = found.instances[0]
    host.exec(f"systemctl stop {i.service} && cp /etc/fstab /root/fstab")
    try:
        host.exec(f"echo 'tmpfs {i.data} tmpfs size=nonsense,nofail 0 0' >>/etc/fstab && systemctl daemon-reload")
        done = host.exec(f"systemctl start {i.service}", check=False)
        assert done.returncode != 0
        assert "dependency" in done.stderr
        # Mounted, but empty: the mark is missing.
        host.exec("cp /root/fstab /etc/fstab && systemctl daemon-reload")
        host.exec(f"mount -t tmpfs -o uid=shardwright,gid=shardwright,mode=0700 tmpfs {i.data}")
        assert host.exec(f"systemctl start {i.service}", check=False).returncode != 0
        journal = host.exec(f"journalctl -q -o cat -u {i.service} -n 20").stdout
        assert "shardwright-guard: [data-dir-unmarked]" in journal
        assert host.exec(f"ls -A {i.data}").stdout == ""
    finally:
        host.exec("cp /root/fstab /etc/fstab && systemctl daemon-reload")
        host.exec(f"systemctl stop {i.service}; umount {i.data}", check=False)
        host.exec(f"systemctl reset-failed {i.service}; systemctl start {i.service}")
    wait_for(lambda: answers(client), "the server is back")


def test_the_journal_has_the_log_and_not_the_password(running: Running) -> None:
    host, found, _ = running
    journal = host.exec(
        f"journalctl -q -o cat SYSLOG_IDENTIFIER=shardwright-{found.cluster}-{found.instances[0].endpoint.port}"
    )
    assert "Ready to accept connections" in journal.stdout
    assert NASTY not in host.exec("journalctl -q -o cat").stdout


def test_after_a_boot_it_is_all_there_again(running: Running, lab: Lab) -> None:
    host, found, client = running
    units = " ".join(i.service for i in found.instances)
    host.exec(f"systemctl enable {units}")
    node = client.execute_command("CLUSTER MYID")
    lab.restart(host)
    wait_for(lambda: answers(client), "the server is up", limit=60)
    assert client.execute_command("CLUSTER MYID") == node
    assert host.exec("cat /proc/sys/net/core/somaxconn").stdout.strip() == "5000"
    assert host.exec(f"systemctl is-active {units}").stdout.split() == ["active"] * len(found.instances)


def test_the_distributions_own_server_never_ran(host: LabHost) -> None:
    assert host.exec("journalctl -q -o cat -u redis-server.service").stdout.strip() == ""

"""Drills on real hosts: a host that is cut off and killed, a zone that is cut off; nothing of it is left afterwards."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.integration.hosts_kit import ROOT, client
from tests.integration.test_hosts_lab import Deployed
from tests.lab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
FASTER = "settings: {cluster-node-timeout: 3000}"
SCRIPT = ROOT / "deploy" / "shardwright" / "core" / "host" / "scripts" / "drill.sh"
TRY = "timeout 1 bash -c 'exec 3<>/dev/tcp/{}/{}'"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    made = Lab(f"drills-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    made.down()
    yield made
    made.down()


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """Six hosts in three zones; those of zone a can cut themselves off, one by nft and one by iptables."""
    hosts = lab.fresh(6)
    made = Deployed(tmp_path_factory.mktemp("drills"), hosts, "bundled", FASTER)
    for host, package in ((hosts[0], "nftables"), (hosts[3], "iptables")):
        host.exec(f"apt-get -q update && apt-get -q install -y --no-install-recommends {package}", timeout=300)
    assert made.run().proved
    return made


@contextmanager
def watched(asker: LabHost, asked: LabHost, port: int) -> Iterator[list[bool]]:
    """Whether one host reaches a port of another, again and again meanwhile."""
    seen: list[bool] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.3):
            seen.append(asker.exec(TRY.format(asked.address, port), check=False).returncode == 0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def left(host: LabHost) -> str:
    """What of a drill is left on a host: rules, timer, directory."""
    rules = "nft list tables 2>/dev/null | grep drill; iptables -S 2>/dev/null | grep SWDRILL"
    rest = "systemctl list-units --all --no-legend 'shardwright-drill*'; ls -d /run/shardwright-drill* 2>/dev/null"
    return host.exec(f"{rules}; {rest}; true").stdout.strip()


def test_a_lost_host_is_failed_over_and_comes_back(cluster: Deployed) -> None:
    one, other = cluster.hosts[0], cluster.hosts[1]
    pid = one.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout.strip()
    with (
        watched(other, one, 6379) as client_port,
        watched(other, one, 16379) as bus_port,
        watched(other, one, 22) as ssh,
    ):
        done = cluster.run(
            "drill", "--data", "confirm_drill=trial", "--data", "drill=host", "--data", "drill_target=h1"
        )
    assert done.code == 0, done
    for word in ("drill-served-again", "shard-1 went from h1:6379 to", "drill-whole-again"):
        assert word in done.out, done
    assert not all(client_port)
    assert not all(bus_port)
    assert all(ssh), "only the cluster is cut"
    assert one.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout.strip() != pid
    assert client(one.address, 6379).info("replication")["role"] == "master", "it leads again"
    assert [left(host) for host in cluster.hosts] == [""] * 6


def test_a_drill_that_was_killed_is_told_and_can_be_ended_by_hand(cluster: Deployed) -> None:
    one = cluster.hosts[0]
    words = ("--data", "confirm_drill=trial", "--data", "drill=host", "--data", "drill_target=h1")
    limited = cluster.run("drill", *words, "--limit", "h2")
    assert limited.code == 4, limited
    assert "[drill-host-left-out]" in limited.err, limited
    assert "Traceback" not in limited.err, limited
    process = cluster.start("drill", *words)
    assert process.stderr is not None
    for line in process.stderr:
        if "shard-1 to take writes again" in line:
            break
    process.kill()
    process.communicate(timeout=60)
    assert "shardwright_drill_trial" in left(one)
    for script in ("cluster", "verify"):
        told = cluster.run(script)
        assert told.code == 4, told
        assert "[drill-left] h1" in told.err, told
    hint = next(line for line in told.err.splitlines() if "SW_VERB=lift" in line)
    one.ssh(hint.partition("there: ")[2])
    assert left(one) == ""
    assert cluster.run().proved


def test_a_zone_is_cut_off_by_whatever_its_hosts_have(cluster: Deployed) -> None:
    one, mate, other = cluster.hosts[0], cluster.hosts[3], cluster.hosts[1]
    pids = [h.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout for h in cluster.hosts]
    with watched(one, mate, 6379) as inside, watched(other, one, 6379) as first, watched(other, mate, 6379) as second:
        done = cluster.run("drill", "--data", "confirm_drill=trial", "--data", "drill=zone", "--data", "drill_target=a")
    assert done.code == 0, done
    assert "drill-whole-again" in done.out
    assert not all(first)
    assert not all(second)
    assert all(inside), "a zone is whole in itself"
    assert [left(host) for host in cluster.hosts] == [""] * 6
    assert pids == [h.exec("systemctl show -p MainPID --value shardwright-trial@6379").stdout for h in cluster.hosts]


def test_a_host_without_means_to_cut_is_told_and_left_as_it_was(cluster: Deployed) -> None:
    done = cluster.run("drill", "--data", "confirm_drill=trial", "--data", "drill=zone", "--data", "drill_target=b")
    assert done.code == 5, done
    assert "[drill-not-broken]" in done.err
    assert "h2 (" in done.err
    assert [left(host) for host in cluster.hosts] == [""] * 6
    assert cluster.run("verify").code == 0


def test_a_cut_heals_by_itself_when_nobody_is_left_to_lift_it(cluster: Deployed, tmp_path: Path) -> None:
    one, other = cluster.hosts[0], cluster.hosts[1]
    values = {"NAME": "trial", "KIND": "zone", "SECONDS": "3", "PORTS": "6379 16379", "MATES": "", "MANAGER": "systemd"}
    values |= {"CONTROL": "", "VICTIMS": "", "VERB": "strike"}
    text = "\n".join(f"SW_{k}=${{SW_{k}-{shlex.quote(v)}}}" for k, v in values.items())
    one.exec("mkdir /root/drill && cat >/root/drill/script", stdin=f"{text}\n{SCRIPT.read_text()}")
    assert "struck" in one.exec("sh /root/drill/script /root/drill").stdout
    reach = TRY.format(one.address, 6379)
    assert other.exec(reach, check=False).returncode != 0
    one.exec("timeout 30 sh -c 'while ls -d /run/shardwright-drill* 2>/dev/null; do sleep 0.2; done'")
    assert other.exec(reach, check=False).returncode == 0
    assert left(one) == ""

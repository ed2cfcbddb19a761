"""The test lab keeps its promises: real hosts, strict ssh, real installs, faults that bite, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab import Lab, LabError, LabHost
from tests.lab.common import cache_dir
from tests.lab.sources import debian_archive

ROOT = Path(__file__).resolve().parents[2]
REACH = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)"


@pytest.fixture(scope="module")
def lab(worker_name: str) -> Iterator[Lab]:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    made = Lab(f"self-test-{worker_name}")
    made.down()
    yield made
    made.down()


@pytest.fixture(scope="module")
def worker_name() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture
def three(lab: Lab) -> list[LabHost]:
    return lab.fresh(3)


def ssh(host: LabHost, command: str, known_hosts: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Plain ssh from the inventory's facts, none of the lab's own wrapping."""
    facts = host.facts()
    options = [
        "-F", "none", "-i", facts["ssh_key"], "-l", facts["ssh_user"], "-o", "BatchMode=yes", "-o", "ConnectTimeout=2",
        "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts or facts['known_hosts']}",
        "-o", "GlobalKnownHostsFile=/dev/null",
    ]  # fmt: skip
    words = ["ssh", *options, facts["address"], command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def reaches(source: LabHost, target: LabHost, port: int = 22) -> str:
    """How a connection from one host to another ends: 'open', or the name of the exception."""
    words = ["python3", "-c", REACH, target.address, str(port)]
    said = source.exec(words, check=False).stderr.strip().splitlines()
    return said[-1].split(":")[0] if said else "open"


def addresses_of(kind: str) -> str:
    return subprocess.run(["ip", *kind.split()], capture_output=True, text=True, check=True).stdout


# --- hosts -------------------------------------------------------------------------------------


@pytest.mark.lab
def test_hosts_answer_strict_ssh_as_deploy_with_sudo(three: list[LabHost]) -> None:
    for host in three:
        done = ssh(host, "hostname; sudo -n id -un; systemctl is-system-running")
        assert done.stdout.split() == [host.name, "root", "running"], done.stderr
        assert "booting" not in done.stderr.lower()
    assert [host.zone for host in three] == ["a", "b", "c"]


@pytest.mark.lab
def test_each_host_has_an_identity_of_its_own(three: list[LabHost]) -> None:
    ids = [ssh(host, "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub").stdout.split() for host in three]
    assert len({words[0] for words in ids}) == 3
    assert len({words[2] for words in ids}) == 3


@pytest.mark.lab
def test_a_host_that_known_hosts_does_not_name_is_refused(three: list[LabHost], tmp_path: Path) -> None:
    other = tmp_path / "known_hosts"
    lines = three[0].known_hosts.read_text().splitlines()
    other.write_text(lines[0].replace(three[0].address, three[1].address) + "\n")
    assert ssh(three[1], "true").returncode == 0
    done = ssh(three[1], "true", known_hosts=other)
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr


@pytest.mark.lab
def test_an_engine_is_absent_and_installs_for_real(three: list[LabHost]) -> None:
    host = three[0]
    assert ssh(host, "command -v redis-server valkey-server").stdout == ""
    done = ssh(host, "sudo apt-get update -q && sudo DEBIAN_FRONTEND=noninteractive apt-get install -qy redis-server")
    assert done.returncode == 0, done.stderr
    assert ssh(host, "systemctl is-active redis-server; redis-cli ping").stdout.split() == ["active", "PONG"]
    assert "bpo12" in ssh(host, "apt-cache policy valkey-server").stdout


@pytest.mark.lab
def test_kernel_settings_stay_inside_a_host_and_survive_its_reboot(lab: Lab, three: list[LabHost]) -> None:
    overcommit, pages = Path("/proc/sys/vm/overcommit_memory"), Path("/sys/kernel/mm/transparent_hugepage/enabled")
    before = overcommit.read_text(), pages.read_text()
    setting = "vm.overcommit_memory = 1\nnet.core.somaxconn = 1234\n"
    three[0].exec(["tee", "/etc/sysctl.d/50-test.conf"], stdin=setting)
    ssh(three[0], "sudo sysctl --system; echo never | sudo tee /sys/kernel/mm/transparent_hugepage/enabled")
    shows = (
        "for i in $(seq 50); do grep -F '[never]' /sys/kernel/mm/transparent_hugepage/enabled && break; sleep 0.1; done"
    )
    assert ssh(three[0], shows).stdout == "always madvise [never]\n"
    lab.restart(three[0])
    reads = "cat /proc/sys/vm/overcommit_memory /proc/sys/net/core/somaxconn"
    assert ssh(three[0], reads).stdout.split() == ["1", "1234"]
    assert ssh(three[1], reads).stdout.split()[0] == "0"
    assert (overcommit.read_text(), pages.read_text()) == before


@pytest.mark.lab
def test_a_host_that_reboots_itself_comes_back_with_its_disk(three: list[LabHost]) -> None:
    host = three[0]
    ssh(host, "echo kept > keep")
    first = host.machine.leader()
    host.exec(["systemctl", "reboot"])
    end = time.monotonic() + 60
    while host.machine.leader() in (first, None) or ssh(host, "true").returncode:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert ssh(host, "cat keep").stdout == "kept\n"


@pytest.mark.lab
def test_a_reset_host_is_as_if_just_installed(lab: Lab, three: list[LabHost]) -> None:
    host, other = three[:2]
    old = ssh(host, "cat /etc/machine-id; echo x > mine; sudo touch /etc/mine").stdout
    ssh(other, "echo x > mine")
    lab.reset(host)
    done = ssh(host, "cat /etc/machine-id; ls mine /etc/mine")
    assert done.stdout.strip()
    assert done.stdout != old
    assert done.stderr.count("No such file") == 2
    assert ssh(other, "cat mine").stdout == "x\n"


@pytest.mark.lab
def test_a_rekeyed_host_is_refused_until_trusted(lab: Lab, three: list[LabHost]) -> None:
    lab.reset(three[0], rekey=True)
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in ssh(three[0], "true").stderr
    lab.trust()
    assert ssh(three[0], "true").returncode == 0


@pytest.mark.lab
def test_snapshots_come_back_as_often_as_wanted(lab: Lab, three: list[LabHost]) -> None:
    host = three[0]
    ssh(host, "echo deployed > state; sudo rm /etc/logrotate.conf")
    lab.snapshot("deployed", host)
    for _ in range(2):
        ssh(host, "echo broken > state; sudo touch /etc/logrotate.conf")
        lab.throwaway("deployed", host)
        done = ssh(host, "cat state; ls /etc/logrotate.conf")
        assert done.stdout == "deployed\n"
    lab.reset(host)
    assert ssh(host, "cat state; ls /etc/logrotate.conf").stdout == "/etc/logrotate.conf\n"


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_a_newer_debian_boots_beside(lab: Lab, three: list[LabHost]) -> None:
    lab.ensure(1, suite="trixie")
    assert 'VERSION_ID="13"' in ssh(three[0], "cat /etc/os-release").stdout
    assert "5:8.0" in ssh(three[0], "apt-cache policy redis-server").stdout
    assert 'VERSION_ID="12"' in ssh(three[1], "cat /etc/os-release").stdout


# --- faults ------------------------------------------------------------------------------------


@pytest.mark.lab
def test_a_partition_cuts_two_hosts_and_nothing_else(lab: Lab, three: list[LabHost]) -> None:
    one, two, other = three
    lab.faults.partition(one, two)
    assert reaches(one, two) == reaches(two, one) == "TimeoutError"
    assert reaches(one, other) == reaches(other, two) == "open"
    assert ssh(one, "true").returncode == 0
    lab.faults.heal(one)
    assert reaches(one, two) == reaches(two, one) == "open"


@pytest.mark.lab
def test_a_one_way_partition_lets_packets_out(lab: Lab, three: list[LabHost]) -> None:
    one, two, _ = three

    def echoes() -> int:
        names, values = [line.split() for line in two.exec("grep ^Icmp: /proc/net/snmp").stdout.splitlines()]
        return int(values[names.index("InEchos")])

    lab.faults.partition(one, two, one_way=True)
    before = echoes()
    assert one.exec(["ping", "-c", "1", "-W", "1", two.address], check=False).returncode == 1
    assert echoes() == before + 1


@pytest.mark.lab
def test_a_blocked_port_hangs_or_refuses_and_the_others_work(lab: Lab, three: list[LabHost]) -> None:
    one, two, other = three
    for port in (7000, 17000):
        listening = f"ss -Hltn sport = :{port} | grep -q ."
        one.exec(f"setsid -f python3 -m http.server {port} >/dev/null 2>&1")
        one.exec(f"for i in $(seq 50); do {listening} && exit; sleep 0.1; done; exit 1")
    lab.faults.block_port(one, 17000, two)
    assert reaches(two, one, 17000) == "TimeoutError"
    assert reaches(two, one, 7000) == reaches(other, one, 17000) == "open"
    lab.faults.heal()
    assert reaches(two, one, 17000) == "open"
    lab.faults.block_port(one, 17000, refuse=True)
    assert reaches(two, one, 17000) == reaches(other, one, 17000) == "ConnectionRefusedError"
    assert reaches(two, one, 7000) == "open"


@pytest.mark.lab
def test_blocked_ssh_hangs_while_the_host_lives(lab: Lab, three: list[LabHost]) -> None:
    lab.faults.block_ssh(three[0])
    assert "timed out" in ssh(three[0], "true").stderr
    assert three[0].exec("hostname").stdout == "h1\n"
    lab.faults.heal(three[0])
    assert ssh(three[0], "hostname").stdout == "h1\n"


@pytest.mark.lab
def test_a_lost_host_says_no_farewell_and_keeps_its_disk(lab: Lab, three: list[LabHost]) -> None:
    host = three[0]
    ssh(host, "echo kept > keep; sync")
    with socket.create_connection((host.address, 22), timeout=5) as open_connection:
        assert open_connection.recv(4) == b"SSH-"
        lab.stop(host)
        open_connection.settimeout(1)
        open_connection.recv(1024)  # the rest of the banner
        with pytest.raises(TimeoutError):
            open_connection.recv(1024)
        with pytest.raises(LabError, match="h1 is not running"):
            host.exec("true")
        assert ssh(host, "true").returncode == 255
    lab.start(host)
    assert ssh(host, "cat keep").stdout == "kept\n"


@pytest.mark.lab
def test_a_full_disk_is_full_for_everybody_until_freed(lab: Lab, three: list[LabHost]) -> None:
    host, path = three[0], "/var/lib/data"
    ssh(host, f"sudo mkdir {path}; sudo chown deploy {path}; echo kept > {path}/keep")
    lab.faults.fill_disk(host, path, size=16)
    for writer in ("sh -c", "sudo sh -c"):
        assert "No space left" in ssh(host, f"{writer} 'cat /etc/services > {path}/more'").stderr
    assert ssh(host, "cat /etc/services > elsewhere").returncode == 0
    lab.restart(host)
    assert "No space left" in ssh(host, f"cat /etc/services > {path}/more").stderr
    lab.faults.free_disk(host, path)
    assert ssh(host, f"cat /etc/services > {path}/more; cat {path}/keep").stdout == "kept\n"
    lab.faults.read_only(host, path)
    assert "Read-only" in ssh(host, f"touch {path}/keep").stderr
    lab.faults.read_only(host, path, on=False)
    assert ssh(host, f"touch {path}/keep").returncode == 0


@pytest.mark.lab
def test_a_held_apt_lock_stops_apt_and_names_its_holder(lab: Lab, three: list[LabHost]) -> None:
    install = "sudo apt-get -o DPkg::Lock::Timeout=0 install -qy --reinstall netbase"
    with lab.faults.apt_locked(three[0]) as pid:
        done = ssh(three[0], install)
        assert done.returncode == 100
        assert f"held by process {pid} (python3)" in done.stderr
    assert ssh(three[0], install).returncode == 0


# --- the lab itself ----------------------------------------------------------------------------


@pytest.mark.lab
def test_up_recovers_from_a_killed_controller_and_from_dead_hosts(lab: Lab) -> None:
    lab.down()
    words = [sys.executable, "-m", "tests.lab", "--lab", lab.name, "up", "3"]
    for delay in (0.3, 0.6, 0.9):
        controller = subprocess.Popen(words, cwd=ROOT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            controller.wait(delay)
        controller.kill()
        controller.wait()
    assert [ssh(host, "hostname").stdout for host in lab.ensure(3)] == ["h1\n", "h2\n", "h3\n"]
    leader = lab.host(2).machine.leader()
    assert leader
    os.kill(leader, signal.SIGKILL)
    assert [ssh(host, "hostname").stdout for host in lab.ensure(3)] == ["h1\n", "h2\n", "h3\n"]


@pytest.mark.lab
def test_up_leaves_running_hosts_alone(lab: Lab, three: list[LabHost]) -> None:
    leaders = [host.machine.leader() for host in three]
    assert [host.machine.leader() for host in lab.ensure(3)] == leaders


@pytest.mark.lab
def test_down_leaves_nothing_behind(lab: Lab, three: list[LabHost]) -> None:
    lab.faults.mount_disk(three[0], "/srv")
    name = three[0].machine.unique.removesuffix("-h1")
    looked = ("netns list", "-brief link", "route")
    assert all(name in addresses_of(look) for look in looked)
    lab.down()
    assert not [look for look in looked if name in addresses_of(look)]
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    assert three[0].address.rsplit(".", 1)[0] not in rules
    assert str(lab.home) not in Path("/proc/mounts").read_text()
    commands = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    assert not [command for command in commands if f"--machine={name}-".encode() in command]
    assert not list(Path("/sys/fs/cgroup").glob(f"*/shardwright-lab/{name}-*"))
    assert not lab.home.exists()
    assert list(cache_dir().glob("root-bookworm-*"))


# --- where Debian comes from -------------------------------------------------------------------


def test_the_archive_is_the_machines_own_and_not_another_vendors(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k/vendor.gpg] https://vendor.example/linux/debian bookworm stable\n"
        "deb [signed-by=/k/pg.gpg] https://pg.example/apt bookworm-pgdg main\n"
    )
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text(
        "Types: deb deb-src\nURIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /k/debian-archive-keyring.gpg\n\n"
        "# a comment\nTypes: deb\nURIs: http://sec.example/debian-security\nSuites: bookworm-security\nComponents: main\n"
    )
    archive = debian_archive(tmp_path)
    assert archive.mirror == "http://mirror.example/debian"
    assert archive.security == "http://sec.example/debian-security"
    assert archive.keyring == Path("/k/debian-archive-keyring.gpg")


def test_one_line_sources_are_read_and_disabled_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.example/debian bookworm main contrib # note\n")
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "a.sources").write_text(
        "Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    archive = debian_archive(tmp_path)
    assert (archive.mirror, archive.security) == (
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    )


def test_a_machine_without_debian_sources_leaves_the_choice_open(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://ubuntu.example/ubuntu noble main\n")
    assert debian_archive(tmp_path).mirror is None

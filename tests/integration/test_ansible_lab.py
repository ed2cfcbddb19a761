"""The roles on real hosts: what they leave is what pyinfra leaves, neither finds anything to do after the other."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.ansible_kit import AnsibleResult, Played
from tests.integration.hosts_kit import CANARY, client, watched_arguments
from tests.lab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

SPEC = """\
name: trial
engine: {engine}
shards: 3
replicas: 1
spread: none
ssh: {{user: deploy, key: {key}, known_hosts: {known_hosts}}}
hosts:
  - {{name: node, address: {address}, instances: 6}}
settings: {{maxmemory: 64mb, maxmemory-policy: allkeys-lru}}
mounts: [{{source: tmpfs, target: /var/lib/shardwright, fstype: tmpfs, options: [size=300m, mode=0755]}}]
security: {{password: {{env: SHARDWRIGHT_PASSWORD}}}}
"""
PORTS = range(6379, 6385)

# Run on the host: of every file, directory and link its kind, mode, owner, group, and where it leads or what it holds. Left
# out is what the system itself keeps writing (logs, caches, seeds), its identity, and what servers write.
FILES = r"""
import hashlib, json, os, stat, sys
address, DATA = sys.argv[1].encode(), "/var/lib/shardwright/trial/"
skipped = {"/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/log", "/var/cache", "/var/lib/apt",
           "/var/lib/systemd", "/etc/machine-id", "/etc/hostname", "/etc/hosts", "/etc/ld.so.cache", "/var/lib/dbus"}
found = {}
for top, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(top, f) not in skipped and f != "__pycache__"]
    for path in (os.path.join(top, name) for name in folders + files):
        if path in skipped or "/ssh_host_" in path or path.startswith("/var/lib/dpkg/lock"):
            continue
        now = os.lstat(path)
        row = [oct(now.st_mode), now.st_uid, now.st_gid]
        if stat.S_ISLNK(now.st_mode):
            row.append(os.readlink(path))
        elif stat.S_ISREG(now.st_mode) and not path.startswith(DATA) and not path.endswith(".nodes.conf"):
            with open(path, "rb") as file:
                row.append(hashlib.sha256(file.read().replace(address, b"ADDRESS")).hexdigest())
        found[path] = row
print(json.dumps(found))
"""
RUNNING = r"""
systemctl list-unit-files --no-legend --no-pager
for unit in $(systemctl list-units 'shardwright-*' --plain --no-legend --no-pager | cut -d ' ' -f 1); do
  for name in Id ActiveState SubState UnitFileState FragmentPath User Group LimitNOFILE Restart Type; do
    printf '%s %s %s\n' "$unit" "$name" "$(systemctl show -p $name --value "$unit")"
  done
done
sysctl vm.overcommit_memory vm.swappiness net.core.somaxconn
cat /sys/kernel/mm/transparent_hugepage/enabled
findmnt -rno TARGET,FSTYPE,OPTIONS /var/lib/shardwright
dpkg-query -W
getent passwd; getent group
"""


def spec(host: LabHost, engine: str = "redis") -> str:
    return SPEC.format(engine=engine, key=host.ssh_key, known_hosts=host.known_hosts, address=host.address)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    made = Lab(f"ansible-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    made.down()
    yield made
    made.down()


class Pair:
    """The same cluster.yml but for the address, on a host that pyinfra deploys and on one that Ansible does."""

    def __init__(self, hosts: list[LabHost], directory: Path) -> None:
        self.by_pyinfra, self.by_ansible = hosts
        self.pyinfra = Played(directory / "pyinfra", spec(hosts[0]))
        self.ansible = Played(directory / "ansible", spec(hosts[1]))


@pytest.fixture(scope="module")
def pair(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(lab.fresh(2), tmp_path_factory.mktemp("pair"))


DONE = re.compile(r"(?:install|make|set|write|rewrite|mount|create|enable|start|mask|let) .*|\+\+\+ after: .*")


def changes_of(result: AnsibleResult) -> list[str]:
    """What a run said, by --diff, of what it does on the host."""
    return [line.strip() for line in result.out.splitlines() if DONE.fullmatch(line)]


def files_of(host: LabHost) -> dict[str, list[object]]:
    found: dict[str, list[object]] = json.loads(host.exec(["python3", "-", host.address], stdin=FILES).stdout)
    assert len(found) > 5000
    return found


def running_on(host: LabHost) -> set[str]:
    said = set(host.exec(["sh", "-c", RUNNING]).stdout.replace(host.address, "ADDRESS").splitlines())
    assert any("shardwright-trial@6384.service" in line for line in said)
    return said


def settings_of(host: LabHost, port: int) -> dict[str, str]:
    found = client(host.address, port).config_get("*").items()
    return {name: str(value).replace(host.address, "ADDRESS") for name, value in found}


class TestOneAfterTheOther:
    """These build on one another: a check, the two deploys, what they left, then each on what the other left."""

    def test_check_mode_says_what_would_be_done_and_does_nothing(self, pair: Pair) -> None:
        result = pair.ansible.play("--check", "--diff", "-vvv")
        assert result.code == 0, result
        assert result.counted("changed")["node"] >= 4
        said = changes_of(result)
        assert "+++ after: /etc/systemd/system/shardwright-trial@.service" in said
        assert any(line.startswith("start node:6379") for line in said), said
        assert "it holds a secret, so its text is not shown" in result.out
        assert "can4ry-" not in result.out + result.err
        left = pair.by_ansible.exec("ls -d /opt/shardwright /etc/shardwright /var/lib/shardwright 2>/dev/null; true")
        assert left.stdout == ""
        assert "redis" not in pair.by_ansible.exec("dpkg -l").stdout
        pair.checked = said  # type: ignore[attr-defined]

    def test_both_deploy_and_prove(self, pair: Pair) -> None:
        with watched_arguments("can4ry-") as seen:
            result = pair.ansible.play("-vvv", "--diff")
        assert result.code == 0, result
        assert "16,384 of 16,384 slots served" in result.out
        assert changes_of(result) == pair.checked  # type: ignore[attr-defined]
        assert seen == []
        assert "can4ry-" not in result.out + result.err
        assert pair.by_ansible.exec("journalctl | grep -c can[4]ry-; true").stdout.strip() == "0"
        assert pair.pyinfra.run().proved

    def test_what_they_leave_is_equal(self, pair: Pair) -> None:
        first, second = pair.by_pyinfra, pair.by_ansible
        found = files_of(first), files_of(second)
        unlike = {path for path in found[0] | found[1] if found[0].get(path) != found[1].get(path)}
        assert {path: (found[0].get(path), found[1].get(path)) for path in unlike} == {}
        assert "/etc/shardwright/trial/6379.conf" in found[0]
        assert running_on(first) ^ running_on(second) == set()
        for port in PORTS:
            assert settings_of(first, port) == settings_of(second, port)
            assert settings_of(second, port)["maxmemory"] == str(64 << 20)
        # The proof that a difference would be seen.
        second.exec("chmod g+w /etc/shardwright/trial/6379.conf; echo '# ' >>/etc/fstab")
        other = files_of(second)
        assert {path for path in other if other[path] != found[0].get(path)} == {
            "/etc/shardwright/trial/6379.conf",
            "/etc/fstab",
        }
        second.exec("chmod g-w /etc/shardwright/trial/6379.conf; sed -i '$d' /etc/fstab")

    def test_a_second_run_changes_nothing_and_enters_once(self, pair: Pair) -> None:
        before = entered(pair.by_ansible)
        result = pair.ansible.play()
        assert result.changed_nothing, result
        assert "16,384 of 16,384 slots served" in result.out
        # There is something to mount in this cluster.yml, so two roles look; and there is the lock.
        assert entered(pair.by_ansible) - before == 3

    def test_neither_finds_anything_to_do_after_the_other(self, pair: Pair) -> None:
        pair.pyinfra.write(spec(pair.by_ansible))
        pair.ansible.write(spec(pair.by_pyinfra))
        assert pair.pyinfra.run().changed_nothing
        result = pair.ansible.play()
        assert result.changed_nothing, result

    def test_the_record_says_what_was_done(self, pair: Pair) -> None:
        lines = (pair.ansible.directory / "reports" / "ledger.jsonl").read_text().splitlines()
        records = [json.loads(line)["run"] for line in lines]
        assert [r["verdict"] for r in records] == ["proved"] * 3
        assert any("start node:6379" in str(r) for r in records[:1])

    def test_a_server_that_was_stopped_is_started_and_nothing_else(self, pair: Pair) -> None:
        pair.by_pyinfra.exec("systemctl stop shardwright-trial@6381")
        result = pair.ansible.play("--diff")
        assert result.code == 0, result
        assert changes_of(result) == ["start node:6381"]

    def test_verifying_alone_changes_nothing_and_sees_a_server_that_is_down(self, pair: Pair) -> None:
        proved = pair.ansible.play(playbook="shardwright.deploy.verify")
        assert proved.changed_nothing, proved
        assert "16,384 of 16,384 slots served" in proved.out
        pair.by_pyinfra.exec("systemctl stop shardwright-trial@6381")
        result = pair.ansible.play(playbook="shardwright.deploy.verify")
        assert result.code == 2, result
        assert "6381" in result.out + result.err
        assert (
            pair.by_pyinfra.exec("systemctl is-active shardwright-trial@6381", check=False).stdout.strip() == "inactive"
        )
        last = (pair.ansible.directory / "reports" / "ledger.jsonl").read_text().splitlines()[-1]
        assert json.loads(last)["run"]["command"] == "verify"
        assert json.loads(last)["run"]["verdict"] != "proved"
        pair.by_pyinfra.exec("systemctl start shardwright-trial@6381")

    def test_what_only_a_restart_changes_is_rolled_out_by_a_play(self, pair: Pair) -> None:
        asked = "for port in $(seq 6379 6384); do systemctl show -p MainPID --value shardwright-trial@$port; done"
        before = pair.by_pyinfra.exec(asked).stdout.split()
        text = (pair.ansible.directory / "cluster.yml").read_text()
        pair.ansible.write(text.replace("settings: {", "settings: {tcp-backlog: 600, "))
        kept = pair.ansible.play("-e", "cluster_restart=false")
        assert kept.code == 0, kept
        assert pair.by_pyinfra.exec(asked).stdout.split() == before
        assert {settings_of(pair.by_pyinfra, port)["tcp-backlog"] for port in PORTS} == {"511"}
        result = pair.ansible.play()
        assert result.code == 0, result
        assert {settings_of(pair.by_pyinfra, port)["tcp-backlog"] for port in PORTS} == {"600"}
        assert set(pair.by_pyinfra.exec(asked).stdout.split()) & set(before) == set()
        again = pair.ansible.play()
        assert again.changed_nothing, again


def entered(host: LabHost) -> int:
    """How many commands sudo has run for us, by the host's own journal: one a visit, but for the question whether it may."""
    said = host.exec(
        "journalctl -q _COMM=sudo -o cat | grep 'COMMAND=' | grep -vc 'COMMAND=/usr/bin/true'; true"
    ).stdout
    return int(said.strip() or 0)


def explained(result: AnsibleResult, code: str, *words: str) -> None:
    """The play ended with one error of that code that has these words, without a traceback or a secret."""
    assert result.code != 0, result
    for word in (f"[{code}]", *words):
        assert word in result.out + result.err, (word, result)
    assert "Traceback" not in result.out + result.err, result
    assert CANARY not in result.out + result.err
    assert "can4ry-" not in result.out + result.err


class TestFailures:
    """One host that is not fit ends the play for all, before anything is changed anywhere."""

    @pytest.fixture
    def two(self, lab: Lab, tmp_path: Path) -> tuple[Played, list[LabHost]]:
        hosts = lab.fresh(2)
        rows = "\n".join(f"  - {{name: {h.name}, address: {h.address}, instances: 3}}" for h in hosts)
        text = re.sub(r"hosts:\n.*\n", f"hosts:\n{rows}\n", spec(hosts[0], "bundled"), count=1)
        return Played(tmp_path, re.sub(r"mounts: .*\n", "", text)), hosts

    def untouched(self, hosts: list[LabHost]) -> bool:
        asked = "ls -d /opt/shardwright /etc/shardwright /var/lib/shardwright/* 2>/dev/null; true"
        return all(not h.exec(asked).stdout.strip() for h in hosts)

    def test_each_way_to_fail_is_told_by_its_code_and_then_mended(
        self, lab: Lab, two: tuple[Played, list[LabHost]]
    ) -> None:
        cluster, hosts = two
        script = "import socket, time; s = socket.create_server(('', 6380)); time.sleep(600)"
        hosts[1].exec(["systemd-run", "--unit=holder", "python3", "-c", script])
        taken = cluster.play("-vvv")
        explained(taken, "port-taken", f"h2 ({hosts[1].address})", "python3", "port 6380", "hint: stop that program")
        assert taken.counted("failed") == {"h1": 0, "h2": 1}
        assert self.untouched(hosts)
        hosts[1].exec("systemctl stop holder")

        hosts[1].exec("mv /etc/sudoers.d/deploy /root/ 2>/dev/null; sed -i.kept '/^deploy/d; /^%sudo/d' /etc/sudoers")
        explained(cluster.play("-vvv"), "sudo-refused", "h2 (", "NOPASSWD")
        hosts[1].exec("mv /root/deploy /etc/sudoers.d/ 2>/dev/null; mv /etc/sudoers.kept /etc/sudoers")

        lab.reset("h2", rekey=True)
        explained(cluster.play("-vvv"), "host-key-changed", "h2 (", "only then put the new key there")
        lab.trust()
        lab.stop("h2")
        down = cluster.play("-vvv")
        explained(down, "host-unreachable", f"h2 ({hosts[1].address})")
        assert down.counted("unreachable") == {"h1": 0, "h2": 1}
        lab.start("h2")
        assert self.untouched(hosts)

        mistaken = (cluster.directory / "cluster.yml").read_text()
        cluster.write(mistaken.replace("shards: 3", "shards: 2"))
        wrong = cluster.play()
        explained(wrong, "too-few-shards", "nothing was contacted")
        assert wrong.code == 2
        cluster.write(mistaken)

        hosts[1].exec(["mkdir", "-p", "/etc/shardwright/trial/6379.conf/x"])
        explained(cluster.play("-vvv"), "path-in-the-way", "h2 (", "/etc/shardwright/trial/6379.conf")
        running = [h.exec("pgrep -c valkey-server", check=False).stdout.strip() for h in hosts]
        assert running == ["0", "0"]
        hosts[1].exec(["rm", "-r", "/etc/shardwright/trial/6379.conf"])

        lab.faults.block_port(hosts[1], 16379, hosts[0])
        closed = cluster.play("-vvv")
        explained(closed, "bus-port-closed", f"{hosts[0].address}:6379", f"{hosts[1].address}:6379", "16379")
        lab.faults.heal(hosts[1])
        last = cluster.play()
        assert last.code == 0, last
        assert "16,384 of 16,384 slots served" in last.out

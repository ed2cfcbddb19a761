"""The ways to deploy that are compared: this project by pyinfra and by its roles, and a playbook of the usual Redis role.

Each makes its own inventory of the same lab hosts, is run as a user runs it, and is asked afterwards, past both tools,
whether it did what it was measured for. The decision a reader would question: each of Ansible's runs starts without kept
ssh connections, as a run from CI does; what they would save is measured as a case of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import ROOT, BenchmarkError, Ran, run
from tests.lab import LabHost

PASSWORD = "a-password-for-the-benchmark-only-0123456789"
PORT = 6379
FILES = Path(__file__).resolve().parent / "deploying"
INVENTORY = "from shardwright.hosts.inventory import load_inventory\n\nglobals().update(load_inventory(__file__))\n"
SPEC = """\
name: bench
engine: {{product: redis, version: "7.0"}}
shards: {shards}
replicas: 1
spread: zone
ssh: {{user: deploy, key: {key}, known_hosts: {known_hosts}}}
security: {{password: {{env: SHARDWRIGHT_PASSWORD}}}}
hosts:
"""
KEPT = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "XDG_CACHE_HOME")


def environment(**more: str) -> dict[str, str]:
    """What a measured command sees of ours, and `more`."""
    return {name: value for name, value in os.environ.items() if name in KEPT} | more


class Shardwright:
    """The project itself: installs, configures, starts, forms and verifies."""

    def __init__(self, directory: Path, hosts: Sequence[LabHost]) -> None:
        self.hosts = hosts
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        head = SPEC.format(shards=len(hosts) // 2, key=hosts[0].ssh_key, known_hosts=hosts[0].known_hosts)
        rows = "".join(f"  - {{name: {h.name}, address: {h.address}, zone: {h.zone}}}\n" for h in hosts)
        (directory / "cluster.yml").write_text(head + rows, encoding="utf-8")
        (directory / "inventory.py").write_text(INVENTORY, encoding="utf-8")
        data = {
            "ssh_user": hosts[0].ssh_user,
            "ssh_key": str(hosts[0].ssh_key),
            "ssh_known_hosts_file": str(hosts[0].known_hosts),
        }
        plain = f"hosts = {[(h.address, data) for h in hosts]!r}\n"
        (directory / "plain.py").write_text(plain, encoding="utf-8")

    def deploy(self) -> Ran:
        """The whole deploy, as in the README."""
        return self._pyinfra(self._directory / "inventory.py", ROOT / "deploy" / "cluster.py")

    def floor(self) -> Ran:
        """What pyinfra itself costs: one command that does nothing, on every host."""
        return self._pyinfra(self._directory / "plain.py", "exec", "--", "true")

    def _pyinfra(self, *words: str | Path) -> Ran:
        program = Path(sys.executable).with_name("pyinfra")
        env = environment(SHARDWRIGHT_PASSWORD=PASSWORD)
        ended = run([program, "-y", *words], env=env, cwd=self._directory)
        if ended.code:
            raise BenchmarkError(f"pyinfra: exit {ended.code}\n{ended.text[-3000:]}")
        return ended

    def check(self, ended: Ran, *, changed: bool) -> None:
        """Raise `BenchmarkError` unless every server sees the whole cluster, and the run changed what it should."""
        if changed == ("nothing was changed" in ended.text):
            raise BenchmarkError(f"a run that should {'' if changed else 'not '}change anything:\n{ended.text[-3000:]}")
        wanted = {"cluster_state": "ok", "cluster_slots_ok": "16384", "cluster_known_nodes": str(len(self.hosts))}
        for host in self.hosts:
            seen = info(host, "CLUSTER INFO")
            if any(seen.get(name) != value for name, value in wanted.items()):
                raise BenchmarkError(f"{host.name}: wanted {wanted}, found {seen}")


class Roles(Shardwright):
    """The same by the project's Ansible roles, with the checkout's ansible.cfg; ssh connections are not kept."""

    def deploy(self) -> Ran:
        """The whole deploy, as in docs/ansible.md."""
        connections = Path(tempfile.mkdtemp(prefix="swr-"))
        env = environment(
            LC_ALL="C.UTF-8",
            SHARDWRIGHT_PASSWORD=PASSWORD,
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_HOME=str(self._directory / "home"),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(connections),
        )
        program = Path(sys.executable).with_name("ansible-playbook")
        try:
            spec, site = self._directory / "cluster.yml", ROOT / "roles" / "site.yml"
            ended = run([program, "-i", spec, site], env=env, cwd=self._directory)
        finally:
            hang_up(connections)
        if ended.code:
            raise BenchmarkError(f"ansible-playbook: exit {ended.code}\n{ended.text[-3000:]}")
        return ended


class Ansible:
    """The ansible-core of this environment, with the usual playbook."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._programs = Path(sys.executable).parent
        self._kept: Path | None = None
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "ansible.cfg").write_text("[defaults]\n", encoding="utf-8")

    def version(self) -> str:
        """The first line of ``ansible --version``; running it also fills Python's caches."""
        return run_or_raise(self._programs / "ansible", "--version").text.splitlines()[0]

    def aim(self, hosts: Sequence[LabHost]) -> None:
        """Take these hosts for the runs that follow."""
        self.hosts = hosts
        options = "-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null"
        common = {
            "ansible_user": hosts[0].ssh_user,
            "ansible_ssh_private_key_file": str(hosts[0].ssh_key),
            "ansible_ssh_common_args": f"'{options} -o UserKnownHostsFile={hosts[0].known_hosts}'",
            "password": PASSWORD,
        }
        rows = [f"{h.name} ansible_host={h.address} address={h.address}" for h in hosts]
        rows += ["", "[all:vars]", *(f"{name}={value}" for name, value in common.items())]
        (self._directory / "hosts").write_text("\n".join(rows) + "\n", encoding="utf-8")

    def deploy(self, *, tuned: bool = False, keep: bool = False) -> Ran:
        """Run the playbook.

        Args:
            tuned: with pipelining and as many forks as there are hosts; else all as it comes.
            keep: use the ssh connections that a run with `keep` before has left, and leave them.
        """
        kept, self._kept = self._kept, None
        connections = kept or Path(tempfile.mkdtemp(prefix="swb-"))
        more = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": str(len(self.hosts))} if tuned else {}
        env = environment(
            LC_ALL="C.UTF-8",
            ANSIBLE_CONFIG=str(self._directory / "ansible.cfg"),
            ANSIBLE_HOME=str(self._directory / "home"),
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(connections),
            **more,
        )
        words: list[str | Path] = [
            self._programs / "ansible-playbook",
            "-i",
            self._directory / "hosts",
            FILES / "playbook.yml",
        ]
        try:
            ended = run(words, env=env, cwd=self._directory)
        finally:
            if keep:
                self._kept = connections
            else:
                hang_up(connections)
        if ended.code:
            raise BenchmarkError(f"ansible-playbook: exit {ended.code}\n{ended.text[-3000:]}")
        return ended

    def forget(self) -> None:
        """Close the connections that were kept."""
        if self._kept is not None:
            hang_up(self._kept)
            self._kept = None

    def check(self, ended: Ran, *, changed: bool) -> None:
        """Raise `BenchmarkError` unless every server answers as a cluster node, and the run changed what it should."""
        counts = [int(n) for n in re.findall(r"\bchanged=(\d+)", ended.text)]
        if len(counts) != len(self.hosts) or any((n > 0) != changed for n in counts):
            raise BenchmarkError(f"wanted {'changes' if changed else 'no change'}:\n{ended.text[-3000:]}")
        for host in self.hosts:
            if info(host, "INFO cluster").get("cluster_enabled") != "1":
                raise BenchmarkError(f"{host.name}: its Redis does not answer as a cluster node")


def run_or_raise(*words: str | Path) -> Ran:
    """Run a command that must succeed."""
    ended = run(words)
    if ended.code:
        raise BenchmarkError(f"{words[0]}: exit {ended.code}: {ended.text[-1000:]}")
    return ended


def hang_up(directory: Path) -> None:
    """End the ssh connections that Ansible keeps in `directory`, and remove it."""
    for path in directory.iterdir():
        subprocess.run(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "any"], capture_output=True, check=False)
    shutil.rmtree(directory, ignore_errors=True)


def info(host: LabHost, command: str) -> dict[str, str]:
    """What a server answers to one command, as its ``name:value`` lines; asked over a bare socket."""
    with socket.create_connection((host.address, PORT), 10) as stream:
        stream.sendall(f"AUTH {PASSWORD}\r\n{command}\r\nQUIT\r\n".encode())
        text = b"".join(iter(lambda: stream.recv(65536), b"")).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

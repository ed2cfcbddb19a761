"""Ansible's hosts, derived from cluster.yml, with what Ansible needs to reach them. Knows no Ansible.

Host keys are strict unless the spec says otherwise, and a connection notices a dead peer: ssh's own patience is minutes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters import environment
from ..model.spec import HostSpec

GROUP = "shardwright"
_OPTIONS = {"ConnectTimeout": "10", "ServerAliveInterval": "5", "ServerAliveCountMax": "4"}


@dataclass(frozen=True, slots=True)
class InventoryHost:
    """A host: its name, the groups that it is in, its variables."""

    name: str
    groups: tuple[str, ...]
    variables: dict[str, Any]


def hosts(spec: str) -> tuple[InventoryHost, ...]:
    """The hosts of a cluster.yml; all are in `GROUP`, those with a zone or rack in ``zone_<name>``, ``rack_<name>``.

    Raises:
        SpecError: with everything that is wrong in the file.
    """
    path = Path(spec).resolve()
    return tuple(
        InventoryHost(host.name, tuple(_groups(host)), _variables(path, host))
        for host in environment.load(path).spec.hosts
    )


def _groups(host: HostSpec) -> Iterator[str]:
    yield GROUP
    for kind, name in (("zone", host.zone), ("rack", host.rack)):
        if name:
            yield f"{kind}_{''.join(c if c.isascii() and c.isalnum() else '_' for c in name)}"


def _variables(path: Path, host: HostSpec) -> dict[str, Any]:
    ours = {"shardwright_spec": str(path), "shardwright_host": host.name}
    if host.connect == "@local":
        return ours | {"ansible_connection": "local", "ansible_become": host.ssh.sudo}
    ssh = host.ssh
    found = ours | {
        "ansible_host": host.connect or host.address,
        "ansible_port": ssh.port,
        "ansible_become": ssh.sudo,
        "ansible_ssh_common_args": _ssh_options(host),
        "ansible_ssh_private_key_file": ssh.key,
        "ansible_user": ssh.user,
    }
    return {name: value for name, value in found.items() if value is not None}


def _ssh_options(host: HostSpec) -> str:
    ssh = host.ssh
    options = {"StrictHostKeyChecking": "yes" if ssh.strict_host_key else "accept-new"} | _OPTIONS
    if ssh.known_hosts:
        options["UserKnownHostsFile"] = ssh.known_hosts
    words = [f"-o {shlex.quote(f'{name}={value}')}" for name, value in options.items()]
    if ssh.jump:
        words.append(f"-o {shlex.quote(f'ProxyCommand={_through(host)}')}")
    return " ".join(words)


def _through(host: HostSpec) -> str:
    """The command that leads through the jump host: `ProxyJump` would not take these options with it."""
    ssh = host.ssh
    words = ["ssh", "-W", "[%h]:%p", "-o", f"StrictHostKeyChecking={'yes' if ssh.strict_host_key else 'accept-new'}"]
    words += ["-o", f"UserKnownHostsFile={ssh.known_hosts}"] if ssh.known_hosts else []
    words += ["-i", ssh.key] if ssh.key else []
    words += ["-l", ssh.user] if ssh.user else []
    words += ["-p", str(ssh.port), str(ssh.jump)]
    return " ".join(map(shlex.quote, words))

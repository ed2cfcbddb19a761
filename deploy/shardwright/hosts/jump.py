"""The ssh configuration that leads through a jump host: pyinfra takes one from a file only.

The file holds no secret, is private, and goes with the process. It says for the jump host what the spec says for the hosts,
for pyinfra would ask on the terminal whether to trust a jump host that it does not know.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..model.spec import HostSpec

DEFAULT_PORT = 22


def config_file(hosts: Iterable[HostSpec]) -> str:
    """The path of an ssh configuration for these hosts; the user's own is included after it."""
    blocks = dict.fromkeys(text for host in hosts for text in (_target(host), _jump(host)))
    own = Path("~/.ssh/config").expanduser()
    included = f"Include {own}\n" if own.exists() else ""
    descriptor, path = tempfile.mkstemp(prefix="shardwright-ssh-")
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(blocks) + included)
    atexit.register(_forget, path, os.getpid())
    return path


def _target(host: HostSpec) -> str:
    return f"Host {host.connect or host.address}\n  ProxyJump {host.ssh.jump}\n"


def _jump(host: HostSpec) -> str:
    ssh = host.ssh
    lines = [f"Host {ssh.jump}", f"  StrictHostKeyChecking {'yes' if ssh.strict_host_key else 'accept-new'}"]
    # A port that is written is kept as text, and then 22 is looked up among the host keys as [HOST]:22.
    lines += [f"  Port {ssh.port}"] if ssh.port != DEFAULT_PORT else []
    lines += [f"  UserKnownHostsFile {ssh.known_hosts}"] if ssh.known_hosts else []
    lines += [f"  IdentityFile {ssh.key}"] if ssh.key else []
    lines += [f"  User {ssh.user}"] if ssh.user else []
    return "\n".join(lines) + "\n"


def _forget(path: str, owner: int) -> None:
    if os.getpid() == owner:
        Path(path).unlink(missing_ok=True)

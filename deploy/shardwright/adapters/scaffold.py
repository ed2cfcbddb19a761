"""`shardwright init`: writes the two files of a new environment, commented, and never over what is there.

What is written is loaded before it reaches the disk, by the same `loads` as ever: a scaffold that `load` would refuse is a
refusal here, with the same words. Without hosts the environment is this machine, as in `inventories/local`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from shardwright.core.domains import room
from shardwright.errors import Problem, SpecError
from shardwright.model.spec import Domain, HostSpec

from .ansible_inventory import FoundHost
from .spec_file import loads
from .spec_names import LOCAL
from .spec_scalars import read_plain

SSH = {"user": "deploy", "key": "~/.ssh/id_ed25519", "known_hosts": "~/.ssh/known_hosts"}
FIRST_PORT = 6379
FIRST_LOCAL_PORT = 7000
VARIABLE = "SHARDWRIGHT_PASSWORD"
_HOST = re.compile(r"(?:(?P<name>[^=@]*)=)?(?P<address>[^=@]+)(?:@(?P<zone>[^=@]*))?")
_CHECKED_WITH = {VARIABLE: "stands in while the scaffold is checked"}

_INVENTORY = '''"""pyinfra's inventory: the hosts of the cluster.yml beside this file."""

from shardwright.hosts.inventory import load_inventory

globals().update(load_inventory(__file__))
'''


def write_environment(
    directory: Path,
    name: str,
    *,
    engine: str = "bundled",
    hosts: Sequence[str | FoundHost] = (),
    shards: int = 3,
    replicas: int = 1,
    force: bool = False,
) -> tuple[Path, Path]:
    """Writes `directory`/`name`/cluster.yml and inventory.py.

    Args:
        directory: the one that holds the environments: ``inventories``.
        name: of environment and cluster.
        engine: redis, valkey or bundled.
        hosts: each ``ADDRESS``, ``NAME=ADDRESS`` or ``NAME=ADDRESS@ZONE``, or found elsewhere; none means this machine.
        shards: primaries, at least 3.
        replicas: of each shard.
        force: write over files that are there.

    Returns:
        The paths of cluster.yml and inventory.py.

    Raises:
        SpecError: ``environment-exists``, ``host-malformed``, or what `load` finds wrong with the outcome.
    """
    text = environment_text(name, engine=engine, hosts=hosts, shards=shards, replicas=replicas)
    loads(text, file=str(directory / name / "cluster.yml"), directory=directory / name, env=_CHECKED_WITH)
    refuse_existing(directory, name, force=force)
    return write_pair(directory / name, text)


def refuse_existing(directory: Path, name: str, *, force: bool) -> None:
    """Refuses to write over an environment that is there.

    Raises:
        SpecError: ``environment-exists``.
    """
    home = directory / name
    present = [str(file) for file in (home / "cluster.yml", home / "inventory.py") if file.exists()]
    if present and not force:
        hint = "choose another name, or write over it with --force"
        raise SpecError(
            [Problem("environment-exists", "", ", ".join(present), "a new environment", hint)], file=str(home)
        )


def write_pair(home: Path, text: str) -> tuple[Path, Path]:
    """Writes cluster.yml with `text`, and the inventory.py that derives from it, each whole or not at all."""
    spec_file, inventory = home / "cluster.yml", home / "inventory.py"
    home.mkdir(parents=True, exist_ok=True)
    for file, content in ((spec_file, text), (inventory, _INVENTORY)):
        unfinished = file.with_name(f".{file.name}.new")
        unfinished.write_text(content, "utf-8")
        os.replace(unfinished, file)
    return spec_file, inventory


def environment_text(name: str, *, engine: str, hosts: Sequence[str | FoundHost], shards: int, replicas: int) -> str:
    """The text of a commented cluster.yml; not yet checked.

    Raises:
        SpecError: ``host-malformed``.
    """
    head = [
        "# What this cluster should be; every field is described in docs/spec.md.",
        f"#   pyinfra -y inventories/{scalar(name)}/inventory.py deploy/cluster.py",
        f"name: {scalar(name)}",
        f"engine: {scalar(engine)} # redis, valkey or bundled; with a version: {{product: valkey, version: '>=8.0,<10'}}",
        f"shards: {shards} # at least 3",
        f"replicas: {replicas} # of each shard",
    ]
    body = _remote(_parsed(hosts), shards, replicas) if hosts else _local(name, shards * (1 + replicas))
    return "\n".join([*head, *body]) + "\n"


def _parsed(hosts: Sequence[str | FoundHost]) -> list[FoundHost]:
    found = []
    for n, text in enumerate(hosts, 1):
        if isinstance(text, FoundHost):
            found.append(text)
            continue
        parts = _HOST.fullmatch(text)
        if parts is None:
            wanted = "ADDRESS, NAME=ADDRESS or NAME=ADDRESS@ZONE"
            raise SpecError(
                [Problem("host-malformed", "", ascii(text)[:80], wanted, "cache-1=10.0.0.1@a")], file="--host"
            )
        found.append(FoundHost(parts["name"] or f"h{n}", parts["address"], parts["zone"] or ""))
    return found


def _remote(hosts: list[FoundHost], shards: int, replicas: int) -> list[str]:
    wanted = shards * (1 + replicas)
    each = max(1, -(-wanted // len(hosts)))
    common = _common_ssh(hosts)
    rows = []
    for host in hosts:
        fields = {"name": host.name, "address": host.address, "zone": host.zone, "connect": host.connect}
        row = ", ".join(f"{key}: {scalar(value)}" for key, value in fields.items() if value)
        own = {key: value for key, value in host.ssh.items() if common.get(key) != value}
        row += f", ssh: {_ssh(own)}" if own else ""
        rows.append(f"  - {{{row}}}" if each == 1 else f"  - {{{row}, instances: {each}}}")
    return [
        f"spread: {_spread(hosts, each, shards, wanted)} # none, host, rack or zone: no two members of a shard share one",
        f"port: {FIRST_PORT} # first client port on each host; the bus port is 10000 higher",
        "",
        f"ssh: {_ssh(common)} # sudo without a password",
        "",
        "hosts: # IP addresses that servers listen on; `connect: NAME` where ssh goes elsewhere",
        *rows,
        "",
        "settings: {} # such as  maxmemory: 1gb",
        f"security: {{password: {{env: {VARIABLE}}}}} # or {{file: PATH}}; never the password itself",
    ]


def _common_ssh(hosts: list[FoundHost]) -> dict[str, str]:
    """What all hosts share; of hosts that say nothing of ssh, what is usual."""
    if not any(host.ssh for host in hosts):
        return SSH
    first = hosts[0].ssh
    shared = {key: value for key, value in first.items() if all(h.ssh.get(key) == value for h in hosts)}
    return shared | {"known_hosts": SSH["known_hosts"]}


def _ssh(fields: dict[str, str]) -> str:
    plain = ("port", "sudo")
    words = [f"{key}: {value if key in plain and value.isalnum() else scalar(value)}" for key, value in fields.items()]
    return f"{{{', '.join(words)}}}"


def _spread(hosts: list[FoundHost], each: int, shards: int, wanted: int) -> str:
    """The widest of zone and host that there is room for."""
    ports = tuple(range(each))
    known = [HostSpec(f"{n}", host.address, ports, zone=host.zone) for n, host in enumerate(hosts)]
    for level in (Domain.ZONE, Domain.HOST):
        labelled = level is Domain.HOST or all(host.zone for host in hosts)
        if labelled and sum(room(known, level, shards).values()) >= wanted:
            return level.value
    return Domain.NONE.value


def _local(name: str, wanted: int) -> list[str]:
    ports = ", ".join(str(FIRST_LOCAL_PORT + n) for n in range(wanted))
    return [
        "spread: none # one machine: members of a shard can't be kept apart",
        "",
        "hosts:",
        f'  - {{name: local, address: 127.0.0.1, connect: "{LOCAL}", ports: [{ports}]}}',
        "",
        "ssh: {sudo: false}",
        "service_manager: direct",
        'user: "" # the current one',
        f"paths: {{base: {scalar(f'../../.shardwright/{name}')}}} # relative to this file's directory",
    ]


def scalar(text: str) -> str:
    """The text as one YAML scalar, quoted unless it is plain."""
    read = read_plain(text)
    plain = re.fullmatch(r"[A-Za-z0-9./][A-Za-z0-9./_-]*", text) and read.value == text and not read.wanted
    return text if plain else json.dumps(text)

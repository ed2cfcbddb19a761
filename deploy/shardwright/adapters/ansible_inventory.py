"""Hosts out of an Ansible inventory, for `shardwright init --from-ansible`: the way back from Ansible to cluster.yml.

Ansible itself reads the inventory (`ansible-inventory`, a program), because only it knows its plugins, groups and ranges.
What it says of hosts is untrusted text: the spec that is made of it is checked like any other before it is written.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..errors import ApplyError, Problem, SpecError

LIMIT = 120
"""Seconds for `ansible-inventory`: dynamic inventories ask others."""
_ADDRESSES = ("shardwright_address", "ansible_host", "ansible_ssh_host")
_SSH = {
    "user": ("ansible_user", "ansible_ssh_user"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "key": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "sudo": ("ansible_become",),
}


@dataclass(frozen=True, slots=True)
class FoundHost:
    """A host: name, IP address, zone (or nothing), and where ssh goes if not to the address; `ssh` as the spec has it."""

    name: str
    address: str
    zone: str = ""
    connect: str = ""
    ssh: dict[str, str] = field(default_factory=dict)


def read_inventory(inventory: str, group: str = "all") -> tuple[FoundHost, ...]:
    """The hosts of a group, in the inventory's order.

    Args:
        inventory: file, directory, or what else `ansible-inventory -i` takes.
        group: with all its children.

    Raises:
        ApplyError: ``ansible-missing`` or ``ansible-inventory-failed``.
        SpecError: ``ansible-group-unknown``, or ``ansible-address-missing`` with every host that has none.
    """
    return hosts_of(_listed(inventory), group, inventory)


def _listed(inventory: str) -> Mapping[str, Any]:
    beside = Path(sys.executable).with_name("ansible-inventory")
    program = str(beside) if beside.exists() else shutil.which("ansible-inventory")
    if program is None:
        hint = "install ansible-core, or name the hosts: shardwright init NAME --host NAME=ADDRESS@ZONE"
        raise ApplyError("ansible-missing", "there is no ansible-inventory here to read the inventory with", hint=hint)
    words = [program, "-i", inventory, "--list"]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL, check=False
        )
        listed = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        listed = None
    if not isinstance(listed, dict):
        raise ApplyError(
            "ansible-inventory-failed",
            f"ansible-inventory -i {inventory} --list gave no list of hosts",
            hint="run it by hand and see what it says",
        )
    return listed


def hosts_of(listed: Mapping[str, Any], group: str, inventory: str) -> tuple[FoundHost, ...]:
    """The hosts of a group, out of what ``ansible-inventory --list`` printed. Errors as of `read_inventory`."""
    names = list(dict.fromkeys(_members(listed, group)))
    if not names:
        known = ", ".join(sorted(name for name in listed if name != "_meta"))
        problem = Problem("ansible-group-unknown", "", f"no host in {group!r}", f"a group with hosts: {known}")
        raise SpecError([problem], file=inventory)
    hostvars = listed.get("_meta", {}).get("hostvars", {})
    found, problems = [], []
    for name in names:
        variables = {key: _plain(value) for key, value in hostvars.get(name, {}).items()}
        where = [str(variables[key]) for key in _ADDRESSES if variables.get(key)]
        address = next((text for text in (*where, name) if _is_ip(text)), "")
        if not address:
            seen = f"{name}: ansible_host is {where[-1]}" if where else f"{name}: no ansible_host"
            hint = f"set shardwright_address of {name} in the inventory; servers announce addresses to one another"
            problems.append(Problem("ansible-address-missing", name, seen, "the IP address of the host", hint))
            continue
        target = where[-1] if where else name
        connect = target if target != address else ""
        zone = str(variables.get("shardwright_zone") or variables.get("zone") or _zone_by_group(listed, name))
        found.append(FoundHost(name.lower(), address, zone, connect, _ssh(variables)))
    if problems:
        raise SpecError(problems, file=inventory)
    return tuple(found)


def _members(listed: Mapping[str, Any], group: str) -> Iterator[str]:
    entry = listed.get(group)
    if isinstance(entry, dict):
        yield from entry.get("hosts", [])
        for child in entry.get("children", []):
            yield from _members(listed, child)


def _zone_by_group(listed: Mapping[str, Any], name: str) -> str:
    groups = (group for group in listed if group.startswith("zone_") and name in set(_members(listed, group)))
    return next(groups, "").removeprefix("zone_")


def _ssh(variables: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for field_name, keys in _SSH.items():
        value = next((variables[key] for key in keys if variables.get(key) is not None), None)
        if value is not None:
            found[field_name] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _plain(value: Any) -> Any:
    """Ansible marks text that must not be templated."""
    return value.get("__ansible_unsafe", value) if isinstance(value, dict) else value


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

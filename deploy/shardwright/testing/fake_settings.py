"""The settings of a fake server: names, defaults, and what CONFIG SET refuses, in the servers' words.

Only settings that something in the simulation reads have an effect; all others are kept as they are given, so that a
deploy that sets them finds them again.
"""

from __future__ import annotations

import re

from ..engines import engine_of, is_live
from ..engines.version import Version
from ..errors import SpecError

_COMMON = {
    "databases": "16",
    "requirepass": "",
    "masterauth": "",
    "masteruser": "",
    "appendonly": "no",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "cluster-enabled": "yes",
    "cluster-node-timeout": "15000",
    "cluster-replica-no-failover": "no",
    "cluster-replica-validity-factor": "10",
    "cluster-require-full-coverage": "yes",
    "cluster-migration-barrier": "1",
    "cluster-allow-replica-migration": "yes",
    "cluster-announce-ip": "",
    "min-replicas-to-write": "0",
    "min-replicas-max-lag": "10",
    "repl-diskless-sync-delay": "5",
    "repl-timeout": "60",
    "repl-ping-replica-period": "10",
    "repl-backlog-size": "1048576",
}
_ALIASES = {
    "primaryauth": "masterauth",
    "primaryuser": "masteruser",
    "cluster-slave-no-failover": "cluster-replica-no-failover",
    "cluster-slave-validity-factor": "cluster-replica-validity-factor",
    "min-slaves-to-write": "min-replicas-to-write",
    "min-slaves-max-lag": "min-replicas-max-lag",
}
_NUMBERS = frozenset(name for name, value in _COMMON.items() if value.isdigit() and name != "maxmemory")


def defaults(product: str) -> dict[str, str]:
    """What a server of `product` runs with where nothing is said."""
    return _COMMON | ({"repl-backlog-size": "10485760"} if product == "valkey" else {})


def canonical(name: str) -> str:
    """The name under which a setting is kept."""
    return _ALIASES.get(name.lower(), name.lower())


def names(pattern: str, settings: dict[str, str], product: str) -> dict[str, str]:
    """Names that CONFIG GET gives for an exact name, each with the one under which it is kept."""
    name = pattern.lower()
    if name.startswith("primary") and product != "valkey":
        return {}
    return {name: canonical(name)} if canonical(name) in settings else {}


def refusal(name: str, value: str, settings: dict[str, str], product: str, version: str) -> str | None:
    """Why CONFIG SET does not take a value; none where it does."""
    kept = canonical(name)
    if kept not in settings:
        return f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
    failed = f"ERR CONFIG SET failed (possibly related to argument '{name}') - "
    if not _live(kept, product, version):
        return failed + "can't set immutable config"
    if kept in _NUMBERS and not value.lstrip("-").isdigit():
        return failed + "argument couldn't be parsed into an integer"
    if kept in _NUMBERS and int(value) < 0:
        return failed + "argument must be between 0 and 9223372036854775807 inclusive"
    if settings[kept] in ("yes", "no") and value not in ("yes", "no"):
        return failed + "argument must be 'yes' or 'no'"
    return None


def shown(name: str, value: str) -> str:
    """A value as CONFIG GET shows it: sizes in bytes."""
    found = re.fullmatch(r"(\d+)(b|k|kb|m|mb|g|gb)?", value.lower())
    if name not in ("maxmemory", "repl-backlog-size") or found is None:
        return value
    unit = found[2] or "b"
    base = 1024 if unit.endswith("b") else 1000
    return str(int(found[1]) * base ** "bkmg".index(unit[0]))


def _live(name: str, product: str, version: str) -> bool:
    try:
        return is_live(engine_of(product), Version.parse(version), name)
    except SpecError:
        return name != "cluster-enabled"

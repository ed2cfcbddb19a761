"""Directives that shardwright writes itself, and what to write in `cluster.yml` instead of them.

Knows no versions: an owned name is refused whichever server knows it.
`appendonly`, `save` and their kin are owned although they could be plain settings: switching them needs an order (live
first, then in the file) that only the `persistence` section's handling has.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NEVER = "not offered"
_DERIVED = "derived from the hosts section"

OWNED: Mapping[str, str] = MappingProxyType(
    {
        "port": "hosts[].ports",
        "bind": "hosts[].address",
        "bind-source-addr": "hosts[].address",
        "protected-mode": "security",
        "cluster-enabled": _DERIVED,
        "cluster-config-file": _DERIVED,
        "cluster-port": "bus_offset",
        "replicaof": "replicas",
        "slaveof": "replicas",
        "replica-announce-ip": "hosts[].address",
        "replica-announce-port": "hosts[].ports",
        "slave-announce-ip": "hosts[].address",
        "slave-announce-port": "hosts[].ports",
        "availability-zone": "hosts[].zone",
        "dir": "paths.data",
        "logfile": "paths.log",
        "syslog-enabled": "paths.log",
        "syslog-ident": "paths.log",
        "syslog-facility": "paths.log",
        "pidfile": "paths.run",
        "unixsocket": "paths.run",
        "unixsocketperm": "paths.run",
        "unixsocketgroup": "paths.run",
        "daemonize": "service_manager",
        "supervised": "service_manager",
        "requirepass": "security.password",
        "masterauth": "security.password",
        "primaryauth": "security.password",
        "masteruser": "security.password",
        "primaryuser": "security.password",
        "user": "security",
        "aclfile": "security",
        "appendonly": "persistence.aof",
        "appendfsync": "persistence.fsync",
        "save": "persistence.save",
        "appendfilename": "persistence",
        "appenddirname": "persistence",
        "dbfilename": "persistence",
        "include": _NEVER,
        "loadmodule": _NEVER,
        "rename-command": _NEVER,
        "enable-protected-configs": _NEVER,
        "enable-debug-command": _NEVER,
        "enable-module-command": _NEVER,
    }
)
_PREFIXES: Mapping[str, str] = MappingProxyType(
    {"tls-": "security", "cluster-announce-": "hosts[].address", "rdma-": _NEVER}
)
_WHY_NEVER: Mapping[str, str] = MappingProxyType(
    {
        "include": "a file that is missing is silently skipped by the server; write its settings here",
        "loadmodule": "modules are not deployed by this version of shardwright",
        "rename-command": "shardwright needs the commands under their names; the servers' ACLs do this better",
        "enable-protected-configs": "it lets any client move the data directory",
        "enable-debug-command": "it lets any client crash the server",
        "enable-module-command": "it lets any client run code",
    }
)


def owner(name: str) -> str | None:
    """The field of the spec that owns a directive, or none where it may be set freely."""
    lower = name.lower()
    if lower in OWNED:
        return OWNED[lower]
    return next((field for prefix, field in _PREFIXES.items() if lower.startswith(prefix)), None)


def advice(name: str) -> str:
    """What to do instead of writing an owned directive under `settings`."""
    field = owner(name)
    if field == _NEVER:
        return _WHY_NEVER.get(name.lower(), "shardwright does not offer it") + "; take it out"
    if field == _DERIVED:
        return "take it out; shardwright writes it for every node"
    return f"take it out of settings; set {field} instead"

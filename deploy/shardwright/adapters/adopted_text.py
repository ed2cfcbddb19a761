"""The text of a cluster.yml that says what a running cluster is, commented for whoever takes it over. Pure text.

Knows the form of a spec as its loader reads it, nothing of clusters. Only what differs from its defaults is written.
"""

from __future__ import annotations

import json
from ipaddress import ip_address

from shardwright.model.spec import ClusterSpec, HostSpec, Persistence

from .scaffold import scalar
from .spec_names import LOCAL

_DEFAULT_PERSISTENCE = Persistence()


def adopted_text(spec: ClusterSpec, password: str, door: str) -> str:
    """The file for `spec`.

    Args:
        spec: as adopted.
        password: where it is, as ``{env: NAME}``; empty for none.
        door: address of the node that was asked first.
    """
    local = all(ip_address(h.address).is_loopback for h in spec.hosts)
    parts = [
        *_head(spec, door),
        *(
            _this_machine(spec)
            if local
            else ["", "ssh: {user: deploy, key: ~/.ssh/id_ed25519} # only for the hosts' part"]
        ),
        "",
        *_hosts(spec, local),
        "",
        *_settings(spec),
        *_persistence(spec.persistence),
        *_security(spec, password),
    ]
    return "\n".join(parts) + "\n"


def _head(spec: ClusterSpec, door: str) -> list[str]:
    engine = f"{{product: {spec.engine.product.value}, version: {json.dumps(spec.engine.version)}}}"
    lines = [
        f"# Adopted from the running cluster at {door}; every field is described in docs/spec.md.",
        f"name: {scalar(spec.name)}",
        f"engine: {engine}",
        f"shards: {spec.shards}",
        f"replicas: {spec.replicas} # of each shard",
        f"spread: {spec.spread.value} # as its shards are spread now: none, host, rack or zone",
    ]
    return [*lines, f"bus_offset: {spec.bus_offset}"] if spec.bus_offset != 10_000 else lines


def _this_machine(spec: ClusterSpec) -> list[str]:
    return [
        "",
        "ssh: {sudo: false}",
        "service_manager: direct",
        'user: "" # the current one',
        f"paths: {{base: {scalar(f'../../.shardwright/{spec.name}')}}} # for servers that a deploy makes",
    ]


def _hosts(spec: ClusterSpec, local: bool) -> list[str]:
    known = all(host.zone for host in spec.hosts)
    comment = (
        "" if known else " # which zone and rack they stand in can't be seen from outside: add  zone: NAME  to each"
    )
    return [f"hosts:{comment}", *(f"  - {{{_host(host, local)}}}" for host in spec.hosts)]


def _host(host: HostSpec, local: bool) -> str:
    fields = [f"name: {host.name}", f"address: {json.dumps(host.address) if ':' in host.address else host.address}"]
    fields += [f"zone: {scalar(host.zone)}"] if host.zone else []
    fields += [f"connect: {json.dumps(LOCAL)}"] if local else []
    return ", ".join([*fields, f"ports: [{', '.join(map(str, host.ports))}]"])


def _settings(spec: ClusterSpec) -> list[str]:
    if not spec.settings:
        return ["settings: {} # all are the engine's defaults"]
    rows = [f"  {name}: {json.dumps(value)}" for name, value in spec.settings]
    return ["settings: # what differs from the engine's defaults", *rows]


def _persistence(kept: Persistence) -> list[str]:
    if kept == _DEFAULT_PERSISTENCE:
        return []
    save = ", ".join(f'"{seconds} {changes}"' for seconds, changes in kept.save)
    return [f"persistence: {{aof: {str(kept.aof).lower()}, fsync: {json.dumps(kept.fsync)}, save: [{save}]}}"]


def _security(spec: ClusterSpec, password: str) -> list[str]:
    if password:
        return [f"security: {{password: {password}}}"]
    return ["security: {open: true} # no password, as it was found"] if spec.security.open else []

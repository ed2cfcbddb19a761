"""What must hold between the fields of a spec: the machines, their ports, and whether the shards fit on them.

Pure over a `Draft`; reads no file and contacts nothing. A check that needs what was not valid is left out: its answer would
be about a mistake that is already reported. Rules on what lies on disks and on security are in `spec_storage` and
`spec_security`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from itertools import groupby

from shardwright.core.domains import Key, room
from shardwright.engines import VersionRange, advisories, check_setting, engine_of
from shardwright.model.spec import Domain, HostSpec

from .spec_draft import Draft
from .spec_names import LOCAL
from .spec_schema import EngineSection, HostSection, SshSection
from .spec_yaml import Path

MAX_NODES = {"redis": 1_000, "valkey": 2_000, "bundled": 2_000}
"""What the engines' own documentation gives as the limit of a cluster."""
LEAST_NODE_TIMEOUT = 500
"""Milliseconds below which a pause that every server has now and then (a fork, a large key) would be a failover."""


def check(draft: Draft) -> None:
    """Adds every problem and warning about machines, ports, room and settings to `draft`."""
    _same_machine(draft)
    _addresses(draft)
    for index, host in draft.hosts:
        _ports(draft, index, host)
    _shards(draft)
    _room(draft)
    _engine(draft)
    _settings(draft)


def ports_of(draft: Draft, host: HostSection) -> tuple[int, ...]:
    """The client ports of a host; empty where the first port was not valid."""
    first = draft.number("port")
    if host.ports:
        return tuple(host.ports)
    return tuple(range(first, first + host.instances)) if first is not None else ()


def ssh_of(draft: Draft, host: HostSection) -> SshSection:
    """The host's ssh fields over those for all hosts."""
    common = draft.get("ssh", SshSection) or SshSection()
    return common.model_copy(update={name: getattr(host.ssh, name) for name in host.ssh.model_fields_set})


def all_local(draft: Draft) -> bool:
    """Whether every host is this machine."""
    return bool(draft.hosts) and all(host.connect == LOCAL for _, host in draft.hosts)


def _same_machine(draft: Draft) -> None:
    """One name, one address and one way to connect for each entry: two entries of one machine would not fail apart."""
    seen: dict[tuple[str, str], int] = {}
    for index, host in draft.hosts:
        target = host.connect or host.address
        keys = [("name", host.name), ("address", host.address)]
        if host.connect and target != host.address:
            keys.append(("connect", f"{target}, ssh port {ssh_of(draft, host).port}"))
        for what, value in keys:
            first = seen.setdefault((what, value), index)
            if first == index:
                continue
            line = draft.line(("hosts", first, what))
            found = f"{value}, as hosts[{first}] on line {line}"
            hint = "one entry a machine; for several servers on it write  instances: 2  or  ports: [6379, 6380]"
            code = f"duplicate-host-{what}"
            draft.refuse(code, ("hosts", index, what), found, f"each {what} once", "" if what == "name" else hint)


def _addresses(draft: Draft) -> None:
    """One family, and loopback only where every host is this machine."""
    parsed = [(index, host, ipaddress.ip_address(host.address)) for index, host in draft.hosts]
    if draft.hosts and not all_local(draft):
        for index, host, ip in parsed:
            if ip.is_loopback:
                wanted = (
                    f'an address that the other hosts reach; loopback only where every host has  connect: "{LOCAL}"'
                )
                draft.refuse("address-loopback", ("hosts", index, "address"), host.address, wanted)
    families = {ip.version for _, _, ip in parsed}
    if len(families) > 1:
        odd = min(families, key=lambda v: (sum(ip.version == v for _, _, ip in parsed), v))
        for index, host, ip in parsed:
            if ip.version == odd:
                found = f"{host.address}, IPv{odd} among hosts of IPv{10 - odd}"
                hint = "a server announces one address, and all others must reach it"
                draft.refuse(
                    "address-family-mixed", ("hosts", index, "address"), found, "addresses of one family", hint
                )


def _ports(draft: Draft, index: int, host: HostSection) -> None:
    """Client and bus ports of one host: each within range, none twice."""
    offset = draft.number("bus_offset")
    ports = ports_of(draft, host)
    owners: dict[int, str] = {}
    for n, port in enumerate(ports):
        at: Path = ("hosts", index, "ports", n) if host.ports else ("hosts", index)
        if port in owners:
            draft.refuse("duplicate-port", at, f"{port} again on {host.name}", "each port once on a host")
        elif port > 65_535:
            found = f"port {ports[0]} + {n} = {port} for instance {n + 1} of {host.name}"
            draft.refuse("port-out-of-range", at, found, "at most 65535", "use a lower port, or fewer instances")
        owners.setdefault(port, f"client port {port}")
    if offset is None:
        return
    for n, port in enumerate(ports):
        at = ("hosts", index, "ports", n) if host.ports else ("hosts", index)
        bus = port + offset
        if bus > 65_535 and port <= 65_535:
            found = f"bus = port {port} + bus_offset {offset} = {bus} > 65535"
            hint = f"use a port up to {65_535 - offset}, or a lower bus_offset"
            draft.refuse("bus-port-out-of-range", at, found, "a bus port of at most 65535", hint)
        elif bus in owners:
            found = f"bus = port {port} + bus_offset {offset} = {bus}, which is a {owners[bus]} of {host.name}"
            hint = "choose ports that are further apart, or another bus_offset"
            draft.refuse("bus-port-taken", at, found, "a bus port of its own for each server", hint)


def _shards(draft: Draft) -> None:
    shards, replicas, engine = draft.number("shards"), draft.number("replicas"), draft.get("engine", EngineSection)
    if shards is not None and shards < 3:
        hint = "of 2 primaries no majority is left when one fails, so no replica could ever take over"
        draft.refuse("too-few-shards", ("shards",), f"have {shards}", "need at least 3 (a majority of primaries)", hint)
    if replicas == 0:
        hint = "any host that fails takes its slots with it; write  replicas: 1"
        draft.warn("no-replicas", ("replicas",), "0 replicas", "at least 1 replica of each shard", hint)
    if shards is not None and replicas is not None and engine is not None:
        nodes, limit = shards * (1 + replicas), MAX_NODES[engine.product]
        if nodes > limit:
            found = f"{shards} x (1 + {replicas}) = {nodes:,} servers"
            draft.refuse("too-many-nodes", ("shards",), found, f"at most {limit:,} in a cluster of {engine.product}")


def _room(draft: Draft) -> None:
    """Whether there are enough servers, and enough failure domains to keep the members of every shard apart."""
    shards, replicas = draft.number("shards"), draft.number("replicas")
    if not draft.hosts_complete or shards is None or replicas is None or "spread" not in draft.sections:
        return
    hosts = [_bare(draft, host) for _, host in draft.hosts if not host.leaving]
    wanted, have = shards * (1 + replicas), sum(len(h.ports) for h in hosts)
    sum_text = f"{shards} x (1 + {replicas}) = {wanted}"
    if have < wanted:
        found = f"{_count(have, 'server')} on {_count(len(hosts), 'host')}"
        found += " that stay" if len(hosts) < len(draft.hosts) else ""
        hint = f"{wanted - have} more: add hosts, or raise instances"
        draft.refuse("not-enough-instances", ("hosts",), found, f"{sum_text} servers", hint, key=True)
        return
    spread = Domain(draft.sections["spread"])
    if spread is Domain.NONE:
        return
    _labels(draft, spread)
    rooms = room(hosts, spread, shards)
    total = sum(rooms.values())
    if total < wanted:
        found = f"{total} places: {_sum(rooms)}"
        need = f"{sum_text} places, with at most {shards} (one of each shard) in a {spread.value}"
        hint = f"a shard has {1 + replicas} members; add {spread.value}s, or write  spread: {_lower(spread)}"
        draft.refuse("spread-infeasible", ("spread",), found, need, hint)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _bare(draft: Draft, host: HostSection) -> HostSpec:
    ports = ports_of(draft, host) or tuple(range(host.instances))
    return HostSpec(host.name, host.address, ports, host.zone, host.rack)


def _labels(draft: Draft, spread: Domain) -> None:
    if spread not in (Domain.ZONE, Domain.RACK):
        return
    for index, host in draft.hosts:
        if not getattr(host, spread.value):
            found = f"{host.name} has no {spread.value}"
            draft.refuse(
                f"{spread.value}-missing", ("hosts", index), found, f"a {spread.value}, as spread: {spread.value}"
            )


def _sum(rooms: dict[Key, int]) -> str:
    """``a: 3, b: 1``; alike ones together where there are many."""
    named = [("/".join(filter(None, key)) or "(no name)", size) for key, size in rooms.items()]
    if len(named) <= 6:
        return ", ".join(f"{name}: {size}" for name, size in named)
    sizes = sorted(size for _, size in named)
    return ", ".join(f"{len(list(same))} with {size}" for size, same in groupby(sizes))


def _lower(spread: Domain) -> str:
    return {Domain.ZONE: "rack or host", Domain.RACK: "host", Domain.HOST: "none"}[spread]


def _engine(draft: Draft) -> None:
    section = draft.get("engine", EngineSection)
    if section is None:
        return
    engine, wanted = engine_of(section.product), VersionRange.parse(section.version)
    for problem in engine.check_range(wanted):
        draft.refuse(problem.code, ("engine", "version"), problem.found, problem.wanted, problem.hint)
    if section.bundle and section.product != "bundled":
        draft.refuse("bundle-not-bundled", ("engine", "bundle"), f"a bundle, and product {section.product}", "bundled")
    if section.suite and section.product == "bundled":
        draft.refuse("suite-bundled", ("engine", "suite"), "a suite, and product bundled", "redis or valkey")
    if section.version.lstrip("= ") == str(wanted.low):
        for known in advisories(engine, wanted.low):
            found = f"{engine.title} {wanted.low}: {known.code}, {known.reason}"
            draft.warn("version-insecure", ("engine", "version"), found, f"{known.fixed} or newer")


def _settings(draft: Draft) -> None:
    settings, section = draft.sections.get("settings"), draft.get("engine", EngineSection)
    if not isinstance(settings, dict) or section is None:
        return
    engine, wanted = engine_of(section.product), VersionRange.parse(section.version)
    for name, value in settings.items():
        for problem in check_setting(engine, wanted, name, value):
            whole_key = problem.code != "setting-value"
            at = ("settings", name)
            draft.refuse(problem.code, at, problem.found, problem.wanted, problem.hint, key=whole_key)
    for lower, first, second in _case_twins(settings):
        found = f"{second}; {first} on line {draft.line(('settings', first))}"
        draft.refuse("setting-twice", ("settings", second), found, f"{lower} once: the servers ignore case", key=True)
    _min_replicas(draft, settings)
    _node_timeout(draft, settings)


def _case_twins(settings: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    seen: dict[str, str] = {}
    for name in settings:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield name.lower(), first, name


def _min_replicas(draft: Draft, settings: dict[str, str]) -> None:
    replicas = draft.number("replicas")
    for name, value in settings.items():
        asked = name.lower() in ("min-replicas-to-write", "min-slaves-to-write") and value.isdecimal()
        if asked and replicas is not None and int(value) > replicas:
            found = f"{name} {value}, with {replicas} replicas of each shard"
            draft.refuse(
                "never-writable", ("settings", name), found, f"at most {replicas}: else no write is ever taken"
            )


def _node_timeout(draft: Draft, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        if name.lower() == "cluster-node-timeout" and value.isdecimal() and int(value) < LEAST_NODE_TIMEOUT:
            hint = f"it is in milliseconds: {value} seconds are {int(value) * 1000}; the usual value is 15000"
            wanted = f"at least {LEAST_NODE_TIMEOUT}: else each pause of a server is a failover"
            draft.refuse("node-timeout-short", ("settings", name), f"{name} {value}", wanted, hint)

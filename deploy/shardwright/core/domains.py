"""Failure domains of hosts, and how many members of shards each has room for. Knows nothing of who is placed where.

Racks are named within zones, so rack `r1` of zone `a` is not rack `r1` of zone `b`. Hosts without a label are taken to share
one domain: nothing says that they fail apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from shardwright.model.spec import Domain, HostSpec

WIDEST_FIRST = (Domain.ZONE, Domain.RACK, Domain.HOST)

Key = tuple[str, ...]
"""Names a domain at its level, by the path from its zone: keys of different levels differ in length."""


def domain_of(host: HostSpec, level: Domain) -> Key:
    """The host's failure domain at `level`; at `NONE` all hosts share one."""
    match level:
        case Domain.ZONE:
            return (host.zone,)
        case Domain.RACK:
            return (host.zone, host.rack)
        case Domain.HOST:
            return (host.zone, host.rack, host.name)
        case Domain.NONE:
            return ()


def room(hosts: Iterable[HostSpec], level: Domain, shards: int) -> dict[Key, int]:
    """How many members each domain can take: its instances, but at most one of each shard (any number at `NONE`).

    Members of all shards can be kept apart exactly if these numbers add up to the number of members.
    """
    sizes: Counter[Key] = Counter()
    for host in hosts:
        sizes[domain_of(host, level)] += len(host.ports)
    if level is Domain.NONE:
        return dict(sizes)
    return {domain: min(size, shards) for domain, size in sizes.items()}


def widest(hosts: Iterable[HostSpec], shards: int, members: int) -> Domain:
    """The widest level at which the `members` of a shard can be kept apart in all `shards`; `NONE` if there is none."""
    known = tuple(hosts)
    for level in WIDEST_FIRST:
        if sum(room(known, level, shards).values()) >= shards * members:
            return level
    return Domain.NONE

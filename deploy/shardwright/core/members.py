"""Who shares a shard: deals the hosts' instances out, shard by shard. Knows nothing of primaries or slots.

A choice depends on what was used before it, not on the hosts that come later, so that appending hosts to the file leaves
earlier shards alone where balance and room allow it: a changed answer here moves data.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shardwright.model.spec import Domain, HostSpec

from .domains import Key, domain_of, widest

Member = tuple[HostSpec, int]
"""One instance: its host and client port."""


def teams(hosts: Sequence[HostSpec], shards: int, size: int) -> list[list[Member]]:
    """`shards` lists of `size` members each (fewer only where instances run out), no member twice."""
    level = widest(hosts, shards, size)
    sites = [_Site(host, rank, level) for rank, host in enumerate(hosts) if host.ports]
    dealer = _Dealer(sites, level, size)
    return [dealer.deal(shards - n) for n in range(1, shards + 1)]


class _Site:
    """One host while instances are dealt out; `apart` is its domain at the level that is kept apart."""

    __slots__ = ("apart", "free", "host", "key", "rack", "rank", "zone")

    def __init__(self, host: HostSpec, rank: int, level: Domain) -> None:
        self.host, self.rank, self.free = host, rank, deque(host.ports)
        self.apart = domain_of(host, level)
        self.zone, self.rack, self.key = (domain_of(host, at) for at in (Domain.ZONE, Domain.RACK, Domain.HOST))


@dataclass(slots=True)
class _Dealer:
    """`left` is what each domain still has, `used` what it gave, `together` how often two hosts share a shard."""

    sites: list[_Site]
    level: Domain
    size: int
    left: Counter[Key] = field(init=False)
    used: Counter[Key] = field(init=False, default_factory=Counter)
    together: Counter[tuple[int, int]] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self.left = Counter()
        for site in self.sites:
            self.left[site.apart] += len(site.free)

    def deal(self, shards_after: int) -> list[Member]:
        """The members of the next shard, leaving enough room for the `shards_after` it.

        A domain with more than `shards_after` instances loses no room by giving one now; any other does. `spare` is how
        many members may come from those others.
        """
        plenty = {d for d, n in self.left.items() if n > shards_after}
        spare = sum(min(n, shards_after) for n in self.left.values()) - shards_after * self.size
        team: list[_Site] = []
        members: list[Member] = []
        for _ in range(self.size):
            site = self._pick(team, plenty if spare <= 0 else None)
            if site is None:
                break
            spare -= site.apart not in plenty
            members.append((site.host, self._take(site, team)))
            team.append(site)
        return members

    def _pick(self, team: list[_Site], only: set[Key] | None) -> _Site | None:
        taken = {s.apart for s in team} if self.level is not Domain.NONE else set()
        apart = [s for s in self.sites if s.apart not in taken]
        candidates = [s for s in apart if only is None or s.apart in only] or apart or self.sites
        if not candidates:
            return None
        zones, racks, ranks = {s.zone for s in team}, {s.rack for s in team}, {s.rank for s in team}
        used = self.used
        strains = [
            (s.zone in zones, s.rack in racks, s.rank in ranks, used[s.zone], used[s.rack], used[s.key])
            for s in candidates
        ]
        least = min(strains)
        best = [s for s, strain in zip(candidates, strains, strict=True) if strain == least]
        if least[-1] == 0:
            return best[0]
        return min(best, key=lambda s: (sum(self.together[_pair(s, t)] for t in team), s.rank))

    def _take(self, site: _Site, team: list[_Site]) -> int:
        port = site.free.popleft()
        if not site.free:
            self.sites.remove(site)
        self.left[site.apart] -= 1
        self.used.update((site.zone, site.rack, site.key))
        self.together.update(_pair(site, other) for other in team)
        return port


def _pair(a: _Site, b: _Site) -> tuple[int, int]:
    return (a.rank, b.rank) if a.rank < b.rank else (b.rank, a.rank)

"""Who should lead each shard: balances preferred primaries over zones, then racks, then hosts. Members are given.

A first guess is improved by handing leads over along chains until nothing can be gained: with a chain, the balance over
zones is the best that these members allow, where taking the least loaded member of each shard in turn is not.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from shardwright.model.spec import Domain

from .domains import WIDEST_FIRST, Key, domain_of
from .members import Member

_Edges = Mapping[Key, Sequence[tuple[Key, int, int]]]
"""From a domain that leads a shard to the others in it: (the other domain, the shard, the member there)."""


def lead(teams: Sequence[Sequence[Member]]) -> list[list[Member]]:
    """The same teams, each with its preferred primary first and the others in their order; no team may be empty."""
    leads = _first_guess(teams)
    outer = Domain.NONE
    for level in WIDEST_FIRST:
        while _hand_over(teams, leads, level, outer):
            pass
        outer = level
    return [[team[n], *team[:n], *team[n + 1 :]] for team, n in zip(teams, leads, strict=True)]


def _first_guess(teams: Sequence[Sequence[Member]]) -> list[int]:
    loads: Counter[Key] = Counter()
    leads = []
    for team in teams:
        keys = [[domain_of(host, level) for level in WIDEST_FIRST] for host, _ in team]
        strains = [[loads[key] for key in path] for path in keys]
        leads.append(strains.index(min(strains)))
        loads.update(keys[leads[-1]])
    return leads


def _hand_over(teams: Sequence[Sequence[Member]], leads: list[int], level: Domain, outer: Domain) -> bool:
    """Moves one lead from a domain to another that has at least two fewer, through shards that span them.

    A chain of hand-overs (a to b in one shard, b to c in another) counts as one: only its ends change their load. Both
    ends are in the same `outer` domain, so what was balanced before stays so. Each success lowers the sum of squared
    loads, so this ends.
    """
    loads: Counter[Key] = Counter()
    edges: dict[Key, list[tuple[Key, int, int]]] = {}
    parents: dict[Key, Key] = {}
    for n, team in enumerate(teams):
        source = domain_of(team[leads[n]][0], level)
        loads[source] += 1
        for i, (host, _) in enumerate(team):
            target = domain_of(host, level)
            parents[target] = domain_of(host, outer)
            if target != source:
                edges.setdefault(source, []).append((target, n, i))
    least = _least_by_parent(loads, parents)
    for start in sorted(loads, key=lambda d: (-loads[d], d)):
        limit = loads[start] - 2
        if least[parents[start]] > limit:
            continue
        chain = _chain(start, edges, _lighter(start, limit, loads, parents))
        for n, i in chain:
            leads[n] = i
        if chain:
            return True
    return False


def _least_by_parent(loads: Counter[Key], parents: Mapping[Key, Key]) -> dict[Key, int]:
    least: dict[Key, int] = {}
    for domain, parent in parents.items():
        least[parent] = min(least.get(parent, loads[domain]), loads[domain])
    return least


def _lighter(start: Key, limit: int, loads: Counter[Key], parents: Mapping[Key, Key]) -> Callable[[Key], bool]:
    return lambda domain: parents[domain] == parents[start] and loads[domain] <= limit


def _chain(start: Key, edges: _Edges, wanted: Callable[[Key], bool]) -> list[tuple[int, int]]:
    """The shortest chain of (shard, new lead) from `start` to a domain that is wanted; empty if there is none."""
    came: dict[Key, tuple[Key, int, int]] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        if here != start and wanted(here):
            chain = []
            while here != start:
                here, n, i = came[here]
                chain.append((n, i))
            return chain
        for target, n, i in edges.get(here, ()):
            if target != start and target not in came:
                came[target] = (here, n, i)
                queue.append(target)
    return []

"""What the spec means: each node on a host, each shard its members and a quota of slots.

Membership and quotas are desired. Which member is primary is observed: a failover is not drift, so `members[0]` is only
the *preferred* primary, used where nothing has been formed yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .endpoint import Endpoint


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One server that should be: its endpoint and the failure domains it stands in. `leaving`: its host is to be emptied."""

    endpoint: Endpoint
    host: str
    zone: str = ""
    rack: str = ""
    leaving: bool = False

    @property
    def name(self) -> str:
        """Host's name and client port: ``cache-3:6379``."""
        return f"{self.host}:{self.endpoint.port}"


@dataclass(frozen=True, slots=True)
class Shard:
    """Members that hold the same slots. `quota` is a count of slots, not ranges; `members[0]` is the preferred primary."""

    name: str
    members: tuple[Node, ...]
    quota: int

    @property
    def primary(self) -> Node:
        """The preferred primary."""
        return self.members[0]


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole cluster that should be.

    `live` holds the settings (name, value as `CONFIG GET` gives it) that every server must run with and that the
    forming of the cluster touches for a while; `settings` every other one that the operator or we have set.
    `versions` is the range as text. `spread` is the failure domain that no two members of a shard may share, as text
    (``none``, ``host``, ``rack``, ``zone``). `spares` are instances that the spec names and that hold no place: they
    may be silent or stand alone, and one that is a member of the cluster is drained, emptied and forgotten.
    `even_primaries` is the wish that primaries are spread evenly over failure domains again: asked for, never kept up.
    """

    name: str
    shards: tuple[Shard, ...]
    live: tuple[tuple[str, str], ...] = (
        ("cluster-node-timeout", "15000"),
        ("cluster-replica-no-failover", "no"),
        ("repl-diskless-sync-delay", "5"),
    )
    settings: tuple[tuple[str, str], ...] = ()
    product: str = "valkey"
    versions: str = "any"
    spread: str = "host"
    spares: tuple[Node, ...] = ()
    even_primaries: bool = False

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, shard by shard, preferred primaries first in each."""
        return tuple(self.walk())

    def walk(self) -> Iterator[Node]:
        """All nodes in the order of `nodes`."""
        for shard in self.shards:
            yield from shard.members

    def shard_of(self, endpoint: Endpoint) -> Shard:
        """The shard that has a member at `endpoint`.

        Raises:
            KeyError: no shard has.
        """
        for shard in self.shards:
            if any(node.endpoint == endpoint for node in shard.members):
                return shard
        raise KeyError(str(endpoint))

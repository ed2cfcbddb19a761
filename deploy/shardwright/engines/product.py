"""The engines: what Redis, Valkey and the bundled Valkey are called, packaged as, and able to do.

Knows nothing of hosts or of how packages are installed; it is the one place where the products differ.
`bundled` is Valkey under another name: it travels from the control machine, so it has no packages and no units of a
distribution to keep away from.
Debian's names were tried; those of Enterprise Linux and Alpine are from their package lists and were not run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from shardwright.errors import ObservationError, Problem, SpecError

from .version import Version, VersionRange


class Family(StrEnum):
    """Operating systems that name packages and units alike."""

    DEBIAN = "debian"
    EL = "el"
    ALPINE = "alpine"


class Capability(StrEnum):
    """What some versions can do and others can't; the value names the command or file that shows it."""

    SLOT_RANGES = "cluster-addslotsrange"
    SHARDS_COMMAND = "cluster-shards"
    LINKS_COMMAND = "cluster-links"
    SHARD_ID = "cluster-myshardid"
    """Servers have a shard id, say it (`CLUSTER MYSHARDID`) and keep it in nodes.conf."""
    ATOMIC_SLOT_MIGRATION = "cluster-migrateslots"
    MULTI_CONFIG_SET = "config-set-several"
    FOLLOWS_IN_SHARD = "cluster-primary-follows-in-shard"
    """A primary that lost its last slot follows a member of its shard that took some, whatever others took meanwhile."""
    FORGETS_VOTES = "cluster-replica-forgets-votes"
    """A manual failover begins a new election, whatever came of the replica's last one and whenever that was."""


_SINCE: Mapping[Capability, Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        Capability.SLOT_RANGES: {"redis": (7, 0), "valkey": (7, 2)},
        Capability.SHARDS_COMMAND: {"redis": (7, 0), "valkey": (7, 2)},
        Capability.LINKS_COMMAND: {"redis": (7, 0), "valkey": (7, 2)},
        Capability.SHARD_ID: {"redis": (7, 2), "valkey": (7, 2)},
        Capability.ATOMIC_SLOT_MIGRATION: {"valkey": (9, 0)},
        Capability.MULTI_CONFIG_SET: {"redis": (7, 0), "valkey": (7, 2)},
        Capability.FOLLOWS_IN_SHARD: {"valkey": (8, 1)},
        Capability.FORGETS_VOTES: {"valkey": (8, 1)},
    }
)


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine of a spec.

    Attributes:
        name: as the spec writes it.
        product: ``redis`` or ``valkey``: what the server says that it is.
        title: for people.
        series: every released major.minor that is supported, oldest first.
        packages: packages to install, by family; empty where nothing is installed from the host's repositories.
        services: the distribution's own units, which must not be left running beside ours, by family.
        version_field: the field of `INFO server` that holds the product's version.
    """

    name: str
    product: str
    title: str
    series: tuple[tuple[int, int], ...]
    packages: Mapping[Family, tuple[str, ...]] = field(default_factory=dict, compare=False)
    services: Mapping[Family, tuple[str, ...]] = field(default_factory=dict, compare=False)

    @property
    def server(self) -> str:
        """Name of the server's binary."""
        return f"{self.product}-server"

    @property
    def cli(self) -> str:
        """Name of the command line client."""
        return f"{self.product}-cli"

    @property
    def benchmark(self) -> str:
        """Name of the load generator."""
        return f"{self.product}-benchmark"

    @property
    def check_tools(self) -> tuple[str, str]:
        """Names of the tools that check RDB and AOF files."""
        return f"{self.product}-check-rdb", f"{self.product}-check-aof"

    @property
    def version_field(self) -> str:
        """Field of `INFO server` with the product's own version (Valkey also shows a `redis_version`)."""
        return f"{self.product}_version"

    def can(self, capability: Capability, version: Version) -> bool:
        """Whether this engine in this version has the capability."""
        since = _SINCE[capability].get(self.product)
        return since is not None and version.series >= since

    def check_range(self, wanted: VersionRange) -> tuple[Problem, ...]:
        """A problem if no released series fits, naming those that exist; series newer than known are let through."""
        newest = self.series[-1]
        newer = [(newest[0], newest[1] + n) for n in range(1, 20)] + [(newest[0] + n, 0) for n in range(1, 5)]
        if any(wanted.touches(s) for s in (*self.series, *newer)):
            return ()
        known = ", ".join(f"{a}.{b}" for a, b in self.series)
        hint = f'write "any" or one of the series; {self.title} {known}'
        problem = Problem("version-not-released", "engine.version", f"{self.name} {wanted}", known, hint)
        return (problem,)


REDIS = Engine(
    name="redis",
    product="redis",
    title="Redis",
    series=((7, 0), (7, 2), (7, 4), (8, 0), (8, 2), (8, 4), (8, 6), (8, 8), (8, 10)),
    packages=MappingProxyType(
        {
            Family.DEBIAN: ("redis-server", "redis-tools"),
            Family.EL: ("redis",),
            Family.ALPINE: ("redis",),
        }
    ),
    services=MappingProxyType(
        {
            Family.DEBIAN: ("redis-server.service", "redis.service"),
            Family.EL: ("redis.service",),
            Family.ALPINE: ("redis",),
        }
    ),
)
VALKEY = Engine(
    name="valkey",
    product="valkey",
    title="Valkey",
    series=((7, 2), (8, 0), (8, 1), (9, 0), (9, 1)),
    packages=MappingProxyType(
        {
            Family.DEBIAN: ("valkey-server", "valkey-tools"),
            Family.EL: ("valkey",),
            Family.ALPINE: ("valkey", "valkey-cli"),
        }
    ),
    services=MappingProxyType(
        {
            Family.DEBIAN: ("valkey-server.service", "valkey.service"),
            Family.EL: ("valkey.service",),
            Family.ALPINE: ("valkey",),
        }
    ),
)
BUNDLED = replace(VALKEY, name="bundled", title="bundled Valkey", packages={}, services={})
ENGINES: Mapping[str, Engine] = MappingProxyType({e.name: e for e in (REDIS, VALKEY, BUNDLED)})


def engine_of(name: str) -> Engine:
    """The engine of that name in a spec.

    Raises:
        SpecError: ``engine-unknown``.
    """
    try:
        return ENGINES[name]
    except KeyError:
        wanted = ", ".join(ENGINES)
        raise SpecError([Problem("engine-unknown", "engine.product", repr(name), wanted)]) from None


def identify(info: Mapping[str, str]) -> tuple[str, Version]:
    """Product and version of a running server, from the fields of `INFO server`.

    Valkey shows a `redis_version` too, for old clients; only the absence of `valkey_version` makes it Redis.

    Raises:
        ObservationError: ``engine-unrecognised``.
    """
    for product in ("valkey", "redis"):
        if text := info.get(f"{product}_version"):
            return product, Version.parse(text)
    found = ", ".join(sorted(info)[:8]) or "no fields"
    raise ObservationError("engine-unrecognised", f"INFO server has no redis_version or valkey_version ({found})")


def identify_binary(output: str) -> tuple[str, Version]:
    """Product and version of a binary, from what `--version` printed; its name proves nothing.

    Raises:
        ObservationError: ``engine-unrecognised``.
    """
    found = re.search(r"\b(redis|valkey)(?: server v=|[- ]server |-cli )(\d+\.\d+\.\d+\S*)", output, re.IGNORECASE)
    if found is None:
        said = output.strip()[:200] or "nothing"
        raise ObservationError("engine-unrecognised", f"--version is not of Redis or Valkey; it printed: {said}")
    return found[1].lower(), Version.parse(found[2])

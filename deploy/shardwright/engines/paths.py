"""From which product and version a running cluster can be changed to which, server by server, while it serves.

Pure; knows no cluster. What decides is whether a server of the new kind can load the files of the old one and follow it as a
replica: the rows of `_RULES`, first match first. The other direction need not work, since replicas go first. Formats of RDB
are read forward only; nothing here depends on a product's good will to read a newer one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .version import Version, VersionRange


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why there is no direct way: a stable code, the reason, and the way that there is."""

    code: str
    reason: str
    way: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """Blocks a change from `product` to `target` where both tests hold of the series (major, minor)."""

    product: str
    target: str
    old: Callable[[tuple[int, int]], bool]
    new: Callable[[tuple[int, int]], bool]
    blocked: Blocked


def _any(_series: tuple[int, int]) -> bool:
    return True


_RULES = (
    _Rule(
        "valkey",
        "redis",
        _any,
        _any,
        Blocked(
            "upgrade-path",
            "the formats of Valkey and Redis have gone apart, and nobody keeps Redis reading Valkey's",
            "make a second cluster and bring the data over by the application, or stay with Valkey",
        ),
    ),
    _Rule(
        "redis",
        "valkey",
        lambda old: old >= (7, 3),
        _any,
        Blocked(
            "upgrade-path",
            "Redis 7.4 and newer write an RDB (version 12 and up) that no Valkey reads, so a Valkey can't follow it",
            "make a second cluster and bring the data over by the application, or stay with Redis",
        ),
    ),
    _Rule(
        "redis",
        "redis",
        lambda old: old < (7, 0),
        lambda new: new > (7, 0),
        Blocked(
            "upgrade-path",
            "nodes of Redis 6.2 and older drop the bus messages of 7.2 and newer (redis issue 12685)",
            'go over 7.0: engine {product: redis, version: "7.0"} first, then on',
        ),
    ),
    _Rule(
        "redis",
        "valkey",
        lambda old: old < (7, 0),
        _any,
        Blocked(
            "upgrade-path",
            "nodes of Redis 6.2 and older drop the bus messages of Redis 7.2, which Valkey speaks (redis issue 12685)",
            'go over Redis 7.0: engine {product: redis, version: "7.0"} first, then on',
        ),
    ),
)


def blocked(product: str, version: Version, target: str, wanted: Version | VersionRange) -> Blocked | None:
    """Why servers of `product` and `version` can't become `target` in `wanted`; none where they can.

    Args:
        product: that runs, ``redis`` or ``valkey``.
        version: that runs.
        target: product that is wanted.
        wanted: the version, or a range of which any version will do.
    """
    newest = _newest(wanted)
    if product == target and newest is not None and newest < version.series:
        return Blocked(
            "downgrades",
            f"an older version does not read the files of {version}: their formats go one way",
            "ask for the version that runs, or a newer one",
        )
    series = _oldest(product, version, target, wanted)
    for rule in _RULES:
        if (rule.product, rule.target) == (product, target) and rule.old(version.series) and rule.new(series):
            return rule.blocked
    return None


def _newest(wanted: Version | VersionRange) -> tuple[int, int] | None:
    """The newest series that may be meant; none where that is open."""
    if isinstance(wanted, Version):
        return wanted.series
    if wanted.high is None:
        return None
    high = wanted.high
    before_any = (high.patch, high.candidate) == (0, 0)
    return (high.major, high.minor - 1) if before_any else high.series


def _oldest(product: str, version: Version, target: str, wanted: Version | VersionRange) -> tuple[int, int]:
    """The oldest series that may be meant: if that can be reached, some version of the range can."""
    low = wanted.series if isinstance(wanted, Version) else wanted.low.series
    return max(low, version.series) if product == target else low

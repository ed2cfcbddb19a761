"""From where to where a running cluster can be changed, and what is said where it can't."""

from __future__ import annotations

import pytest

from shardwright.engines import Version, VersionRange, blocked

OPEN = [
    ("redis", "7.0.15", "redis", "7.2"),
    ("redis", "7.0.15", "redis", "8.0"),
    ("redis", "6.2.7", "redis", "7.0"),
    ("redis", "7.0.15", "valkey", "any"),
    ("redis", "7.2.4", "valkey", "9.1"),
    ("valkey", "7.2.5", "valkey", "8.0"),
    ("valkey", "8.1.1", "valkey", ">=8"),
    ("valkey", "9.1.2", "valkey", "9.1"),
    ("valkey", "9.1.2", "valkey", "any"),
    ("redis", "7.0.15", "redis", "7.0.11"),
]
SHUT = [
    ("redis", "6.2.7", "redis", "7.2", "upgrade-path", "over 7.0"),
    ("redis", "6.2.7", "valkey", "any", "upgrade-path", "over Redis 7.0"),
    ("redis", "7.4.1", "valkey", "any", "upgrade-path", "version 12"),
    ("redis", "8.0.2", "valkey", "9.1", "upgrade-path", "version 12"),
    ("valkey", "7.2.5", "redis", "7.2", "upgrade-path", "gone apart"),
    ("valkey", "9.1.2", "valkey", "8.1", "downgrades", "one way"),
    ("valkey", "9.1.2", "valkey", "<9", "downgrades", "one way"),
    ("valkey", "9.1.2", "valkey", "<=9.0", "downgrades", "one way"),
    ("redis", "7.2.4", "redis", "7.0.15", "downgrades", "one way"),
]


@pytest.mark.parametrize(("product", "version", "target", "wanted"), OPEN)
def test_a_way(product: str, version: str, target: str, wanted: str) -> None:
    assert blocked(product, Version.parse(version), target, VersionRange.parse(wanted)) is None


@pytest.mark.parametrize(("product", "version", "target", "wanted", "code", "words"), SHUT)
def test_no_way(product: str, version: str, target: str, wanted: str, code: str, words: str) -> None:
    found = blocked(product, Version.parse(version), target, VersionRange.parse(wanted))
    assert found is not None
    assert found.code == code
    assert words in f"{found.reason} {found.way}"


def test_an_exact_version_counts_more_than_its_range() -> None:
    assert blocked("valkey", Version.parse("9.1.2"), "valkey", Version.parse("8.1.1")) is not None
    assert blocked("redis", Version.parse("7.2.4"), "valkey", Version.parse("8.0.1")) is None

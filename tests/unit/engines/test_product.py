from __future__ import annotations

import pytest

from shardwright.engines import (
    BUNDLED,
    REDIS,
    VALKEY,
    Capability,
    Engine,
    Family,
    Version,
    advisories,
    check_password,
    engine_of,
    identify,
    identify_binary,
    is_placeholder,
)
from shardwright.errors import ObservationError, SpecError


def test_a_valkey_that_shows_a_redis_version_is_valkey() -> None:
    info = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.1"}
    assert identify(info) == ("valkey", Version(8, 1, 1))
    assert identify({"redis_version": "7.0.15"}) == ("redis", Version(7, 0, 15))
    with pytest.raises(ObservationError, match="engine-unrecognised"):
        identify({"server_name": "dragonfly"})


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=e08dbad3",
            ("redis", Version(7, 0, 15)),
        ),
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536", ("valkey", Version(9, 1, 2))),
        ("redis-cli 8.0.2\n", ("redis", Version(8, 0, 2))),
        ("valkey-cli 8.1.1 (git:0/0)", ("valkey", Version(8, 1, 1))),
    ],
)
def test_a_binary_is_what_it_says_not_what_it_is_called(output: str, found: tuple[str, Version]) -> None:
    assert identify_binary(output) == found


def test_a_binary_that_says_something_else_is_refused() -> None:
    with pytest.raises(ObservationError, match="cannot execute"):
        identify_binary("sh: cannot execute: required file not found")


@pytest.mark.parametrize(
    ("engine", "version", "able"),
    [(VALKEY, "9.0.0", True), (BUNDLED, "9.1.2", True), (VALKEY, "8.1.1", False), (REDIS, "8.10.2", False)],
)
def test_atomic_slot_migration_is_of_valkey_nine(engine: Engine, version: str, able: bool) -> None:
    assert engine.can(Capability.ATOMIC_SLOT_MIGRATION, Version.parse(version)) is able


def test_shard_ids_came_after_redis_seven_nought() -> None:
    assert not REDIS.can(Capability.SHARD_ID, Version(7, 0, 15))
    assert REDIS.can(Capability.SHARD_ID, Version(8, 0, 2))


def test_names_and_packages() -> None:
    assert engine_of("valkey") is VALKEY
    assert (REDIS.server, VALKEY.cli, BUNDLED.server) == ("redis-server", "valkey-cli", "valkey-server")
    assert REDIS.packages[Family.DEBIAN] == ("redis-server", "redis-tools")
    assert "valkey-server.service" in VALKEY.services[Family.DEBIAN]
    assert BUNDLED.packages == {}
    with pytest.raises(SpecError, match="engine-unknown"):
        engine_of("memcached")


@pytest.mark.parametrize(
    ("engine", "version", "fixed"),
    [
        (REDIS, "7.0.15", {"7.2.8", "7.2.11", "8.2.10"}),
        (REDIS, "8.0.4", {"8.2.10"}),
        (REDIS, "8.10.2", set()),
        (VALKEY, "8.1.1", {"8.1.4", "8.1.6", "9.0.5"}),
        (VALKEY, "9.0.1", {"9.0.2", "9.0.5"}),
        (VALKEY, "9.1.2", set()),
        (BUNDLED, "9.1.0", {"9.1.1"}),
        (VALKEY, "10.0.0", set()),
    ],
)
def test_advisories_name_the_first_fixed_version(engine: Engine, version: str, fixed: set[str]) -> None:
    assert {str(a.fixed) for a in advisories(engine, Version.parse(version))} == fixed


@pytest.mark.parametrize(
    "value",
    [
        "changeme",
        " ChangeMe ",
        "",
        "  ",
        "${PW}",
        "$PW",
        "$(cat pw)",
        "{{ pw }}",
        "{% raw %}",
        "<password>",
        "%PASSWORD%",
        "@PW@",
        "__PASSWORD__",
        "%(pw)s",
        "$ANSIBLE_VAULT;1.1;AES256\n6133",
        "ENC[AES256,data:x]",
        "aaaaaaaaaaaaaaaa",
        "********",
        "vault://kv/redis#pw",
        "password",
        "your-password",
    ],
)
def test_places_for_a_password_are_no_passwords(value: str) -> None:
    assert is_placeholder(value)
    assert check_password(value) != ()


@pytest.mark.parametrize(
    "value",
    [
        "correct horse battery staple",
        'a"b\\c#d$e%f`g{{h}}i',
        "p${PW}x-and-more-text",
        "pässwörd-äöü-日本語-ok",
        "$2b$12$abcdefghijklmnopqrstuv",
        "<a>b<c> and more of it",
    ],
)
def test_odd_passwords_are_passwords(value: str) -> None:
    assert not is_placeholder(value)
    assert check_password(value) == ()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "password-empty"),
        ("changeme", "password-placeholder"),
        ("Tr0ub4dor&3", "password-short"),
        ("long enough but\nuser evil", "password-control-character"),
        ("long enough but \0 in it", "password-control-character"),
        ("x1" * 257, "password-long"),
        ("日本語日本" * 40, "password-long"),
        ("long enough but \ud800", "password-not-utf8"),
    ],
)
def test_bad_passwords_are_named_by_length_and_place_only(value: str, code: str) -> None:
    problems = check_password(value)
    assert [p.code for p in problems] == [code]
    shown = str(SpecError(problems))
    assert "Tr0ub" not in shown
    assert "long enough" not in shown

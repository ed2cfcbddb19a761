from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardwright.engines import (
    BUNDLED,
    REDIS,
    VALKEY,
    Engine,
    Version,
    VersionRange,
    check_setting,
    config_line,
    is_live,
    same,
    table,
    tables,
    tables_in,
)

ANY = VersionRange.parse("any")
REDIS7, VALKEY9 = Version(7, 0, 15), Version(9, 1, 2)


def codes(engine: Engine, version: Version | VersionRange, name: str, value: str) -> list[str]:
    return [p.code for p in check_setting(engine, version, name, value)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory", "512mb"),
        ("MaxMemory", "1G"),
        ("maxmemory-policy", "allkeys-LRU"),
        ("timeout", "0"),
        ("activerehashing", "No"),
        ("maxmemory-clients", "5%"),
        ("client-output-buffer-limit", "replica 512mb 128mb 60"),
        ("notify-keyspace-events", "Ex"),
        ("slave-priority", "10"),
        ("list-max-ziplist-size", "-2"),
        ("shutdown-on-sigterm", "save now"),
        ("slowlog-log-slower-than", "-1"),
    ],
)
@pytest.mark.parametrize("engine", [REDIS, VALKEY, BUNDLED], ids=lambda e: e.name)
def test_right_settings_have_no_problem(engine: Engine, name: str, value: str) -> None:
    assert check_setting(engine, ANY, name, value) == ()


@pytest.mark.parametrize(
    ("name", "value", "code", "part"),
    [
        ("maxmemroy", "1gb", "setting-unknown", "maxmemory"),
        ("apendonly", "yes", "setting-unknown", "persistence.aof"),
        ("requirepas", "x", "setting-unknown", "security.password"),
        ("qqqq", "1", "setting-unknown", "take it out"),
        ("x y", "1", "setting-unknown", ""),
        ("port", "7000", "setting-owned", "hosts[].ports"),
        ("CLUSTER-ENABLED", "yes", "setting-owned", "take it out"),
        ("requirepass", "x", "setting-owned", "security.password"),
        ("masterauth", "x", "setting-owned", "security.password"),
        ("appendonly", "yes", "setting-owned", "persistence.aof"),
        ("tls-cert-file", "/x", "setting-owned", "security"),
        ("include", "/x/*.conf", "setting-owned", "silently"),
        ("loadmodule", "/x.so", "setting-owned", "take it out"),
        ("activerehashing", "on", "setting-value", '"yes"'),
        ("activerehashing", "False", "setting-value", '"no"'),
        ("maxmemory", "1GiB", "setting-value", "1gb"),
        ("maxmemory", "1.5gb", "setting-value", "1536mb"),
        ("maxmemory", "1.5g", "setting-value", "1500000000"),
        ("maxmemory", "80%", "setting-value", "percentage"),
        ("maxmemory", "-1", "setting-value", "negative"),
        ("maxmemory", "1 gb", "setting-value", "1gb"),
        ("maxmemory-policy", "allkeys-lur", "setting-value", "allkeys-lru"),
        ("timeout", "15s", "setting-value", "unit"),
        ("timeout", "1_000", "setting-value", "1000"),
        ("timeout", "007", "setting-value", ""),
        ("timeout", "-5", "setting-value", ""),
        ("hz", "10.0", "setting-value", ""),
        ("client-output-buffer-limit", "replica 1gb", "setting-value", "64mb 60"),
        ("notify-keyspace-events", "Q", "setting-value", "Ex"),
        ("proc-title-template", "a\nuser evil on nopass", "setting-control-character", ""),
        ("proc-title-template", "a\0b", "setting-control-character", ""),
    ],
)
@pytest.mark.parametrize("engine", [REDIS, VALKEY], ids=lambda e: e.name)
def test_wrong_settings_say_what_to_write(engine: Engine, name: str, value: str, code: str, part: str) -> None:
    (problem,) = check_setting(engine, ANY, name, value)
    assert problem.code == code
    assert problem.path == name
    assert part in problem.hint


def test_the_two_giga_are_told_apart() -> None:
    (problem,) = check_setting(REDIS, ANY, "maxmemory", "1GiB")
    assert "1,000" in problem.wanted
    assert "1,024" in problem.wanted


@pytest.mark.parametrize(
    ("engine", "version", "name", "holder", "hint"),
    [
        (REDIS, "7.0", "io-threads-always-active", "valkey 9.1", "choose valkey"),
        (REDIS, "7.0", "replica-full-sync-buffer-limit", "redis 8.0", '">=8.0"'),
        (VALKEY, "8.0", "cluster-databases", "valkey 9.1", '">=9.1"'),
        (VALKEY, "any", "replica-full-sync-buffer-limit", "redis 8.0", "choose redis"),
    ],
)
def test_a_directive_of_another_version_or_product_names_it(
    engine: Engine, version: str, name: str, holder: str, hint: str
) -> None:
    (problem,) = check_setting(engine, VersionRange.parse(version), name, "1")
    assert problem.code == "setting-not-in-version"
    assert holder in problem.wanted
    assert hint in problem.hint


def test_a_range_takes_what_any_version_in_it_takes() -> None:
    assert codes(VALKEY, ANY, "sanitize-dump-payload", "clients") == []
    assert codes(VALKEY, ANY, "log-format", "json") == []
    assert codes(VALKEY, VersionRange.parse("<9"), "log-format", "json") == ["setting-value"]
    assert codes(VALKEY, Version(8, 1, 1), "log-format", "json") == ["setting-value"]


def test_what_the_bundle_was_built_without_is_refused_for_the_bundle_alone() -> None:
    assert codes(BUNDLED, ANY, "activedefrag", "yes") == ["setting-refused-by-build"]
    assert codes(BUNDLED, ANY, "activedefrag", "no") == []
    assert codes(REDIS, ANY, "activedefrag", "yes") == []


def test_versions_without_a_table_get_the_nearest_lower_one_and_say_so() -> None:
    guess = table("redis", Version(7, 4, 3))
    assert (guess.series, guess.known) == ("redis 7.0", False)
    assert table("valkey", Version(9, 9, 9)).series == "valkey 9.1"
    assert table("valkey", Version(7, 2, 4)).series == "valkey 8.0"
    assert not table("valkey", Version(7, 2, 4)).known
    assert table("valkey", Version(8, 1, 4)).known
    assert [t.series for t in tables_in("redis", ANY)] == ["redis 7.0", "redis 8.0"]
    assert [t.known for t in tables_in("redis", VersionRange.parse("7.4"))] == [False]


def test_whether_a_restart_is_needed_depends_on_the_version() -> None:
    assert is_live(VALKEY, VALKEY9, "io-threads")
    assert not is_live(VALKEY, Version(8, 1, 1), "io-threads")
    assert is_live(REDIS, REDIS7, "maxmemory")
    assert not is_live(REDIS, REDIS7, "no-such-thing")


def test_lines_keep_several_arguments_apart_and_quote_one() -> None:
    limit = config_line(REDIS, REDIS7, "client-output-buffer-limit", "replica 512mb 128mb 60")
    assert limit == "client-output-buffer-limit replica 512mb 128mb 60"
    title = config_line(REDIS, REDIS7, "proc-title-template", "{title} {listen-addr}")
    assert title == 'proc-title-template "{title} {listen-addr}"'
    assert config_line(REDIS, REDIS7, "notify-keyspace-events", "") == 'notify-keyspace-events ""'


@pytest.mark.parametrize(
    ("name", "wanted", "found", "equal"),
    [
        ("maxmemory", "1gb", "1073741824", True),
        ("maxmemory", "1g", "1073741824", False),
        ("maxmemory-policy", "allkeys-LRU", "allkeys-lru", True),
        ("activerehashing", "YES", "yes", True),
        ("timeout", "0", "0", True),
        ("notify-keyspace-events", "KEA", "AKE", True),
        ("notify-keyspace-events", "KE$", "KEg", False),
        (
            "client-output-buffer-limit",
            "replica 512mb 128mb 60",
            "normal 0 0 0 slave 536870912 134217728 60 pubsub 33554432 8388608 60",
            True,
        ),
        (
            "client-output-buffer-limit",
            "replica 512mb 128mb 61",
            "normal 0 0 0 slave 536870912 134217728 60 pubsub 33554432 8388608 60",
            False,
        ),
        ("proc-title-template", "a b", "a  b", False),
    ],
)
def test_a_value_is_the_same_as_what_the_server_shows(name: str, wanted: str, found: str, equal: bool) -> None:
    assert same(REDIS, REDIS7, name, wanted, found) is equal


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_name_and_value_get_an_answer(name: str, value: str) -> None:
    for problem in check_setting(VALKEY, ANY, name, value):
        assert problem.code.startswith("setting-")


@pytest.mark.parametrize("product", ["redis", "valkey"])
def test_defaults_of_every_directive_are_right_by_our_own_rules(product: str) -> None:
    engine = {"redis": REDIS, "valkey": VALKEY}[product]
    for known in tables(product):
        for directive in known.directives.values():
            if directive.default is not None and directive.name != "client-output-buffer-limit":
                found = codes(engine, known.version, directive.name, directive.default)
                assert found in ([], ["setting-owned"]), (known.series, directive)

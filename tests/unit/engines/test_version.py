from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardwright.engines import REDIS, VALKEY, Version, VersionRange
from shardwright.errors import SpecError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("7.0.15", "7.0.15"),
        ("7:7.0.15-1~deb12u9", "7.0.15"),
        ("5:8.0.2-3+deb13u2", "8.0.2"),
        ("8.1.1+dfsg1-3+deb13u2", "8.1.1"),
        ("8.0.1+dfsg1-1~bpo12+1", "8.0.1"),
        ("9.1.2.post2", "9.1.2"),
        ("9.0.4-r0", "9.0.4"),
        ("9.0.0~rc1-1", "9.0.0-rc1"),
        ("9.0.0-rc3", "9.0.0-rc3"),
        ("7.2", "7.2.0"),
        (" 7.10.3\n", "7.10.3"),
    ],
)
def test_versions_of_servers_packages_and_people_are_read(text: str, shown: str) -> None:
    assert str(Version.parse(text)) == shown


def test_versions_sort_by_number_not_by_text_and_candidates_come_before_the_release() -> None:
    texts = ["8.10.0", "8.2.10", "8.2.9", "9.0.0-rc2", "9.0.0", "9.0.0-rc10", "7.0.15"]
    ordered = [str(v) for v in sorted(map(Version.parse, texts))]
    assert ordered == ["7.0.15", "8.2.9", "8.2.10", "8.10.0", "9.0.0-rc2", "9.0.0-rc10", "9.0.0"]


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("7.0", ["7.0.0", "7.0.15"], ["7.2.0", "8.0.2", "6.2.9"]),
        ("8.1.*", ["8.1.0", "8.1.6"], ["8.0.1", "8.2.0", "8.10.1"]),
        ("9.*", ["9.0.0", "9.1.2"], ["8.1.1", "10.0.0", "10.0.0-rc1"]),
        ("7.0.15", ["7.0.15"], ["7.0.14", "7.0.16"]),
        (">=7.0,<8", ["7.0.0", "7.4.3"], ["8.0.0", "8.0.0-rc1", "6.2.0"]),
        (">= 7.0 , < 8", ["7.4.3"], ["8.0.0"]),
        ("<=7.0", ["7.0.15"], ["7.2.0"]),
        (">8", ["9.0.0"], ["8.0.2", "8.10.0"]),
        (">7.0.15", ["7.0.16", "8.0.0"], ["7.0.15"]),
        ("any", ["7.0.0", "9.1.2"], []),
    ],
)
def test_ranges_hold_what_they_say(text: str, inside: list[str], outside: list[str]) -> None:
    wanted = VersionRange.parse(text)
    assert [v for v in inside if not wanted.contains(Version.parse(v))] == []
    assert [v for v in outside if wanted.contains(Version.parse(v))] == []
    assert str(wanted) == text.strip()


@pytest.mark.parametrize(
    ("given_", "code", "hint"),
    [
        ("7", "version-malformed", '">=7.0,<8"'),
        ("7.2.x", "version-malformed", '"7.2.*"'),
        ("lastest", "version-malformed", '"any"'),
        ("v7.0.15", "version-malformed", '"7.0.15"'),
        ("~8.1", "version-malformed", '"8.1"'),
        (">=v8", "version-malformed", '">=8"'),
        ("", "version-malformed", '"any"'),
        ("7.0,8.1", "version-malformed", '"any"'),
        (7.1, "version-not-text", '"7.1"'),
        (None, "version-not-text", "quotes"),
        (">=8,<7", "version-range-empty", ""),
        ("==7.0,>=7.2", "version-range-empty", ""),
    ],
)
def test_wrong_ranges_name_the_nearest_right_one(given_: object, code: str, hint: str) -> None:
    with pytest.raises(SpecError) as caught:
        VersionRange.parse(given_)
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == (code, "engine.version")
    assert hint in problem.hint


def test_a_yaml_float_is_refused_although_it_would_read_as_a_version() -> None:
    with pytest.raises(SpecError, match="version-not-text") as caught:
        VersionRange.parse(7.10)
    assert "7.10 is not 7.1" in caught.value.problems[0].hint


def test_series_that_never_were_are_refused_and_newer_ones_are_not() -> None:
    assert REDIS.check_range(VersionRange.parse("7.10"))[0].code == "version-not-released"
    assert "7.2" in VALKEY.check_range(VersionRange.parse("7.0"))[0].wanted
    assert REDIS.check_range(VersionRange.parse("8.12")) == ()
    assert VALKEY.check_range(VersionRange.parse("any")) == ()


@given(st.text(max_size=30))
def test_any_text_is_a_range_or_a_spec_error(text: str) -> None:
    with suppress(SpecError):
        assert str(VersionRange.parse(text)) == text.strip()


numbers = st.integers(0, 12)


@given(numbers, numbers, numbers, numbers, numbers)
def test_a_range_of_two_bounds_is_what_both_bounds_allow(a: int, b: int, c: int, d: int, patch: int) -> None:
    low, high, version = f">={a}.{b}", f"<{c}.{d}", Version(a, b, patch)
    if (a, b) >= (c, d):
        with pytest.raises(SpecError, match="version-range-empty"):
            VersionRange.parse(f"{low},{high}")
        return
    both = VersionRange.parse(f"{low},{high}").contains(version)
    assert both == (VersionRange.parse(low).contains(version) and VersionRange.parse(high).contains(version))

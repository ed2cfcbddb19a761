"""YAML to data with lines: against another YAML library, and on documents that want to do harm."""

from __future__ import annotations

import json

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from shardwright.adapters.spec_yaml import MAX_DEPTH, Document, path_text, read_yaml

SECRET = "hunter2hunter2"


def is_number(text: str) -> bool:
    """Such text another library may write without quotes (``1e100``), and is rightly asked to put in quotes."""
    try:
        float(text)
    except ValueError:
        return False
    return True


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12).filter(
    lambda text: not is_number(text)
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def codes(document: Document) -> list[str]:
    return [p.code for p in document.problems]


@given(st.dictionaries(words, values, min_size=1, max_size=4))
def test_json_is_read_as_json_does(data: dict[str, object]) -> None:
    document = read_yaml(json.dumps(data, indent=2))
    assert document.problems == []
    assert document.data == data


@given(st.dictionaries(words, values, min_size=1, max_size=4))
def test_what_another_library_writes_is_read_back(data: dict[str, object]) -> None:
    document = read_yaml(pyyaml.safe_dump(data, allow_unicode=True))
    assert document.problems == []
    assert document.data == data


def test_every_value_and_key_has_its_line() -> None:
    document = read_yaml("a: 1\n# comment\nb:\n  c: [x,\n    y]\n  d: {e: f}\nlist:\n- p\n- q: |\n    long\n    text\n")
    assert document.data == {"a": 1, "b": {"c": ["x", "y"], "d": {"e": "f"}}, "list": ["p", {"q": "long\ntext\n"}]}
    lines = {path_text(path): line for path, line in document.lines.items()}
    assert lines == {
        "": 1,
        "a": 1,
        "b": 4,
        "b.c": 4,
        "b.c[0]": 4,
        "b.c[1]": 5,
        "b.d": 6,
        "b.d.e": 6,
        "list": 8,
        "list[0]": 8,
        "list[1]": 9,
        "list[1].q": 9,
    }
    assert document.key_line(("b",)) == 3
    assert document.line(("b", "nothing", 3)) == 4


def test_crlf_and_comments_do_not_move_lines() -> None:
    document = read_yaml("# x\r\na: 1\r\n\r\nb: 2\r\n")
    assert document.data == {"a": 1, "b": 2}
    assert document.line(("b",)) == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("+5", 5),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ("tRue", "tRue"),
        ("nO", "nO"),
        ("7.0.15", "7.0.15"),
        ("'>=8,<10'", ">=8,<10"),
        ('"\\ud83d\\ude00"', "😀"),
        ("10.0.0.1", "10.0.0.1"),
        ("1e", "1e"),
        ("'no'", "no"),
        ('"0640"', "0640"),
        ("'7.10'", "7.10"),
        ("9" * 30, "9" * 30),
    ],
)
def test_scalars_are_of_yaml_1_2(text: str, value: object) -> None:
    document = read_yaml(f"a: {text}\n")
    assert document.problems == []
    assert document.data == {"a": value}
    assert type(document.data["a"]) is type(value)  # type: ignore[index]


AMBIGUOUS = "no Yes ON off 0640 0o640 0x10 0b1 1_000 22:30 .inf -.INF .nan 7.10 1e3 2026-11-01 1.50 12:30:45.5"


@pytest.mark.parametrize("text", AMBIGUOUS.split())
def test_what_yaml_versions_read_differently_is_refused_with_its_line(text: str) -> None:
    document = read_yaml(f"x: 1\na: {text}\n")
    assert [(p.code, p.path, p.line) for p in document.problems] == [("yaml-ambiguous", "a", 2)]
    assert f'"{text}"' in document.problems[0].hint


@pytest.mark.parametrize("word", ["yes", "no"])
def test_the_servers_own_words_need_no_quotes_in_settings(word: str) -> None:
    assert read_yaml(f"settings: {{appendonly: {word}}}").problems == []


def test_aliases_are_read_as_what_they_stand_for() -> None:
    document = read_yaml("a: &x {b: 1}\nc: *x\n")
    assert document.problems == []
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.line(("c", "b")) == 2


def test_an_alias_bomb_is_refused_before_it_is_expanded() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
    document = read_yaml("\n".join(rows))
    assert codes(document) == ["yaml-too-large"]
    assert document.problems[0].line < 8
    assert document.data is None


def test_an_alias_within_its_own_anchor_is_refused() -> None:
    assert codes(read_yaml("a: &a [1, *a]")) == ["yaml-unknown-alias"]


@pytest.mark.parametrize("text", ["[" * 5_000, "{a: " * 5_000, "- " * 5_000, "a: [" * 5_000])
def test_deep_nesting_is_refused(text: str) -> None:
    document = read_yaml(text)
    assert codes(document) in (["yaml-too-deep"], ["yaml-syntax"])


def test_the_limit_of_depth_is_where_it_is_said_to_be() -> None:
    assert read_yaml("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH).problems == []
    assert codes(read_yaml("[" * (MAX_DEPTH + 2) + "1" + "]" * (MAX_DEPTH + 2))) == ["yaml-too-deep"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\n\tb: 2\n", "yaml-tab", 2),
        ("a: [1\nb: 2", "yaml-syntax", 2),
        ("a: 'x\n", "yaml-syntax", 2),
        ("a: b: c", "yaml-syntax", 1),
        ("a: 1\n---\nb: 2", "yaml-several-documents", 2),
        ("%YAML 1.1\n---\na: 1", "yaml-version", 2),
        ("? [a, b]\n: 1", "yaml-key-not-text", 1),
        ("a: \x07", "yaml-character", 0),
        ("a: !!int 3", "yaml-tag", 1),
        ("a: !x {b: 1}", "yaml-tag", 1),
        ("!x\na: 1", "yaml-tag", 1),
        ("a: @b", "yaml-syntax", 1),
        ('a: "\\ud83d"', "yaml-character", 1),
        ("a: 1\na: 2", "yaml-duplicate-key", 2),
        ("a: {b: 1, 'b': 2}", "yaml-duplicate-key", 1),
    ],
)
def test_each_kind_of_damage_has_its_code(text: str, code: str, line: int) -> None:
    assert [(p.code, p.line) for p in read_yaml(text).problems] == [(code, line)]


@pytest.mark.parametrize(
    "written",
    [
        f"*{SECRET}",
        f"!{SECRET} x",
        f"!x!{SECRET} y",
        f"'{SECRET}",
        f'"{SECRET}\\q"',
        f"@{SECRET}",
        f"%{SECRET}",
        f"[{SECRET}",
        f"{SECRET}: x: y",
        f"`{SECRET}",
        f"&{SECRET} x",
        f"|{SECRET}",
        f">{SECRET}",
        f"{{{SECRET}",
    ],
)
def test_no_message_repeats_what_may_be_a_password(written: str) -> None:
    for text in (
        f"security: {{password: {written}}}",
        f"security:\n  password: {written}\n",
        f"requirepass: {written}",
    ):
        assert SECRET not in str(read_yaml(text).problems)

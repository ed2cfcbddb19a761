from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardwright.engines import quote, unquote
from shardwright.engines.quoting import split
from shardwright.errors import SpecError

printable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@given(printable)
def test_what_is_quoted_is_read_back(value: str) -> None:
    assert unquote(quote(value)) == value


@given(printable)
def test_a_quoted_value_is_one_ascii_line_and_one_word(value: str) -> None:
    written = quote(value)
    assert written.isascii()
    assert written.isprintable()
    assert split(f"requirepass {written}") == [b"requirepass", value.encode()]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", '""'),
        ("plain-1.2/3:4", "plain-1.2/3:4"),
        ("two words", '"two words"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("a\nb", '"a\\nb"'),
        ("#1", '"#1"'),
        ("it's", '"it\'s"'),
        ("ü", '"\\xc3\\xbc"'),
        ("{{ x }}", '"{{ x }}"'),
    ],
)
def test_known_forms(value: str, written: str) -> None:
    assert quote(value) == written


@pytest.mark.parametrize(
    ("text", "value"),
    [('"a\\x41\\t"', "aA\t"), ("'it\\'s'", "it's"), ("'a\\nb'", "a\\nb"), ('ab"c d"', "abc d"), ('"\\q"', "q")],
)
def test_forms_that_people_write_are_read_as_the_server_does(text: str, value: str) -> None:
    assert unquote(text) == value


@pytest.mark.parametrize("text", ['"foo"bar', '"open', "'open", "two words", ""])
def test_what_the_server_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unbalanced|words"):
        unquote(text)


@pytest.mark.parametrize(("value", "code"), [("a\0b", "value-has-nul"), ("secret-\ud800", "value-not-utf8")])
def test_what_no_server_can_hold_is_refused_without_showing_it(value: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        quote(value)
    assert caught.value.problems[0].code == code
    assert "secret" not in str(caught.value)

"""Quoting for shells and units, judged by other readers than the writer."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shardwright.core import config_text
from shardwright.errors import SpecError

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f\x85\u2028\u2029"))


def read_unit_word(text: str) -> str:
    """What systemd.syntax(7) and systemd.unit(5) make of one word: unquote, then replace %%."""
    if text.startswith('"'):
        assert text.endswith('"')
        text, out, chars = text[1:-1], "", iter(text[1:-1])
        for char in chars:
            assert char != '"', "the word ends early"
            out += next(chars) if char == "\\" else char
        text = out
    else:
        assert not set(text) & set(" \t\"'\\;"), "a bare word that systemd would split or unescape"
    literal = text.replace("%%", "")
    assert "%" not in literal, "a specifier"
    return text.replace("%%", "%")


@given(TEXT.filter(bool))
def test_a_unit_reads_what_was_written(value: str) -> None:
    assert read_unit_word(config_text.unit_word(value)) == value


@given(TEXT.filter(bool))
def test_a_units_command_reads_what_was_written(value: str) -> None:
    read = read_unit_word(config_text.unit_exec(value))
    assert "$" not in read.replace("$$", "")
    assert read.replace("$$", "$") == value


def test_the_instance_is_no_literal() -> None:
    assert config_text.unit_word("/data/50% off", "/%i") == '"/data/50%% off/%i"'
    assert config_text.unit_exec("/data", "/%i.conf") == "/data/%i.conf"


@settings(max_examples=40, deadline=None)
@given(TEXT)
def test_a_shell_reads_what_was_written(value: str) -> None:
    line = f"printf %s {config_text.sh(value)}"
    assert subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout.decode() == value


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_directive_is_one_line(value: str) -> None:
    with pytest.raises(SpecError) as caught:
        config_text.directive("requirepass", value)
    assert "a" not in caught.value.problems[0].found.split("characters")[0]

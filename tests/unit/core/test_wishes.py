"""What may be asked of one run beside the spec, from words to values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import shardwright
from shardwright.core.wishes import CONSENTS, bytes_a_second, consents, names, seconds, switch
from shardwright.errors import SpecError


@pytest.mark.parametrize(
    ("text", "size"),
    [("50mb", 50 * 2**20), ("50MB/s", 50 * 2**20), ("512k", 512_000), ("1048576", 2**20), (" 1gb ", 2**30)],
)
def test_a_limit_is_a_size_in_the_servers_words(text: str, size: int) -> None:
    assert bytes_a_second(text) == size


@pytest.mark.parametrize("text", ["", "fast", "0", "-5mb", "1.5mb", "50 mbit", "50mib"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        bytes_a_second(text)
    assert caught.value.code == "bandwidth-unreadable"
    assert caught.value.exit_code == 2
    assert "50mb" in str(caught.value)


def test_a_switch_is_what_pyinfra_makes_of_the_word() -> None:
    words = (True, "true", "Yes", 1, "on", False, "false", "no", 0, "OFF")
    assert [switch("restart", word) for word in words] == [True] * 5 + [False] * 5


@pytest.mark.parametrize("word", ["nope", "", None, "never", 2])
def test_what_is_neither_on_nor_off_becomes_none_of_the_two(word: object) -> None:
    with pytest.raises(SpecError) as caught:
        switch("restart", word)
    assert caught.value.code == "switch-unreadable"
    assert "yes or no" in str(caught.value)


def test_seconds_are_digits() -> None:
    assert [seconds("apt_lock_wait", value) for value in (0, "300", " 5 ")] == [0, 300, 5]
    for value in ("2m", "-1", "1.5", "", "٣"):
        with pytest.raises(SpecError) as caught:
            seconds("apt_lock_wait", value)
        assert caught.value.code == "seconds-unreadable"


def test_a_name_that_is_nearly_ours_is_refused_and_others_are_not() -> None:
    names(["restart", "ssh_user", "environment", "team"], {"restart", "confirm_data"})
    for given, meant in (("confirm-data", "confirm_data"), ("confrim_data", "confirm_data"), ("restat", "restart")):
        with pytest.raises(SpecError) as caught:
            names([given], {"restart", "confirm_data"})
        assert caught.value.code == "data-unknown"
        assert meant in str(caught.value)


def test_every_hazard_of_the_code_can_be_consented_to_and_nothing_else() -> None:
    texts = [file.read_text(encoding="utf-8") for file in Path(shardwright.__file__).parent.rglob("*.py")]
    pattern = r'Hazard\(\s*"([a-z-]+)"|^CONSENT = "([a-z-]+)"'
    found = {a or b for text in texts for a, b in re.findall(pattern, text, re.MULTILINE)}
    assert len(found) > 5
    assert found == CONSENTS


def test_a_consent_that_nobody_asks_for_is_refused_with_the_nearest() -> None:
    assert consents(["loses-shard", " moves-most-slots", ""]) == ("loses-shard", "moves-most-slots")
    with pytest.raises(SpecError) as caught:
        consents(["lose-shard", "loses-shard", "nonsense"])
    assert [(p.found, p.hint) for p in caught.value.problems] == [("'lose-shard'", "loses-shard"), ("'nonsense'", "")]
    assert caught.value.exit_code == 2

"""Every code that the source can give out is explained, and nothing else is."""

from __future__ import annotations

import fnmatch
import importlib.util
import re
from pathlib import Path

import pytest

from shardwright.core.explaining import CATALOGUE, codes, explain
from shardwright.core.explaining.catalogue import TABLES
from shardwright.errors import SpecError

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "deploy" / "shardwright"


def collected() -> dict[str, set[str]]:
    spec = importlib.util.spec_from_file_location("code_collector", Path(__file__).parent / "code_collector.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, set[str]] = module.collect(PACKAGE)
    for file in (*PACKAGE.rglob("*.sh"), *(ROOT / "templates").rglob("*.sh.j2")):
        for code in re.findall(r"\brefuse ([a-z]+(?:-[a-z]+)+)", file.read_text(encoding="utf-8")):
            found.setdefault(code, set()).add(file.name)
    return found


def test_the_collector_sees_codes_of_every_shape() -> None:
    found = collected()
    by_shape = {
        "stale-plan": "first argument of an error",
        "yaml-too-deep": "first argument of a problem",
        "resets-nonempty-node": "first argument of a hazard",
        "password-empty": "a tuple of a list that is looped over",
        "wait-timed-out": "first of a returned tuple",
        "several-failures": "one branch of a condition",
        "apt-locked": "a shell script",
        "*-loss-fatal": "a formatted string",
    }
    assert {code: shape for code, shape in by_shape.items() if code not in found} == {}


def test_every_code_of_the_source_is_explained() -> None:
    missing = {code: sorted(files) for code, files in collected().items() if not fnmatch.filter(CATALOGUE, code)}
    assert missing == {}


def test_nothing_is_explained_that_can_not_come_up() -> None:
    found = collected()
    assert [code for code in CATALOGUE if not any(fnmatch.fnmatchcase(code, pattern) for pattern in found)] == []


def test_no_code_is_in_two_tables() -> None:
    written = [code for table in TABLES for code in table]
    assert sorted(written) == sorted(set(written))


@pytest.mark.parametrize("code", codes())
def test_an_explanation_is_whole_and_fits_80_columns(code: str) -> None:
    text = explain(code)
    assert text.startswith(f"{code}\n")
    assert max(map(len, text.splitlines())) <= 80
    entry = CATALOGUE[code]
    for sentence in (entry.meaning, entry.cause, entry.remedy):
        assert sentence.strip() == sentence
        assert sentence.endswith((".", ":"))
        assert not re.search(r"\b(master|slave)s?\b", sentence)


def test_a_code_may_be_given_as_it_is_printed() -> None:
    assert explain("[bus-port-closed]") == explain("bus-port-closed")


def test_an_unknown_code_is_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError) as caught:
        explain("bus-port-close")
    assert caught.value.code == "code-unknown"
    assert caught.value.exit_code == 2
    assert "bus-port-closed" in str(caught.value)

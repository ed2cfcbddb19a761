"""docs/coverage.md is complete and true in form: every case has one row, and every test it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, section

PAGE = (ROOT / "docs" / "coverage.md").read_text()
SPEC_PAGE = (ROOT / "docs" / "spec.md").read_text()
GROUPS = {"A": 9, "B": 28, "C": 19, "D": 28}
BAD_INPUTS = 62
NAMED = re.compile(r"`(tests/[\w/]+\.py)((?:::\w+)*)`")


def rows() -> dict[str, list[str]]:
    """Case to the cells of its row."""
    found: dict[str, list[str]] = {}
    for line in PAGE.splitlines():
        if re.match(r"\| [A-D]\d+ \|", line):
            case, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            assert case not in found, f"{case} twice"
            found[case] = cells
    return found


@cache
def names_in(file: Path) -> set[str]:
    """Names as pytest knows them: functions and methods, the latter as Class::method."""
    body = ast.parse(file.read_text()).body
    names = {f.name for f in body if isinstance(f, ast.FunctionDef)}
    classes = [c for c in body if isinstance(c, ast.ClassDef)]
    return names | {f"{c.name}::{f.name}" for c in classes for f in c.body if isinstance(f, ast.FunctionDef)}


def test_every_case_has_a_row() -> None:
    assert list(rows()) == [f"{group}{n}" for group, last in GROUPS.items() for n in range(1, last + 1)]


def test_every_row_names_a_test_or_says_that_there_is_none() -> None:
    for case, (_, covered, _) in rows().items():
        assert bool(NAMED.search(covered)) != covered.startswith("no"), case


@pytest.mark.parametrize("page", ["coverage.md", "spec.md"])
def test_the_tests_that_are_named_exist(page: str) -> None:
    missing = []
    for path, name in NAMED.findall((ROOT / "docs" / page).read_text()):
        file = ROOT / path
        if not file.is_file() or (name and name.removeprefix("::") not in names_in(file)):
            missing.append(path + name)
    assert missing == []


def test_every_bad_input_is_said_to_be_covered_or_not() -> None:
    text = section(SPEC_PAGE, "Bad input that is covered")
    covered = {int(n) for cell in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE) for n in cell.split(",")}
    rest = text.split("Not covered:")[1]
    ranges = re.findall(r"(\d+) to (\d+)", rest)
    left = {int(n) for n in re.findall(r"\d+", rest)} | {n for a, b in ranges for n in range(int(a), int(b) + 1)}
    assert set(range(1, BAD_INPUTS + 1)) - covered - left == set()

"""Runs every case under `bad_input/`: a piece of a cluster.yml, and at the end of lines what must be said about that line.

    === 6 a port as text           the number is that of the table in docs/spec.md
    hosts:
      - {name: h1, address: 10.0.0.1, ports: ["6379 "]}   #! wrong-type hosts[0].ports[0] :: text "6379 "; write 6379

`#!` is followed by the problem's code, its path (`-` for none) and, after `::`, texts parted by `; ` that the problem
must contain. Several `#!` may follow on one line; `#?` is a warning. Top-level fields that a case leaves out are taken
from `REST`, below the case. The problems of a case must be exactly those, on exactly those lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from shardwright.adapters.spec_file import loads
from shardwright.errors import Problem, SpecError

CASES = Path(__file__).parent / "bad_input"
SPEC_PAGE = Path(__file__).parents[2] / "docs" / "spec.md"
PASSWORD = "correct horse battery staple"
REST = {
    "name": "name: cache",
    "engine": "engine: {product: valkey, version: '8.1'}",
    "hosts": "hosts: [" + ", ".join(f"{{name: h{n}, address: 10.0.0.{n}, zone: z{n % 3}}}" for n in range(1, 7)) + "]",
    "security": "security: {password: {env: PASSWORD}}",
}
MARK = re.compile(r"#([!?]) (\S+) (\S+)(?: :: (.*))?")


@dataclass(frozen=True)
class Case:
    number: int
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.number}-{self.title}"


def read_cases() -> list[Case]:
    found = []
    for file in sorted(CASES.glob("*.txt")):
        parts = re.split(r"^=== (\d+) (.*)\n", file.read_text("utf-8"), flags=re.MULTILINE)[1:]
        found += [
            Case(int(n), title, text) for n, title, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        ]
    return found


def expected(text: str) -> list[tuple[int, str, str, str, list[str]]]:
    """(line, ! or ?, code, path, texts), read off the marks."""
    marks = []
    for number, line in enumerate(text.splitlines(), 1):
        for part in re.findall(r"#[!?].*?(?=\s*#[!?]|$)", line):
            found = MARK.fullmatch(part.strip())
            assert found, f"no mark: {part}"
            kind, code, path, texts = found.groups()
            marks.append((number, kind, code, "" if path == "-" else path, (texts or "").split("; ")))
    return marks


def complete(text: str) -> str:
    own = "".join(
        f"{line}\n" for key, line in REST.items() if not re.search(rf"^['\"]?{key}['\"]?\s*:", text, re.MULTILINE)
    )
    return text.rstrip("\n") + "\n" + own


def problems_of(text: str) -> tuple[tuple[Problem, ...], str]:
    try:
        _, warnings = loads(text, directory=Path("/nonexistent"), env={"PASSWORD": PASSWORD})
    except SpecError as error:
        return error.problems, str(error)
    return warnings, ""


@pytest.mark.parametrize("case", read_cases(), ids=str)
def test_bad_input(case: Case) -> None:
    wanted = expected(case.text)
    found, shown = problems_of(complete(case.text))
    assert [(p.line, p.code, p.path) for p in found] == [(w[0], w[2], w[3]) for w in wanted], shown
    assert wanted, "a case must expect something"
    assert bool(shown) == any(kind == "!" for _, kind, *_ in wanted)
    for problem, (*_, texts) in zip(found, wanted, strict=True):
        said = f"{problem.found}\n{problem.wanted}\n{problem.hint}"
        for text in texts:
            assert text in said


def test_the_rest_of_every_case_is_right_by_itself() -> None:
    assert problems_of(complete("")) == ((), "")


def test_the_page_lists_the_numbers_that_have_cases() -> None:
    """The table in docs/spec.md says of each bad input by what it is covered; no number is claimed without a case."""
    listed = re.findall(r"^\| (\d+) \|.*\| (?:case|cases)\b", SPEC_PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted({c.number for c in read_cases()}) == sorted(map(int, listed))

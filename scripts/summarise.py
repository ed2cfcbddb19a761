"""Sums up what scripts/test ran: what failed, what could not be run and why, and the counts as the last line.

Reads pytest's JUnit files and the notes that scripts/test leaves beside them. A section without results, or that ended
badly although all its tests passed, counts as one failure: silence is no success. Exit code 0: nothing failed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

TESTS_FAILED = 1
NOTHING_COLLECTED = 5


@dataclass
class Sum:
    """Counts, and what is said of failures and of what was not run."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skips: Counter[str] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)


def read_section(total: Sum, results: Path, name: str, code: int) -> None:
    """Add the tests of one pytest run that ended with `code`."""
    file = results / f"{name}.xml"
    before = len(total.failures)
    found = False
    try:
        for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314 - pytest wrote it just now
            found = True
            read_case(total, case)
    except (OSError, ElementTree.ParseError):
        total.failures.append(f"the {name} tests left no results: pytest ended with {code}")
        return
    read_again(total, results / f"{name}-again.xml")
    if not found and code in (0, NOTHING_COLLECTED):
        total.failures.append(f"there were no {name} tests to run")
    elif code not in (0, TESTS_FAILED) or (code == TESTS_FAILED and len(total.failures) == before and not total.again):
        total.failures.append(f"the {name} tests: pytest ended with {code}")


def read_again(total: Sum, file: Path) -> None:
    """Tests of real servers and hosts that failed beside others and passed alone: counted as passed, and named."""
    if not file.exists():
        return
    once_more = Sum()
    for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314 - pytest wrote it just now
        name = f"{case.get('classname', '')}.{case.get('name', '')}".lstrip(".")
        read_case(once_more, case)
        if once_more.passed and name in total.failures:
            total.failures.remove(name)
            total.again.append(name)
            total.passed += 1
        once_more = Sum()


def read_case(total: Sum, case: ElementTree.Element) -> None:
    """Add one test."""
    name = f"{case.get('classname', '')}.{case.get('name', '')}".lstrip(".")
    skipped = case.find("skipped")
    if case.find("failure") is not None or case.find("error") is not None:
        total.failures.append(name)
    elif skipped is not None:
        module = case.get("classname") or case.get("name") or "?"
        total.skips[f"{module}: {skipped.get('message') or 'no reason given'}"] += 1
    else:
        total.passed += 1


def read_notes(results: Path) -> Iterator[list[str]]:
    """The notes of scripts/test, each as its fields."""
    for line in (results / "notes").read_text().splitlines():
        yield line.split("\t")


def main(results: Path) -> int:
    """Print the summary; 1 where something failed."""
    total = Sum()
    for note in read_notes(results):
        match note:
            case ["section", name, code]:
                read_section(total, results, name, int(code))
            case ["passed", _]:
                total.passed += 1
            case ["failed", what]:
                total.failures.append(what)
            case ["not run", what, reason]:
                total.skips[f"{what}: {reason}"] += 1
            case other:
                total.failures.append(f"scripts/test left a note that says nothing: {other}")
    print("\n==== summary ====\n")
    for failure in total.failures:
        print(f"FAILED  {failure}")
    for name in total.again:
        print(f"PASSED ONLY ALONE  {name}")
    for reason, count in total.skips.items():
        print(f"SKIPPED {f'{count} x ' if count > 1 else ''}{reason}")
    print(f"{total.passed} passed, {len(total.failures)} failed, {total.skips.total()} skipped")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

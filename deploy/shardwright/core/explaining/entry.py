"""One explanation, and how a table of them is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code means, where it comes up, why, and what to do; whole sentences, except `where`."""

    meaning: str
    where: str
    cause: str
    remedy: str


def table(where: str, rows: Mapping[str, tuple[str, str, str]]) -> dict[str, Entry]:
    """Entries by code from rows of (meaning, cause, remedy) that come up at the same place."""
    return {code: Entry(meaning, where, cause, remedy) for code, (meaning, cause, remedy) in rows.items()}

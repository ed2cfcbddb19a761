"""Versions of bundled engines that no cluster and no process of a host uses any more: which they are, and how they go. Pure.

The host says what is unused, twice: when it is listed, and when each goes. So a version that a deploy of another cluster has
taken meanwhile stays. What is no version that a bundle's installation made is never touched, whatever its name.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ..report_text import size
from .changes import Change, Remove
from .questions import script

LIST_SECONDS = 60
KEPT = 1
"""Unused versions that stay unless told otherwise: the one before, for the way back."""
COMPLETE = "complete"


class Pruning(StrEnum):
    """The one batch of a pruning; the value is the name of the operation."""

    VERSIONS = "Remove old versions"


@dataclass(frozen=True, slots=True)
class Unused:
    """A version that nothing uses; `kib` is its size."""

    directory: str
    kib: int


def listing(prefix: str) -> str:
    """A script that lists the unused versions below `prefix`, newest first, and last the line `COMPLETE`."""
    return f"{script('prune.sh')}\nunused {shlex.quote(prefix)}; printf '{COMPLETE}\\n'\n"


def parse(lines: Iterable[str]) -> list[Unused]:
    """What the listing says, newest first; a line of another form is passed over."""
    rows = [line.split("\t") for line in lines]
    return [Unused(row[2], int(row[1])) for row in rows if len(row) == 3 and row[0].isdecimal() and row[1].isdecimal()]


def drops(prefix: str, found: Iterable[Unused]) -> tuple[Change, ...]:
    """What removes them."""
    return tuple(
        Change(
            Pruning.VERSIONS,
            f"remove {unused.directory} ({size(unused.kib * 1024)})",
            Remove(("drop_version", prefix, unused.directory)),
        )
        for unused in found
    )

"""`explain`: what a code means, why it comes up, and what to do. Pure; the entries are data beside this file.

An entry says what no message can: a message has one case's numbers, an entry the reasons behind the rule.
"""

from __future__ import annotations

import difflib
import textwrap

from ...errors import Problem, SpecError
from .catalogue import CATALOGUE
from .entry import Entry

__all__ = ["CATALOGUE", "Entry", "codes", "explain"]

_WIDTH = 80


def codes() -> tuple[str, ...]:
    """All codes that can be explained, sorted."""
    return tuple(sorted(CATALOGUE))


def explain(code: str) -> str:
    """The entry of `code` as text of at most 80 columns, ending in a newline.

    Args:
        code: as printed, with or without its brackets.

    Raises:
        SpecError: ``code-unknown``, with the nearest codes there are.
    """
    name = code.strip().strip("[]").lower()
    entry = CATALOGUE.get(name)
    if entry is None:
        raise _unknown(name)
    parts = [name, "=" * len(name), _filled(entry.meaning), ""]
    parts += [_filled(f"Where: {entry.where}."), "", "Why", _filled(entry.cause, "  "), ""]
    parts += ["What to do", _filled(entry.remedy, "  ")]
    return "\n".join(parts) + "\n"


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _unknown(name: str) -> SpecError:
    near = difflib.get_close_matches(name, CATALOGUE, n=3, cutoff=0.5)
    hint = f"{', '.join(near)} is meant?" if near else "give a code as it stands in brackets, such as bus-port-closed"
    return SpecError([Problem("code-unknown", "", repr(name[:60]), "a code of shardwright", hint)], file="command line")

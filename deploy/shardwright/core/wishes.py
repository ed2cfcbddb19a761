"""What a user may ask of one run beside the spec, from the words of an option to a value. Pure; knows no command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..engines.values import bytes_of
from ..errors import Problem, SpecError

CONSENTS = frozenset(
    {
        "drops-last-replica",
        "leaves-other-cluster",
        "loses-shard",
        "moves-most-slots",
        "resets-nonempty-node",
        "restart-loses-keys",
        "restarts-without-replica",
        "restores-identity",
    }
)
"""All that can be consented to by name; a test holds them against the code."""
_WANTED = "a size in a second, in the servers' own words: 50mb, 512kb, 1gb"


def bytes_a_second(text: str) -> float:
    """The limit that ``50mb`` or ``50mb/s`` means, in bytes a second.

    Raises:
        SpecError: ``bandwidth-unreadable``.
    """
    size = bytes_of(text.strip().lower().removesuffix("/s").removesuffix("ps"))
    if not size:
        raise SpecError([Problem("bandwidth-unreadable", "", repr(text[:60]), _WANTED)], file="bandwidth")
    return float(size)


def consents(words: Iterable[str]) -> tuple[str, ...]:
    """The names that were given, if each is one that a run can ask for: a misspelt one would only be missed later.

    Raises:
        SpecError: ``consent-unknown``.
    """
    given = tuple(word.strip() for word in words if word.strip())
    problems = []
    for word in given:
        if word not in CONSENTS:
            near = difflib.get_close_matches(word, CONSENTS, n=1)
            wanted = f"one of {', '.join(sorted(CONSENTS))}"
            problems.append(Problem("consent-unknown", "", repr(word[:60]), wanted, near[0] if near else ""))
    if problems:
        raise SpecError(problems, file="allow")
    return given


def truth(value: object) -> bool:
    """Whether a ``--data`` value that is a switch is on: pyinfra makes some words into values."""
    return str(value).lower() in ("true", "yes", "on", "1")

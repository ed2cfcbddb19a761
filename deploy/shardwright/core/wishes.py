"""What a user may ask of one run beside the spec, from the words of an option to a value. Pure; knows no command line."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

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
_SWITCHES = {
    **dict.fromkeys(("yes", "true", "on", "1", "y"), True),
    **dict.fromkeys(("no", "false", "off", "0", "n"), False),
}
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


def names(given: Iterable[str], known: Collection[str]) -> None:
    """Refuse a name that is nearly a known one; all others are somebody else's.

    Raises:
        SpecError: ``data-unknown``.
    """
    problems = []
    for name in given:
        near = (
            [] if name in known else difflib.get_close_matches(name.replace("-", "_").lower(), known, n=1, cutoff=0.8)
        )
        if near:
            problems.append(Problem("data-unknown", "", repr(name[:60]), f"{near[0]}, if that is meant"))
    if problems:
        raise SpecError(problems, file="--data")


def switch(name: str, value: object) -> bool:
    """Whether what was given for `name` means on or off: pyinfra makes some words into values.

    Raises:
        SpecError: ``switch-unreadable``: what is neither must not become one of the two by chance.
    """
    word = str(value).strip().lower()
    if word not in _SWITCHES:
        raise SpecError([Problem("switch-unreadable", "", repr(str(value)[:60]), "yes or no")], file=name)
    return _SWITCHES[word]


def seconds(name: str, value: object) -> int:
    """The whole seconds that were given for `name`.

    Raises:
        SpecError: ``seconds-unreadable``.
    """
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal()):
        wanted = "a whole number of seconds, 0 or more"
        raise SpecError([Problem("seconds-unreadable", "", repr(text[:60]), wanted)], file=name)
    return int(text)

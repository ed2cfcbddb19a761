"""What a user may ask of one run beside the spec, from the words of an option to a value. Pure; knows no command line."""

from __future__ import annotations

from ..engines.values import bytes_of
from ..errors import Problem, SpecError

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


def truth(value: object) -> bool:
    """Whether a ``--data`` value that is a switch is on: pyinfra makes some words into values."""
    return str(value).lower() in ("true", "yes", "on", "1")

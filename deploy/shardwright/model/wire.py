"""What goes to servers and what comes back: commands and replies as plain values.

Knows nothing of how they travel. They are nouns because both the pure parser and the ports need them: a parser that took
them from the ports would turn the direction of imports round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .observation import Silence
from .secret import Secret


@dataclass(frozen=True, slots=True)
class ReplyError:
    """An error that the server answered, such as ``ERR Unknown node``."""

    message: str


Command = tuple[str | bytes | int | Secret, ...]
Reply = bytes | int | list["Reply"] | ReplyError | None
Answer = Sequence[Reply] | Silence

"""How servers stand to the passwords of `cluster.yml`: which of them they take, and with which they replicate.

Holds names of passwords, never a password or a hash of one, so that it can be compared, printed and planned on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Given(StrEnum):
    """What a client may come with: a password by its field under `security`, or nothing."""

    PASSWORD = "password"  # noqa: S105 - a field's name
    PREVIOUS = "previous"
    RETIRED = "retired"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Standing:
    """One server's default user, and how the server itself logs in at its primary.

    Attributes:
        takes: what a client may log in with; `NOTHING` of a server that is open to all.
        unnamed: number of further passwords that it takes and `cluster.yml` does not name.
        replicates: whether `masterauth` is `security.password`.
        user: `masteruser`, the name that it logs in with; empty for none.
        kept: whether `requirepass` is `security.password`: what CONFIG REWRITE would write.
    """

    takes: frozenset[Given]
    unnamed: int = 0
    replicates: bool = True
    user: str = ""
    kept: bool = True

    @property
    def open(self) -> bool:
        """Whether it takes commands without a password."""
        return Given.NOTHING in self.takes

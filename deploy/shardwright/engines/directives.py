"""Which configuration directives each product and series knows: tables that real servers wrote (`data/*.json`).

Knows nothing of what shardwright wants of them: see `owned` and `settings`.
A version without a table of its own gets the nearest lower one of its product, and `Table.known` is then false, so that
callers can say that they are guessing; `scripts/engine-directives` makes a table of any server binary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from .version import Version, VersionRange


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive as one server knows it.

    Attributes:
        kind: ``bool``, ``int``, ``octal``, ``memory``, ``memory-or-percent``, ``enum``, ``string`` or ``special``.
        live: `CONFIG SET` may change it; else it needs a restart.
        default: what a server without configuration has; none where that depends on the machine.
        values: of an enum.
        span: lowest and highest integer.
        words: takes several arguments in the file (``save 3600 1``), so they are not one quoted value.
        alias: the current name, where this one is an older spelling.
        hidden: not listed by ``CONFIG GET *``.
        file_only: only the configuration file knows it.
        refuses: values that this build refuses, with its reason.
    """

    name: str
    kind: str
    live: bool
    default: str | None = None
    values: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    words: bool = False
    alias: str | None = None
    hidden: bool = False
    file_only: bool = False
    refuses: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """The directives of one server. `known` is false where the table is of an older series than was asked for."""

    product: str
    version: Version
    directives: Mapping[str, Directive]
    known: bool = True

    def get(self, name: str) -> Directive | None:
        """The directive of that name; the server ignores case."""
        return self.directives.get(name.lower())

    def canonical(self, name: str) -> str:
        """The current spelling of `name` (``slave-priority`` -> ``replica-priority``)."""
        directive = self.get(name)
        return (directive.alias if directive else None) or name.lower()

    @property
    def series(self) -> str:
        """Such as ``valkey 8.1``."""
        return f"{self.product} {self.version.major}.{self.version.minor}"


@cache
def tables(product: str) -> tuple[Table, ...]:
    """Every table of a product (``redis`` or ``valkey``), oldest first."""
    directory = files(__package__) / "data"
    read = [_read(f.read_text("utf-8")) for f in directory.iterdir() if f.name.startswith(f"{product}-")]
    return tuple(sorted(read, key=lambda t: t.version.series))


def table(product: str, version: Version) -> Table:
    """The table for a version: its own series', else the nearest lower one's, else the lowest."""
    fitting = [t for t in tables(product) if t.version.series <= version.series]
    chosen = fitting[-1] if fitting else tables(product)[0]
    return chosen if chosen.version.series == version.series else _guess(chosen)


def tables_in(product: str, wanted: Version | VersionRange) -> tuple[Table, ...]:
    """The tables that a version or a range may mean, oldest first; at least one."""
    if isinstance(wanted, Version):
        return (table(product, wanted),)
    touched = tuple(t for t in tables(product) if wanted.touches(t.version.series))
    if touched:
        return touched
    return (table(product, wanted.low),)


def _guess(chosen: Table) -> Table:
    return Table(chosen.product, chosen.version, chosen.directives, known=False)


def _read(text: str) -> Table:
    raw = json.loads(text)
    directives = {name: _directive(name, row) for name, row in raw["directives"].items()}
    return Table(raw["product"], Version.parse(raw["version"]), directives)


def _directive(name: str, row: dict[str, object]) -> Directive:
    values, span, refuses = row.get("values", []), row.get("range"), row.get("refuses", {})
    assert isinstance(values, list)
    assert isinstance(refuses, dict)
    default, alias = row.get("default"), row.get("alias")
    return Directive(
        name=name,
        kind=str(row["type"]),
        live=row["live"] is True,
        default=None if default is None else str(default),
        values=tuple(values),
        span=(span[0], span[1]) if isinstance(span, list) else None,
        words=row.get("words") is True,
        alias=None if alias is None else str(alias),
        hidden=row.get("hidden") is True,
        file_only=row.get("file") is True,
        refuses=tuple(refuses.items()),
    )

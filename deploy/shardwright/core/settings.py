"""Whether a setting that a server runs with is the one that was written: `1gb` and `1073741824` are equal.

Knows the forms in which `CONFIG GET` answers; what each directive is comes from the engine's tables.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..engines.directives import Directive, table
from ..engines.version import Version

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": 1 << 10, "m": 1000**2, "mb": 1 << 20, "g": 1000**3, "gb": 1 << 30}


def differing(wanted: Mapping[str, str], found: Mapping[str, str], product: str, version: str) -> dict[str, str]:
    """The wanted settings that a server of this product and version does not run with, by name; names it lacks too."""
    return {name: value for name, value in wanted.items() if not _holds(name, value, found, product, version)}


def is_live(name: str, product: str, version: str) -> bool:
    """Whether the server takes the setting by `CONFIG SET`."""
    directive = _directive(name, product, version)
    return directive is not None and directive.live


def _holds(name: str, value: str, found: Mapping[str, str], product: str, version: str) -> bool:
    seen = found.get(name.lower())
    if seen is None:
        return False
    directive = _directive(name, product, version)
    if name == "client-output-buffer-limit":
        return _buffer_limits(value).items() <= _buffer_limits(seen).items()
    return canonical(value, directive) == canonical(seen, directive)


def _directive(name: str, product: str, version: str) -> Directive | None:
    return table(product, Version.parse(version)).get(name) if version else None


def canonical(value: str, directive: Directive | None) -> str:
    """A value in the form that compares equal to any other spelling of it."""
    kind = directive.kind if directive else "string"
    text = " ".join(value.split())
    if kind in ("bool", "enum"):
        return text.lower()
    if kind.startswith("memory"):
        return str(_bytes(text))
    if kind in ("int", "octal"):
        return text.lstrip("0") or "0"
    if kind == "special":
        return "" if text in ('""', "''") else text
    return text


def _bytes(text: str) -> int | str:
    digits = text.rstrip("bBkKmMgG")
    unit = _UNITS.get(text[len(digits) :].lower())
    return int(digits) * unit if unit and digits.lstrip("-").isdigit() else text


def _buffer_limits(text: str) -> dict[str, tuple[int | str, ...]]:
    words = text.lower().split()
    rows = [words[i : i + 4] for i in range(0, len(words), 4)]
    return {("replica" if r[0] == "slave" else r[0]): tuple(map(_bytes, r[1:])) for r in rows if len(r) == 4}

"""Which wanted settings a server does not run with, in the engine's own terms: `1gb` and `1073741824` are equal."""

from __future__ import annotations

from collections.abc import Mapping

from ..engines import engine_of, same
from ..engines import is_live as engine_is_live
from ..engines.version import Version
from ..errors import SpecError


def differing(wanted: Mapping[str, str], found: Mapping[str, str], product: str, version: str) -> dict[str, str]:
    """The wanted settings that a server of this product and version does not run with, by name; names it lacks too."""
    return {name: value for name, value in wanted.items() if not _holds(name, value, found, product, version)}


def is_live(name: str, product: str, version: str) -> bool:
    """Whether the server takes the setting by `CONFIG SET`."""
    try:
        return engine_is_live(engine_of(product), Version.parse(version), name)
    except SpecError:
        return False


def _holds(name: str, value: str, found: Mapping[str, str], product: str, version: str) -> bool:
    seen = found.get(name.lower())
    if seen is None:
        return False
    try:
        return same(engine_of(product), Version.parse(version), name, value, seen)
    except SpecError:
        return value == seen

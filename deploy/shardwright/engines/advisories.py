"""Which versions are known to be insecure, and the first fixed ones; offline, as of November 2026.

Pure data. A distribution's package carries fixes under its own suffix (``7.0.15-1~deb12u7``), which a server does not
say, so for packages this can be a warning only; for a bundle, whose version is the upstream one, it is exact enough.
"""

from __future__ import annotations

from dataclasses import dataclass

from .product import Engine
from .version import Version


@dataclass(frozen=True, slots=True)
class Advisory:
    """One reason to upgrade: CVE ids or a name, what it allows, and the first fixed version to go to."""

    code: str
    reason: str
    fixed: Version


_LUA = ("CVE-2025-49844", "a Lua script runs code in the server")
_OUTPUT = ("CVE-2025-21605", "a client without password fills the memory with output")
_BUS = ("CVE-2026-21863", "one packet to the bus port reads out of bounds and may crash the server")
_FLOOR = ("2026-releases", "several memory-safety fixes of 2026: unblocking, RESTORE and RDB parsing, bus, TLS")

_FIXED: dict[str, tuple[tuple[tuple[str, str], tuple[str, ...]], ...]] = {
    "redis": (
        (_OUTPUT, ("7.2.8", "7.4.3")),
        (_LUA, ("7.2.11", "7.4.6", "8.0.4", "8.2.2")),
        (_FLOOR, ("8.2.10", "8.4.7", "8.6.7", "8.8.3", "8.10.2")),
    ),
    "valkey": (
        (_OUTPUT, ("7.2.9", "8.0.3", "8.1.1")),
        (_LUA, ("7.2.11", "8.0.6", "8.1.4")),
        (_BUS, ("7.2.12", "8.0.7", "8.1.6", "9.0.2")),
        (_FLOOR, ("8.0.10", "9.0.5", "9.1.1")),
    ),
}


def advisories(engine: Engine, version: Version) -> tuple[Advisory, ...]:
    """Known weaknesses of a version, with the first fixed version of its own series or else the next one."""
    found = []
    for (code, reason), fixes in _FIXED[engine.product]:
        fixed = _first_fixed(version, [Version.parse(f) for f in fixes])
        if fixed is not None:
            found.append(Advisory(code, reason, fixed))
    return tuple(found)


def _first_fixed(version: Version, fixes: list[Version]) -> Version | None:
    """None where the version has the fix: its own series does, or it is newer than every fixed series."""
    own = next((f for f in fixes if f.series == version.series), None)
    if own is not None:
        return own if version < own else None
    return next((f for f in fixes if f > version), None)

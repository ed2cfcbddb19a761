"""Versions of an engine and ranges of them, as written in a spec, by a package or by a server.

Knows no product: which versions exist is `product`'s and `directives`' business.
A distribution's suffix (``7:7.0.15-1~deb12u9``) is dropped, so two packages that differ only in their patches are the
same version here; whoever needs the package compares the package.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from shardwright.errors import Problem, SpecError

_VERSION = re.compile(r"(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?(?:[-~.]?rc\.?(\d+))?(?:[-+~.].*)?")
_BOUND = re.compile(r"(>=|<=|==|=|>|<)\s*(\d+(?:\.\d+){0,2})")
_OPERATORS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_FORMS = 'a series ("8.1" or "8.1.*"), one version ("7.0.15"), bounds (">=7.0,<8"), or "any"'


@dataclass(frozen=True, slots=True)
class Version:
    """Three numbers; `candidate` is a release candidate's number, which sorts before the release itself."""

    major: int
    minor: int
    patch: int = 0
    candidate: int | None = None

    @classmethod
    def parse(cls, text: str) -> Version:
        """Reads a server's, package's or person's version; epoch and distribution suffix are dropped.

        Raises:
            SpecError: ``version-malformed``.
        """
        found = _VERSION.fullmatch(text.strip())
        if found is None:
            raise _malformed(text, "a version such as 7.0.15")
        major, minor, patch, candidate = found.groups()
        return cls(int(major), int(minor), int(patch or 0), int(candidate) if candidate else None)

    @property
    def series(self) -> tuple[int, int]:
        """Major and minor number."""
        return self.major, self.minor

    def _key(self) -> tuple[int, int, int, int, int]:
        released = self.candidate is None
        return self.major, self.minor, self.patch, int(released), self.candidate or 0

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __le__(self, other: Version) -> bool:
        return self._key() <= other._key()

    def __gt__(self, other: Version) -> bool:
        return self._key() > other._key()

    def __ge__(self, other: Version) -> bool:
        return self._key() >= other._key()

    def __str__(self) -> str:
        tail = "" if self.candidate is None else f"-rc{self.candidate}"
        return f"{self.major}.{self.minor}.{self.patch}{tail}"


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Every version that all `bounds` (operator, version) allow; no bounds allow any."""

    bounds: tuple[tuple[str, Version], ...] = ()
    text: str = "any"

    @classmethod
    def parse(cls, text: object) -> VersionRange:
        """Reads what a spec says of the version; anything but text is refused, as YAML makes 7.1 of 7.10.

        Raises:
            SpecError: ``version-malformed``, ``version-not-text`` or ``version-range-empty``, path ``engine.version``.
        """
        if not isinstance(text, str):
            found = f"{text!r} ({type(text).__name__})"
            raise _error("version-not-text", found, "quoted text", f'write "{text}" in quotes; 7.10 is not 7.1')
        plain = text.strip()
        if plain == "any":
            return cls()
        if (series := re.fullmatch(r"(\d+)\.(\d+)(?:\.\*)?", plain)) is not None:
            return cls(_within(int(series[1]), int(series[2])), plain)
        if (whole := re.fullmatch(r"(\d+)\.\*", plain)) is not None:
            low, high = Version(int(whole[1]), 0), Version(int(whole[1]) + 1, 0)
            return cls(((">=", low), ("<", high)), plain)
        if re.fullmatch(r"\d+\.\d+\.\d+(?:[-~]?rc\d+)?", plain):
            return cls((("==", Version.parse(plain)),), plain)
        parts = [_BOUND.fullmatch(part.strip()) for part in plain.split(",")]
        if not plain or None in parts:
            raise _malformed(text, _FORMS)
        bounds = tuple((_operator(p[1]), _filled(p[2])) for p in parts if p is not None)
        return cls(bounds, plain)._checked()

    def contains(self, version: Version) -> bool:
        """Whether `version` fits every bound."""
        return all(_OPERATORS[op](version, bound) for op, bound in self.bounds)

    def touches(self, series: tuple[int, int]) -> bool:
        """Whether any version of the series major.minor fits."""
        return self._meets(Version(*series), Version(series[0], series[1] + 1))

    def _meets(self, low: Version, high: Version) -> bool:
        for op, bound in self.bounds:
            if op in (">=", ">", "=="):
                low = max(low, bound, key=Version._key)
        for op, bound in self.bounds:
            if op == "<" or (op == "<=" and low > bound):
                high = min(high, bound, key=Version._key)
            if op == "==" and bound != low:
                return False
        if any(op == ">" and bound == low for op, bound in self.bounds):
            low = Version(low.major, low.minor, low.patch + 1)
        return low < high and all(_OPERATORS[op](low, b) for op, b in self.bounds)

    def _checked(self) -> VersionRange:
        if not self._meets(Version(0, 0), Version(10**6, 0)):
            raise _error("version-range-empty", self.text, "bounds that some version fits", "swap the bounds")
        return self

    def __str__(self) -> str:
        return self.text


def _within(major: int, minor: int) -> tuple[tuple[str, Version], ...]:
    return (">=", Version(major, minor)), ("<", Version(major, minor + 1))


def _operator(text: str) -> str:
    return "==" if text == "=" else text


def _filled(text: str) -> Version:
    numbers = [int(n) for n in text.split(".")] + [0, 0]
    return Version(*numbers[:3])


def _malformed(text: str, wanted: str) -> SpecError:
    shown = text if len(text) < 60 else text[:57] + "..."
    return _error("version-malformed", repr(shown), wanted, _hint(text.strip()))


def _hint(text: str) -> str:
    """The nearest thing that would be taken."""
    if (series := re.fullmatch(r"v?(\d+\.\d+)\.[xX]", text)) is not None:
        return f'write "{series[1]}.*"'
    if (lead := re.fullmatch(r"[vV=~^]*\s*(\d+\.\d+(?:\.\d+)?)\.?", text)) is not None:
        return f'write "{lead[1]}"'
    if (major := re.fullmatch(r"[vV]?(\d+)", text)) is not None:
        return f'write ">={major[1]}.0,<{int(major[1]) + 1}" or name the series, as in "{major[1]}.0"'
    if (short := re.fullmatch(r"((?:>=|<=|==|>|<)\s*)[vV](.*)", text)) is not None:
        return f'write "{short[1]}{short[2]}"'
    return 'write "any" for whatever the host has, or a series such as "8.1"'


def _error(code: str, found: str, wanted: str, hint: str) -> SpecError:
    return SpecError([Problem(code, "engine.version", found, wanted, hint)])

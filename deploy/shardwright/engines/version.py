"""Versions of an engine and ranges of them, as written in a spec, by a package or by a server.

Knows no product: which versions exist is `product`'s and `directives`' business.
A distribution's suffix (``7:7.0.15-1~deb12u9``) is dropped, so two packages that differ only in their patches are the
same version here; whoever needs the package compares the package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from shardwright.errors import Problem, SpecError

_VERSION = re.compile(r"(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?(?:[-~.]?rc\.?(\d+))?(?:[-+~.].*)?")
_EXACT = re.compile(r"=?=?\s*(\d+\.\d+\.\d+(?:[-~]?rc\d+)?)")
_SERIES = re.compile(r"(\d+(?=\.\*)|\d+\.\d+)(?:\.\*)?")
_BOUND = re.compile(r"(>=|<=|==|>|<)\s*(\d+(?:\.\d+){0,2})")
_FORMS = 'a series ("8.1" or "8.1.*"), one version ("7.0.15"), bounds (">=7.0,<8"), or "any"'


@dataclass(frozen=True, slots=True)
class Version:
    """Three numbers; `candidate` is a release candidate's number, which sorts before the release itself.

    Candidate 0 is no release: as an upper bound it stands before every candidate of the release that it names.
    """

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
    """Versions from `low` on, and below `high` where there is one; `text` is how it was written."""

    low: Version = Version(0, 0)
    high: Version | None = None
    text: str = "any"

    @classmethod
    def parse(cls, text: object) -> VersionRange:
        """Reads what a spec says of the version; anything but text is refused, as YAML makes 7.1 of 7.10.

        A bound means what it says at its own precision: ``<=7.0`` has 7.0.15 in it, ``>8`` starts at 9.0.

        Raises:
            SpecError: ``version-malformed``, ``version-not-text`` or ``version-range-empty``, path ``engine.version``.
        """
        if not isinstance(text, str):
            found = f"{text!r} ({type(text).__name__})"
            raise _error("version-not-text", found, "quoted text", f'write "{text}" in quotes; 7.10 is not 7.1')
        plain = text.strip()
        if plain == "any":
            return cls()
        if (exact := _EXACT.fullmatch(plain)) is not None:
            version = Version.parse(exact[1])
            return cls(version, _after(version), plain)
        if (series := _SERIES.fullmatch(plain)) is not None:
            low, high = _span(series[1])
            return cls(low, high, plain)
        parts = [_BOUND.fullmatch(part.strip()) for part in plain.split(",")]
        if None in parts:
            raise _malformed(text, _FORMS)
        wanted = cls(text=plain)
        for part in parts:
            assert part is not None
            wanted = wanted._bounded(part[1], part[2])
        return wanted

    def contains(self, version: Version) -> bool:
        """Whether `version` fits."""
        return version >= self.low and (self.high is None or version < self.high)

    def touches(self, series: tuple[int, int]) -> bool:
        """Whether any release of the series major.minor fits."""
        start, end = Version(*series), Version(series[0], series[1] + 1)
        return self.low < end and (self.high is None or start < self.high)

    def _bounded(self, sign: str, text: str) -> VersionRange:
        start, end = _span(text)
        low, high = self.low, self.high
        if sign in (">=", "=="):
            low = max(low, start, key=Version._key)
        if sign == ">":
            low = max(low, Version(end.major, end.minor, end.patch), key=Version._key)
        if sign != ">" and sign != ">=":
            new = Version(start.major, start.minor, start.patch, 0) if sign == "<" else end
            high = new if high is None else min(high, new, key=Version._key)
        if high is not None and low >= high:
            raise _error("version-range-empty", self.text, "bounds that some version fits", "turn the bounds round")
        return VersionRange(low, high, self.text)

    def __str__(self) -> str:
        return self.text


def _span(text: str) -> tuple[Version, Version]:
    """First version of ``8``, ``8.1`` or ``8.1.2``, and the one before which it ends (candidates of it included)."""
    numbers = [int(n) for n in text.split(".")]
    after = [*numbers[:-1], numbers[-1] + 1]
    (major, minor, patch), (upper, lower, last) = [*numbers, 0, 0][:3], [*after, 0, 0][:3]
    return Version(major, minor, patch), Version(upper, lower, last, 0)


def _after(version: Version) -> Version:
    if version.candidate is not None:
        return replace(version, candidate=version.candidate + 1)
    return Version(version.major, version.minor, version.patch + 1, 0)


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

"""What a bundle says of itself: data, and its JSON. Knows nothing of archives or of where the files come from.

The manifest holds the sha256 of every file, so the sha256 of the manifest names the whole content.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from shardwright.errors import Problem, SpecError

FORMAT = 1
MANIFEST = "manifest.json"
_PATH = r"[A-Za-z0-9][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9][A-Za-z0-9_.+-]*)*"


@dataclass(frozen=True, slots=True)
class BundledFile:
    """One file: path in the bundle, size in bytes, octal mode, sha256."""

    path: str
    size: int
    mode: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Where in an executable the loader's path stands, to be overwritten with the place it is installed in."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class SourcePackage:
    """What it was made from. `origin` is an archive's suite, or ``wheel``."""

    name: str
    version: str
    sha256: str
    origin: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A signed Release file that vouches for packages: who signed it, when it was made, and what its hash is."""

    suite: str
    codename: str
    date: str
    valid_until: str
    release_sha256: str
    keyring_sha256: str
    fingerprints: tuple[str, ...]
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """One bundle.

    Attributes:
        name: of the bundle; part of the directory it is installed in.
        product: ``redis`` or ``valkey``, as the server says of itself.
        version: of the server, as it says.
        arch: ``x86_64`` or ``aarch64``.
        min_glibc: what the host needs, such as ``2.28``; ``any`` where the bundle brings its own libc and loader.
        server: path of the server's binary.
        loader: path of the bundle's own loader; empty where the host's is used.
        features: what the server was built with: ``tls``, ``systemd``, and the allocator.
        checked: the server was run here, and said product and version.
        links: further names of files: path -> name in the same directory.
    """

    name: str
    product: str
    version: str
    arch: str
    min_glibc: str
    server: str
    loader: str
    tls: bool
    systemd: bool
    allocator: str
    checked: bool
    files: tuple[BundledFile, ...]
    links: tuple[tuple[str, str], ...]
    interpreters: tuple[Interpreter, ...]
    packages: tuple[SourcePackage, ...]
    signatures: tuple[Signature, ...]
    licences: tuple[str, ...]
    format: int = FORMAT

    def to_json(self) -> str:
        """JSON in a fixed order, ending in a newline."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @property
    def content(self) -> str:
        """Sha256 of the manifest, hex: names the content whatever the compression."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def directory(self) -> str:
        """Name of the directory that it is installed in: name, version, and the start of its content's hash."""
        return f"{self.name}-{self.version}-{self.content[:8]}"

    def _check_words(self) -> None:
        """Refuses words that are not plain: they become names of directories, and lines of a shell script."""
        words = [("name", self.name, r"[a-z][a-z0-9-]{0,40}"), ("version", self.version, r"[0-9][0-9a-z.~-]{0,30}")]
        words += [("arch", self.arch, r"[a-z0-9_]{1,20}"), ("min_glibc", self.min_glibc, r"any|\d+\.\d+")]
        words += [("product", self.product, r"redis|valkey"), ("loader", self.loader, rf"({_PATH})?")]
        words += [("server", self.server, _PATH), *(("interpreter", i.path, _PATH) for i in self.interpreters)]
        for file in self.files:
            words += [
                ("path", file.path, _PATH),
                ("mode", file.mode, "0644|0755"),
                ("sha256", file.sha256, r"[0-9a-f]{64}"),
            ]
        for name, value, form in words:
            if not re.fullmatch(form, value, re.ASCII):
                raise ValueError(f"{name} {value[:60]!a}")

    @classmethod
    def from_json(cls, text: str, *, source: str) -> Manifest:
        """Reads what `to_json` wrote.

        Raises:
            SpecError: ``bundle-manifest``: not JSON, another format, or a field missing or of the wrong type.
        """
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']}, wanted {FORMAT}")
            made = cls(**_typed(raw))
            made._check_words()
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            problem = Problem("bundle-manifest", "engine.bundle", f"a manifest that can't be read: {error}", "a bundle")
            raise SpecError([problem], file=source) from None
        return made


def _typed(raw: dict[str, Any]) -> dict[str, Any]:
    plain = {"tls": bool, "systemd": bool, "checked": bool, "format": int}
    lists: dict[str, Any] = {
        "files": lambda r: BundledFile(**_strings(r, size=int)),
        "interpreters": lambda r: Interpreter(**_strings(r, offset=int, size=int)),
        "packages": lambda r: SourcePackage(**_strings(r)),
        "signatures": lambda r: Signature(
            **_strings({**r, "fingerprints": tuple(map(str, r["fingerprints"]))}, expired=bool, fingerprints=tuple)
        ),
        "links": lambda r: (str(r[0]), str(r[1])),
        "licences": str,
    }
    typed = {k: tuple(map(lists[k], v)) for k, v in raw.items() if k in lists}
    return typed | _strings({k: v for k, v in raw.items() if k not in lists}, **plain)


def _strings(row: dict[str, Any], **others: type) -> dict[str, Any]:
    for name, value in row.items():
        wanted = others.get(name, str)
        if type(value) is not wanted:
            raise TypeError(f"{name} is {type(value).__name__}, wanted {wanted.__name__}")
    return row

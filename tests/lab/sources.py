"""Where this machine gets Debian from, so that the lab's hosts get it from the same place.

It knows apt's files and nothing of the lab. No archive is named here: a machine without a Debian source leaves the
choice to debootstrap.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.common import run

DEFAULT_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CARRIED = re.compile(r"^Acquire::(https?::|Check-|Force|Retries)")


@dataclass(frozen=True)
class Source:
    """One suite of one archive, from a one-line entry or a deb822 stanza."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: Path | None


@dataclass(frozen=True)
class Archive:
    """The Debian archive to use; `mirror` and `security` are None where the machine has no Debian source."""

    mirror: str | None
    security: str | None
    keyring: Path


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line.strip())
        if found:
            options, uri, suite, components = found.groups()
            signed = re.search(r"signed-by=(\S+)", options or "")
            yield Source(uri, suite, tuple(components.split()), Path(signed[1]) if signed else None)


def _stanzas(text: str) -> Iterator[Source]:
    for block in re.split(r"\n\s*\n", text):
        kept = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
        unfolded = re.sub(r"\n[ \t]+", " ", kept)
        fields = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in unfolded.splitlines())
            if colon
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        signed = fields.get("signed-by", "")
        keyring = Path(signed) if signed.startswith("/") and " " not in signed else None
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Source(uri, suite, tuple(fields.get("components", "").split()), keyring)


def sources(etc: Path = Path("/etc/apt")) -> list[Source]:
    """Every enabled binary source of the machine, in apt's reading order."""
    found: list[Source] = []
    parts = sorted((etc / "sources.list.d").glob("*")) if (etc / "sources.list.d").is_dir() else []
    for file in [etc / "sources.list", *parts]:
        if file.suffix == ".list" and file.is_file():
            found += _one_line(file.read_text())
        elif file.suffix == ".sources" and file.is_file():
            found += _stanzas(file.read_text())
    return found


def debian_archive(etc: Path = Path("/etc/apt")) -> Archive:
    """The machine's main Debian archive and its security archive.

    Other vendors' repositories use Debian's suite names too, so only component `main`, a Debian suite name and
    no keyring but Debian's (or none named) make a source Debian's own.
    """
    names = r"(stable|oldstable|testing|bookworm|trixie|forky|sid)"
    ours = [
        source
        for source in sources(etc)
        if "main" in source.components and (source.keyring is None or "debian" in source.keyring.name)
    ]
    main = next((s for s in ours if re.fullmatch(names, s.suite)), None)
    security = next((s for s in ours if re.fullmatch(names + "-security", s.suite)), None)
    if main is None:
        return Archive(None, None, DEFAULT_KEYRING)
    mirror = main.uri.rstrip("/")
    return Archive(
        mirror, (security.uri if security else mirror + "-security").rstrip("/"), main.keyring or DEFAULT_KEYRING
    )


def apt_settings() -> str:
    """The machine's apt settings that decide whether a download works (proxies, certificates, dates), as apt.conf."""
    dump = run("apt-config", "dump").stdout
    kept = [line for line in dump.splitlines() if CARRIED.match(line) and not line.endswith('"";')]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy") for line in kept):
            kept.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return "".join(f"{line}\n" for line in kept)


def certificates() -> dict[str, str]:
    """Certificate authorities that this machine's operator added: file name to PEM text."""
    return {file.name: file.read_text() for file in sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))}

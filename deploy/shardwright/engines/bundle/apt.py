"""Debian's archive, asked through an apt that shares nothing with the machine's own: own lists, cache and status.

apt verifies the Release file's signature against Debian's keyring and every package against that file; anything unsigned,
expired or not vouched for ends the run. The status file is empty, so the answer doesn't depend on what is installed here,
and the architecture may be another one.
The mirror is the one that the machine's own sources name, so that no address stands in this code.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.parser import HeaderParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from shardwright.errors import ApplyError

from .manifest import Signature

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEB_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_SECONDS = 600
_URI = re.compile(r"https?://[^\s\]]+?/debian(-security)?/?(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Where Debian's archive is; `security` may be unknown, then its fixes come with the next point release only."""

    main: str
    security: str | None = None


@dataclass(frozen=True, slots=True)
class Apt:
    """One isolated apt in `root`, for one Debian suite and architecture."""

    root: Path
    mirrors: Mirrors
    suite: str
    arch: str
    keyring: Path = KEYRING
    allow_expired: bool = False
    suites: tuple[tuple[str, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "suites", _suites(self.suite, self.mirrors))

    def update(self) -> None:
        """Fetches and verifies the lists.

        Raises:
            ApplyError: ``bundle-no-apt``, ``bundle-no-keyring``, ``bundle-release-expired``, ``bundle-unsigned``,
                ``bundle-no-suite`` or ``bundle-download``.
        """
        if shutil.which("apt-get") is None:
            hint = "run it on Debian or Ubuntu, or in a container of one; the bundle then serves any Linux"
            raise ApplyError("bundle-no-apt", "apt-get is not installed here; it verifies Debian's packages", hint=hint)
        if not self.keyring.is_file():
            hint = "apt-get install debian-archive-keyring, or --keyring FILE"
            raise ApplyError("bundle-no-keyring", f"no keyring {self.keyring}", hint=hint)
        self._write_configuration()
        done = self._run("apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
        if done.returncode != 0:
            raise self._update_failed(done.stdout + done.stderr)

    def versions(self, package: str) -> tuple[str, ...]:
        """Versions of a package in the suite, newest first; empty if it has none."""
        rows = self._run("apt-cache", "madison", package).stdout.splitlines()
        return tuple(dict.fromkeys(row.split("|")[1].strip() for row in rows if row.count("|") == 2))

    def origin(self, package: str, version: str) -> tuple[str, str]:
        """Suite that a package's version comes from, and the sha256 that the signed lists promise."""
        text = self._run("apt-cache", "show", "--no-all-versions", f"{package}={version}").stdout
        sha = re.search(r"^SHA256: ([0-9a-f]{64})$", text, re.MULTILINE)
        rows = self._run("apt-cache", "madison", package).stdout.splitlines()
        place = next((r.split("|")[2].split()[1] for r in rows if r.split("|")[1].strip() == version), self.suite)
        return place.split("/")[0], sha[1] if sha else ""

    def download(self, *packages: str) -> list[Path]:
        """Fetches packages (``name`` or ``name=version``); apt compares each with the signed lists.

        Raises:
            ApplyError: ``bundle-download``.
        """
        directory = self.root / "debs"
        directory.mkdir(exist_ok=True)
        before = set(directory.glob("*.deb"))
        done = self._run("apt-get", "-q", "download", *packages, cwd=directory)
        if done.returncode != 0:
            found = _tail(done.stdout + done.stderr)
            raise ApplyError("bundle-download", f"could not get {', '.join(packages)}: {found}", hint=_AGAIN)
        return sorted(set(directory.glob("*.deb")) - before)

    def signatures(self) -> tuple[Signature, ...]:
        """What vouched for the lists: each Release file that was verified."""
        files = sorted((self.root / "state/lists").glob("*_InRelease"))
        return tuple(self._signature(file) for file in files)

    def _signature(self, file: Path) -> Signature:
        data = file.read_bytes()
        fields = HeaderParser().parsestr(_signed_text(data.decode()))
        until = fields.get("Valid-Until", "")
        return Signature(
            suite=fields.get("Suite", ""),
            codename=fields.get("Codename", ""),
            date=fields.get("Date", ""),
            valid_until=until,
            release_sha256=hashlib.sha256(data).hexdigest(),
            keyring_sha256=hashlib.sha256(self.keyring.read_bytes()).hexdigest(),
            fingerprints=_signers(file, self.keyring),
            expired=bool(until) and parsedate_to_datetime(until) < datetime.now(UTC),
        )

    def _write_configuration(self) -> None:
        for part in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
            (self.root / part).mkdir(parents=True, exist_ok=True)
        (self.root / "state/status").touch()
        options = f"signed-by={self.keyring} arch={DEB_ARCH[self.arch]}"
        options += " check-valid-until=no" if self.allow_expired else ""
        lines = [f"deb [{options}] {uri} {suite} main" for uri, suite in self.suites]
        (self.root / "sources.list").write_text("\n".join(lines) + "\n")
        settings = {
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "state/status",
            "Dir::Cache": self.root / "cache",
            "Dir::Etc": self.root / "etc",
            "Dir::Etc::sourcelist": self.root / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::trustedparts": "-",
            "Dir::Etc::trusted": "-",
            "Acquire::Languages": "none",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "APT::Architecture": DEB_ARCH[self.arch],
            "APT::Sandbox::User": "root",
            "APT::Get::List-Cleanup": "false",
        }
        text = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        (self.root / "apt.conf").write_text(f'#clear APT::Architectures;\nAPT::Architectures "";\n{text}')

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C.UTF-8"}
        try:
            return subprocess.run(
                command, cwd=cwd or self.root, env=environment, capture_output=True, text=True, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise ApplyError(
                "bundle-download", f"{' '.join(command)}: no end after {_SECONDS} s", hint=_AGAIN
            ) from None

    def _update_failed(self, output: str) -> ApplyError:
        suites = ", ".join(s for _, s in self.suites)
        found = f"{suites}: {_tail(output)}"
        if "is expired" in output:
            hint = "try again later or another --mirror; for an old snapshot of the archive: --allow-expired"
            return ApplyError("bundle-release-expired", found, hint=hint)
        if re.search(
            r"not signed|NO_PUBKEY|EXPKEYSIG|BADSIG|REVKEYSIG|signatures? (?:couldn|were invalid|is not)", output
        ):
            hint = "another --mirror; a newer debian-archive-keyring if the suite is newer than this machine"
            return ApplyError("bundle-unsigned", found, hint=hint)
        if "does not have a Release file" in output or "404" in output:
            return ApplyError("bundle-no-suite", found, hint="--suite trixie, bookworm-backports, sid ...")
        return ApplyError("bundle-download", found, hint=_AGAIN)


_AGAIN = "run it again, or choose another --mirror"


def own_mirrors(sources: Path = Path("/etc/apt")) -> Mirrors:
    """The Debian mirrors that this machine's own apt uses.

    Raises:
        ApplyError: ``bundle-no-mirror``.
    """
    files = [sources / "sources.list", *sorted(sources.glob("sources.list.d/*"))]
    text = "\n".join(_active(f.read_text("utf-8", "replace")) for f in files if f.is_file())
    found = [(m[0].strip().rstrip("/"), m[1] is not None) for m in _URI.finditer(text)]
    main = next((uri for uri, security in found if not security), None)
    if main is None:
        hint = "--mirror URL of a Debian archive (the part before /dists)"
        raise ApplyError("bundle-no-mirror", f"{sources} names no Debian archive", hint=hint)
    return Mirrors(main, next((uri for uri, security in found if security), None))


def _active(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _suites(suite: str, mirrors: Mirrors) -> tuple[tuple[str, str], ...]:
    """What a suite needs besides itself: its updates and security fixes, and the suite that backports build on."""
    base = suite.removesuffix("-backports")
    found = [(mirrors.main, base)]
    if base not in ("sid", "unstable", "experimental"):
        found.append((mirrors.main, f"{base}-updates"))
        if mirrors.security:
            found.append((mirrors.security, f"{base}-security"))
    if suite != base:
        found.append((mirrors.main, suite))
    return tuple(found)


def _signed_text(text: str) -> str:
    body = re.sub(r"\A-----BEGIN PGP SIGNED MESSAGE-----\n(?:.+\n)*\n", "", text)
    return body.split("\n-----BEGIN PGP SIGNATURE-----")[0]


def _signers(file: Path, keyring: Path) -> tuple[str, ...]:
    """Fingerprints whose signatures on the file are good; apt has already refused a file that has none."""
    if shutil.which("gpgv"):
        command = ["gpgv", "--keyring", str(keyring), "--status-fd", "1", str(file)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        return tuple(re.findall(r"^\[GNUPG:\] VALIDSIG ([0-9A-F]{40})", said, re.MULTILINE))
    if shutil.which("sqv"):
        command = ["sqv", "--keyring", str(keyring), "--cleartext", str(file)]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
        return tuple(re.findall(r"^([0-9A-F]{40})$", said, re.MULTILINE))
    return ()


def _tail(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("E:")] or text.splitlines()
    return " ".join(lines[-4:])[-600:]

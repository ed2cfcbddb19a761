"""Bundles as files: written so that the same content gives the same bytes, read so that nothing in them is trusted.

A bundle is a gzipped tar although zstandard makes it a sixth smaller: hosts have tar and gzip, and may have no zstd.
Nothing is unpacked to disk to be verified.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import posixpath
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from shardwright.errors import Problem, SpecError

from .manifest import MANIFEST, BundledFile, Manifest

_MAX_MANIFEST = 2**20
_MAX_TOTAL = 2**29
_READ_ERRORS = (tarfile.TarError, gzip.BadGzipFile, EOFError, OSError, UnicodeError, ValueError)


def describe(path: str, data: bytes, mode: int) -> BundledFile:
    """A file's line in the manifest."""
    return BundledFile(path, len(data), f"{mode:04o}", hashlib.sha256(data).hexdigest())


def write_bundle(manifest: Manifest, contents: Mapping[str, bytes], output: Path) -> None:
    """Writes the archive, whole or not at all: owner root, time 0, sorted; the manifest comes first."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, MANIFEST, manifest.to_json().encode(), 0o644)
        for file in sorted(manifest.files, key=lambda f: f.path):
            _add(tar, file.path, contents[file.path], int(file.mode, 8))
        for path, target in sorted(manifest.links):
            link = tarfile.TarInfo(path)
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, target, 0o777
            tar.addfile(link)
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with part.open("wb") as sink:
            sink.write(gzip.compress(raw.getvalue(), 9, mtime=0))
            sink.flush()
            os.fsync(sink.fileno())
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def verify_bundle(path: Path) -> Manifest:
    """Reads a whole bundle and compares every byte with its manifest.

    This proves that the bundle is whole, not who made it: whoever can replace the archive can replace the manifest.
    The archive's own sha256, kept elsewhere, proves that.

    Raises:
        SpecError: ``bundle-unreadable``, ``bundle-manifest``, ``bundle-path`` or ``bundle-tampered``, with every difference.
    """
    try:
        with gzip.open(path) as whole, tarfile.open(fileobj=whole, mode="r:") as tar:
            members = _members(tar, str(path))
            first = next(members, None)
            if first is None or first[0].name != MANIFEST:
                raise _refused(path, "bundle-manifest", "no manifest.json at the start", "a bundle")
            manifest = Manifest.from_json(first[1].decode(), source=str(path))
            problems = list(_differences(manifest, members, str(path)))
            _read_out(whole)
    except FileNotFoundError:
        raise _refused(path, "bundle-unreadable", "no such file", "a gzipped tar") from None
    except _READ_ERRORS as error:
        raise _refused(path, "bundle-unreadable", f"{type(error).__name__}: {error}", "a gzipped tar") from None
    if problems:
        raise SpecError(problems, file=str(path))
    return manifest


def _read_out(whole: gzip.GzipFile) -> None:
    """Read what is behind the last member: only at its end gzip compares its checksum, without which a manifest could be
    changed in what no file's sum covers."""
    left = _MAX_TOTAL
    while left > 0 and (got := whole.read(2**16)):
        left -= len(got)


def sha256_of(path: Path) -> str:
    """Sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, path: str, data: bytes, mode: int) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def _members(tar: tarfile.TarFile, source: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Every member with its data, refusing those that would land outside the directory."""
    total, seen = 0, set[str]()
    for info in tar:
        name = info.name
        if _escapes(name) or name in seen or not (info.isreg() or info.issym()):
            kind = "twice" if name in seen else "neither file nor link" if not _escapes(name) else "outside"
            raise _refused(Path(source), "bundle-path", f"{name!a}: {kind}", "files and links inside the bundle")
        if info.issym() and ("/" in info.linkname or info.linkname in ("", ".", "..")):
            found = f"{name!a} links to {info.linkname!a}"
            raise _refused(Path(source), "bundle-path", found, "links to a name in the same directory")
        seen.add(name)
        total += info.size
        if total > _MAX_TOTAL or (name == MANIFEST and info.size > _MAX_MANIFEST):
            raise _refused(Path(source), "bundle-tampered", f"{name} is {info.size:,} bytes", "a bundle of less")
        file = tar.extractfile(info) if info.isreg() else None
        yield info, file.read() if file else b""


def _escapes(name: str) -> bool:
    odd = not name.isprintable() or not name.isascii() or "\\" in name
    return odd or name.startswith("/") or posixpath.normpath(name) != name or name.split("/")[0] in ("..", ".")


def _differences(
    manifest: Manifest, members: Iterator[tuple[tarfile.TarInfo, bytes]], source: str
) -> Iterator[Problem]:
    files, links = {f.path: f for f in manifest.files}, dict(manifest.links)
    for info, data in members:
        if info.issym():
            if links.pop(info.name, None) != info.linkname:
                yield _problem(f"{info.name} -> {info.linkname}", "no such link in the manifest")
            continue
        listed = files.pop(info.name, None)
        if listed is None:
            yield _problem(info.name, "no file that the manifest does not list")
            continue
        found = describe(info.name, data, info.mode & 0o7777)
        if found != listed:
            yield _problem(f"{found.path}: {_shown(found)}", _shown(listed))
    for path in (*files, *links):
        yield _problem(f"no {path}", "every file that the manifest lists")
    inside = {f.path for f in manifest.files}
    named = [
        manifest.server,
        *filter(None, [manifest.loader]),
        *manifest.licences,
        *(i.path for i in manifest.interpreters),
    ]
    for path in named:
        if path not in inside and path not in dict(manifest.links):
            yield _problem(f"{path!a} named in the manifest", f"a file of {source}")


def _shown(file: BundledFile) -> str:
    return f"{file.size} bytes, mode {file.mode}, sha256 {file.sha256}"


def _problem(found: str, wanted: str) -> Problem:
    hint = "don't use it: fetch or build the bundle again"
    return Problem("bundle-tampered", "engine.bundle", found, wanted, hint)


def _refused(path: Path, code: str, found: str, wanted: str) -> SpecError:
    hint = "build one: shardwright bundle build"
    return SpecError([Problem(code, "engine.bundle", found, wanted, hint)], file=str(path))

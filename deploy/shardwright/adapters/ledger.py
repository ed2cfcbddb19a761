"""The ledger: one JSON line a run in `reports/ledger.jsonl`, each holding the sha256 of the line before.

Knows files, not clusters. The chain shows a line that was changed, taken out or put in; it can't show that the newest
lines were cut off, which only a copy elsewhere can. A last line without its newline is what a crash or a full disk leaves:
it is moved aside into `ledger.torn`, never deleted, and the run goes on.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.report_json import run_json
from ..errors import ApplyError
from ..model.run import RunRecord

LEDGER = "ledger.jsonl"
TORN = "ledger.torn"
FIRST = "0" * 64
LOCK_LIMIT = 10.0
"""Seconds to wait for another run's append, which takes milliseconds."""

_PROBE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Appended:
    """`number` is the 1-based line written; `moved_aside` counts the bytes of a torn line, 0 where there was none."""

    number: int
    moved_aside: int

    @property
    def note(self) -> str:
        """What to tell the user; empty where there is nothing."""
        if not self.moved_aside:
            return ""
        return f"the ledger's last line had been cut short; its {self.moved_aside:,} bytes were moved to {TORN}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: its number, the sha256 of the line before it as it says, and the run's values."""

    number: int
    previous: str
    run: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Break:
    """A line that does not fit: what is wrong with it in `reason`."""

    number: int
    reason: str


def check_writable(directory: Path) -> None:
    """Prove before anything is deployed that reports can be written: 1 MiB is written, synced and removed.

    Raises:
        ApplyError: ``reports-not-writable``, with the system's reason.
    """
    probe = directory / f".probe-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            _write_whole(probe, b"\0" * _PROBE_BYTES)
        finally:
            probe.unlink(missing_ok=True)
        with (directory / LEDGER).open("ab"):
            pass
    except OSError as error:
        raise not_writable(directory, error) from error


def not_writable(directory: Path, error: OSError) -> ApplyError:
    """The error that says why nothing can be written in `directory`."""
    return ApplyError(
        "reports-not-writable",
        f"can't write in {directory.absolute()}: {error.strerror or error}",
        hint="free space there, or give another directory: --reports DIRECTORY (pyinfra: --data reports=DIRECTORY, "
        "Ansible: cluster_reports)",
    )


def append(directory: Path, run: RunRecord, *, lock_limit: float = LOCK_LIMIT) -> Appended:
    """Add one run; on return the line is on disk, and after a failure the ledger is as it was before.

    Args:
        directory: of the ledger; made where it is missing.
        run: the run.
        lock_limit: seconds to wait for another run that appends.

    Raises:
        ApplyError: ``reports-not-writable``, ``ledger-locked``.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(directory / LEDGER, lock_limit) as fd:
            moved = _move_torn_aside(fd, directory)
            lines = _read(fd).splitlines(keepends=True)
            previous = _digest(lines[-1]) if lines else FIRST
            text = json.dumps({"previous": previous, "run": run_json(run)}, separators=(",", ":"), ensure_ascii=True)
            _append_whole(fd, text.encode() + b"\n")
            return Appended(len(lines) + 1, moved)
    except OSError as error:
        raise not_writable(directory, error) from error


def read_ledger(directory: Path) -> tuple[Entry, ...]:
    """All whole lines that hold a run, oldest first; empty where there is no ledger. Says nothing about the chain."""
    entries = []
    for number, line in enumerate(_lines(directory), 1):
        entry = _parse(number, line)
        if isinstance(entry, Entry):
            entries.append(entry)
    return tuple(entries)


def verify_chain(directory: Path) -> tuple[Break, ...]:
    """Where the chain does not hold; empty where it holds, or where there is no ledger."""
    breaks: list[Break] = []
    wanted = FIRST
    for number, line in enumerate(_lines(directory), 1):
        entry = _parse(number, line)
        if isinstance(entry, Break):
            breaks.append(entry)
        elif entry.previous != wanted:
            reason = f"says that the line before has sha256 {entry.previous[:12]}, but it has {wanted[:12]}"
            breaks.append(Break(number, reason))
        wanted = _digest(line)
    return tuple(breaks)


def _lines(directory: Path) -> list[bytes]:
    """The lines with their newlines; a torn last line is no line."""
    try:
        lines = (directory / LEDGER).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return lines[:-1] if lines and not lines[-1].endswith(b"\n") else lines


def _parse(number: int, line: bytes) -> Entry | Break:
    try:
        values = json.loads(line)
        return Entry(number, str(values["previous"]), dict(values["run"]))
    except (ValueError, KeyError, TypeError):
        return Break(number, "is not a line that shardwright wrote")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line.removesuffix(b"\n")).hexdigest()


@contextmanager
def _locked(path: Path, limit: float) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + limit
        while not _try_lock(fd):
            if time.monotonic() >= deadline:
                raise ApplyError(
                    "ledger-locked",
                    f"{path} is locked by another run for more than {limit:.0f} s",
                    hint=f"see who holds it with: fuser -v {path}",
                )
            time.sleep(0.02)
        yield fd
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    parts: list[bytes] = []
    while (done := sum(map(len, parts))) < size:
        part = os.pread(fd, size - done, done)
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def _move_torn_aside(fd: int, directory: Path) -> int:
    """Copy a last line without newline to `TORN`, sync it, and only then cut it off. Gives its length in bytes."""
    whole, newline, torn = _read(fd).rpartition(b"\n")
    if not torn:
        return 0
    with (directory / TORN).open("ab") as aside:
        aside.write(torn + b"\n")
        aside.flush()
        os.fsync(aside.fileno())
    os.ftruncate(fd, len(whole) + len(newline))
    return len(torn)


def _append_whole(fd: int, data: bytes) -> None:
    before = os.fstat(fd).st_size
    try:
        if os.write(fd, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, before)
        raise


def _write_whole(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

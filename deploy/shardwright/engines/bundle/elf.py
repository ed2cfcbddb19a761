"""The little that a bundle needs to know of an ELF file: its machine, its loader's path, its libraries, its glibc.

Reads 64-bit little-endian files only, which is what x86_64 and aarch64 Linux have; never runs or changes one.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_MACHINES = {62: "x86_64", 183: "aarch64"}
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_SONAME = 1, 5, 14


@dataclass(frozen=True, slots=True)
class Elf:
    """One file. `interpreter` is (offset in the file, size, path) of the loader's name; none in a library."""

    machine: str
    interpreter: tuple[int, int, str] | None
    needed: tuple[str, ...]
    soname: str | None
    glibc: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def is_elf(data: bytes) -> bool:
    """Whether it is an ELF file of a kind that `read_elf` understands."""
    return data[:6] == b"\x7fELF\x02\x01"


def read_elf(data: bytes) -> Elf:
    """Reads one file.

    Raises:
        ValueError: not 64-bit little-endian ELF of a known machine, or cut short.
    """
    if not is_elf(data):
        raise ValueError("not a 64-bit little-endian ELF file")
    try:
        (machine,) = struct.unpack_from("<H", data, 18)
        segments = _segments(data)
        dynamic = _dynamic(data, segments)
        names = [_string(data, segments, dynamic, offset) for tag, offset in dynamic if tag == _DT_NEEDED]
        sonames = [_string(data, segments, dynamic, offset) for tag, offset in dynamic if tag == _DT_SONAME]
    except (struct.error, OverflowError, KeyError) as error:
        raise ValueError(f"ELF file cut short or damaged: {error}") from None
    if machine not in _MACHINES:
        raise ValueError(f"machine {machine} is neither x86_64 nor aarch64")
    soname = sonames[0] if sonames else None
    return Elf(_MACHINES[machine], _interpreter(data, segments), tuple(names), soname, _glibc(data))


def _segments(data: bytes) -> list[_Segment]:
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for number in range(count):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, table + number * size)
        found.append(_Segment(kind, offset, address, length))
    return found


def _interpreter(data: bytes, segments: list[_Segment]) -> tuple[int, int, str] | None:
    for segment in segments:
        if segment.kind == _PT_INTERP:
            raw = data[segment.offset : segment.offset + segment.size]
            return segment.offset, segment.size, raw.split(b"\0", 1)[0].decode()
    return None


def _dynamic(data: bytes, segments: list[_Segment]) -> list[tuple[int, int]]:
    entries: list[tuple[int, int]] = []
    for segment in segments:
        if segment.kind == _PT_DYNAMIC:
            for place in range(segment.offset, segment.offset + segment.size, 16):
                tag, value = struct.unpack_from("<QQ", data, place)
                if tag == 0:
                    break
                entries.append((tag, value))
    return entries


def _string(data: bytes, segments: list[_Segment], dynamic: list[tuple[int, int]], offset: int) -> str:
    address = dict(dynamic)[_DT_STRTAB] + offset
    for segment in segments:
        if segment.kind == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            start = address - segment.address + segment.offset
            return data[start : data.index(b"\0", start)].decode()
    raise ValueError("a name lies outside the file")


def _glibc(data: bytes) -> tuple[int, int] | None:
    """Newest glibc whose symbols are asked for."""
    found = {(int(a), int(b)) for a, b in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", data)}
    return max(found, default=None)

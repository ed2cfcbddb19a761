"""Values of directives by their kind: which are right, what the server makes of them, and when two are the same.

Knows no versions and no names but those few directives whose arguments have a grammar of their own.
Sizes are the servers': 1k is 1,000 and 1kb 1,024 bytes, whole numbers only, no GiB.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from .directives import Directive

_UNITS = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "kb": 2**10,
    "m": 10**6,
    "mb": 2**20,
    "g": 10**9,
    "gb": 2**30,
}
_SIZE_RULE = "whole bytes, or k, m, g (powers of 1,000) or kb, mb, gb (powers of 1,024)"
_CLASSES = {"normal": "normal", "slave": "replica", "replica": "replica", "pubsub": "pubsub"}
_ALL_EVENTS = set("g$lshzxetd")


def check(directive: Directive, value: str) -> tuple[str, str] | None:
    """What was wanted and a hint, where the value is wrong; none where it is right."""
    if directive.kind == "bool":
        return None if value.lower() in ("yes", "no") else ("yes or no", _bool_hint(value))
    if directive.kind == "enum":
        return _enum(directive, value)
    if directive.kind == "int":
        return _integer(directive, value, 10)
    if directive.kind == "octal":
        return _integer(directive, value, 8)
    if directive.kind in ("memory", "memory-or-percent"):
        return _memory(directive, value)
    if directive.name == "client-output-buffer-limit":
        return _buffer_limits(value)
    if directive.name == "notify-keyspace-events":
        good = re.fullmatch(r"[KEg$lshzxetdmnA]*", value)
        return None if good else ("letters out of KEg$lshzxetdmnA", "quote it; for example Ex")
    return None


def bytes_of(text: str) -> int | None:
    """Bytes that the servers understand by a size; none if they refuse it.

    Stricter than they are: to them an empty size, or a unit alone, is 0, which for `maxmemory` means without limit.
    """
    found = re.fullmatch(r"(\d+)([a-zA-Z]*)", text)
    if found is None or (unit := _UNITS.get(found[2].lower())) is None:
        return None
    size = int(found[1]) * unit
    return size if size < 2**64 else None


def same(directive: Directive, wanted: str, found: str) -> bool:
    """Whether a wanted value is what the server shows as `found`."""
    if wanted == found:
        return True
    if directive.kind in ("memory", "memory-or-percent"):
        size = bytes_of(wanted)
        return size is not None and size == bytes_of(found)
    if directive.kind in ("int", "octal"):
        base = 8 if directive.kind == "octal" else 10
        return _number(wanted, base) is not None and _number(wanted, base) == _number(found, base)
    if directive.kind in ("bool", "enum"):
        return sorted(wanted.lower().split()) == sorted(found.lower().split())
    if directive.name == "client-output-buffer-limit":
        have = _limits(found) or {}
        want = _limits(wanted)
        return want is not None and all(have.get(name) == limits for name, limits in want.items())
    if directive.name == "notify-keyspace-events":
        return _events(wanted) == _events(found)
    return wanted.split() == found.split() and (directive.words or directive.kind == "special")


def _bool_hint(value: str) -> str:
    lower = value.lower()
    if lower in ("on", "true", "1", "y", "enabled"):
        return 'write "yes", with quotes: YAML makes true of a bare yes'
    if lower in ("off", "false", "0", "n", "disabled"):
        return 'write "no", with quotes: YAML makes false of a bare no'
    return 'write "yes" or "no", with quotes'


def _enum(directive: Directive, value: str) -> tuple[str, str] | None:
    words = value.lower().split() if directive.words else [value.lower()]
    allowed = [v.lower() for v in directive.values]
    if words and all(w in allowed for w in words):
        return None
    near = _nearest(value, allowed)
    return "one of " + ", ".join(directive.values), f"{near} is meant?" if near else ""


def _nearest(value: str, allowed: list[str]) -> str | None:
    return next(iter(get_close_matches(value.lower(), allowed, n=1)), None)


def _integer(directive: Directive, value: str, base: int) -> tuple[str, str] | None:
    low, high = directive.span or (-(2**63), 2**63 - 1)
    form = "an octal number" if base == 8 else "a whole number"
    shown = (f"{low:o}", f"{high:o}") if base == 8 else (f"{low:,}", f"{high:,}")
    wanted = f"{form} from {shown[0]} to {shown[1]}"
    number = _number(value, base)
    if number is not None:
        return None if low <= number <= high else (wanted, "")
    if re.fullmatch(r"\d+\s*(ms|s|sec|m|min|h)", value):
        return wanted, "the servers take bare numbers, without a unit; see the directive for seconds or milliseconds"
    if re.fullmatch(r"[\d_,]+", value):
        return wanted, "write " + re.sub(r"[_,]", "", value)
    return wanted, ""


def _number(text: str, base: int) -> int | None:
    digits = r"-?[0-7]+" if base == 8 else r"-?(0|[1-9]\d*)"
    return int(text, base) if re.fullmatch(digits, text) else None


def _memory(directive: Directive, value: str) -> tuple[str, str] | None:
    percent = directive.kind == "memory-or-percent"
    wanted = _SIZE_RULE + (", or a percentage such as 5%" if percent else "")
    if percent and re.fullmatch(r"\d{1,3}%", value):
        return None if 0 <= int(value[:-1]) <= 100 else (wanted, "0% to 100%")
    low, high = directive.span or (0, 2**64 - 1)
    size = -1 if value == "-1" and low == -1 else bytes_of(value)
    if size is None:
        return wanted, _memory_hint(value)
    return None if low <= size <= high else (f"{low:,} to {high:,} bytes", f"{value} is {size:,} bytes")


def _memory_hint(value: str) -> str:
    if binary := re.fullmatch(r"(\d+)\s*([kmg])i?b?", value, re.IGNORECASE):
        return f"write {binary[1]}{binary[2].lower()}b"
    if fraction := re.fullmatch(r"(\d+\.\d+)\s*([kmg])i?(b?)", value, re.IGNORECASE):
        unit = fraction[2].lower() + ("b" if "i" in value.lower() else fraction[3].lower())
        size = round(float(fraction[1]) * _UNITS[unit])
        smaller = {"k": "", "m": "kb", "g": "mb"}[fraction[2].lower()]
        if smaller and size % _UNITS[smaller] == 0:
            return f"write {size // _UNITS[smaller]}{smaller}"
        return f"write {size}"
    if value.endswith("%"):
        return "the servers take no percentage here; work out the bytes"
    if value.startswith("-"):
        return "sizes are not negative; 0 is no limit for most"
    return "for example 512mb"


def _buffer_limits(value: str) -> tuple[str, str] | None:
    if _limits(value) is not None:
        return None
    return "class hard-limit soft-limit seconds, repeated", "for example: replica 256mb 64mb 60"


def _limits(value: str) -> dict[str, tuple[int, int, int]] | None:
    words = value.split()
    if not words or len(words) % 4:
        return None
    limits = {}
    for i in range(0, len(words), 4):
        name = _CLASSES.get(words[i].lower())
        hard, soft = bytes_of(words[i + 1]), bytes_of(words[i + 2])
        if name is None or hard is None or soft is None or not words[i + 3].isdecimal():
            return None
        limits[name] = (hard, soft, int(words[i + 3]))
    return limits


def _events(text: str) -> set[str]:
    letters = set(text)
    return (letters - {"A"}) | (_ALL_EVENTS if "A" in letters else set())

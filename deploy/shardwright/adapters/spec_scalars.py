"""Unquoted YAML scalars: what they are in YAML 1.2, and which of them people mean differently.

Knows nothing of a YAML library. A scalar that YAML 1.1 and 1.2 read differently (`no`, `0640`, `1_000`, `22:30`), or
whose text is lost when it becomes a number (`7.10`), is refused with the quoted form: a guess would not always be right.
The one exception is `yes` and `no` as the value of a setting, which are the servers' own words.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

_SECRET = re.compile(r"pass|secret|token|requirepass|auth", re.IGNORECASE)
_SECRET_FIELDS = ("password", "previous", "retired", "env", "file", "open")
_NULLS = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
_WORDS = re.compile(r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"[-+]?0[0-9_]+|[-+]?0[xX][0-9a-fA-F_]+|[-+]?0[oO][0-7_]+|[-+]?0[bB][01_]+")
_GROUPED = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ].*)?")
MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Read:
    """The value; if `wanted` is not empty the scalar is refused, and `value` is its text."""

    value: object
    code: str = ""
    wanted: str = ""
    hint: str = ""


def is_secret(path: tuple[str | int, ...]) -> bool:
    """Whether what stands at `path` may be a secret: anything under `security`, and fields that sound like one."""
    return bool(path) and (path[0] == "security" or any(isinstance(p, str) and _SECRET.search(p) for p in path))


def shown(path: tuple[str | int, ...], text: str, kind: str) -> str:
    """`text` for a message, cut to 60 characters and printable; of a secret only its kind and length."""
    if is_secret(path):
        return f"{kind} of {len(text)} characters, not shown"
    return printable(text if len(text) <= 60 else f"{text[:57]}...")


def printable(text: str) -> str:
    """The text with what can't be shown, or would steer a terminal, as code points."""
    return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)


def key_shown(above: tuple[str | int, ...], key: str) -> str:
    """A key for a message; below a place for secrets only what resembles a field, as it could be the secret itself."""
    if is_secret(above) and not difflib.get_close_matches(key, _SECRET_FIELDS, n=1, cutoff=0.55):
        return f"<{len(key)} characters>"
    return shown((), key, "a key") if key else '""'


def read_plain(text: str, path: tuple[str | int, ...] = ()) -> Read:
    """What the unquoted `text` is in YAML 1.2, or why it must be quoted."""
    if text in _NULLS:
        return Read(None)
    if text in _TRUE or text in _FALSE:
        return Read(text in _TRUE)
    if _WORDS.fullmatch(text):
        return _word(text, path)
    if _DECIMAL.fullmatch(text):
        return Read(int(text)) if len(text) <= MAX_DIGITS else Read(text)
    for pattern, said in _TRAPS:
        if pattern.fullmatch(text):
            return Read(text, "yaml-ambiguous", f"a plain number, or text in quotes; {said}", f'write "{text}"')
    if _FLOAT.fullmatch(text):
        return _float(text)
    return Read(text)


_TRAPS = (
    (_OTHER_BASE, "octal and hexadecimal are read differently by YAML 1.1 and 1.2"),
    (_GROUPED, "underscores are part of a number in YAML 1.1 and text in 1.2"),
    (_SEXAGESIMAL, "YAML 1.1 reads minutes and seconds (22:30 is 1350)"),
    (_NO_NUMBER, "this is not a number that any field takes"),
    (_DATE, "YAML 1.1 reads a date"),
)


def _word(text: str, path: tuple[str | int, ...]) -> Read:
    if path[:1] == ("settings",) and text in ("yes", "no"):
        return Read(text)
    truth = "true" if text.lower() in ("yes", "on") else "false"
    wanted = "true or false, or text in quotes: YAML 1.1 reads a truth value here and YAML 1.2 text"
    return Read(text, "yaml-ambiguous", wanted, f'write {truth}, or "{text}" in quotes if the word is meant')


def _float(text: str) -> Read:
    number = float(text)
    if repr(number) == text:
        return Read(number)
    said = f"{text} becomes the number {number!r}"
    return Read(text, "yaml-ambiguous", f"text in quotes: {said}", f'write "{text}"')

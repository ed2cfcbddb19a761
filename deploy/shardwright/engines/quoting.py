r"""How a value is written in a configuration file, and read back, exactly as the servers do.

Knows no directives. The servers split a line on blanks; inside double quotes they know ``\"``, ``\\``, ``\n``, ``\r``,
``\t``, ``\b``, ``\a`` and ``\xHH``, and the closing quote must be followed by a blank or the end.
All that is not plain ASCII is written as ``\xHH`` of its UTF-8 bytes, so that the file means the same in any locale, and
a newline can never become a second directive.
"""

from __future__ import annotations

import re

from shardwright.errors import Problem, SpecError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,*-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_TOKEN = re.compile(rb"\\x([0-9a-fA-F]{2})|\\(.)|(.)", re.DOTALL)
_SPACE = b" \n\r\t\v\f"


def quote(value: str) -> str:
    """One value for a configuration file, as ASCII; double-quoted unless it is plain.

    Raises:
        SpecError: ``value-has-nul`` or ``value-not-utf8``; the value itself is not shown.
    """
    if "\0" in value:
        raise _refused("value-has-nul", f"{len(value)} characters, NUL at {value.index(chr(0))}", "no NUL")
    if _PLAIN.fullmatch(value):
        return value
    try:
        return '"' + "".join(_escaped(c) for c in value) + '"'
    except UnicodeEncodeError as error:
        found = f"{len(value)} characters, a lone surrogate at {error.start}"
        raise _refused("value-not-utf8", found, "text that UTF-8 can write") from None


def unquote(text: str) -> str:
    """What a server reads from one written value; the inverse of `quote`.

    Raises:
        ValueError: unbalanced quotes, something after the closing quote, or more than one word.
    """
    words = split(text)
    if len(words) != 1:
        raise ValueError(f"{len(words)} words, one was wanted")
    return words[0].decode()


def split(line: str) -> list[bytes]:
    """The arguments that a server makes of one line.

    Raises:
        ValueError: unbalanced quotes, as the server would say.
    """
    rest = line.encode()
    words = []
    while rest := rest.lstrip(_SPACE):
        word, rest = _next_word(rest)
        words.append(word)
    return words


def _next_word(rest: bytes) -> tuple[bytes, bytes]:
    word = b""
    while rest and rest[:1] not in _SPACE:
        if rest[:1] in b"\"'":
            part, rest = _quoted(rest[1:], rest[:1])
            if rest and rest[:1] not in _SPACE:
                raise ValueError("unbalanced quotes: something follows the closing quote")
            return word + part, rest
        word, rest = word + rest[:1], rest[1:]
    return word, rest


def _quoted(rest: bytes, mark: bytes) -> tuple[bytes, bytes]:
    word = b""
    while rest:
        if rest[:1] == mark:
            return word, rest[1:]
        if mark == b"'":
            step = 2 if rest[:2] == b"\\'" else 1
            word, rest = word + rest[step - 1 : step], rest[step:]
            continue
        token = _TOKEN.match(rest)
        assert token is not None
        code, escaped, plain = token.groups()
        word += bytes([int(code, 16)]) if code else _UNESCAPES.get(escaped, escaped) if escaped else plain
        rest = rest[token.end() :]
    raise ValueError("unbalanced quotes")


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if " " <= char <= "~":
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def _refused(code: str, found: str, wanted: str) -> SpecError:
    return SpecError([Problem(code, "", found, wanted, "write another value")])

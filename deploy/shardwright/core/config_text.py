"""How a value is written in each kind of file that lands on a host: server configuration, shell, systemd, logrotate.

Knows the grammars, not the files; the servers' own grammar is `engines.quoting`.
Words are quoted only where they must be, so that the files read as a person would write them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from types import MappingProxyType

from shardwright.engines import quote
from shardwright.errors import Problem, SpecError

_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+=,-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u0085\u2028\u2029]")


def refuse_control(value: str) -> None:
    """Refuses what would end a line in some file: newline, CR, NUL and their kin.

    Raises:
        SpecError: ``value-has-newline`` or ``value-has-control-character``; the value itself is not shown.
    """
    if (bad := _CONTROL.search(value)) is None:
        return
    code = "value-has-newline" if bad[0] in "\r\n\u0085\u2028\u2029" else "value-has-control-character"
    found = f"{len(value)} characters, {bad[0]!a} at position {bad.start()}"
    raise SpecError([Problem(code, "", found, "one line of text", "take it out")])


def directive(name: str, value: object) -> str:
    """One line of a server's configuration whose value is one word, whatever is in it.

    Raises:
        SpecError: as `refuse_control` does.
    """
    refuse_control(str(value))
    return f"{name} {quote(str(value))}"


def sh(value: object) -> str:
    """One word for a shell."""
    return shlex.quote(str(value))


def unit_word(value: object, suffix: str = "") -> str:
    """One word for a systemd setting; ``%`` is taken literally, but in `suffix`, where ``%i`` is the instance.

    The grammar is that of systemd.syntax(7) and systemd.unit(5).
    """
    text = str(value).replace("%", "%%") + suffix
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unit_exec(value: object, suffix: str = "") -> str:
    """One word for a command line of a unit, where ``$`` is special as well."""
    return unit_word(str(value).replace("$", "$$"), suffix)


def logrotate_word(value: object) -> str:
    """One file pattern for logrotate."""
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


FILTERS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {"sh": sh, "unit_word": unit_word, "unit_exec": unit_exec, "logrotate_word": logrotate_word}
)

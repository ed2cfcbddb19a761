"""Passwords that must be refused: placeholders, and what the servers can't hold.

Knows nothing of where a password comes from. No message shows one; only lengths and positions.
A password that looks like a template (``${PW}``, ``{{ pw }}``) is refused although a server would take it: far more often
it is text that something forgot to fill in.
"""

from __future__ import annotations

import re

from shardwright.errors import Problem

MAX_BYTES = 512
"""Longest password of Redis and Valkey (CONFIG_AUTHPASS_MAX_LEN)."""
MIN_CHARACTERS = 16

_WORDS = re.compile(
    r"change[-_]?(me|it|this)|replace[-_]?(me|this)|fixme|todo|tbd|xxx|placeholder|undefined|none|null|default|example"
    r"|(my|your)?[-_]?(password|passw0rd|passwd|pass|secret)|foobared|redis|valkey|admin|root|test|12345678",
    re.IGNORECASE,
)
_SHAPES = re.compile(
    r"""\s*(?:
        \$\{[^}]*\} | \$\([^)]*\) | \$[A-Za-z_]\w*      # shell
        | \{\{.*\}\} | \{%.*%\} | <%.*%>                # templates
        | <[^<>]*> | \[[^\[\]]*\] | %\([^)]*\)s         # to be filled in
        | %[A-Za-z_]\w*% | @[A-Za-z_]\w*@ | __\w+__
        | \$ANSIBLE_VAULT;.* | !vault.* | ENC\[.*\]     # still encrypted
        | (?:op|vault|awssm|secret|file|env)://.*       # references
        | (.)\1* | [*.x-]+
    )\s*""",
    re.VERBOSE | re.DOTALL,
)


def is_placeholder(value: str) -> bool:
    """Whether it is no password but a place for one: ``changeme``, ``${PW}``, ``{{ pw }}``, ``****``, or nothing."""
    plain = value.strip()
    return not plain or _WORDS.fullmatch(plain) is not None or _SHAPES.fullmatch(plain) is not None


def check_password(value: str) -> tuple[Problem, ...]:
    """Every reason to refuse a password, without showing it; `Problem.path` is ``security.password``."""
    size = len(value.encode("utf-8", "surrogatepass"))
    found = f"{len(value)} characters, {size} bytes"
    problems = []
    if not value:
        problems.append(("password-empty", "nothing", "a password: with none, the server is open to all"))
    elif is_placeholder(value):
        problems.append(("password-placeholder", found, "the password itself, not a place for one"))
    elif len(value) < MIN_CHARACTERS:
        wanted = f"at least {MIN_CHARACTERS} characters: a server allows millions of tries"
        problems.append(("password-short", found, wanted))
    if bad := re.search(r"[\x00-\x1f\x7f]", value):
        place = f"{found}, control character U+{ord(bad[0]):04X} at {bad.start()}"
        problems.append(("password-control-character", place, "no newline, NUL or other control character"))
    if bad := re.search(r"[\ud800-\udfff]", value):
        problems.append(("password-not-utf8", f"{found}, not UTF-8 at {bad.start()}", "text in UTF-8"))
    if size > MAX_BYTES:
        problems.append(("password-long", found, f"at most {MAX_BYTES} bytes"))
    hint = "make one: openssl rand -base64 32 | tr -d '\\n'"
    return tuple(Problem(code, "security.password", was, wanted, hint) for code, was, wanted in problems)

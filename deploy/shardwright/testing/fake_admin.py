"""Passwords and settings of a fake server: AUTH, ACL, CONFIG.

There is one user, `default`, with any number of passwords, kept as hashes: enough to rotate one with two of them valid in
between.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..model.wire import Reply, ReplyError
from . import fake_settings
from .fake_replies import OK, SYNTAX, arity

if TYPE_CHECKING:
    from .fake_commands import Session
    from .fake_server import FakeServer


def digest(password: str) -> str:
    """A password as ACLs keep it."""
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).hexdigest()


def login(s: FakeServer, user: str, password: str) -> str:
    """What a server says to somebody who logs in, with no user's name where `user` is empty; nothing where it is content."""
    if not s.passwords and not user:
        return (
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    if user not in ("", "default") or (s.passwords and digest(password) not in s.passwords):
        return "WRONGPASS invalid username-password pair or user is disabled."
    return ""


def auth(s: FakeServer, session: Session, argv: list[bytes]) -> Reply:
    """AUTH [user] password."""
    user, given = (b"", argv[1]) if len(argv) == 2 else (argv[1], argv[2])
    refused = login(s, user.decode("utf-8", "replace"), given.decode("utf-8", "replace"))
    if refused:
        return ReplyError(refused)
    session.logged_in = True
    return OK


def acl(s: FakeServer, session: Session, argv: list[bytes]) -> Reply:
    """LIST, WHOAMI, and SETUSER of the default user's passwords."""
    sub = argv[1].decode("latin-1").lower()
    if sub == "whoami":
        return b"default"
    if sub == "list":
        flags = ["nopass"] if not s.passwords else []
        flags += ["sanitize-payload"] if (7, 2) <= s.number < (9, 0) else []
        rules = ["on", *flags, *(f"#{held}" for held in s.passwords), "~*", "&*", "+@all"]
        return [" ".join(["user", "default", *rules]).encode()]
    if sub != "setuser" or argv[2:3] != [b"default"]:
        return ReplyError(f"ERR unknown subcommand '{argv[1].decode('latin-1')}'. Try ACL HELP.")
    for rule in (w.decode("utf-8", "replace") for w in argv[3:]):
        if rule.startswith((">", "#")):
            s.passwords.setdefault(digest(rule[1:]) if rule[0] == ">" else rule[1:])
        elif rule.startswith(("<", "!")):
            held = digest(rule[1:]) if rule[0] == "<" else rule[1:]
            if held in s.passwords:
                del s.passwords[held]
            else:
                return ReplyError(
                    f"ERR Error in ACL SETUSER modifier '{rule}': "
                    "The password you are trying to remove from the user does not exist"
                )
        elif rule in ("nopass", "resetpass"):
            s.passwords.clear()
        elif rule not in ("on", "~*", "&*", "+@all", "allkeys", "allchannels", "allcommands"):
            return ReplyError(f"ERR Error in ACL SETUSER modifier '{rule}': Syntax error")
    session.logged_in = True
    return OK


def config(s: FakeServer, session: Session, argv: list[bytes]) -> Reply:
    """CONFIG GET, SET, REWRITE, RESETSTAT."""
    sub = argv[1].decode("latin-1").lower()
    given = [w.decode("utf-8", "replace") for w in argv[2:]]
    if sub not in ("get", "set", "rewrite", "resetstat"):
        return ReplyError(f"ERR unknown subcommand '{argv[1].decode('latin-1')}'. Try CONFIG HELP.")
    if (sub == "get" and not given) or (sub == "set" and len(given) < 2):
        return arity(f"config|{sub}")
    if sub == "get":
        found = {shown: kept for p in given for shown, kept in fake_settings.names(p, s.settings, s.product).items()}
        return [text for shown, kept in found.items() for text in (shown.encode(), s.settings[kept].encode())]
    if sub == "rewrite":
        s.config_file = dict(s.settings)
        return OK
    return _config_set(s, session, given) if sub == "set" else OK


def _config_set(s: FakeServer, session: Session, given: list[str]) -> Reply:
    if len(given) % 2:
        return SYNTAX
    pairs = list(zip(given[::2], given[1::2], strict=True))
    for name, value in pairs:
        refused = fake_settings.refusal(name, value, s.settings, s.product, s.version)
        if refused is not None:
            return ReplyError(refused)
    for name, value in pairs:
        kept = fake_settings.canonical(name)
        if kept == "appendonly" and value == "yes" and s.settings[kept] != "yes":
            s.rewriting_until = s.clock.now() + 0.3
        same = s.settings[kept] == value
        s.settings[kept] = fake_settings.shown(kept, value)
        if kept == "requirepass" and not same:
            s.passwords = {digest(value): None} if value else {}
            session.logged_in = True
    s.update_state()
    return OK

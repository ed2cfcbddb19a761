"""Reads from a server's own words which passwords its default user takes, and writes the commands that change that. Pure.

Passwords are compared here and not kept: what comes out is a `Standing`. Words that hold a password, or the hash of one,
are `Secret`. Hashes and not passwords go into ACL rules, so that one that is to be dropped needs not travel.

The decision a reader would question: `ACL LIST` and not `ACL GETUSER`, since its one line a user has kept its form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..engines import quote
from ..errors import ObservationError
from ..model.secret import Secret
from ..model.spec import Security
from ..model.standing import Given, Standing
from ..model.wire import Command, Reply, ReplyError
from .planning.rotating import DEFAULT, alone

ASKED: tuple[Command, ...] = (
    ("ACL", "LIST"),
    ("CONFIG", "GET", "requirepass"),
    ("CONFIG", "GET", "masterauth"),
    ("CONFIG", "GET", "masteruser"),
)


def passwords(security: Security) -> dict[Given, Secret]:
    """The passwords that are given, by name."""
    named = {Given.PASSWORD: security.password, Given.PREVIOUS: security.previous, Given.RETIRED: security.retired}
    return {given: secret for given, secret in named.items() if secret is not None}


def valid(security: Security) -> frozenset[Given]:
    """What servers are to take in the end."""
    return frozenset(passwords(security)) - {Given.RETIRED}


def digest(secret: Secret) -> str:
    """The hash of a password as ACL rules have it: SHA-256 in hex."""
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


def masked(text: str, security: Security) -> str:
    """A text without the passwords of the cluster, as they are, quoted, and as the hashes of ACL rules."""
    given = [secret for secret in passwords(security).values() if len(secret)]
    forms = {form for s in given for form in (s.reveal(), quote(s.reveal()), digest(s))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def standing(replies: Sequence[Reply], security: Security) -> Standing:
    """How a server stands, from its replies to `ASKED`.

    Raises:
        ObservationError: ``passwords-not-told``; the server does not tell, or has no default user.
    """
    refused = next((r for r in replies if isinstance(r, ReplyError)), None)
    if refused is not None or len(replies) != len(ASKED):
        raise _not_told(refused.message.partition(" ")[0] if refused is not None else "no answer")
    words = _default_user(replies[0])
    hashes = {word[1:] for word in words if word.startswith("#")}
    ours = {digest(secret): given for given, secret in passwords(security).items()}
    takes = {ours[h] for h in hashes if h in ours} | ({Given.NOTHING} if "nopass" in words else set())
    written, auth, user = (_value(reply) for reply in replies[1:4])
    current = security.password.reveal() if security.password else ""
    return Standing(frozenset(takes), len(hashes - ours.keys()), auth == current, user, written == current)


def admit_commands(security: Security) -> tuple[Command, ...]:
    """Adds what is to be valid to what a server takes."""
    return (_rules("#", *(passwords(security)[given] for given in sorted(valid(security)))),)


def use_commands(security: Security, user: str) -> tuple[Command, ...]:
    """Lets a server log in at its primary with the password; the link that is up stays."""
    assert security.password is not None
    return ("CONFIG", "SET", "masteruser", user), ("CONFIG", "SET", "masterauth", security.password)


def retire_commands(security: Security, now: Standing) -> tuple[Command, ...]:
    """Leaves a server with what is to be valid, and with what `cluster.yml` does not name.

    `CONFIG SET requirepass` alone would not do: where the value is the same it does nothing, whatever the ACL has by then.
    Protected mode is as the file has it: off only in open clusters, since it lets nobody else in there.
    """
    assert security.password is not None
    shut: tuple[Command, ...] = (("CONFIG", "SET", "protected-mode", "yes"),) if now.open else ()
    if alone(now, valid(security)):
        only = ("ACL", "SETUSER", DEFAULT, "resetpass", Secret("#" + digest(security.password)))
        return only, ("CONFIG", "SET", "requirepass", security.password), *shut
    if now.open:
        return *admit_commands(security), *shut
    given = passwords(security)
    return (_rules("!", *(given[name] for name in sorted(now.takes - valid(security)))),)


def _rules(sign: str, *secrets: Secret) -> Command:
    return ("ACL", "SETUSER", DEFAULT, *(Secret(sign + digest(secret)) for secret in secrets))


def _default_user(reply: Reply) -> list[str]:
    lines = (
        [line.decode("utf-8", "replace") for line in reply if isinstance(line, bytes)]
        if isinstance(reply, list)
        else []
    )
    found = next((line.split(" ") for line in lines if line.startswith(f"user {DEFAULT} ")), None)
    if found is None:
        raise _not_told("no default user")
    return found


def _value(reply: Reply) -> str:
    value = reply[1] if isinstance(reply, list) and len(reply) == 2 else None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _not_told(why: str) -> ObservationError:
    return ObservationError(
        "passwords-not-told",
        f"a server does not tell which passwords it takes ({why})",
        hint="ACL LIST and CONFIG GET must be allowed to its default user; then run again",
    )

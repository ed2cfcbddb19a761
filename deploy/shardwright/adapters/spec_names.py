"""Names, addresses and paths that a spec may hold: rules over single values, each refusal with what was found and wanted.

Pure, without YAML or lines. Addresses must be IP literals: servers announce them to one another, and `CLUSTER MEET` takes no
names. That also keeps loading offline, and makes "one host by name and by address" impossible instead of undetected.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable
from typing import LiteralString

from pydantic_core import PydanticCustomError

LOCAL = "@local"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_CONNECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_CLUSTER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9._/@+~-]+")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refuse(code: LiteralString, found: str, wanted: str, hint: str = "") -> PydanticCustomError:
    """The error that a validator raises; the loader adds path and line."""
    return PydanticCustomError(code, "{wanted}", {"found": found, "wanted": wanted, "hint": hint})


def quoted(text: str) -> str:
    """The text in double quotes for a message, cut to 60 characters, with what can't be printed as code points."""
    cut = text if len(text) <= 60 else text[:57] + "..."
    return '"' + "".join(c if c.isprintable() and c.isascii() else f"<U+{ord(c):04X}>" for c in cut) + '"'


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint with the nearest known word; empty if none is near."""
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.55)
    return f"{near[0]} is meant?" if near else ""


def cluster_name(text: str) -> str:
    """Goes into paths, unit names and reports: nothing that a shell or a path could take amiss."""
    if not _CLUSTER.fullmatch(text):
        raise refuse("name-malformed", _described(text), "1 to 63 of a-z, 0-9 and '-', not '-' first", _slug(text))
    return text


def host_name(text: str) -> str:
    """A host's name in lower case: labels of letters, digits and hyphens, joined by dots."""
    if len(text) <= 253 and all(_LABEL.fullmatch(label) for label in text.split(".")):
        return text
    wanted = "labels of 1 to 63 of a-z, 0-9 and '-' (inside), joined by dots, at most 253 characters"
    raise refuse("host-name-malformed", _described(text), wanted, _slug(text, dots=True))


def connect_name(text: str) -> str:
    """Where ssh goes: a name, an address, or `@local`."""
    if not text or text == LOCAL or _CONNECT.fullmatch(text) or _parsed(text) is not None:
        return text
    hint = "user and port go to ssh.user and ssh.port" if re.search(r"[@:]", text) else ""
    raise refuse("connect-malformed", _described(text), f'a host name, an address, or "{LOCAL}" for this machine', hint)


def domain_name(text: str) -> str:
    """A zone's or rack's name."""
    if text and not _DOMAIN.fullmatch(text):
        wanted = "1 to 63 of letters, digits, '.', '_' and '-', a letter or digit first"
        raise refuse("domain-name-malformed", _described(text), wanted)
    return text


def user_name(text: str) -> str:
    """A user of the operating system; empty for none."""
    if text and not _USER.fullmatch(text):
        raise refuse("user-malformed", _described(text), "1 to 32 of a-z, 0-9, '_' and '-', a letter or '_' first")
    return text


def variable_name(text: str) -> str:
    """An environment variable."""
    if not _VARIABLE.fullmatch(text):
        found = f"text of {len(text)} characters, not shown"
        raise refuse(
            "variable-malformed", found, "the name of a variable, such as SHARDWRIGHT_PASSWORD", "not the value"
        )
    return text


def path(text: str) -> str:
    """A path that needs no quoting in any file that it goes to; empty for none."""
    if text and not _PATH.fullmatch(text):
        raise refuse("path-malformed", _described(text), "letters, digits and . _ / @ + ~ - only")
    if text.startswith("-"):
        raise refuse("path-malformed", _described(text), "no '-' first, which tools take for an option")
    return text


def address(text: str) -> str:
    """An IP address that peers can reach, in its usual form. Loopback is judged with the whole spec in view."""
    found = quoted(text)
    if bracketed := re.fullmatch(r"\[(.*)\](?::\d+)?", text):
        raise refuse("address-malformed", found, "an IP address without brackets", f"write {bracketed[1]}")
    if "%" in text:
        raise refuse(
            "address-link-local", found, "an address without zone id", "link-local addresses don't reach peers"
        )
    ip = _parsed(text)
    if ip is None:
        raise _no_address(text)
    _reachable(ip, found)
    return str(ip)


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _no_address(text: str) -> PydanticCustomError:
    found = _described(text)
    if with_port := re.fullmatch(r"(\d+\.\d+\.\d+\.\d+):(\d+)", text):
        hint = f"write address: {with_port[1]} and ports: [{with_port[2]}]"
        return refuse("address-malformed", found, "an IP address without port", hint)
    if re.search(r"[g-zG-Z]", text):
        hint = (
            f"put the name into connect, and here what `getent ahosts {text}` says" if _CONNECT.fullmatch(text) else ""
        )
        wanted = "an IP address: servers announce it to one another and take no names"
        return refuse("address-not-ip", found, wanted, hint)
    return refuse("address-malformed", found, "an IPv4 or IPv6 address", "no leading zeros, no brackets, no port")


def _reachable(ip: Address, found: str) -> None:
    """Refuses addresses that no peer can connect to."""
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    if mapped is not None:
        raise refuse("address-mapped", found, "the IPv4 address itself", f"write {mapped}")
    if ip.is_loopback:
        return
    if ip.is_unspecified:
        raise refuse("address-unreachable", found, "an address that peers can reach", "0.0.0.0 and :: are no addresses")
    if ip.is_link_local:
        raise refuse(
            "address-link-local", found, "an address that peers can reach", "link-local ends at the next switch"
        )
    if ip.is_multicast or int(ip) == 0xFFFFFFFF or (ip.version == 4 and ip.is_reserved):
        raise refuse(
            "address-unreachable", found, "the address of one host", "multicast, broadcast and reserved are none"
        )
    if isinstance(ip, ipaddress.IPv6Address) and int(ip) < 1 << 32:
        hint = "write the address without port; the port goes to ports"
        raise refuse("address-malformed", found, "an IPv6 address; this one looks like an address and a port", hint)


def _described(text: str) -> str:
    """The text, and where it has a character that looks like another or like nothing."""
    odd = next(((i, c) for i, c in enumerate(text) if not " " <= c <= "~"), None)
    if odd is None:
        return quoted(text)
    return f"{quoted(text)}, with U+{ord(odd[1]):04X} at position {odd[0] + 1}"


def _slug(text: str, *, dots: bool = False) -> str:
    kept = r"[^a-z0-9.-]+" if dots else r"[^a-z0-9-]+"
    slug = re.sub(kept, "-", text.lower()).strip("-.")[:63]
    return f"write {slug}" if slug and slug != text else ""

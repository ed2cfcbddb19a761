"""Rules on who may talk to the servers, and the one place that reads a password from where the spec says it is.

Reads environment variables and files of this machine, and contacts nothing. No message holds a password: only its length.
Being refused is the default: without password only on loopback, or where the spec says `open: true`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path as FilePath

from shardwright.engines import check_password
from shardwright.model.secret import Secret

from .regular_files import read_regular
from .spec_checks import ssh_of
from .spec_draft import Draft
from .spec_schema import EngineSection, PasswordSection, SecuritySection
from .spec_yaml import Path

FIELDS = ("password", "previous", "retired")
_PLACE = "password-placeholder"
MAX_FILE = 4_096
GIT_SECONDS = 5.0


def check(draft: Draft, env: Mapping[str, str]) -> dict[str, Secret]:
    """Adds every problem about security to `draft`, and gives the passwords that can be used, by field."""
    _files(draft)
    section = draft.get("security", SecuritySection)
    if section is None:
        return {}
    _whether(draft, section)
    found: dict[str, Secret] = {}
    for name in FIELDS:
        source = getattr(section, name)
        text = _read(draft, source, ("security", name), env) if _given(source) else None
        if text is None:
            continue
        _judge(draft, name, text)
        same = next((other for other, secret in found.items() if secret.reveal() == text), None)
        if same is not None:
            there = f"the same password as in security.{same}"
            draft.refuse("password-same", ("security", name), there, "another one", "take one of the two lines out")
        found[name] = Secret(text)
    alone = next((n for n in FIELDS[1:] if _given(getattr(section, n)) and not _given(section.password)), None)
    if alone is not None:
        hint = "to go without a password again is not offered; password is the one that servers are to take"
        draft.refuse("password-previous-alone", ("security", alone), "no password beside it", "security.password", hint)
    return found


def _given(source: PasswordSection) -> bool:
    return bool(source.env or source.file)


def _judge(draft: Draft, name: str, text: str) -> None:
    """A password that is on its way out may be a poor one; it only has to be one that servers can hold."""
    old = name != "password"
    for problem in check_password(text):
        if problem.code == "password-short" and old:
            continue
        add = draft.warn if problem.code == "password-short" or (problem.code == _PLACE and old) else draft.refuse
        add(problem.code, ("security", name), problem.found, problem.wanted, problem.hint)


def _whether(draft: Draft, section: SecuritySection) -> None:
    """Whether there is to be a password at all."""
    given = _given(section.password)
    loopback = bool(draft.hosts) and all(ipaddress.ip_address(h.address).is_loopback for _, h in draft.hosts)
    if given and section.open:
        draft.refuse("password-and-open", ("security", "open"), "a password and open: true", "one of them")
    elif section.open and not loopback:
        hint = "anyone who reaches the ports can read, change and run; see that a firewall lets only your clients in"
        draft.warn("security-open", ("security", "open"), "no password", "a password", hint)
    elif not given and not loopback and draft.hosts_complete:
        hint = (
            "add  security: {password: {env: SHARDWRIGHT_PASSWORD}}  or, on a closed network,  security: {open: true}"
        )
        draft.refuse(
            "password-missing", ("security",), "no password, and addresses beyond loopback", "a password", hint
        )


def local_path(draft: Draft, text: str) -> FilePath:
    """A path on this machine: `~` is this user's home, relative ones are relative to the directory of `cluster.yml`."""
    return FilePath(os.path.normpath(draft.directory / os.path.expanduser(text)))


def _read(draft: Draft, source: PasswordSection, at: Path, env: Mapping[str, str]) -> str | None:
    if name := source.env:
        if name not in env:
            known = re.fullmatch(r"[A-Z][A-Z0-9_]*", name) is not None  # else it may be the password itself
            hint = f"export {name if known else 'NAME'}=...  in the shell, or as a secret of the pipeline"
            found = f"no variable {name}" if known else f"no variable of that name ({len(name)} characters)"
            draft.refuse("password-env-missing", at, found, "the password in it", hint)
        return env.get(name)
    return _read_file(draft, source.file, (*at, "file"))


def _read_file(draft: Draft, text: str, at: Path) -> str | None:
    """The first line, which must be the only one; a file that others can read is refused."""
    where = local_path(draft, text)
    try:
        raw, mode = read_regular(where, MAX_FILE)
    except OSError as error:
        shown = where if "/" in text else f"{where.parent}, that name"  # a bare word may be the password itself
        draft.refuse("password-file", at, f"{shown}: {error.strerror}", "a file with one line")
        return None
    if mode & 0o077:
        found = f"{where} has mode {mode:04o}"
        draft.refuse("password-file-mode", at, found, "a file that only its owner can read", f"chmod 600 {where}")
    if _is_tracked(where):
        hint = f"git rm --cached {where}, add it to .gitignore, and change the password: it stays in the history"
        draft.warn("password-file-tracked", at, f"{where} is tracked by git", "a file that is in no repository", hint)
    try:
        line = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        draft.refuse("password-not-utf8", at, f"{where}: not UTF-8", "text in UTF-8")
        return None
    return line.removesuffix("\n").removesuffix("\r")


def _is_tracked(path: FilePath) -> bool:
    """Whether git has the file in its index; False where there is no git, no repository, or no answer in time."""
    words = ["git", "-C", str(path.parent), "ls-files", "--error-unmatch", "--", path.name]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=GIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _files(draft: Draft) -> None:
    """Files of this machine that the spec names must exist; a key may come later (an agent has it), so it only warns."""
    engine = draft.get("engine", EngineSection)
    if engine is not None and engine.bundle and not local_path(draft, engine.bundle).is_file():
        found = f"no file {local_path(draft, engine.bundle)}"
        draft.refuse("bundle-missing", ("engine", "bundle"), found, "a bundle", "shardwright bundle build")
    told: set[tuple[str, str]] = set()
    for index, host in draft.hosts:
        if host.connect == "@local":
            continue
        ssh = ssh_of(draft, host)
        for name in ("key", "known_hosts"):
            text = getattr(ssh, name)
            if not text or (name, text) in told or local_path(draft, text).is_file():
                continue
            told.add((name, text))
            at: Path = ("hosts", index, "ssh", name) if name in host.ssh.model_fields_set else ("ssh", name)
            hint = "" if name == "known_hosts" else "put the key there, or take the line out where an agent has it"
            draft.warn(
                f"ssh-{name.replace('_', '-')}-missing", at, f"no file {local_path(draft, text)}", "a file", hint
            )
        if not ssh.strict_host_key and ("strict", "") not in told:
            told.add(("strict", ""))
            hint = "a machine in between could be taken for a host, and be given the password"
            draft.warn("ssh-host-key-not-checked", ("ssh", "strict_host_key"), "false", "true, with known_hosts", hint)

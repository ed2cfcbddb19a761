"""Turns the changes of one batch into one script, and what it printed into what was done. Pure text.

The script holds file contents as base64, so it is only ever sent by stdin. Where something hangs on what came of it, it
ends with the next look at the host: to change and to see is one round trip.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...engines import Version, VersionRange
from ...model.blueprint import Blueprint, BundleSource, Directory, File, Instance, KernelSetting, Mount
from ...model.spec import ServiceManager
from .changes import (
    Change,
    CreateUser,
    EnableInstances,
    InstallBundle,
    InstallPackages,
    MaskUnit,
    ReloadManager,
    Remove,
    RemovePolicy,
    RestartInstances,
    StartInstances,
)
from .kept_nodes import KeepNodes, RestoreIdentity
from .questions import script
from .services import data_pattern, log_pattern, restart_calls
from .state import HostState, parse

START_SECONDS = 60
_STATE = "state"
_END = "SHARDWRIGHT_END_OF_CONTENT"
_CODED = re.compile(r"\[(?P<code>[a-z][a-z0-9-]+)\] (?P<seen>.*?)(?:; hint: (?P<hint>.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a batch stopped: at which change, a stable code, what was seen, and the remedy where one is known."""

    change: Change | None
    code: str
    seen: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch: the changes that were done, warnings, the failure that ended it, and the host after it."""

    done: tuple[Change, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    failure: Failure | None = None
    state: HostState | None = field(default=None, repr=False)


def batch(changes: Sequence[Change], blueprint: Blueprint, family: str, look: str, *, lock_wait: int) -> str:
    """The script that carries out `changes` in order, stops at the first failure, and may look again at the end.

    Args:
        changes: of one stage.
        blueprint: of the host.
        family: the host's operating system family.
        look: what `questions.look` gave, or nothing.
        lock_wait: seconds to wait for another process that installs packages.
    """
    masks = [number for number, change in enumerate(changes) if isinstance(change.action, MaskUnit)]
    writer = _Writer(blueprint, family, lock_wait, masks[-1] if masks else -1)
    steps = [writer.step(number, change) for number, change in enumerate(changes)]
    bundle = next((c for c in changes if isinstance(c.action, InstallBundle)), None)
    tail = f"exit 0\n{_payload(blueprint)}" if bundle else "exit 0"
    removes = any(isinstance(c.action, Remove) for c in changes)
    names = ("services.sh", "apply.sh", *(("remove.sh", "prune.sh") if removes else ()))
    library = [script(name) for name in names]
    return "\n".join([*library, *steps, f"printf '{_STATE}\\n'", look, tail])


def result(lines: Iterable[str], changes: Sequence[Change], ok: bool, errors: Iterable[str]) -> BatchResult:
    """What the script printed, understood."""
    done: list[Change] = []
    warnings: list[tuple[str, str]] = []
    failure: Failure | None = None
    rows = list(lines)
    at = rows.index(_STATE) if _STATE in rows else len(rows)
    for row in rows[:at]:
        kind, _, rest = row.partition("\t")
        number, _, words = rest.partition("\t")
        change = changes[int(number)] if number.isdigit() and int(number) < len(changes) else None
        if kind == "did" and change is not None:
            done.append(change)
        elif kind == "warn":
            coded = explain(words, change)
            warnings.append((coded.code, f"{coded.seen}; {coded.hint}"))
        elif kind == "fail":
            failure = explain(words, change)
    if at == len(rows) and failure is None:
        words = " ".join(errors)[-300:] or "it ended without a word" + ("" if ok else ", and not well")
        failure = explain(words, None)
    return BatchResult(tuple(done), tuple(warnings), failure, parse(rows[at + 1 :]) if at < len(rows) else None)


def explain(words: str, change: Change | None) -> Failure:
    """A failure from what a command said; a full or read-only disk is recognised whatever the command was."""
    text = " ".join(words.split())
    if (coded := _CODED.search(text)) is not None:
        return Failure(change, coded["code"], coded["seen"], coded["hint"] or "")
    if "No space left" in text or "Disk quota exceeded" in text:
        return Failure(change, "disk-full", text, "make room there (df -h), then run again")
    if "Read-only file system" in text:
        return Failure(change, "read-only", text, "find out why it is read-only (dmesg, mount), remount it, run again")
    if "Operation not permitted" in text or "Permission denied" in text:
        return Failure(
            change, "not-permitted", text, "look at the path's owner and attributes (lsattr), and at ssh.sudo"
        )
    return Failure(change, "change-failed", text, "see what it says on the host, then run again: done changes are kept")


def bounds(versions: str) -> str:
    """A version range as words for `dpkg --compare-versions`: ``ge 7.0.0 lt 7.1.0``."""
    wanted = VersionRange.parse(versions)
    upper = f" lt {_plain(wanted.high)}" if wanted.high is not None else ""
    return f"ge {_plain(wanted.low)}{upper}"


def _plain(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.patch}"


def _payload(blueprint: Blueprint) -> str:
    source = blueprint.engine.source
    assert isinstance(source, BundleSource)
    encoded = base64.encodebytes(Path(source.archive).read_bytes()).decode()
    return f"#payload\n{encoded}#end of payload"


@dataclass(frozen=True, slots=True)
class _Writer:
    blueprint: Blueprint
    family: str
    lock_wait: int
    last_mask: int

    def step(self, number: int, change: Change) -> str:
        """The line, or lines, of one change."""
        match change.action:
            case File() as file:
                content = base64.encodebytes(file.content.encode()).decode()
                call = self._call("step", number, "put", file.path, file.owner, file.group, file.mode)
                ours = any(file.path == i.config for i in self.blueprint.instances)
                kept = f"remember {shlex.quote(file.path)}\n" if ours else ""
                return f"{kept}{call} <<'{_END}'\n{content}{_END}"
            case Directory(path, owner, group, mode):
                return self._call("step", number, "folder", path, owner, group, mode)
            case CreateUser(name):
                return self._call("step", number, "account", name)
            case KernelSetting(name, path, value):
                return self._call("try", number, "kernel", path, value, name)
            case Mount(source, target, fstype, options):
                return self._call("step", number, "attach", source, target, fstype, options)
            case MaskUnit(unit):
                return self._call("step", number, "mask", unit, *["reload"] * (number == self.last_mask))
            case RemovePolicy():
                return self._call("step", number, "release_policy")
            case InstallPackages(packages, suite):
                return self._packages(number, packages, suite or "")
            case InstallBundle():
                return self._bundle(number)
            case Remove(words):
                return self._call("step", number, *words)
            case ReloadManager():
                return self._call("step", number, "reload")
            case RestoreIdentity(instance, node_id):
                port = str(instance.endpoint.port)
                return self._call("step", number, "guarded", self.blueprint.guard, "restore", port, node_id)
            case KeepNodes(pairs):
                proved = (f"{instance.endpoint.port}={node_id}" for instance, node_id in pairs)
                return self._call("try", number, "guarded", self.blueprint.guard, "keep", *proved)
            case EnableInstances(instances):
                return self._call("step", number, "enable_systemd", *(i.service for i in instances))
            case StartInstances(instances):
                return self._start(number, instances)
            case RestartInstances(instances):
                calls = restart_calls(self.blueprint, instances)
                return "\n".join(self._call("step", number, *words) for words in calls)

    @staticmethod
    def _call(how: str, number: int, *words: str) -> str:
        return " ".join([how, str(number), *map(shlex.quote, words)])

    def _packages(self, number: int, packages: tuple[str, ...], suite: str) -> str:
        versions = self.blueprint.engine.versions
        words = (str(self.lock_wait), suite, bounds(versions), versions, *packages)
        return self._call("step", number, f"packages_{self.family}", *words)

    def _bundle(self, number: int) -> str:
        source = self.blueprint.engine.source
        assert isinstance(source, BundleSource)
        encoded = base64.encodebytes(source.install_script.encode()).decode()
        unpack = 'sed \'1,/^#payload$/d; /^#end of payload$/,$d\' "$work/script" | base64 -d >"$work/bundle"'
        install = self._call("step", number, "sh", "{work}/install").replace("'{work}/install'", '"$work/install"')
        arguments = " ".join(map(shlex.quote, (source.sha256, source.target, source.current)))
        return (
            f'{unpack}\nbase64 -d >"$work/install" <<\'{_END}\'\n{encoded}{_END}\n{install} "$work/bundle" {arguments}'
        )

    def _start(self, number: int, instances: tuple[Instance, ...]) -> str:
        ports = [str(i.endpoint.port) for i in instances]
        lines = (
            [self._call("step", number, "guarded", self.blueprint.guard, "adopt", *ports)]
            if self.blueprint.guard
            else []
        )
        if self.blueprint.manager is ServiceManager.SYSTEMD:
            pairs = [f"{i.service}={i.endpoint.port:04X}" for i in instances]
            lines.append(self._call("step", number, "enable_systemd", *(i.service for i in instances)))
            lines.append(
                self._call("step", number, "start_systemd", str(START_SECONDS), data_pattern(instances), *pairs)
            )
        elif self.blueprint.manager is ServiceManager.OPENRC:
            lines.append(self._call("step", number, "start_openrc", *(i.service for i in instances)))
        else:
            places = log_pattern(instances), data_pattern(instances)
            lines.append(self._call("step", number, "start_direct", self.blueprint.control, *places, *ports))
        return "\n".join(lines)

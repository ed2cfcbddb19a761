"""`changes`: what differs between the blueprint of a host and what was found there, as values in the order of doing.

Pure; knows neither pyinfra nor shells (`batches` turns the values into a script). A running server is never stopped or
restarted by these: where its files differ from those it started with, that is said in `restart_needed`, and the cluster's
plan decides (`supervising`).

The decision a reader would question: the `appendonly` line of an instance that has data follows the data, not the wish.
Started with the wrong value a server comes up empty or stale, so the line is written as the data needs it, the server is
switched live by the cluster step, and only then (`settled=True`) the wished line is written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ...engines import VersionRange, identify_binary
from ...errors import ObservationError
from ...model.blueprint import Blueprint, Directory, File, Instance, KernelSetting, Mount, PackageSource
from ...model.spec import ServiceManager
from .kept_nodes import KeepNodes, RestoreIdentity, lost_list
from .state import HostState, PathState

_APPENDONLY = re.compile(r"^(appendonly[ \t]+)(yes|no)[ \t]*$", re.MULTILINE)
_LOGINS = re.compile(r"^(?:requirepass|masterauth|user|protected-mode) .*\n", re.MULTILINE)
_UP = ("active", "activating", "reloading")


class Stage(StrEnum):
    """The batches in which a host is changed, each one round trip; the values are the names of the operations."""

    ENGINE = "Install engine"
    MOUNTS = "Mount storage"
    OWNERSHIP = "Create user and directories"
    FILES = "Write files"
    KERNEL = "Kernel settings"
    SERVICES = "Start services"
    IDENTITIES = "Restore identities"


@dataclass(frozen=True, slots=True)
class InstallPackages:
    """Packages from the host's own repositories, `suite` being one to prefer."""

    packages: tuple[str, ...]
    suite: str | None


@dataclass(frozen=True, slots=True)
class InstallBundle:
    """The engine that travels from the control machine."""


@dataclass(frozen=True, slots=True)
class MaskUnit:
    """A distribution's service that must never run beside ours."""

    unit: str


@dataclass(frozen=True, slots=True)
class RemovePolicy:
    """The temporary policy-rc.d of a run of ours that was killed while it installed."""


@dataclass(frozen=True, slots=True)
class CreateUser:
    """System user and group of one name."""

    name: str


@dataclass(frozen=True, slots=True)
class StartInstances:
    """Servers that are to be started and, by systemd or OpenRC, at every boot."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class RestartInstances:
    """Servers that run and are to be started anew; only ever by the cluster's plan."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class EnableInstances:
    """Servers that run, but would not after a boot."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class ReloadManager:
    """systemd must read its unit files again."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Something of ours that goes: the words of the call that removes it."""

    words: tuple[str, ...]


Action = (
    InstallPackages
    | InstallBundle
    | MaskUnit
    | RemovePolicy
    | CreateUser
    | StartInstances
    | RestartInstances
    | RestoreIdentity
    | KeepNodes
    | EnableInstances
    | ReloadManager
    | Remove
    | Directory
    | File
    | Mount
    | KernelSetting
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do: in which batch, in a few words without secrets, and what exactly."""

    stage: StrEnum
    text: str
    action: Action = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostChanges:
    """What has to be done to a host.

    Attributes:
        changes: in order.
        warnings: (code, text) of what differs and can't be changed by us, such as a kernel setting in a container.
        restart_needed: (instance's name, what differs from what the running server started with).
        deferred: names of instances whose `appendonly` line follows their data for now.
    """

    changes: tuple[Change, ...]
    warnings: tuple[tuple[str, str], ...] = ()
    restart_needed: tuple[tuple[str, tuple[str, ...]], ...] = ()
    deferred: tuple[str, ...] = ()

    def of(self, stage: Stage) -> tuple[Change, ...]:
        """The changes of one batch."""
        return tuple(c for c in self.changes if c.stage is stage)


def changes(blueprint: Blueprint, state: HostState, *, settled: bool = False) -> HostChanges:
    """What differs, in the order of doing.

    Args:
        blueprint: what the host should be; its `manager` must not be `auto`.
        state: what was found there.
        settled: the servers run with the wished `appendonly`, so the files may say so.
    """
    deferred = {} if settled else _deferred(blueprint, state)
    files = tuple(_as_deferred(f, blueprint, deferred) for f in blueprint.files)
    found = [
        *_engine(blueprint, state),
        *_mounts(blueprint, state),
        *_ownership(blueprint, state),
        *_files(files, state),
        *_kernel(blueprint, state),
        *_services(blueprint, state, files),
    ]
    return HostChanges(
        tuple(found),
        tuple(_kernel_warnings(blueprint, state)),
        tuple(_restarts(blueprint, state)),
        tuple(deferred),
    )


def is_running(instance: Instance, state: HostState, manager: ServiceManager) -> bool:
    """Whether the instance's own server runs, by its service manager or, without one, by its process."""
    if manager is not ServiceManager.DIRECT:
        return state.unit(instance.service).active in _UP
    return server_process(instance, state, manager) is not None


def server_process(instance: Instance, state: HostState, manager: ServiceManager) -> int | None:
    """Number of the process that is the instance: by the manager, or the one that works in its data directory."""
    if manager is ServiceManager.SYSTEMD and (pid := state.unit(instance.service).pid):
        return pid
    candidates = [dict(state.pidfiles).get(instance.name), *state.holders(instance.endpoint.port)]
    for candidate in candidates:
        process = state.process(candidate)
        if process is not None and process.directory == state.data_of(instance.name).real != "":
            return process.pid
    return None


def engine_fits(blueprint: Blueprint, state: HostState) -> bool:
    """Whether the server binary is there and, by its own word, of the wanted product and version."""
    if not state.engine:
        return False
    try:
        product, version = identify_binary(state.engine)
    except ObservationError:
        return False
    return product == blueprint.engine.product and VersionRange.parse(blueprint.engine.versions).contains(version)


def packages_for(source: PackageSource, state: HostState) -> tuple[str, ...]:
    """The names of the engine's packages on this system; empty where it is not one that we know."""
    known = dict(source.packages)
    return known.get(state.family, known.get("el", ()) if state.family == "redhat" else ())


def _engine(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    engine = blueprint.engine
    if state.policy_leftover:
        yield Change(Stage.ENGINE, "remove the policy-rc.d that an interrupted run left", RemovePolicy())
    if state.init == "systemd":
        for unit in engine.masked_units:
            if unit.endswith(".service") and state.unit(unit).load != "masked":
                yield Change(Stage.ENGINE, f"mask {unit}", MaskUnit(unit))
    if isinstance(engine.source, PackageSource):
        wanted = packages_for(engine.source, state)
        missing = [name for name in wanted if name not in dict(state.packages)]
        if missing or not engine_fits(blueprint, state):
            text = f"install {' '.join(wanted)}" + (f" from {engine.source.suite}" if engine.source.suite else "")
            yield Change(Stage.ENGINE, text, InstallPackages(wanted, engine.source.suite))
    elif state.bundle_current not in _names(engine.source.target) or not engine_fits(blueprint, state):
        yield Change(Stage.ENGINE, f"install the bundle {engine.source.target}", InstallBundle())


def _names(target: str) -> tuple[str, str]:
    return target, target.rsplit("/", 1)[-1]


def _mounts(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    mounted, fstab = dict(state.mounted), dict(state.fstab)
    for mount in blueprint.mounts:
        entry = fstab.get(mount.target)
        listed = entry and (entry.source, entry.fstype, entry.options) == (mount.source, mount.fstype, mount.options)
        if not listed or mount.target not in mounted:
            yield Change(Stage.MOUNTS, f"mount {mount.source} on {mount.target}", mount)


def _ownership(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    if blueprint.user and not (state.user and state.group):
        yield Change(Stage.OWNERSHIP, f"create the system user {blueprint.user.name}", CreateUser(blueprint.user.name))
    for directory in blueprint.directories:
        now = state.path(directory.path)
        if now.kind == "absent":
            yield Change(Stage.OWNERSHIP, f"make {directory.path}", directory)
        elif wrong := _wrong(directory, now):
            yield Change(Stage.OWNERSHIP, f"set {wrong} of {directory.path}", directory)


def _wrong(wanted: Directory | File, now: PathState) -> str:
    """What of mode, owner and group differs, in words."""
    wrong = ["mode"] if now.kind != "link" and int(now.mode or "0", 8) != int(wanted.mode, 8) else []
    wrong += ["owner"] if wanted.owner and now.owner != wanted.owner else []
    wrong += ["group"] if wanted.group and now.group != wanted.group else []
    return " and ".join(wrong)


def _files(files: tuple[File, ...], state: HostState) -> Iterator[Change]:
    for file in files:
        now = state.path(file.path)
        if now.kind != "file" or now.sha256 != _sha256(file.content):
            yield Change(Stage.FILES, f"{'write' if now.kind == 'absent' else 'rewrite'} {file.path}", file)
        elif wrong := _wrong(file, now):
            yield Change(Stage.FILES, f"set {wrong} of {file.path}", file)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _kernel(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    for setting in blueprint.kernel:
        now = dict(state.kernel).get(setting.path)
        if now is not None and now.writable and not _meets(setting, now.value):
            yield Change(Stage.KERNEL, f"set {setting.name} to {setting.value} (was {now.value})", setting)


def _kernel_warnings(blueprint: Blueprint, state: HostState) -> Iterator[tuple[str, str]]:
    for setting in blueprint.kernel:
        now = dict(state.kernel).get(setting.path)
        if now is None:
            yield "kernel-setting-missing", f"{setting.name}: this kernel has no {setting.path}; wanted {setting.value}"
        elif not now.writable and not _meets(setting, now.value):
            command = f"echo {setting.value} > {setting.path}"
            text = f"{setting.name} is {now.value}, wanted {setting.value}, and can't be set from here; "
            yield "kernel-setting-refused", f"{text}run on the machine itself, as root: {command}"


def _meets(setting: KernelSetting, value: str) -> bool:
    if setting.at_least and value.isdigit() and setting.value.isdigit():
        return int(value) >= int(setting.value)
    return value == " ".join(setting.value.split())


def _services(blueprint: Blueprint, state: HostState, files: tuple[File, ...]) -> Iterator[Change]:
    manager = blueprint.manager
    stopped = tuple(i for i in blueprint.instances if not is_running(i, state, manager))
    if manager is ServiceManager.SYSTEMD:
        units = any(c.text for c in _files(files, state) if "/systemd/" in _path_of(c))
        if units or any(state.unit(i.service).needs_reload for i in blueprint.instances):
            yield Change(Stage.SERVICES, "let systemd read its units again", ReloadManager())
        asleep = tuple(
            i for i in blueprint.instances if i not in stopped and state.unit(i.service).enabled != "enabled"
        )
        if asleep:
            yield Change(Stage.SERVICES, f"enable {_listed(asleep)} at boot", EnableInstances(asleep))
    lost = orphans(blueprint, state)
    if ready := tuple(i for i in stopped if i not in lost):
        yield Change(Stage.SERVICES, f"start {_listed(ready)}", StartInstances(ready))
    for instance in lost:
        action = RestoreIdentity(instance, state.nodes_of(instance.endpoint.port).saved_id)
        yield Change(Stage.IDENTITIES, f"restore the list of nodes of {instance.name}", action)
    if lost:
        yield Change(Stage.IDENTITIES, f"start {_listed(lost)}", StartInstances(lost))


def orphans(blueprint: Blueprint, state: HostState) -> tuple[Instance, ...]:
    """Stopped servers whose list of nodes is damaged, or lost beside their data, and of which there is a saved copy."""
    stopped = (i for i in blueprint.instances if not is_running(i, state, blueprint.manager))
    return tuple(i for i in stopped if lost_list(state.nodes_of(i.endpoint.port), state.data_of(i.name)))


def _path_of(change: Change) -> str:
    return change.action.path if isinstance(change.action, File) else ""


def _listed(instances: tuple[Instance, ...]) -> str:
    return ", ".join(i.name for i in instances)


def _restarts(blueprint: Blueprint, state: HostState) -> Iterator[tuple[str, tuple[str, ...]]]:
    for instance in blueprint.instances:
        reasons = [instance.config] if is_rewritten(instance, blueprint, state) else []
        reasons += [blueprint.engine.server] if is_replaced(instance, blueprint, state) else []
        if reasons and is_running(instance, state, blueprint.manager):
            yield instance.name, tuple(reasons)


def is_rewritten(instance: Instance, blueprint: Blueprint, state: HostState) -> bool:
    """Whether the server started with another configuration than the one that is wanted."""
    content = next((f.content for f in blueprint.files if f.path == instance.config), "")
    started = dict(state.started).get(instance.name)
    return bool(started) and started not in _either(content)


def is_replaced(instance: Instance, blueprint: Blueprint, state: HostState) -> bool:
    """Whether the server runs another binary than the one that its service would start now."""
    process = state.process(server_process(instance, state, blueprint.manager))
    if process is None or not process.binary:
        return False
    return process.binary.endswith(" (deleted)") or (bool(state.server) and process.binary != state.server)


def _either(content: str) -> tuple[str, ...]:
    """Hashes of the configuration with `appendonly` on and off, which is switched live and needs no restart; without
    passwords, for the same reason, and with them, as the guard of an earlier deploy wrote it."""
    bare = _LOGINS.sub("", content)
    return tuple(_sha256(with_appendonly(text, value)) for text in (bare, content) for value in ("yes", "no"))


def with_appendonly(content: str, value: str) -> str:
    """The configuration with its `appendonly` line, where it has one, saying `value`."""
    return _APPENDONLY.sub(rf"\g<1>{value}", content)


def _deferred(blueprint: Blueprint, state: HostState) -> dict[str, str]:
    """By instance that has data: the `appendonly` value that its data needs, where that is not the wished one."""
    contents = {f.path: f.content for f in blueprint.files}
    found: dict[str, str] = {}
    for instance in blueprint.instances:
        wished = _APPENDONLY.search(contents.get(instance.config, ""))
        data = state.data_of(instance.name)
        if wished is None or not (data.rdb or data.aof_manifest or is_running(instance, state, blueprint.manager)):
            continue
        written = dict(state.appendonly).get(instance.name)
        needed = written if data.aof_manifest and written in ("yes", "no") else "yes" if data.aof_manifest else "no"
        if needed != wished[2]:
            found[instance.name] = needed
    return found


def _as_deferred(file: File, blueprint: Blueprint, deferred: dict[str, str]) -> File:
    for instance in blueprint.instances:
        if instance.config == file.path and instance.name in deferred:
            return replace(file, content=with_appendonly(file.content, deferred[instance.name]))
    return file

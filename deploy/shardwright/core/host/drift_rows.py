"""What differs on one host, as rows of drift: the changes that a deploy would make, told as differences. Pure.

Decides nothing itself: `changes` does, so a host without drift is one that a deploy would leave alone, and the other way
round. The lines of configuration files are compared elsewhere (`core.config_lines`), as they need the files' text; so is
whether a server must be started anew (`core.outdated`), which only its own word can tell.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.blueprint import Blueprint, Directory, File, KernelSetting, Mount
from ...model.drift import Drift, Mend, Truth
from .changes import (
    Change,
    CreateUser,
    EnableInstances,
    HostChanges,
    InstallBundle,
    InstallPackages,
    MaskUnit,
    ReloadManager,
    StartInstances,
    changes,
)
from .state import HostState, PathState

_DEPLOY = "a deploy puts it right: pyinfra -y inventories/NAME/inventory.py deploy/cluster.py"


def rows(blueprint: Blueprint, state: HostState) -> tuple[Drift, ...]:
    """Every difference on the host but the lines of its servers' configuration."""
    found = changes(blueprint, state)
    return (
        *(row for change in found.changes for row in _of(change, blueprint, state)),
        *_kernel_of_others(blueprint, state, found),
    )


def edited(blueprint: Blueprint, state: HostState) -> dict[str, File]:
    """Configuration files that are there with another text, by path, as they should be."""
    configs = {i.config for i in blueprint.instances}
    actions = [c.action for c in changes(blueprint, state).changes]
    files = [a for a in actions if isinstance(a, File) and a.path in configs]
    return {f.path: f for f in files if state.path(f.path).kind == "file"}


def _of(change: Change, blueprint: Blueprint, state: HostState) -> Iterator[Drift]:
    host, action = blueprint.host, change.action
    match action:
        case File():
            yield from _file(action, blueprint, state.path(action.path))
        case Directory():
            yield _drift(
                "drift-file", Truth.FILE, host, action.path, _mode(action), _found(action, state.path(action.path))
            )
        case KernelSetting():
            now = dict(state.kernel)[action.path].value
            yield _drift("drift-kernel", Truth.KERNEL, host, action.name, action.value, now)
        case StartInstances():
            for instance in action.instances:
                word = state.unit(instance.service).active or "not running"
                yield _drift("drift-service", Truth.SERVICE, instance.name, instance.service, "running", word)
        case EnableInstances():
            for instance in action.instances:
                word = state.unit(instance.service).enabled or "not enabled"
                yield _drift(
                    "drift-service-boot", Truth.SERVICE, instance.name, instance.service, "started at boot", word
                )
        case MaskUnit():
            word = state.unit(action.unit).load or "unknown"
            yield _drift("drift-service-other", Truth.SERVICE, host, action.unit, "masked", word)
        case ReloadManager():
            found = "older than the unit files"
            yield _drift(
                "drift-service-stale", Truth.SERVICE, host, "systemd", "the unit files as they lie there", found
            )
        case InstallPackages() | InstallBundle():
            wanted = f"{blueprint.engine.product} {blueprint.engine.versions}"
            yield _drift("drift-engine", Truth.ENGINE, host, blueprint.engine.server, wanted, state.engine or "absent")
        case Mount():
            text = f"{action.source} {action.fstype} {action.options}"
            now_at = dict(state.mounted).get(action.target) or dict(state.fstab).get(action.target)
            found = f"{now_at.source} {now_at.fstype} {now_at.options}" if now_at else "not mounted"
            yield _drift("drift-mount", Truth.FILE, host, action.target, text, found)
        case CreateUser():
            yield _drift(
                "drift-user", Truth.FILE, host, f"user {action.name}", "a system user with its group", "absent"
            )
        case _:
            yield _drift("drift-file", Truth.FILE, host, change.text, "done", "not done")


def _file(file: File, blueprint: Blueprint, now: PathState) -> Iterator[Drift]:
    """One file; what stands in an edited configuration is told line by line instead."""
    if (
        now.kind == "file"
        and any(i.config == file.path for i in blueprint.instances)
        and _mode(file) == _found(file, now)
    ):
        return
    wanted = _mode(file) if now.kind == "file" and _mode(file) != _found(file, now) else "as rendered"
    found = _found(file, now) if wanted != "as rendered" else "absent" if now.kind == "absent" else "another text"
    yield _drift("drift-file", Truth.FILE, blueprint.host, file.path, wanted, found)


def _mode(wanted: File | Directory) -> str:
    owner = f" {wanted.owner}:{wanted.group}" if wanted.owner or wanted.group else ""
    return f"mode {wanted.mode.lstrip('0')}{owner}"


def _found(wanted: File | Directory, now: PathState) -> str:
    """The same as is wanted, of what is there: an owner that nobody wished for is no difference."""
    if now.kind == "absent":
        return "absent"
    owner = f" {now.owner if wanted.owner else ''}:{now.group if wanted.group else ''}"
    return f"mode {now.mode.lstrip('0')}{owner if wanted.owner or wanted.group else ''}"


def _kernel_of_others(blueprint: Blueprint, state: HostState, found: HostChanges) -> Iterator[Drift]:
    """Settings that can't be written from here."""
    kernel = dict(state.kernel)
    refused = [text for code, text in found.warnings if code == "kernel-setting-refused"]
    for setting in blueprint.kernel:
        text = next((text for text in refused if text.startswith(f"{setting.name} is ")), None)
        if text is not None:
            now = kernel[setting.path].value
            hint = f"on the machine itself, as root: echo {setting.value} > {setting.path}"
            yield Drift(
                "drift-kernel", Truth.KERNEL, blueprint.host, setting.name, setting.value, now, Mend.PERSON, hint
            )


def _drift(code: str, truth: Truth, subject: str, name: str, wanted: str, found: str) -> Drift:
    return Drift(code, truth, subject, name, wanted, found, Mend.DEPLOY, _DEPLOY)

"""`removals`: what a deploy put on a host and how it goes again, as changes like any others. Pure.

Data is left unless the cluster's name was given for it. So are packages, their masked services, mounts and kernel values:
they are the host's, and something else may have come to rely on them. The system user goes only with the data, because
files would belong to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from ...model.blueprint import Blueprint, BundleSource
from ...model.spec import ServiceManager
from .changes import Change, Remove, is_running
from .state import HostState

ROOTS = ("/run", "/var", "/var/run", "/tmp")  # noqa: S108 - never ours to remove


class Removal(StrEnum):
    """The batches of a removal; the values are the names of the operations."""

    SERVICES = "Stop services"
    FILES = "Remove files"
    DATA = "Delete data"
    DIRECTORIES = "Remove directories"


def removals(blueprint: Blueprint, state: HostState, *, with_data: bool) -> tuple[Change, ...]:
    """Everything of `blueprint` that is on the host, in the order in which it goes."""
    found = [*_services(blueprint, state), *_files(blueprint, state)]
    if with_data:
        found += _data(blueprint, state)
    return (*found, *_directories(blueprint, state, with_data))


def left_behind(blueprint: Blueprint, state: HostState) -> tuple[str, ...]:
    """Data directories that are still there."""
    return tuple(i.data for i in blueprint.instances if state.path(i.data).kind == "directory")


def _services(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    manager = blueprint.manager
    running = [i for i in blueprint.instances if is_running(i, state, manager)]
    if manager is ServiceManager.SYSTEMD:
        running += [i for i in blueprint.instances if i not in running and state.unit(i.service).enabled == "enabled"]
    if not running:
        return
    ports = tuple(str(i.endpoint.port) for i in running)
    services = tuple(i.service for i in running)
    words = {
        ServiceManager.SYSTEMD: ("stop_systemd", *services),
        ServiceManager.OPENRC: ("stop_openrc", *services),
        ServiceManager.DIRECT: ("stop_direct", blueprint.control, *ports),
    }[manager]
    yield Change(Removal.SERVICES, f"stop {', '.join(i.name for i in running)}", Remove(words))


def _files(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    there = [f.path for f in blueprint.files if state.path(f.path).kind == "file"]
    beside = [i.config.removesuffix(".conf") for i in blueprint.instances]
    marks = [name + ending for name in beside for ending in (".expected", ".named", ".nodes.conf")]
    logs = [i.log for i in blueprint.instances if i.log]
    running = [name for i in blueprint.instances for name in (i.pidfile, i.started) if name]
    if there:
        text = f"remove {len(there)} files: {', '.join(there)}"
        yield Change(Removal.FILES, text, Remove(("drop_units", *there, *marks, *logs, *running)))
    source = blueprint.engine.source
    if isinstance(source, BundleSource) and state.bundle_current is not None:
        prefix = source.target.rsplit("/", 1)[0]
        yield Change(Removal.FILES, f"remove {source.current}", Remove(("drop_bundle", source.current, prefix)))


def _data(blueprint: Blueprint, state: HostState) -> Iterator[Change]:
    for instance in blueprint.instances:
        if state.path(instance.data).kind == "directory":
            mark = f"shardwright {blueprint.cluster} {blueprint.host} {instance.endpoint.port}"
            text = f"delete the data of {instance.name} in {instance.data}"
            yield Change(Removal.DATA, text, Remove(("drop_data", mark, instance.data)))


def _directories(blueprint: Blueprint, state: HostState, with_data: bool) -> Iterator[Change]:
    data = {i.data for i in blueprint.instances}
    kept = set() if with_data else {path for d in data for path in _upwards(d)}
    there = [d.path for d in blueprint.directories if state.path(d.path).kind == "directory" and d.path not in kept]
    if there:
        there += [path for i in blueprint.instances if i.pidfile for path in _upwards(i.pidfile)[-4:-1]]
        there = sorted(set(there) - set(ROOTS), key=lambda path: (-path.count("/"), path))
        text = f"remove {len(there)} directories of ours where they are empty"
        yield Change(Removal.DIRECTORIES, text, Remove(("drop_folders", *there)))
    if blueprint.user and state.user and with_data:
        text = f"remove the user {blueprint.user.name}, unless another cluster needs it"
        yield Change(Removal.DIRECTORIES, text, Remove(("drop_account_unless_used", blueprint.user.name)))


def _upwards(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(2, len(parts) + 1)]

"""The files that start, guard and watch the servers of a host: unit, scripts, OpenRC, kernel settings, log rotation.

Part of `blueprint`. Knows no server directives.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from shardwright.engines import engine_of
from shardwright.model.blueprint import File, KernelSetting
from shardwright.model.spec import ServiceManager

from .rendering import render

if TYPE_CHECKING:
    from .blueprint import Site

_FILES_FLOOR = 65_536
_FILES_SPARE = 4_096
"""Descriptors beside the clients': the bus has two a node, saving and replication some more."""


def service_name(site: Site, port: int) -> str:
    """What the service manager calls the server on `port`."""
    name = f"shardwright-{site.spec.name}"
    if site.manager is ServiceManager.SYSTEMD:
        return f"{name}@{port}.service"
    return f"{name}-{port}"


def runtime_directory(site: Site) -> str:
    """The path below /run that systemd makes and removes with each server; empty where it does not."""
    run = site.paths.run
    if site.manager is ServiceManager.SYSTEMD and run.is_relative_to("/run"):
        return str(run.relative_to("/run"))
    return ""


def scripts(site: Site) -> tuple[File, ...]:
    """The guard, and the direct manager where it is the one."""
    values = _common(site)
    found = [_program(site, site.paths.guard, "sh/guard.sh.j2", values)]
    if site.manager is ServiceManager.DIRECT:
        found.append(_program(site, site.paths.control, "sh/service.sh.j2", values))
    return tuple(found)


def services(site: Site) -> tuple[File, ...]:
    """What the service manager reads, and what keeps the logs small where the journal does not."""
    if site.manager is ServiceManager.SYSTEMD:
        path = f"/etc/systemd/system/shardwright-{site.spec.name}@.service"
        return (_file(site, path, "systemd/node@.service.j2", _common(site)),)
    found = []
    if site.manager is ServiceManager.OPENRC:
        found += [_openrc(site, node.endpoint.port) for node in site.nodes]
    if site.user:
        values = {**_common(site), "pattern": f"{site.paths.log}/*.log"}
        found.append(_file(site, f"/etc/logrotate.d/shardwright-{site.spec.name}", "logrotate/cluster.j2", values))
    return tuple(found)


def kernel_files(site: Site, kernel: Iterable[KernelSetting]) -> tuple[File, ...]:
    """What sets the kernel again after a boot; the deploy sets it now."""
    name, values = site.spec.name, _common(site)
    pairs = [(k.name, k.value) for k in kernel if k.path.startswith("/proc/sys/")]
    word = next(k.value for k in kernel if k.path.startswith("/sys/"))
    sysctl = _file(
        site, f"/etc/sysctl.d/60-shardwright-{name}.conf", "kernel/sysctl.conf.j2", {**values, "settings": pairs}
    )
    values |= {"word": word}
    if site.manager is ServiceManager.SYSTEMD:
        return sysctl, _file(site, f"/etc/tmpfiles.d/shardwright-{name}.conf", "kernel/tmpfiles.conf.j2", values)
    if site.manager is ServiceManager.OPENRC:
        start = f"/etc/local.d/shardwright-{name}.start"
        return sysctl, _program(site, start, "kernel/local.start.j2", values)
    return (sysctl,)


def _openrc(site: Site, port: int) -> File:
    service, paths = service_name(site, port), site.paths
    values = _common(site) | {
        "service": service,
        "port": port,
        "config": paths.config_of(port),
        "data": paths.data_of(port),
        "run": paths.run_of(port),
        "log": paths.log_of(port),
        "pidfile": f"{paths.run_of(port)}/server.pid",
    }
    return _program(site, f"/etc/init.d/{service}", "openrc/node.j2", values)


def _common(site: Site) -> dict[str, object]:
    """What several templates name."""
    spec, paths = site.spec, site.paths
    kept = spec.persistence.aof or bool(spec.persistence.save)
    clients = int(spec.setting("maxclients", "10000"))
    return {
        "cluster": spec.name,
        "host": site.host.name,
        "title": engine_of(spec.engine.product.value).title,
        "ports": " ".join(str(node.endpoint.port) for node in site.nodes),
        "server": site.engine.server,
        "guard": paths.guard,
        "prefix": paths.prefix,
        "config_root": paths.config,
        "data_root": paths.data,
        "run_root": paths.run,
        "log_root": paths.log,
        "user": site.user,
        "nofile": max(_FILES_FLOOR, clients + _FILES_SPARE),
        "notify": site.notify,
        # A primary that kept nothing and comes back before its replicas took over empties them.
        "restart": kept or spec.replicas == 0,
        "runtime_directory": runtime_directory(site),
        "protect_home": "read-only" if _below(site, "/home", "/root", "/run/user") else "yes",
        "private_tmp": "no" if _below(site, "/tmp", "/var/tmp") else "yes",  # noqa: S108 - compared, not used
    }


def _below(site: Site, *tops: str) -> bool:
    """Whether anything of the cluster lies where the unit would not see it."""
    server = PurePosixPath(site.engine.server)
    return any(f"{path}/".startswith(f"{top}/") for path in (*site.paths.all(), server) for top in tops)


def _file(site: Site, path: str, template: str, values: dict[str, object], mode: str = "0644") -> File:
    root = "root" if site.user else ""
    return File(path, render(template, values), root, root, mode)


def _program(site: Site, path: str, template: str, values: dict[str, object]) -> File:
    return _file(site, path, template, values, mode="0755")

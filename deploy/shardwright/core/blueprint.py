"""`blueprint`: everything that one host needs around its nodes, as finished data. Pure.

Knows nothing of how it gets there: `hosts/` and the roles interpret the same value.
The service manager must be decided before: what a host runs is observed, and a blueprint is the same for the same arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from shardwright.engines import VersionRange, config_line, engine_of
from shardwright.errors import Problem, SpecError
from shardwright.model.blueprint import (
    Blueprint,
    Directory,
    EngineInstall,
    File,
    Instance,
    KernelSetting,
    Mount,
    User,
)
from shardwright.model.spec import ClusterSpec, HostSpec, MountSpec, ServiceManager
from shardwright.model.topology import Node, Topology

from . import config_text, host_services
from .host_paths import HostPaths
from .logins import digest
from .rendering import render

_NFS_OPTIONS = "nfsvers=4.1,hard,timeo=600,retrans=2,noresvport,noatime,nconnect=1,nosuid,nodev,noexec"
_NETWORK = ("nfs", "nfs4", "cifs", "ceph", "glusterfs")
_BACKLOG_FLOOR = 4096


@dataclass(frozen=True, slots=True)
class Site:
    """What all files of one host are rendered from. `user` is empty where nothing needs root."""

    spec: ClusterSpec
    topology: Topology
    host: HostSpec
    engine: EngineInstall
    paths: HostPaths
    nodes: tuple[Node, ...]
    user: str

    @property
    def manager(self) -> ServiceManager:
        """Who starts the servers; never `AUTO`."""
        return self.spec.service_manager

    @property
    def notify(self) -> bool:
        """Whether the servers tell systemd that they are ready."""
        return self.manager is ServiceManager.SYSTEMD and self.engine.notify


def blueprint(spec: ClusterSpec, topology: Topology, host: str, engine: EngineInstall) -> Blueprint:
    """Everything that `host` needs for its nodes of `topology`.

    Where the direct manager is chosen, and the spec's user is empty, or the host is reached without sudo, or is the control
    machine itself, there is neither a user nor a kernel setting: everything belongs to whoever deploys.

    Args:
        spec: with the service manager decided (not `AUTO`).
        topology: what `place` made of `spec`.
        host: name of one of the spec's hosts.
        engine: what `engine_install` made of `spec`.

    Raises:
        ValueError: the host is not in the spec, or the service manager is `AUTO`.
        SpecError: a value can't be written (``value-has-newline``), or ``user-needed``.
    """
    site = _site(spec, topology, host, engine)
    rooted = bool(site.user)
    kernel = _kernel(spec) if rooted else ()
    return Blueprint(
        cluster=spec.name,
        host=host,
        manager=site.manager,
        engine=engine,
        user=User(site.user) if rooted else None,
        kernel=kernel,
        mounts=tuple(_mount(mount, host) for mount in spec.mounts),
        directories=_directories(site),
        files=(
            *host_services.scripts(site),
            *(_config(site, node) for node in site.nodes),
            *host_services.services(site),
            *(host_services.kernel_files(site, kernel) if rooted else ()),
        ),
        instances=tuple(_instance(site, node) for node in site.nodes),
        guard=site.paths.guard,
        control=site.paths.control if site.manager is ServiceManager.DIRECT else "",
    )


def _site(spec: ClusterSpec, topology: Topology, host: str, engine: EngineInstall) -> Site:
    if spec.service_manager is ServiceManager.AUTO:
        raise ValueError("the service manager must be decided before: it is still 'auto'")
    machine = next((h for h in spec.hosts if h.name == host), None)
    if machine is None:
        raise ValueError(f"no host {host!r} in the spec of {spec.name}")
    direct = spec.service_manager is ServiceManager.DIRECT
    if not direct and not spec.user:
        wanted = f"a user's name, as {spec.service_manager.value} starts the servers for root"
        raise SpecError([Problem("user-needed", "user", "empty", wanted, "write user: shardwright")])
    rootless = not spec.user or (direct and (machine.connect == "@local" or not machine.ssh.sudo))
    nodes = tuple(sorted(n for n in (*topology.nodes, *topology.spares) if n.host == host))
    return Site(spec, topology, machine, engine, HostPaths.of(spec), nodes, "" if rootless else spec.user)


def _instance(site: Site, node: Node) -> Instance:
    port, paths = node.endpoint.port, site.paths
    return Instance(
        name=node.name,
        endpoint=node.endpoint,
        service=host_services.service_name(site, port),
        config=paths.config_of(port),
        data=paths.data_of(port),
        pidfile=f"{paths.run_of(port)}/server.pid",
        log="" if site.manager is ServiceManager.SYSTEMD else paths.log_of(port),
        started=f"{paths.run_of(port)}/config.sha256",
    )


def _config(site: Site, node: Node) -> File:
    """The server's configuration: read by the service's user, written by nobody but a deploy."""
    instance = _instance(site, node)
    password = site.spec.security.password
    text = render("server/node.conf.j2", _config_values(site, node, instance))
    mode = "0640" if site.user else "0600"
    owner = "root" if site.user else ""
    return File(instance.config, text, owner, site.user, mode, secret=password is not None)


def _config_values(site: Site, node: Node, instance: Instance) -> dict[str, object]:
    spec, password = site.spec, site.spec.security.password
    engine = engine_of(spec.engine.product.value)
    versions = VersionRange.parse(spec.engine.version)

    def setting(name: str, value: str) -> str:
        config_text.refuse_control(value)
        return config_line(engine, versions, name, value)

    return {
        "own": config_text.directive,
        "setting": setting,
        "node": node.name,
        "cluster": spec.name,
        "address": node.endpoint.host,
        "announce": node.endpoint.host if _is_ip(node.endpoint.host) else "",
        "port": node.endpoint.port,
        "bus_port": node.endpoint.bus_port,
        "bus_offset": node.endpoint.bus_port - node.endpoint.port,
        # Without a password it would let nobody in but the host itself.
        "protected": password is not None or _is_loopback(node.endpoint.host),
        "data": instance.data,
        "pidfile": instance.pidfile,
        "log": instance.log,
        "notify": site.notify,
        "password": password.reveal() if password is not None else "",
        "admitted": [digest(password), digest(spec.security.previous)] if password and spec.security.previous else [],
        "live": site.topology.live,
        "settings": site.topology.settings,
    }


def _directories(site: Site) -> tuple[Directory, ...]:
    """Parents first. Only the innermost ones belong to the servers, and a mounted file system's root is its own affair."""
    paths, user = site.paths, site.user
    root = "root" if user else ""
    shut = "0750" if user else "0700"
    found = [Directory(str(p), root, root, "0755") for p in (paths.prefix, paths.programs, paths.config.parent)]
    found.append(Directory(str(paths.config), root, user, shut))
    found += _owned_by_servers(paths.data.parent, paths.data, site)
    found += [Directory(paths.data_of(n.endpoint.port), user, user, "0700") for n in site.nodes]
    if not host_services.runtime_directory(site):
        found += _owned_by_servers(paths.run.parent, paths.run, site)
        found += [Directory(paths.run_of(n.endpoint.port), user, user, "0750") for n in site.nodes]
    if site.manager is not ServiceManager.SYSTEMD:
        found += [Directory(str(paths.log.parent), root, root, "0755"), Directory(str(paths.log), user, user, shut)]
    mounted = {mount.target.rstrip("/") for mount in site.spec.mounts}
    first: dict[str, Directory] = {}
    for directory in found:
        if directory.path not in mounted:
            first.setdefault(directory.path, directory)
    return tuple(first.values())


def _owned_by_servers(top: object, cluster: object, site: Site) -> list[Directory]:
    root = "root" if site.user else ""
    shut = "0750" if site.user else "0700"
    return [Directory(str(top), root, root, "0755"), Directory(str(cluster), root, site.user, shut)]


def _kernel(spec: ClusterSpec) -> tuple[KernelSetting, ...]:
    backlog = max(_BACKLOG_FLOOR, int(spec.setting("tcp-backlog", "511")))
    return (
        KernelSetting("vm.overcommit_memory", "/proc/sys/vm/overcommit_memory", "1"),
        KernelSetting("vm.swappiness", "/proc/sys/vm/swappiness", "1"),
        KernelSetting("net.core.somaxconn", "/proc/sys/net/core/somaxconn", str(backlog), at_least=True),
        KernelSetting("transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled", "madvise"),
    )


def _mount(mount: MountSpec, host: str) -> Mount:
    """With options that keep a dead file server from hanging the boot, and, unless the operator chose, from losing data."""
    given = list(mount.options) or (_NFS_OPTIONS if mount.fstype.startswith("nfs") else "defaults,noatime").split(",")
    boot = ["nofail", "x-systemd.mount-timeout=30s"]
    if mount.fstype in _NETWORK:
        boot.insert(0, "_netdev")
    names = {option.partition("=")[0] for option in given}
    given += [option for option in boot if option.partition("=")[0] not in names]
    return Mount(mount.source.replace("{host}", host), mount.target, mount.fstype, ",".join(given))


def _is_ip(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return ip_address(address).is_loopback if _is_ip(address) else address == "localhost"

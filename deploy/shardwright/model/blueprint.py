"""What one host needs around its nodes, as data. pyinfra and Ansible interpret the same value.

The blueprint is of a host, not of a node: packages, users and kernel settings exist once a host, however many nodes run
on it. What belongs to a single node is an `Instance`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .endpoint import Endpoint
from .spec import ServiceManager


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The engine comes from the host's packages, by OS family (``debian``, ``el``, ``alpine``)."""

    packages: tuple[tuple[str, tuple[str, ...]], ...]
    suite: str | None = None


@dataclass(frozen=True, slots=True)
class BundleSource:
    """The engine travels from the control machine: an archive there, its sha256, and where it is unpacked on the host."""

    archive: str
    sha256: str
    target: str
    current: str
    install_script: str


@dataclass(frozen=True, slots=True)
class EngineInstall:
    """Which engine, from where; `server` is the binary that the services start; `versions` a range as text.

    `masked_units` are the distribution's own services, which must not run beside ours. `notify` says whether the server
    tells systemd that it is ready (built with libsystemd).
    """

    product: str
    versions: str
    source: PackageSource | BundleSource
    server: str
    masked_units: tuple[str, ...] = ()
    notify: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """System user and group of the same name, without a login shell or home."""

    name: str


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory; `mode` is octal digits such as ``0750``. Empty `owner` and `group`: left as they are found or made."""

    path: str
    owner: str
    group: str
    mode: str


@dataclass(frozen=True, slots=True)
class File:
    """A file with its finished text. The content of a `secret` file is never shown, in no diff and no log.

    Empty `owner` and `group`: whoever runs the deploy.
    """

    path: str
    content: str = field(repr=False)
    owner: str
    group: str
    mode: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A file system to mount: fstab's first four fields."""

    source: str
    target: str
    fstype: str
    options: str


@dataclass(frozen=True, slots=True)
class KernelSetting:
    """One kernel setting: a path under /proc or /sys and the text it must read back as (THP: the chosen word).

    `at_least`: a number that must not be lowered where the host has more.
    """

    name: str
    path: str
    value: str
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """One server on the host: where it lives and how it is started.

    `service` is the systemd unit (``shardwright-<cluster>@<port>.service``), OpenRC service or direct manager's name.
    `config` is read by the server and owned by us; the server itself rewrites only `nodes.conf` in `data`.
    `log` is empty where the journal has it. `started` holds, while the server runs, the sha256 (hex) of the
    configuration that it started with.
    """

    name: str
    endpoint: Endpoint
    service: str
    config: str
    data: str
    pidfile: str
    log: str
    started: str = ""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All that one host needs, in the order in which it is put in place.

    `guard` is the script to run as ``guard adopt PORT...`` after the files are in place and before a start (it marks new
    data directories, and refuses where the marked data is gone). `control` is the direct manager's script
    (``control start|stop|status|restart PORT...|all``), empty under systemd and OpenRC.
    """

    cluster: str
    host: str
    manager: ServiceManager
    engine: EngineInstall
    user: User | None
    kernel: tuple[KernelSetting, ...]
    mounts: tuple[Mount, ...]
    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    instances: tuple[Instance, ...]
    guard: str = ""
    control: str = ""

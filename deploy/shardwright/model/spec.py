"""What the operator wrote in `cluster.yml`, already validated as a whole.

Knows nothing of YAML or of lines: the loader (`adapters.spec_file`) does. Every field is final text or number: a version
range is text here because only `engines` knows how versions compare.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePosixPath

from .secret import Secret


class Product(StrEnum):
    """What is installed: a distribution's Redis or Valkey, or the Valkey that this package carries."""

    REDIS = "redis"
    VALKEY = "valkey"
    BUNDLED = "bundled"


class ServiceManager(StrEnum):
    """Who starts and watches the servers; `AUTO` is decided on the host (systemd, OpenRC, else direct)."""

    AUTO = "auto"
    SYSTEMD = "systemd"
    OPENRC = "openrc"
    DIRECT = "direct"


class Transport(StrEnum):
    """How nodes are reached from the control machine: TCP, or through the hosts' ssh connections."""

    DIRECT = "direct"
    SSH = "ssh"


class Domain(StrEnum):
    """Failure domain that must not hold two members of a shard."""

    NONE = "none"
    HOST = "host"
    RACK = "rack"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Product, version range as written (``"any"``, ``"7.0"``, ``">=8,<9"``), and a bundle's path where one is named."""

    product: Product
    version: str = "any"
    bundle: str | None = None
    suite: str | None = None
    """Further Debian suite to take the package from, such as ``bookworm-backports``; none: what the host has."""


@dataclass(frozen=True, slots=True)
class Ssh:
    """How pyinfra reaches a host. `port` is TCP; `key` and `known_hosts` are paths on the control machine."""

    user: str | None = None
    port: int = 22
    key: str | None = None
    known_hosts: str | None = None
    strict_host_key: bool = True
    sudo: bool = True
    jump: str | None = None


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One machine that runs `len(ports)` instances.

    `address` is what the nodes listen on and announce; `connect` is where ssh goes (the same unless given), or
    ``@local`` for the control machine itself. `leaving`: it is to hold nothing any more, but still answers.
    """

    name: str
    address: str
    ports: tuple[int, ...]
    zone: str = ""
    rack: str = ""
    connect: str = ""
    ssh: Ssh = field(default_factory=Ssh)
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Persistence:
    """What survives a restart. `save` holds RDB points as (seconds, changes); empty with `aof` off means nothing does."""

    aof: bool = True
    fsync: str = "everysec"
    save: tuple[tuple[int, int], ...] = ((3600, 1), (300, 100), (60, 10_000))


@dataclass(frozen=True, slots=True)
class MountSpec:
    """One file system to mount on every host before the servers start; `{host}` in `source` is the host's name."""

    source: str
    target: str
    fstype: str = "nfs4"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Security:
    """`password` is for clients and for replication; none only where every address is loopback or the spec says open.

    `previous` is still taken beside it; `retired` must be refused. Running servers may know either, and not `password` yet.
    """

    password: Secret | None = None
    open: bool = False
    previous: Secret | None = None
    retired: Secret | None = None


@dataclass(frozen=True, slots=True)
class Paths:
    """Absolute directories on the hosts; the loader fills in what fits the service manager."""

    prefix: PurePosixPath = PurePosixPath("/opt/shardwright")
    config: PurePosixPath = PurePosixPath("/etc/shardwright")
    data: PurePosixPath = PurePosixPath("/var/lib/shardwright")
    run: PurePosixPath = PurePosixPath("/run/shardwright")
    log: PurePosixPath = PurePosixPath("/var/log/shardwright")


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The one truth of an environment: what the operator wants.

    `bus_offset` is added to a client port to get its bus port. `settings` go to the server's configuration as written,
    sorted by name. `spread` is the domain no two members of a shard may share.
    """

    name: str
    engine: EngineChoice
    shards: int
    replicas: int
    hosts: tuple[HostSpec, ...]
    bus_offset: int = 10_000
    settings: tuple[tuple[str, str], ...] = ()
    persistence: Persistence = field(default_factory=Persistence)
    mounts: tuple[MountSpec, ...] = ()
    security: Security = field(default_factory=Security)
    service_manager: ServiceManager = ServiceManager.AUTO
    transport: Transport = Transport.DIRECT
    spread: Domain = Domain.HOST
    paths: Paths = field(default_factory=Paths)
    user: str = "shardwright"
    canary: bool = True

    @property
    def nodes_wanted(self) -> int:
        """Number of servers: each shard has one primary and `replicas` replicas."""
        return self.shards * (1 + self.replicas)

    def setting(self, name: str, default: str) -> str:
        """The value that the operator gave the setting `name`, else `default`."""
        return dict(self.settings).get(name, default)

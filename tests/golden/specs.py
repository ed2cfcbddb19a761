"""The specs whose blueprints are kept as golden files and deployed by other tests: one of each kind of host."""

from __future__ import annotations

from pathlib import PurePosixPath

from shardwright.core.blueprint import blueprint
from shardwright.core.engine_choice import engine_install
from shardwright.core.placement import place
from shardwright.model.blueprint import Blueprint
from shardwright.model.bundle import BundleFacts
from shardwright.model.secret import Secret
from shardwright.model.spec import (
    ClusterSpec,
    Domain,
    EngineChoice,
    HostSpec,
    MountSpec,
    Paths,
    Persistence,
    Product,
    Security,
    ServiceManager,
    Ssh,
)

NASTY = 'it\'s 100% "safe" #1 $HOME \\n `id` {{ pw }} {% x %} ünïcödé'
BUNDLE = BundleFacts("/archives/valkey-9.1.2.tar.gz", "5e" * 32, "valkey", "9.1.2", "exit 0", "c0" * 32)


def local() -> ClusterSpec:
    """This machine: six nodes, no root, no service manager."""
    home = PurePosixPath("/home/operator/.shardwright")
    return ClusterSpec(
        name="local",
        engine=EngineChoice(Product.BUNDLED),
        shards=3,
        replicas=1,
        hosts=(HostSpec("here", "127.0.0.1", tuple(range(7000, 7006)), connect="@local", ssh=Ssh(sudo=False)),),
        spread=Domain.NONE,
        service_manager=ServiceManager.DIRECT,
        paths=Paths(*(home / name for name in ("prefix", "config", "data", "run", "log"))),
        user="",
    )


def lab() -> ClusterSpec:
    """Six hosts with systemd and Debian's Valkey."""
    zones = "abcabc"
    return ClusterSpec(
        name="lab",
        engine=EngineChoice(Product.VALKEY, ">=8.0", suite="bookworm-backports"),
        shards=3,
        replicas=1,
        hosts=tuple(HostSpec(f"h{n}", f"10.99.0.{10 + n}", (6379,), zone=zones[n - 1]) for n in range(1, 7)),
        security=Security(Secret("lab-password-of-thirty-two-bytes")),
        service_manager=ServiceManager.SYSTEMD,
    )


def staging() -> ClusterSpec:
    """Two instances a host, Redis, data on NFS, a bus port of its own, settings, and a password with everything in it."""
    return ClusterSpec(
        name="staging",
        engine=EngineChoice(Product.REDIS, "7.0"),
        shards=3,
        replicas=1,
        hosts=tuple(HostSpec(f"cache-{n}", f"192.0.2.{n}", (6379, 6380), zone=f"z{n}") for n in range(1, 4)),
        bus_offset=11_000,
        settings=(
            ("client-output-buffer-limit", "replica 256mb 64mb 60"),
            ("cluster-node-timeout", "20000"),
            ("maxclients", "80000"),
            ("maxmemory", "1gb"),
            ("tcp-backlog", "8192"),
        ),
        persistence=Persistence(aof=True, fsync="always", save=((900, 1),)),
        mounts=(MountSpec("filer:/export/{host}", "/var/lib/shardwright"),),
        security=Security(Secret(NASTY)),
        service_manager=ServiceManager.SYSTEMD,
    )


def container() -> ClusterSpec:
    """Root, but nobody who manages services: the direct manager drops to its user. Keeps nothing on disk."""
    return ClusterSpec(
        name="cache",
        engine=EngineChoice(Product.REDIS),
        shards=3,
        replicas=1,
        hosts=tuple(HostSpec(f"c{n}", f"2001:db8::{n}", (7000, 7001)) for n in range(1, 4)),
        persistence=Persistence(aof=False, save=()),
        security=Security(open=True),
        service_manager=ServiceManager.DIRECT,
    )


def alpine() -> ClusterSpec:
    """OpenRC."""
    return ClusterSpec(
        name="alpine",
        engine=EngineChoice(Product.VALKEY),
        shards=3,
        replicas=0,
        hosts=tuple(HostSpec(f"a{n}", f"192.0.2.{n}", (6379,)) for n in range(1, 4)),
        security=Security(Secret("alpine-password-of-32-bytes-....")),
        service_manager=ServiceManager.OPENRC,
    )


SPECS = {spec.__name__: spec for spec in (local, lab, staging, container, alpine)}


def blueprint_of(spec: ClusterSpec, host: str | None = None) -> Blueprint:
    """The blueprint of one host of `spec`, the first unless named."""
    return blueprint(spec, place(spec), host or spec.hosts[0].name, engine_install(spec, BUNDLE))

"""What is asked of a host in one look: the blueprint's questions put in front of `gather.sh`. Pure text.

Where the service manager is not decided yet there are several blueprints of the host, and all their paths are asked for.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from ...model.blueprint import Blueprint, BundleSource, Instance, PackageSource

REDIS_DEFAULT_PORT = 6379


@cache
def script(name: str) -> str:
    """The text of one of the scripts that are run on hosts."""
    return files(__package__).joinpath("scripts", name).read_text(encoding="utf-8")


def look(blueprints: Iterable[Blueprint]) -> str:
    """A script whose output `state.parse` understands."""
    asked = _questions(tuple(blueprints))
    settings = "\n".join(f"{name}={shlex.quote(value)}; export {name}" for name, value in asked.items())
    return f'{settings}\nSELF={shlex.quote(script("gather.sh"))}; export SELF\nsh -c "$SELF" gather main\n'


def _questions(blueprints: tuple[Blueprint, ...]) -> dict[str, str]:
    first = blueprints[0]
    source = first.engine.source
    packages = [name for _, names in source.packages for name in names] if isinstance(source, PackageSource) else []
    every = [i for b in blueprints for i in b.instances]
    units = [u for u in first.engine.masked_units if u.endswith(".service")] + [i.service for i in every]
    ports = {p for i in every for p in (i.endpoint.port, i.endpoint.bus_port)} | {REDIS_DEFAULT_PORT}
    data = [disk_place(first, i) for i in every]
    places = [d.path for b in blueprints for d in b.directories] + [f.path for b in blueprints for f in b.files]
    return {
        "SW_CLUSTER": first.cluster,
        "SW_PACKAGES": _lines(packages),
        "SW_SERVER": first.engine.server,
        "SW_BUNDLE_CURRENT": source.current if isinstance(source, BundleSource) else "",
        "SW_USER": next((b.user.name for b in blueprints if b.user), ""),
        "SW_PATHS": _lines(places),
        "SW_INSTANCES": _lines(map(_instance, every)),
        "SW_GUARD": first.guard,
        "SW_NODES": " ".join(str(i.endpoint.port) for i in first.instances),
        "SW_UNITS": " ".join(dict.fromkeys(units)),
        "SW_PORTS": " ".join(f"{port:04X}" for port in sorted(ports)),
        "SW_KERNEL": _lines(k.path for b in blueprints for k in b.kernel),
        "SW_MOUNTS": _lines(m.target for m in first.mounts),
        "SW_DISKS": _lines([*data, *(parent(i.config) for i in every), parent(first.guard)]),
    }


def _instance(instance: Instance) -> str:
    return "|".join((instance.name, instance.config, instance.data, instance.started, instance.pidfile))


def disk_place(blueprint: Blueprint, instance: Instance) -> str:
    """Where to ask for the file system of an instance's data: its parent, which it shares, unless it is a mount itself."""
    return instance.data if instance.data in {m.target for m in blueprint.mounts} else parent(instance.data)


def parent(path: str) -> str:
    """The directory that has `path`: asked for in place of each data directory, as they share a file system."""
    return path.rsplit("/", 1)[0]


def _lines(words: Iterable[str]) -> str:
    return "\n".join(dict.fromkeys(words))

"""The shell calls that restart servers of a blueprint, by the service manager that their host has. Pure text.

What a start would refuse is asked before anything is stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...model.blueprint import Blueprint, Instance
from ...model.spec import ServiceManager
from ..config_lines import values_of
from .questions import parent

RESTART_SECONDS = 960
"""For stopping and starting: a last snapshot of a large data set takes minutes."""


def restart_calls(blueprint: Blueprint, instances: Sequence[Instance]) -> tuple[tuple[str, ...], ...]:
    """Each call as its words, in order; the first that fails must be the last."""
    ports = tuple(str(i.endpoint.port) for i in instances)
    calls: list[tuple[str, ...]] = [("agrees", i.config, wished) for i in instances if (wished := _aof(blueprint, i))]
    if blueprint.guard:
        calls.append(("ask_guard", blueprint.guard, *ports))
    if blueprint.manager is ServiceManager.SYSTEMD:
        pairs = (f"{i.service}={i.endpoint.port:04X}" for i in instances)
        calls.append(("restart_systemd", str(RESTART_SECONDS), data_pattern(instances), *pairs))
    elif blueprint.manager is ServiceManager.OPENRC:
        calls.append(("restart_openrc", *(i.service for i in instances)))
    else:
        calls.append(("restart_direct", blueprint.control, log_pattern(instances), data_pattern(instances), *ports))
    return tuple(calls)


def log_pattern(instances: Sequence[Instance]) -> str:
    """Where the logs of a host's servers are, with % for the port."""
    return instances[0].log.replace(f"/{instances[0].endpoint.port}.log", "/%.log")


def data_pattern(instances: Sequence[Instance]) -> str:
    """Where their data directories are, with % for the port."""
    return f"{parent(instances[0].data)}/%"


def _aof(blueprint: Blueprint, instance: Instance) -> str:
    content = next((file.content for file in blueprint.files if file.path == instance.config), "")
    return values_of(content).get("appendonly", "")

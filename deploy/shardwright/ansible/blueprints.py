"""The blueprint of a host as plain data, for tasks of others: which ports to open, which directories to back up.

The text of a secret file is left out: what a lookup gives can end up anywhere. Our own roles do not go by this data, but
by the scripts of `core.host`, which decide on what is running, too.
"""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..adapters import environment
from ..model.spec import ServiceManager
from .hosts import host_of


def blueprint(spec: str, host: str, manager: str = "systemd") -> dict[str, Any]:
    """What the host needs: engine, user, kernel settings, mounts, directories, files, instances.

    Args:
        spec: path of cluster.yml.
        host: its name there.
        manager: the service manager where the spec leaves it to the host.

    Raises:
        ShardwrightError: the spec has mistakes, or no such host.
    """
    loaded = environment.load(Path(spec).resolve())
    made = loaded.blueprints(host_of(loaded, host))
    chosen = made.get(ServiceManager(manager)) or next(iter(made.values()))
    data: dict[str, Any] = _plain(asdict(chosen))
    for file in data["files"]:
        if file["secret"]:
            file["content"] = None
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, StrEnum) else value

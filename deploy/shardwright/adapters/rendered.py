"""`shardwright render`: the files that would land on a host, as text for people; secrets are masked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..core.logins import masked
from ..errors import PlanError
from ..model.spec import ClusterSpec, ServiceManager
from .environment import Environment


def rendered(spec: ClusterSpec, name: str | None = None) -> str:
    """The files of a host, each under a line with its path, owner, group and mode.

    Args:
        spec: `auto` is shown as systemd.
        name: of the host; the first if there is none.

    Raises:
        PlanError: ``host-unknown``.
    """
    if spec.service_manager is ServiceManager.AUTO:
        spec = replace(spec, service_manager=ServiceManager.SYSTEMD)
    host = next((h for h in spec.hosts if name in (None, h.name)), None)
    if host is None:
        known = ", ".join(h.name for h in spec.hosts)
        raise PlanError("host-unknown", f"cluster.yml names no host {name!r}; it has {known}", hint="name one of these")
    made = Environment(Path(), spec).blueprints(host)[spec.service_manager]
    return "".join(
        f"# {f.path} {f.owner}:{f.group} {f.mode}{' (secret)' if f.secret else ''}\n{masked(f.content, spec.security)}\n"
        for f in made.files
    )

"""An environment as loaded from its `cluster.yml`: spec, topology, and the blueprint of each host by service manager.

Knows neither pyinfra nor Ansible. Loaded once a process and path: pyinfra runs the deploy file once for every host.
`auto` is decided by what the host has, so a host has a blueprint for each manager that it could turn out to have, and the
one look at it asks for the paths of all of them: asking first and looking then would be a round trip more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

from ..core.blueprint import blueprint
from ..core.engine_choice import BundleFacts, engine_install
from ..core.host.state import HostState
from ..core.placement import place
from ..errors import Problem
from ..model.blueprint import Blueprint, EngineInstall
from ..model.spec import ClusterSpec, HostSpec, Product, ServiceManager
from ..model.topology import Topology
from . import spec_file


@dataclass(frozen=True)
class Environment:
    """The spec at `path`, what should be thought about in it, and what follows from it."""

    path: Path
    spec: ClusterSpec
    warnings: tuple[Problem, ...] = ()
    _made: dict[str, dict[ServiceManager, Blueprint]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def topology(self) -> Topology:
        """What the spec means."""
        return place(self.spec)

    @cached_property
    def _bundle(self) -> BundleFacts | None:
        """The bundle, where one is deployed; made ready here, on the control machine."""
        if self.spec.engine.product is not Product.BUNDLED:
            return None
        from ..engines import bundle  # reads and writes archives: only where one is deployed

        return bundle.facts_for(self.spec.engine)

    @cached_property
    def _decided(self) -> tuple[tuple[ClusterSpec, EngineInstall], ...]:
        wanted = self.spec.service_manager
        managers = [m for m in ServiceManager if m is not ServiceManager.AUTO]
        specs = [
            replace(self.spec, service_manager=m) for m in (managers if wanted is ServiceManager.AUTO else [wanted])
        ]
        return tuple((spec, engine_install(spec, self._bundle)) for spec in specs)

    def blueprints(self, host: HostSpec) -> dict[ServiceManager, Blueprint]:
        """What the host needs, by the service manager that it may have."""
        if host.name not in self._made:
            self._made[host.name] = {
                spec.service_manager: blueprint(spec, self.topology, host.name, engine)
                for spec, engine in self._decided
            }
        return self._made[host.name]

    def fitting(self, host: HostSpec, state: HostState) -> Blueprint:
        """The blueprint for the service manager that the host was found to have."""
        candidates = self.blueprints(host)
        return candidates.get(state.manager) or next(iter(candidates.values()))


@cache
def load(path: Path) -> Environment:
    """The environment of the `cluster.yml` at `path`.

    Raises:
        SpecError: with everything that is wrong in the file.
    """
    spec, warnings = spec_file.load_with_warnings(path)
    return Environment(path, spec, warnings)

"""`find_drift`: one look at all nodes, compared with what was declared. Changes nothing, not even a canary key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.config_lines import ConfigFile
from ..core.consolidation import consolidate
from ..core.drifting import drift_report, drifts
from ..core.fitting import fit
from ..core.logins import valid
from ..core.running_settings import asked_names
from ..model.drift import Drift
from ..model.endpoint import Endpoint
from ..model.report import Finding
from ..model.state import ClusterState, StartState
from ..model.topology import Topology
from .converging import Means
from .observing import observe
from .passwords import unlike
from .run import Proof


def _logins(state: ClusterState, means: Means) -> dict[Endpoint, str]:
    """What else than declared the nodes that answer let clients log in with, in words."""
    rotation = means.rotation
    if rotation is None or rotation.security.password is None:
        return {}
    wanted = valid(rotation.security)
    found = rotation.survey(state.nodes).standings.items()
    return {e: ", ".join(sorted(s.takes)) for e, s in found if s.takes != wanted}


def find_drift(
    topology: Topology,
    means: Means,
    *,
    canary: bool = False,  # noqa: ARG001 - every front door's work takes it
    further: Iterable[Finding] = (),  # noqa: ARG001 - what hosts warn of is no drift
    files: Mapping[Endpoint, ConfigFile] | None = None,
    starts: Mapping[Endpoint, StartState] | None = None,
    hosts: Iterable[Drift] = (),
) -> Proof:
    """The report on every difference; healthy where there is none.

    Args:
        topology: what was declared.
        means: what to look with.
        canary: not used: nothing is written.
        further: not used.
        files: configuration files by node; None where the hosts were not looked at.
        starts: how nodes were started, where the hosts were looked at.
        hosts: differences found on the hosts.
    """
    transport = means.transport
    names = sorted({*asked_names(), *(name for name, _ in (*topology.live, *topology.settings))})
    state = consolidate(observe(transport, (node.endpoint for node in topology.nodes), names))
    fitted = fit(topology, state)
    others = unlike(transport, state.nodes, means.password)
    rows = drifts(fitted, state, unlike=others, logins=_logins(state, means), files=files, starts=starts, hosts=hosts)
    return Proof(drift_report(fitted, state, rows, with_hosts=files is not None))

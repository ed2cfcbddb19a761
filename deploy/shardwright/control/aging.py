"""Adds to a look at the servers what their hosts say of how they were started: who must be started anew.

Hosts are asked once a run: afterwards the process number of a server tells whether it is still the one that was looked at.
Files are written before the cluster is converged, so a process that is newer than that has read them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from ..core.outdated import by_host, by_view, dropped, questions
from ..core.parsing import parse_settings
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.state import ClusterState, StartState
from ..model.topology import Topology
from ..ports import Supervisor, Transport
from .observing import TIMEOUT

Told = Mapping[Endpoint, Mapping[str, str]]


@dataclass
class Ages:
    """What is known of the processes of one run. `refused` are the settings that servers did not take live."""

    starts: Mapping[Endpoint, StartState] = field(default_factory=dict)
    told: Told = field(default_factory=dict)
    refused: set[tuple[Endpoint, str]] = field(default_factory=set)

    def add(self, topology: Topology, state: ClusterState) -> ClusterState:
        """The state with `outdated`, `refused` and `memory`."""
        if not self.starts:
            return state
        outdated = {}
        for endpoint, start in self.starts.items():
            if endpoint in state.nodes:
                view = state.nodes[endpoint].view
                reasons = by_host(topology, view, start, self.told.get(endpoint, {}))
                if not start.pid or not view.pid or start.pid == view.pid:
                    reasons += tuple(
                        f"it refused to take {name} live" for e, name in sorted(self.refused) if e == endpoint
                    )
                if reasons:
                    outdated[endpoint] = reasons
        memory = {endpoint: start.memory for endpoint, start in self.starts.items() if start.memory}
        return replace(state, outdated=outdated, refused=frozenset(self.refused), memory=memory)

    def only(self, nodes: Collection[str]) -> Ages:
        """What is known of these, as they are printed: all others count as they run."""
        return replace(self, starts={e: start for e, start in self.starts.items() if str(e) in nodes})

    def excuses(self, endpoint: Endpoint) -> bool:
        """Whether a setting that this server refuses may be had by starting it anew."""
        return endpoint in self.starts and self.starts[endpoint].rewritten


def ages(
    topology: Topology, state: ClusterState, supervisor: Supervisor | None, transport: Transport
) -> tuple[Topology, Ages]:
    """What hosts say, where there is somebody to ask; and the topology with the settings that are wanted at their defaults
    again, since no file names them any more."""
    if supervisor is None:
        return topology, Ages()
    starts = supervisor.started()
    default = dropped(topology, state, starts)
    starts = {e: replace(start, lines={**default, **start.lines}) for e, start in starts.items()}
    found = questions(starts)
    answers = transport.ask({e: (("CONFIG", "GET", *names),) for e, names in found.items()}, timeout=TIMEOUT)
    told = {e: parse_settings(answer[0]) for e, answer in answers.items() if not isinstance(answer, Silence)}
    return replace(topology, settings=(*topology.settings, *default.items())), Ages(starts, told)


def aged_by_view(topology: Topology, state: ClusterState) -> ClusterState:
    """The state with those outdated that show it themselves; for plans that are only read."""
    found = {node.endpoint: state.nodes[node.endpoint] for node in topology.nodes if node.endpoint in state.nodes}
    outdated = {endpoint: by_view(topology, node.view) for endpoint, node in found.items()}
    return replace(state, outdated={endpoint: why for endpoint, why in outdated.items() if why})

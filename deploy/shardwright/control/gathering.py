"""Watches a cluster become whole with short questions, and helps the nodes that gossip leaves behind.

The servers do the work, and every question takes time from them: so only those that still lack something are asked again,
and the long lists of nodes are read only when nobody lacks a peer any more, or most do not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..core.parsing import Unreadable, number, parse_fields, printable, text_of
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import Phase
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import Answer, Clock, Command, Transport
from .nudging import Nudger, truth_after
from .observing import TIMEOUT

HELP_EVERY = 0.25
"""Seconds between two times that lagging nodes are helped."""
STALLED = 0.35
"""Seconds without a new acquaintance after which a node that lacks some is helped."""
FEW = 0.1
"""Part of the nodes that may still lack peers while the others are brought up to date."""
QUIET = 5.0
"""Seconds after which a primary that got slots says ok, even with the longest node timeout."""
HASTY = 0.5
"""Node timeout in seconds below which a primary does not become ok any sooner."""
_TIMEOUT = "cluster-node-timeout"
NOT_OK = "says that the cluster is not ok"


@dataclass(frozen=True, slots=True)
class Glance:
    """What one node says of itself in short: how many nodes it knows, whether it calls any failing, and what it lacks."""

    known: int
    failing: bool
    lack: str


class Gathering:
    """One wait for the nodes of `topology` after `phase`, which was planned on `before`."""

    def __init__(
        self, topology: Topology, phase: Phase, before: ClusterState, transport: Transport, clock: Clock
    ) -> None:
        self._before = before
        self._transport = transport
        self._clock = clock
        self._size = len(topology.nodes)
        self._glances = {node.endpoint: Glance(0, False, "was not asked yet") for node in topology.nodes}
        self._nudger = Nudger(truth_after(phase, before), transport, clock)
        self._unsure = set(self._glances)
        self._began = self._help_from = clock.now()
        self._grew = dict.fromkeys(self._glances, self._began)
        self._hastened: set[Endpoint] = set()

    def lacking(self) -> dict[Endpoint, str]:
        """What each node that is not whole at a glance lacks; asks only those that lacked something the last time."""
        asked = [endpoint for endpoint, glance in self._glances.items() if glance.lack]
        questions: list[Command] = [("CLUSTER", "INFO"), ("INFO", "replication")]
        answers = self._transport.ask(dict.fromkeys(asked, questions), timeout=TIMEOUT)
        seen = {endpoint: read_glance(answer, self._size) for endpoint, answer in answers.items()}
        now = self._clock.now()
        self._grew |= {e: now for e, glance in seen.items() if glance.known != self._glances[e].known}
        self._glances |= seen
        return {endpoint: glance.lack for endpoint, glance in self._glances.items() if glance.lack}

    def doubt(self, lacks: Mapping[Endpoint, str]) -> None:
        """A full look showed what these nodes lack, good as they seemed at a glance; of spares there are no glances."""
        for endpoint, lack in lacks.items():
            glance = self._glances.get(endpoint)
            if glance is not None:
                self._glances[endpoint] = Glance(glance.known, glance.failing, lack)
        self._unsure |= set(lacks)

    def refresh(self, nodes: Collection[Endpoint]) -> None:
        """Make these nodes, which know everybody, hear what their peers are by now."""
        now = self._clock.now()
        if nodes and now >= self._help_from:
            self._nudger.update(nodes)
            self._help_from = self._clock.now() + HELP_EVERY

    def help(self) -> None:
        """Make those that lag behind hear what they missed, and the others say ok."""
        now = self._clock.now()
        if now < self._help_from:
            return
        ignorant = {endpoint for endpoint, glance in self._glances.items() if glance.known < self._size}
        stalled = [endpoint for endpoint in ignorant if now - self._grew[endpoint] > STALLED]
        if stalled:
            self._nudger.introduce(stalled, sorted(self._glances, key=lambda e: -self._glances[e].known))
        if len(ignorant) <= self._size * FEW:
            self._unsure = self._nudger.update(self._unsure - ignorant) | ignorant
            self._hasten()
        self._help_from = self._clock.now() + HELP_EVERY

    def restore(self) -> None:
        """Give the nodes that were hastened their node timeout back."""
        settings = {endpoint: self._before.nodes[endpoint].view.settings for endpoint in self._hastened}
        back: dict[Endpoint, list[Command]] = {
            e: [("CONFIG", "SET", _TIMEOUT, s[_TIMEOUT])] for e, s in settings.items()
        }
        self._transport.ask(back, timeout=TIMEOUT)
        self._hastened.clear()

    def _hasten(self) -> None:
        """Let primaries that know all slots say ok now, and not only when `QUIET` is over.

        A primary that had no slots waits as long as its node timeout says, at most `QUIET`, from when it got them. For a
        moment it gets a node timeout that is over: which is safe only where an election can't follow, and with peers
        that answer sooner than that.
        """
        waited = self._clock.now() - self._began
        if self._nudger.busy or waited > QUIET or not self._forming() or any(g.failing for g in self._glances.values()):
            return
        waiting = {endpoint for endpoint, glance in self._glances.items() if glance.lack == NOT_OK} - self._hastened
        hasty: Command = ("CONFIG", "SET", _TIMEOUT, str(round(1000 * max(HASTY, waited - 0.1))))
        self._transport.ask({endpoint: [hasty] for endpoint in waiting}, timeout=TIMEOUT)
        self._hastened |= waiting

    def _forming(self) -> bool:
        """Whether nothing holds data and elections are off."""
        views = [node.view for node in self._before.nodes.values()]
        return all(not v.keys and v.settings.get("cluster-replica-no-failover") == "yes" for v in views)


def read_glance(answer: Answer, nodes: int) -> Glance:
    """What the replies to CLUSTER INFO and INFO say, where `nodes` should know each other."""
    if isinstance(answer, Silence):
        return Glance(0, False, f"{answer.reason}: {answer.detail}")
    try:
        cluster, replication = (parse_fields(text_of(reply)) for reply in answer)
    except Unreadable as error:
        return Glance(0, False, printable(str(error)))
    known = number(cluster, "cluster_known_nodes")
    failing = number(cluster, "cluster_slots_pfail") + number(cluster, "cluster_slots_fail") > 0
    lack = ""
    if known < nodes:
        lack = f"knows {known} of {nodes} nodes"
    elif cluster.get("cluster_state") != "ok":
        lack = NOT_OK
    elif replication.get("role") == "slave" and replication.get("master_link_status") != "up":
        lack = "is not linked to its primary"
    else:
        lack = ""
    return Glance(known, failing, lack)

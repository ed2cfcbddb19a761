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
from ..model.topology import Topology
from ..ports import Answer, Clock, Command, Transport
from .nudging import Nudger, Truth
from .observing import TIMEOUT

HELP_EVERY = 0.25
"""Seconds between two times that lagging nodes are helped."""
STALLED = 0.6
"""Seconds without a new acquaintance anywhere after which those that lack some are helped, however many they are."""
EASE_AFTER = 4.0
"""Seconds of nodes calling each other dead after which the node timeout is too short for these machines."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What one node says of itself in short: how many nodes it knows, whether it calls any failing, and what it lacks."""

    known: int
    failing: bool
    lack: str


class Gathering:
    """One wait for the nodes of `topology`; `truth` is what each node is, for those that believe otherwise."""

    def __init__(self, topology: Topology, transport: Transport, clock: Clock, truth: Truth) -> None:
        self._topology = topology
        self._transport = transport
        self._clock = clock
        self._size = len(topology.nodes)
        self._glances = {node.endpoint: Glance(0, False, "was not asked yet") for node in topology.nodes}
        self._nudger = Nudger(truth, transport, clock)
        self._unsure = set(self._glances)
        self._help_from = self._grew = clock.now()
        self._calm = clock.now()

    def lacking(self) -> dict[Endpoint, str]:
        """What each node that is not whole at a glance lacks; asks only those that lacked something the last time."""
        asked = [endpoint for endpoint, glance in self._glances.items() if glance.lack]
        questions: list[Command] = [("CLUSTER", "INFO"), ("INFO", "replication")]
        answers = self._transport.ask(dict.fromkeys(asked, questions), timeout=TIMEOUT)
        seen = {endpoint: read_glance(answer, self._size) for endpoint, answer in answers.items()}
        if any(glance.known > self._glances[endpoint].known for endpoint, glance in seen.items()):
            self._grew = self._clock.now()
        self._glances |= seen
        self._ease()
        return {endpoint: glance.lack for endpoint, glance in self._glances.items() if glance.lack}

    def doubt(self, lacks: Mapping[Endpoint, str]) -> None:
        """A full look showed what these nodes lack, good as they seemed at a glance."""
        for endpoint, lack in lacks.items():
            glance = self._glances[endpoint]
            self._glances[endpoint] = Glance(glance.known, glance.failing, lack)
        self._unsure |= set(lacks)

    def refresh(self, nodes: Collection[Endpoint]) -> None:
        """Make these nodes, which know everybody, hear what their peers are by now."""
        now = self._clock.now()
        if nodes and now >= self._help_from:
            self._nudger.update(nodes)
            self._help_from = self._clock.now() + HELP_EVERY

    def help(self) -> None:
        """Make those that lag behind hear what they missed."""
        now = self._clock.now()
        if now < self._help_from:
            return
        ignorant = [endpoint for endpoint, glance in self._glances.items() if glance.known < self._size]
        if not ignorant:
            self._unsure = self._nudger.update(self._unsure)
        elif len(ignorant) <= self._size // 4 or now - self._grew > STALLED:
            self._nudger.introduce(ignorant, [e for e in self._glances if e not in set(ignorant)])
        done = self._clock.now()
        self._help_from = done + max(HELP_EVERY, 3 * (done - now))

    def _ease(self) -> None:
        """Puts the wanted node timeout back where nodes go on calling each other dead under the temporary one.

        Such calls are answered with more messages, which slow machines down further: it would not end by itself.
        """
        if sum(glance.failing for glance in self._glances.values()) * 10 < self._size:
            self._calm = self._clock.now()
        elif self._clock.now() - self._calm > EASE_AFTER:
            wanted = [(name, value) for name, value in self._topology.live if name == "cluster-node-timeout"]
            commands: list[Command] = [("CONFIG", "SET", name, value) for name, value in wanted]
            self._transport.ask(dict.fromkeys(self._glances, commands), timeout=TIMEOUT)
            self._calm = self._clock.now()


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
        lack = "says that the cluster is not ok"
    elif replication.get("role") == "slave" and replication.get("master_link_status") != "up":
        lack = "is not linked to its primary"
    else:
        lack = ""
    return Glance(known, failing, lack)

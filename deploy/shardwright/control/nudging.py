"""Makes nodes of one cluster hear from each other at once, where gossip would take its time.

A node tells others of its slots and its role only in messages of its own, and how often it writes to each is paced by the
node timeout, further delayed by second-hand news that the peer is alive. A second MEET between nodes that know each other
changes nothing, but is a message: the one that is met learns what the other is, and, with a tenth of them, whom it knows.
Only nodes whose identity and membership were settled before the first of all meetings are ever named here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from ..core.parsing import Unreadable, parse_nodes, text_of
from ..model.endpoint import Endpoint, NodeId
from ..model.observation import PeerView, Silence
from ..model.plan import Failover, MigrateSlots, Phase, Replicate
from ..model.state import ClusterState
from ..ports import Clock, Command, Transport
from .observing import TIMEOUT

FEW = 8
"""Missing peers that a node is introduced to one by one; where more are missing, gossip is quicker."""
PATIENCE = 1.0
"""Seconds that a nudge has to work before it is repeated."""
BUSY = 4
"""Old pictures for each node above which gossip is still under way; while they become fewer, it is left alone."""

Truth = Mapping[NodeId, tuple[Endpoint, str, NodeId | None, int]]
"""What each node is by its own word and by what it was just told: endpoint, IP, primary, mask of its slots."""


def truth_after(phase: Phase, before: ClusterState) -> Truth:
    """What the nodes of `before` are once `phase` is carried out."""
    told = {step.node: step.primary_id for step in phase.steps if isinstance(step, Replicate)}
    owned = {endpoint: node.slots for endpoint, node in before.nodes.items()}
    led: set[Endpoint] = set()
    for step in phase.steps:
        if isinstance(step, MigrateSlots):
            owned[step.node] -= step.slots
            owned[step.target] |= step.slots
        elif isinstance(step, Failover) and {step.node, step.primary} <= before.nodes.keys():
            old, new = before.nodes[step.primary].id, before.nodes[step.node].id
            told |= {e: new for e, node in before.nodes.items() if old in (node.id, node.primary_id)}
            led.add(step.node)
            owned[step.node], owned[step.primary] = owned[step.primary], owned[step.node]
    return {
        node.id: (
            endpoint,
            node.view.address,
            None if endpoint in led else told.get(endpoint, node.primary_id),
            owned[endpoint].mask,
        )
        for endpoint, node in before.nodes.items()
    }


class Nudger:
    """Nudges nodes of one cluster, each pair at most once in `PATIENCE` seconds."""

    def __init__(self, truth: Truth, transport: Transport, clock: Clock) -> None:
        self._truth = truth
        self._ids = {endpoint: node_id for node_id, (endpoint, _, _, _) in truth.items()}
        self._transport = transport
        self._clock = clock
        self._nudged: dict[tuple[Endpoint, Endpoint], float] = {}
        self._outdated = 0

    @property
    def busy(self) -> bool:
        """Whether there were so many old pictures at the last look that gossip must still be under way."""
        return self._outdated > BUSY * len(self._truth)

    def update(self, nodes: Collection[Endpoint]) -> set[Endpoint]:
        """Make peers write to those of these nodes that have an old picture of them, or none; gives such nodes.

        Of many old pictures only `BUSY` a node are mended at once: each message is a new connection, and thousands of them
        would keep the servers from the gossip that mends all.
        """
        pairs: list[tuple[Endpoint, Endpoint]] = []
        for node, peers in self._views(nodes).items():
            current = {peer.id for peer in peers if (peer.primary_id, peer.slots.mask) == self._truth[peer.id][2:]}
            pairs += [(end, node) for i, (end, _, _, _) in self._truth.items() if i not in current and end != node]
        before, self._outdated = self._outdated, len(pairs)
        if not self.busy or len(pairs) >= before > 0:
            self._meet(pairs[:: 1 + len(pairs) // (BUSY * len(self._truth))])
        return {node for _, node in pairs}

    def introduce(self, nodes: Collection[Endpoint], informed: Collection[Endpoint]) -> None:
        """Help nodes that lack peers: to few missing ones directly, else by their first two acquaintances of `informed`."""
        pairs: list[tuple[Endpoint, Endpoint]] = []
        for node, peers in self._views(nodes).items():
            known = {self._truth[peer.id][0] for peer in peers}
            missing = [endpoint for endpoint in self._ids if endpoint not in known and endpoint != node]
            if len(missing) <= FEW:
                pairs += [(node, endpoint) for endpoint in missing]
            else:
                pairs += [(endpoint, node) for endpoint in islice((e for e in informed if e in known), 2)]
        self._meet(pairs)

    def _views(self, nodes: Iterable[Endpoint]) -> dict[Endpoint, list[PeerView]]:
        """The peers of ours that each of these nodes lists; of those only that are who they were."""
        question: Command = ("CLUSTER", "NODES")
        found = {}
        for endpoint, answer in self._transport.ask({e: [question] for e in nodes}, timeout=TIMEOUT).items():
            if isinstance(answer, Silence):
                continue
            try:
                myself, peers = parse_nodes(text_of(answer[0]))
            except Unreadable:
                continue
            if self._ids.get(endpoint) == myself.id:
                found[endpoint] = [peer for peer in peers if peer.id in self._truth and not peer.handshake]
        return found

    def _meet(self, pairs: Iterable[tuple[Endpoint, Endpoint]]) -> None:
        """Make the first of each pair write to the second."""
        now = self._clock.now()
        commands: dict[Endpoint, list[Command]] = defaultdict(list)
        for node, peer in pairs:
            if now - self._nudged.get((node, peer), -PATIENCE) >= PATIENCE:
                self._nudged[node, peer] = now
                _, address, _, _ = self._truth[self._ids[peer]]
                commands[node].append(("CLUSTER", "MEET", address, peer.port, peer.bus_port))
        self._transport.ask(commands, timeout=TIMEOUT)

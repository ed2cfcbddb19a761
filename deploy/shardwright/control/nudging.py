"""Makes two nodes of one cluster exchange what they are now, where gossip would take its time.

A node tells others of its slots and its role only in messages of its own, and how often it writes to each is paced by the
node timeout, further delayed by second-hand news that the peer is alive. A second MEET between nodes that know each other
changes nothing but makes the peer answer at once, with its slots and its role. Only nodes that already list each other are
ever named here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.parsing import Unreadable, parse_nodes, text_of
from ..model.endpoint import Endpoint, NodeId
from ..model.observation import PeerView, Silence
from ..model.plan import Phase, Replicate
from ..model.state import ClusterState
from ..ports import Command, Transport
from .observing import TIMEOUT

Truth = Mapping[NodeId, tuple[Endpoint, str, NodeId | None, int]]
"""What each node is by its own word and by what it was just told: endpoint, IP, primary, mask of its slots."""


def truth_after(phase: Phase, before: ClusterState) -> Truth:
    """What the nodes of `before` are once `phase` is carried out."""
    told = {step.node: step.primary_id for step in phase.steps if isinstance(step, Replicate)}
    return {
        node.id: (endpoint, node.view.address, told.get(endpoint, node.primary_id), node.slots.mask)
        for endpoint, node in before.nodes.items()
    }


def nudge(lagging: Iterable[Endpoint], truth: Truth, transport: Transport) -> int:
    """Make each lagging node hear from the peers of which it has an old picture; gives how many pairs there were."""
    asked: Command = ("CLUSTER", "NODES")
    answers = transport.ask({endpoint: [asked] for endpoint in lagging}, timeout=TIMEOUT)
    meetings: dict[Endpoint, list[Command]] = {}
    for endpoint, answer in answers.items():
        if isinstance(answer, Silence):
            continue
        try:
            _, peers = parse_nodes(text_of(answer[0]))
        except Unreadable:
            continue
        meetings[endpoint] = [_meet(truth[peer.id]) for peer in peers if _outdated(peer, truth)]
    transport.ask(meetings, timeout=TIMEOUT)
    return sum(map(len, meetings.values()))


def _outdated(peer: PeerView, truth: Truth) -> bool:
    known = truth.get(peer.id)
    return known is not None and not peer.handshake and (peer.primary_id, peer.slots.mask) != known[2:]


def _meet(node: tuple[Endpoint, str, NodeId | None, int]) -> Command:
    endpoint, address, _, _ = node
    return ("CLUSTER", "MEET", address, endpoint.port, endpoint.bus_port)

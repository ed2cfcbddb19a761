"""Bounded waits: each asks as little as can show its condition, and when its limit ends, says who did not meet it.

`WHOLE` takes the full look, whose size grows with the square of the nodes, only when every node is whole at a glance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.consolidation import picture
from ..core.draining import awaiting_drain, leader_in
from ..core.histories import resumes
from ..core.parsing import Unreadable, parse_peer, text_of
from ..core.settings import differing
from ..model.endpoint import Endpoint, NodeId
from ..model.observation import PeerView, Silence
from ..model.plan import AddSlots, Configure, Forget, Meet, MigrateSlots, Part, Phase, Replicate, Reset, SetEpoch, Until
from ..model.progress import Moment, Progress, ProgressEvent
from ..model.slots import SlotSet
from ..model.state import ClusterState, NodeState
from ..model.topology import Topology
from ..ports import Answer, Clock, Command, Transport
from .gathering import Gathering
from .observing import TIMEOUT, look
from .restarting import ROLLING, UNLINKED, Returning

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds between two looks of a wait."""
REST = 0.002
"""Seconds of rest for each node that is to be asked again: some ten times what asking it costs."""

Unmet = Mapping[Endpoint, str]
"""What each node that does not meet the condition still lacks."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How a wait ended: the state, if the condition needed a full look, and who did not meet it (empty: all do)."""

    state: ClusterState | None
    unmet: Unmet


class Waiter:
    """Waits for the ends of phases of one topology."""

    def __init__(self, topology: Topology, transport: Transport, clock: Clock, progress: Progress) -> None:
        self._topology = topology
        self._transport = transport
        self._clock = clock
        self._progress = progress
        self._endpoints = [node.endpoint for node in topology.nodes]

    def wait(self, phase: Phase, before: ClusterState, retry: Callable[[], bool]) -> Waited:
        """Wait until the condition of `phase` holds or its limit has passed.

        Args:
            phase: what was sent.
            before: the state that the phase was planned on, for the identities.
            retry: called between two looks; sends again what had to wait, and says whether anything is still to be sent.
        """
        started = self._clock.now()
        gathering = Gathering(self._topology, phase, before, self._transport, self._clock)
        returning = Returning(self._topology, phase, before)
        try:
            while True:
                pending = retry()
                state, unmet = self._check(phase, before, gathering, returning)
                if not unmet and not pending:
                    return Waited(state, {})
                waited = self._clock.now() - started
                if waited > phase.limit:
                    return Waited(state, unmet or dict.fromkeys(self._endpoints[:1], "a step could not be sent"))
                self._tell(phase, unmet)
                self._clock.sleep(min(max(SHORTEST, REST * len(unmet), waited / 20), LONGEST))
        finally:
            gathering.restore()

    def _tell(self, phase: Phase, unmet: Unmet) -> None:
        total = len(self._endpoints)
        first = next(iter(unmet.items()), None)
        detail = f"{first[0]}: {first[1]}" if first else ""
        self._progress(ProgressEvent(Moment.WAITING, phase.name, detail, total - len(unmet), total))

    def _check(
        self, phase: Phase, before: ClusterState, gathering: Gathering, returning: Returning
    ) -> tuple[ClusterState | None, Unmet]:
        if phase.until is Until.ACQUAINTED:
            return None, self._acquainted(phase, before)
        if phase.until in ROLLING:
            if away := returning.away(self._transport):
                return None, away
            state = look(self._topology, self._transport)
            alone = phase.until is Until.STARTED
            lacks = returning.lacks(state, {} if alone else not_whole(self._topology, state))
            if phase.until is Until.HANDED and returning.led(state):
                gathering.refresh(lacks)
            return state, lacks
        if phase.until is not Until.WHOLE:
            state = look(self._topology, self._transport)
            lacks = _CHECKS[phase.until](phase, self._topology, state)
            # Who led before tells the others only as its node timeout paces it.
            if phase.until is Until.MOVED or (phase.until is Until.LED and returning.led(state)):
                gathering.refresh(lacks)
            return state, lacks
        return self._whole(gathering)

    def _whole(self, gathering: Gathering) -> tuple[ClusterState | None, Unmet]:
        lacks: Unmet = gathering.lacking()
        state: ClusterState | None = None
        if not lacks:
            gathering.restore()
            state = look(self._topology, self._transport)
            lacks = not_whole(self._topology, state)
            gathering.doubt(lacks)
        if lacks:
            gathering.help()
        return state, lacks

    def _acquainted(self, phase: Phase, before: ClusterState) -> Unmet:
        pairs = [(step.node, step.peer) for step in phase.steps if isinstance(step, Meet)]
        wanted: dict[Endpoint, set[Endpoint]] = {}
        for node, peer in pairs:
            wanted.setdefault(node, set()).add(peer)
            wanted.setdefault(peer, set()).add(node)
        asked: Command = ("CLUSTER", "NODES")
        answers = self._transport.ask({endpoint: [asked] for endpoint in wanted}, timeout=TIMEOUT)
        unmet = {}
        for endpoint, peers in wanted.items():
            missing = _missing(answers[endpoint], [before.nodes[peer] for peer in sorted(peers)])
            if missing:
                unmet[endpoint] = missing
        return unmet


def _missing(answer: Answer, peers: list[NodeState]) -> str:
    """Which of `peers` the answer to CLUSTER NODES does not show at their addresses; parses only their lines."""
    if isinstance(answer, Silence):
        return f"{answer.reason}: {answer.detail}"
    try:
        lines = {line[:40]: line for line in text_of(answer[0]).splitlines()}
        seen = {peer.id: parse_peer(lines[peer.id].split(" ")) for peer in peers if peer.id in lines}
    except Unreadable as error:
        return str(error)
    lacking = [str(p.endpoint) for p in peers if p.id not in seen or not _placed(seen[p.id], p)]
    return f"does not know {', '.join(lacking)}" if lacking else ""


def _placed(peer: PeerView, node: NodeState) -> bool:
    return not peer.handshake and (peer.address, peer.port) == (node.view.address, node.endpoint.port)


def not_whole(topology: Topology, state: ClusterState) -> Unmet:
    """What keeps the cluster from being the topology, from every node's own view; empty where nothing does."""
    ids = {node.endpoint: state.nodes[node.endpoint].id for node in topology.nodes if node.endpoint in state.nodes}
    unmet: dict[Endpoint, str] = {e: f"{s.reason}: {s.detail}" for e, s in state.silences.items()}
    for endpoint, node_id in ids.items():
        node = state.nodes[endpoint]
        linked = node.knows - node.cut - node.misplaced
        strange = [str(e) for e, i in ids.items() if i != node_id and i not in linked]
        if strange:
            unmet[endpoint] = f"has no link to {', '.join(strange[:3])}" + (" and others" if len(strange) > 3 else "")
        elif not node.view.cluster_ok:
            unmet[endpoint] = "says that the cluster is not ok"
        elif not node.view.primary_link_up or node.view.syncing:
            unmet[endpoint] = UNLINKED
    later = awaiting_drain(topology, state)
    unmet |= {
        e: "says that the cluster is not ok" for e in later if not state.nodes[e].view.cluster_ok and e not in unmet
    }
    for shard in topology.shards:
        members = [state.nodes[n.endpoint] for n in shard.members if n.endpoint in state.nodes]
        leader = leader_in(shard, state)
        for member in members:
            placed = leader is not None and (member.endpoint == leader or member.primary_id == state.nodes[leader].id)
            if not placed and member.endpoint not in later:
                unmet.setdefault(member.endpoint, f"is not in its place in {shard.name}")
    if not unmet and state.uncovered:
        unmet[topology.nodes[0].endpoint] = f"{len(state.uncovered):,} slots have no owner"
    if not unmet and not state.agreed:
        others = {stranger.id for stranger in state.strangers}
        own_words = {line for node in state.nodes.values() for line in picture(node.view) if line[0] == node.id}
        pictures = {e: picture(n.view, others) for e, n in state.nodes.items()}
        unmet = {e: "has an old picture of its peers" for e, seen in pictures.items() if seen != own_words}
    return unmet


def _prepared(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    unmet = dict(_configured(phase, _topology, state))
    for step in phase.steps:
        node = state.nodes.get(step.node)
        if node is None:
            unmet[step.node] = "gives no answer"
        elif isinstance(step, SetEpoch) and not node.view.myself.epoch:
            unmet[step.node] = "has no epoch of its own"
        elif isinstance(step, AddSlots) and step.slots - node.slots:
            unmet[step.node] = f"lacks {len(step.slots - node.slots):,} of its slots"
    return unmet


def _configured(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    unmet: dict[Endpoint, str] = {}
    for step in phase.steps:
        if not isinstance(step, Configure):
            continue
        node = state.nodes.get(step.node)
        if node is None:
            unmet[step.node] = "gives no answer"
            continue
        view = node.view
        if differing({step.setting: step.value}, view.settings, view.product, view.version):
            unmet[step.node] = f"{step.setting} is {view.settings.get(step.setting)!r}, wanted {step.value!r}"
        elif step.setting == "appendonly" and step.value == "yes" and (not view.aof_enabled or view.aof_rewriting):
            unmet[step.node] = "is still writing its first append-only file"
    return unmet


def _parted(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    steps = [step for step in phase.steps if isinstance(step, Part) and {step.node, step.primary} <= {*state.nodes}]
    still = [step for step in steps if resumes(state.nodes[step.node], state.nodes[step.primary])]
    return {step.node: f"would go on in the history of {step.primary} without a copy" for step in still}


def _following(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    unmet: dict[Endpoint, str] = {}
    for step in phase.steps:
        node = state.nodes.get(step.node)
        if isinstance(step, Replicate) and (node is None or node.primary_id != step.primary_id):
            unmet[step.node] = f"does not replicate {step.primary} yet"
    return unmet


def _closed(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    touched = SlotSet.of(*(slot for step in phase.steps if (slot := getattr(step, "slot", None)) is not None))
    still = [slot for slot in state.open_slots if slot.slot in touched]
    return {end: f"slot {s.slot} is open" for s in still for end in (s.source, s.target) if end is not None}


def _led(phase: Phase, topology: Topology, state: ClusterState) -> Unmet:
    following = {step.node for step in phase.steps if (n := state.nodes.get(step.node)) is None or not n.slots}
    return dict.fromkeys(following, "does not lead yet") or not_whole(topology, state)


def _moved(phase: Phase, topology: Topology, state: ClusterState) -> Unmet:
    """Every node's own view counts: clients may ask any."""
    moved: dict[NodeId, SlotSet] = {}
    for step in phase.steps:
        if isinstance(step, MigrateSlots):
            moved[step.target_id] = moved.get(step.target_id, SlotSet()) | step.slots
    unmet: dict[Endpoint, str] = {}
    for node in topology.nodes:
        seen = state.nodes.get(node.endpoint)
        if seen is None:
            unmet[node.endpoint] = "gives no answer"
            continue
        listed = {peer.id: peer.slots for peer in (seen.view.myself, *seen.view.peers)}
        late = sum(len(slots - listed.get(target, SlotSet())) for target, slots in moved.items())
        if late:
            unmet[node.endpoint] = f"takes {late:,} of the moved slots for their old owner's"
    return unmet


def _forgotten(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    gone = {step.id for step in phase.steps if isinstance(step, Forget)}
    return {e: f"lists {s.id[:8]}" for s in state.strangers if s.id in gone for e in s.known_by}


def _empty(phase: Phase, _topology: Topology, state: ClusterState) -> Unmet:
    unmet: dict[Endpoint, str] = {}
    for step in phase.steps:
        node = state.nodes.get(step.node)
        if (
            step.node not in state.resting
            and isinstance(step, Reset)
            and (node is None or node.knows or node.view.keys)
        ):
            unmet[step.node] = "is not empty and alone yet"
    return unmet


_CHECKS: Mapping[Until, Callable[[Phase, Topology, ClusterState], Unmet]] = {
    Until.PREPARED: _prepared,
    Until.PARTED: _parted,
    Until.FOLLOWING: _following,
    Until.CONFIGURED: _configured,
    Until.CLOSED: _closed,
    Until.LED: _led,
    Until.MOVED: _moved,
    Until.FORGOTTEN: _forgotten,
    Until.EMPTY: _empty,
}

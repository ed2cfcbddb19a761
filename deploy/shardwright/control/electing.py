"""Asks replicas to take over by a manual failover: when the servers can carry it out, and no oftener.

A request that comes to nothing is not free: the primary holds all writes back for five seconds. What servers do (by their
sources, and seen on Redis 7.0 and 8.0 and Valkey 8.1 and 9.1):

- Votes travel over links of the bus. A link that is being opened anew, as after a second meeting, loses them.
- A Redis replica that asked for votes in vain asks for new ones only after four node timeouts. To ask it to lead before
  that is to hold writes back for nothing.
- It keeps the votes of its last election as long. One that led a moment ago, and is asked to lead again, counts them, takes
  itself for elected, takes writes, and is set right by the others: those writes are lost.

Valkey begins a new election with each request, from 8.1 on. Voters of Redis vote for a primary's place once in two node
timeouts, which nobody can ask them about: of two handovers in that time, the second comes to nothing once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.abilities import able
from ..core.electing import DEFAULT_TIMEOUT, retry_after
from ..core.parsing import Unreadable, number, parse_fields, parse_nodes, parse_settings, text_of
from ..engines.product import Capability
from ..model.endpoint import Endpoint, NodeId
from ..model.observation import Role, Silence
from ..model.plan import Failover, Phase
from ..model.progress import Moment, Progress, ProgressEvent
from ..model.state import ClusterState
from ..ports import Answer, Clock, Command, Transport
from .observing import TIMEOUT
from .single_keys import ASK_TIMEOUT

AGAIN = 6.0
"""Seconds after which a request is repeated to who never stood for election: servers give one up after 5."""
CALM_LIMIT = 3.0
"""Seconds that links may take to be opened anew; then it is asked for all the same."""
SPARE = 1.0
"""Seconds more than servers need, since their clock of an election starts a moment after ours."""
_ABOUT: tuple[Command, ...] = (("CLUSTER", "INFO"), ("CLIENT", "LIST", "TYPE", "MASTER"), ASK_TIMEOUT)
_AGE = re.compile(r" age=(\d+) ")


@dataclass(frozen=True, slots=True)
class _Heir:
    """What a replica says of itself: whether it may have asked for votes since its start, for how many seconds it has been
    linked to its primary, and after how many it asks for votes anew. What it does not say is taken for the worse."""

    stood: bool
    linked: float
    retry: float


class Elections:
    """The manual failovers of `phase`, which was planned on `before`; where it has none, there is nothing to wait for."""

    def __init__(
        self, phase: Phase, before: ClusterState, transport: Transport, clock: Clock, progress: Progress
    ) -> None:
        self._name = phase.name
        self._heirs = [step.node for step in phase.steps if isinstance(step, Failover)]
        views = {e: before.nodes[e].view for e in self._heirs if e in before.nodes}
        self._keeping = [e for e in self._heirs if e not in views or not able(views[e], Capability.FORGETS_VOTES)]
        self._before = before
        self._transport = transport
        self._clock = clock
        self._progress = progress
        self._asked = clock.now()

    def await_turn(self) -> bool:
        """Wait until they can be carried out, right before they are asked for; whether that took so long that what they
        were planned on may have changed."""
        if not self._heirs:
            return False
        waited = self._await_old_votes()
        self._await_links()
        self._asked = self._clock.now()
        return waited

    def again(self) -> bool:
        """Whether to ask for them again now, which then counts as done; one that has stood before may have stood in vain."""
        passed = self._clock.now() - self._asked
        if not self._heirs or passed <= AGAIN:
            return False
        if any(heir.stood and passed <= heir.retry + SPARE for heir in self._look().values()):
            return False
        self._await_links()
        self._asked = self._clock.now()
        return True

    def _look(self) -> dict[Endpoint, _Heir]:
        """Those of the heirs that keep votes."""
        answers = self._transport.ask(dict.fromkeys(self._keeping, _ABOUT), timeout=TIMEOUT)
        return {endpoint: _heir(answer) for endpoint, answer in answers.items()}

    def _await_old_votes(self) -> bool:
        """Until those that may have led have followed for as long as they keep votes.

        Whether it waited, and would not wait again: who does not say how long it has followed is given the time each time.
        """
        began, waited = self._clock.now(), False
        while True:
            passed = self._clock.now() - began
            stood = {e: heir for e, heir in self._look().items() if heir.stood}
            found = {e: heir.retry + SPARE - max(heir.linked, passed) for e, heir in stood.items()}
            left = max(found.values(), default=0.0)
            if left <= 0:
                return waited and all(heir.linked for heir in stood.values())
            waited = True
            last = max(found, key=found.__getitem__)
            self._tell(f"{last} may have led not long ago, and would count the votes of then for {left:.0f} s")
            self._clock.sleep(min(left, 1.0))

    def _await_links(self) -> None:
        """Until primaries and heirs are linked both ways, and no second meeting is under way that would close links."""
        end, calm = self._clock.now() + CALM_LIMIT, True
        while (lack := self._lack()) and self._clock.now() < end:
            calm = False
            self._tell(lack)
            self._clock.sleep(0.1)
        if not calm:
            # Who meets hears that it is over a moment before it notices that its older link was closed for it.
            self._clock.sleep(0.2)

    def _lack(self) -> str:
        nodes = self._before.nodes
        voters = [e for e, node in nodes.items() if node.role is Role.PRIMARY and node.slots]
        asked: dict[Endpoint, Sequence[Command]] = dict.fromkeys([*voters, *self._heirs], (("CLUSTER", "NODES"),))
        for endpoint, answer in self._transport.ask(asked, timeout=TIMEOUT).items():
            others = voters if endpoint in self._heirs else self._heirs
            if lack := _unlinked(answer, [nodes[e].id for e in others if e != endpoint and e in nodes]):
                return f"{endpoint} {lack}"
        return ""

    def _tell(self, detail: str) -> None:
        self._progress(ProgressEvent(Moment.WAITING, self._name, detail))


def _heir(answer: Answer) -> _Heir:
    info, client, config = (None, None, None) if isinstance(answer, Silence) else answer
    stood = (
        not isinstance(info, bytes) or number(parse_fields(text_of(info)), "cluster_stats_messages_auth-req_sent") > 0
    )
    age = _AGE.search(text_of(client)) if isinstance(client, bytes) else None
    timeout = parse_settings(config).get("cluster-node-timeout", "")
    seconds = int(timeout) / 1000 if timeout.isdecimal() else DEFAULT_TIMEOUT
    return _Heir(stood, float(age[1]) if age else 0.0, retry_after(seconds))


def _unlinked(answer: Answer, wanted: Iterable[NodeId]) -> str:
    """Why a node, by its list of nodes, could not exchange votes with `wanted`."""
    if isinstance(answer, Silence):
        return answer.detail
    try:
        _, peers = parse_nodes(text_of(answer[0]))
    except Unreadable as error:
        return str(error)
    if any(peer.handshake for peer in peers):
        return "is meeting somebody"
    linked = {peer.id for peer in peers if peer.linked}
    cut = [node_id for node_id in wanted if node_id not in linked]
    return f"has no link to {cut[0][:8]}" if cut else ""

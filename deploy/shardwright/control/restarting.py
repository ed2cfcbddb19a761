"""Carries out restarts, and knows when those who were restarted are back.

Whether a server still has the part that the plan saw is asked again right before: a failover in between may have made a
primary of it. What ends the wait is what the servers say, never a time: another process of the wanted version, linked, done
with copying, at least as far as its primary was at the look before, in a cluster that is whole by every view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.outdated import is_wanted
from ..core.parsing import Unreadable, parse_fields, text_of
from ..errors import ApplyError
from ..model.endpoint import Endpoint
from ..model.observation import Role, Silence
from ..model.plan import Failover, Phase, Restart, Until
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import Answer, Supervisor, Transport
from .observing import TIMEOUT

ROLLING = frozenset({Until.READY, Until.HANDED, Until.RESTARTED, Until.STARTED})
UNLINKED = "is not linked to its primary"

Unmet = Mapping[Endpoint, str]


def other_part(steps: Sequence[Restart], before: ClusterState, transport: Transport) -> str:
    """Who of those to be restarted is no longer what it was in `before`, in words; empty where all are."""
    answers = transport.ask({step.node: (("INFO", "replication"),) for step in steps}, timeout=TIMEOUT)
    for endpoint, answer in answers.items():
        if isinstance(answer, Silence):
            return f"{endpoint}: {answer.detail}"
        try:
            role = parse_fields(text_of(answer[0])).get("role")
        except Unreadable as error:
            return f"{endpoint}: {error}"
        was = before.nodes[endpoint].role
        now = Role.REPLICA if role == "slave" else Role.PRIMARY
        if now is not was:
            return f"{endpoint} is a {now.value} now, and was a {was.value}"
    return ""


def restart(steps: Sequence[Restart], supervisor: Supervisor) -> None:
    """Have the service managers restart all of `steps`.

    Raises:
        ApplyError: ``restart-failed``, with those that did not come up and why.
    """
    failed = supervisor.restart([step.node for step in steps])
    if not failed:
        return
    lines = "\n".join(f"- {endpoint}: {reason}" for endpoint, reason in failed.items())
    raise ApplyError(
        "restart-failed",
        f"{len(failed)} of {len(steps)} servers were not restarted; no other was touched since:\n{lines}",
        hint="mend what it says there, then run the same command again: it goes on with these",
    )


class Returning:
    """One wait of a rolling restart, for `phase`, which was planned on `before`."""

    def __init__(self, topology: Topology, phase: Phase, before: ClusterState) -> None:
        self._topology = topology
        self._before = before
        self._restarted = {step.node for step in phase.steps if isinstance(step, Restart)}
        self._led = {step.node for step in phase.steps if isinstance(step, Failover)}
        self._excused = set(before.outdated) - self._restarted
        self._offsets: dict[Endpoint, int] = {}

    def led(self, state: ClusterState) -> bool:
        """Whether the failed over lead, by their own word."""
        return all(endpoint in state.nodes and bool(state.nodes[endpoint].slots) for endpoint in self._led)

    def away(self, transport: Transport) -> Unmet:
        """Who of the restarted is not back at a glance: asks only those, so that nobody else is kept from work."""
        asked = (("INFO", "server"), ("INFO", "replication"))
        answers = transport.ask(dict.fromkeys(sorted(self._restarted), asked), timeout=TIMEOUT)
        found = {e: self._at_a_glance(e, answer) for e, answer in answers.items()}
        return {endpoint: lack for endpoint, lack in found.items() if lack}

    def _at_a_glance(self, endpoint: Endpoint, answer: Answer) -> str:
        if isinstance(answer, Silence):
            return f"{answer.reason}: {answer.detail}"
        try:
            server, replication = (parse_fields(text_of(reply)) for reply in answer)
        except (Unreadable, ValueError) as error:
            return str(error)
        old = self._before.nodes[endpoint].view
        if server.get("run_id") == old.run_id:
            return f"is still the process {old.pid} that ran before"
        linked = replication.get("role") != "slave" or replication.get("master_link_status") == "up"
        return "" if linked else UNLINKED

    def lacks(self, state: ClusterState, whole: Unmet) -> Unmet:
        """What keeps the phase from being over.

        Args:
            state: that was just seen.
            whole: what keeps the cluster from being whole.
        """
        unmet = {e: lack for e, lack in whole.items() if not (e in self._excused and lack == UNLINKED)}
        for endpoint in sorted(self._led):
            if endpoint not in state.nodes or not state.nodes[endpoint].slots:
                unmet[endpoint] = "does not lead yet"
        for endpoint in sorted(self._restarted & state.nodes.keys()):
            if lack := self._not_back(endpoint, state):
                unmet[endpoint] = lack
        self._offsets = {e: node.view.offset for e, node in state.nodes.items() if node.role is Role.PRIMARY}
        return unmet

    def _not_back(self, endpoint: Endpoint, state: ClusterState) -> str:
        node, old = state.nodes[endpoint], self._before.nodes[endpoint].view
        view = node.view
        if view.run_id == old.run_id:
            return f"is still the process {old.pid} that ran before"
        if not is_wanted(self._topology, view):
            return (
                f"came back as {view.product} {view.version}, wanted {self._topology.product} {self._topology.versions}"
            )
        primary = state.by_id.get(node.primary_id) if node.primary_id else None
        if primary is None:
            return ""
        wanted = self._offsets.get(primary.endpoint)
        if wanted is None:
            return "was not seen to catch up with its primary yet"
        return f"is {wanted - view.offset:,} bytes behind its primary" if view.offset < wanted else ""

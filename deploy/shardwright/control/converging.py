"""`converge`: observe, plan, apply the first phase, until the plan is empty or a limit is hit. The only loop.

Every phase is planned from a fresh look, so a run that was killed, or that lost a reply, is simply looked at again: a step
whose reply was lost is neither taken for done nor sent again unseen. A plan
that would still be the same after a phase that claimed success ends the loop: going round is never progress.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from ..core.planning import plan, require_consent, unsettled
from ..errors import ApplyError, PlanError
from ..model.plan import Meet, Phase, Plan, Replicate, SetEpoch
from ..model.progress import Moment, Progress, ProgressEvent, silent
from ..model.secret import Secret
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import BusProber, Clock, Transport
from .applying import Refusal, send
from .diagnosing import bus_error, unmet_error
from .observing import look
from .waiting import Waiter

ROUNDS = 12
"""Phases after which a cluster that still differs is given up."""
START_LIMIT = 60.0
"""Seconds that servers which were just started have to answer; loading a data set does not count."""
LOADING_LIMIT = 3600.0
"""Seconds that a server may load its data."""
_STARTING = frozenset({"refused", "loading", "closed"})
_WAITABLE = ("Unknown node", "unknown node", "I don't know about node")


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with: the ports, the password of the cluster, the hazards allowed by name, who hears of it."""

    transport: Transport
    clock: Clock
    prober: BusProber | None = None
    password: Secret | None = None
    allowed: Collection[str] = ()
    progress: Progress = silent


@dataclass(slots=True)
class Outcome:
    """What came of it: the last state, the first plan, and the steps that were carried out."""

    state: ClusterState
    first: Plan
    phases: list[Phase] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether any step was sent."""
        return bool(self.phases)


def converge(topology: Topology, means: Means, *, fitting: str | None = None) -> Outcome:
    """Turn what is into `topology`, phase by phase.

    Args:
        topology: what should be.
        means: what to work with.
        fitting: fingerprint that the first plan must have; for plans that a person has read before.

    Raises:
        ObservationError: a node gave no view.
        PlanError: no safe plan, a hazard that is not allowed, or a stale fingerprint (``stale-plan``).
        ApplyError: a step was refused, a wait ended unmet, or the rounds were used up (``does-not-converge``).
    """
    state = await_views(topology, means)
    made = plan(topology, state)
    if fitting is not None and made.fingerprint != fitting:
        raise PlanError(
            "stale-plan",
            f"the cluster is not what the plan was made for: fingerprint {made.fingerprint[:12]}, wanted {fitting[:12]}",
            hint="run plan again and read it",
        )
    outcome = Outcome(state, made)
    waiter = Waiter(topology, means.transport, means.clock, means.progress)
    for _ in range(ROUNDS):
        require_consent(made, means.allowed)
        if made.empty:
            return outcome
        after = _run(made.phases[0], outcome.state, topology, means, waiter)
        outcome.phases.append(made.phases[0])
        outcome.state = after if after is not None and not unsettled(after) else await_views(topology, means)
        made = plan(topology, outcome.state)
    raise ApplyError(
        "does-not-converge",
        f"after {ROUNDS} phases there is still something to do: {made.phases[0].steps[:3]}",
        hint="something else changes this cluster at the same time; stop it and run again",
    )


def await_views(topology: Topology, means: Means) -> ClusterState:
    """A look at all nodes, waiting for those that are just starting or loading, and for what the servers settle by
    themselves: an identity that is gone is noticed, a failed primary's replica takes over.

    Ends early where a node is silent for a reason that waiting does not mend; planning then names it.
    """
    started = means.clock.now()
    while True:
        state = look(topology, means.transport)
        reasons = {silence.reason for silence in state.silences.values()}
        waited = means.clock.now() - started
        limit = LOADING_LIMIT if reasons == {"loading"} else START_LIMIT
        first = next(iter(state.silences.values()), None)
        detail = f"{first.endpoint}: {first.detail}" if first else unsettled(state)
        if not detail or not reasons <= _STARTING or waited > limit:
            return state
        total = len(topology.nodes)
        means.progress(ProgressEvent(Moment.WAITING, "answers", detail, len(state.nodes), total))
        means.clock.sleep(min(0.1 + waited / 10, 2.0))


def _run(phase: Phase, before: ClusterState, topology: Topology, means: Means, waiter: Waiter) -> ClusterState | None:
    means.progress(ProgressEvent(Moment.STARTED, phase.name, f"{len(phase.steps)} steps"))
    if means.prober is not None and any(isinstance(step, Meet) for step in phase.steps):
        closed = means.prober.probe(before.nodes, before.nodes)
        if closed:
            raise bus_error(closed)
    refusals = send(phase, means.transport, means.password)
    later = [refusal.step for refusal in refusals if _can_wait(refusal)]
    again = [refusal for refusal in refusals if refusal.lost or _overtaken(refusal)]
    _raise_refused(phase, [refusal for refusal in refusals if not _can_wait(refusal) and refusal not in again])
    if again:
        means.progress(ProgressEvent(Moment.WAITING, phase.name, f"{again[0].step}: {again[0].message}; looking again"))
        return None

    def retry() -> bool:
        if not later:
            return False
        again = send(Phase(phase.name, tuple(later), phase.until, phase.limit), means.transport, means.password)
        later[:] = [refusal.step for refusal in again if _can_wait(refusal)]
        return bool(later)

    waited = waiter.wait(phase, before, retry)
    if waited.unmet:
        means.progress(ProgressEvent(Moment.FAILED, phase.name, f"not done after {phase.limit:.0f} s"))
        raise unmet_error(phase, waited.unmet, topology, means.transport, means.prober, means.password)
    means.progress(ProgressEvent(Moment.FINISHED, phase.name))
    return waited.state


def _can_wait(refusal: Refusal) -> bool:
    """A replica that does not know its primary yet is asked again; nothing else is."""
    return isinstance(refusal.step, Replicate) and any(words in refusal.message for words in _WAITABLE)


def _overtaken(refusal: Refusal) -> bool:
    """Gossip that an earlier run began introduced the node between our look and our step; it has no need of a number."""
    return isinstance(refusal.step, SetEpoch) and "does not know any other node" in refusal.message


def _raise_refused(phase: Phase, refused: list[Refusal]) -> None:
    if not refused:
        return
    lines = "\n".join(f"- {refusal.step}: {refusal.message}" for refusal in refused[:6])
    raise ApplyError(
        "step-refused",
        f"'{phase.name}': {len(refused)} of {len(phase.steps)} steps were refused by the servers:\n{lines}",
        hint="nothing of it is lost; mend what the server names, then run the same command again",
    )

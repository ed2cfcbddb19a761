"""`converge`: observe, plan, apply the first phase, until the plan is empty or a limit is hit. The only loop.

Every phase is planned from a fresh look, so a run that was killed, or that lost a reply, is simply looked at again: a step
whose reply was lost is neither taken for done nor sent again unseen. A plan
that would still be the same after a phase that claimed success ends the loop: going round is never progress.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from ..core.outdated import refuse_way
from ..core.planning import plan, require_consent, unsettled
from ..core.planning.fingerprint import basis
from ..core.planning.staleness import refuse_stale
from ..core.report_text import count
from ..errors import ApplyError, ShardwrightError
from ..model.endpoint import NodeId
from ..model.observation import Role
from ..model.plan import Configure, Failover, Forget, Meet, Part, Phase, Plan, Replicate, Restart, SetEpoch, Until
from ..model.progress import Moment, Progress, ProgressEvent, silent
from ..model.saved_plan import SavedPlan
from ..model.secret import Secret
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import BusProber, Clock, Supervisor, Transport
from .aging import Ages, aged_by_view, ages
from .applying import Refusal, send
from .diagnosing import bus_error, unmet_error
from .electing import Elections
from .observing import look, refit
from .restarting import other_part, restart
from .rotating import Rotation
from .waiting import Waiter

ROUNDS = 24
"""Phases beyond those that were planned first, after which a cluster that still differs is given up."""
START_LIMIT = 60.0
"""Seconds that servers which were just started have to answer; loading a data set does not count."""
TRIES = 5
"""Times in a row that slot moves, or the closing of open slots, may end early before the reason, which may pass, is told."""
REST = 1.0
"""Seconds before the second try, and as many more before each further one: a server that was just started refuses writes."""
DISPUTE_LIMIT = 10.0
"""Seconds in which two claims of one slot may settle: an owner that just gave it away may not have heard of it yet."""
LOADING_LIMIT = 3600.0
"""Seconds that a server may load its data."""
_TOO_FEW_FILES = "operating system is not able to handle the specified number of clients"
_UNCONFIRMED = "NOREPLICAS"
_STARTING = frozenset({"refused", "loading", "closed"})
_WAITABLE = ("Unknown node", "unknown node", "I don't know about node")


@dataclass(frozen=True, slots=True)
class Means:
    """What a run works with: the ports, the password of the cluster, the hazards allowed by name, who hears of it, how
    passwords are changed, and how many bytes a second slot moves may send together (None: no limit).

    Without a supervisor nothing is restarted, and without `restart` it is only asked who should be. `closing`: open servers
    get their first password, and nobody is restarted before that is done: a server that starts with it could not follow
    one that has none yet.
    """

    transport: Transport
    clock: Clock
    prober: BusProber | None = None
    password: Secret | None = None
    allowed: Collection[str] = ()
    progress: Progress = silent
    supervisor: Supervisor | None = None
    restart: bool = True
    rotation: Rotation | None = None
    bytes_per_second: float | None = None
    closing: bool = False

    @property
    def restarts(self) -> bool:
        """Whether servers may be restarted in this run."""
        return self.restart and not self.closing


@dataclass(slots=True)
class Outcome:
    """What came of it: the topology as it fits the cluster, the last state, the first plan, the phases that were carried
    out, and when (by the clock) each identity was forgotten."""

    topology: Topology
    state: ClusterState
    first: Plan
    phases: list[Phase] = field(default_factory=list)
    forgot: dict[NodeId, float] = field(default_factory=dict)
    ages: Ages = field(default_factory=Ages)

    @property
    def changed(self) -> bool:
        """Whether any step was sent."""
        return bool(self.phases)


def converge(topology: Topology, means: Means, *, fitting: SavedPlan | None = None) -> Outcome:
    """Turn what is into `topology`, phase by phase; into the variant of it that is nearest to what is (`fit`).

    Args:
        topology: what should be.
        means: what to work with.
        fitting: a plan that was read before; the first plan must be that one, and no server is restarted that is not in it.

    Raises:
        ObservationError: a node gave no view.
        PlanError: no safe plan, a hazard that is not allowed, or another plan than was read (``stale-plan``).
        ApplyError: a step was refused, a wait ended unmet, or the rounds were used up (``does-not-converge``).
    """
    topology, state = refit(topology, await_views(topology, means), means.transport)
    if fitting is not None:
        aged = state if means.closing else aged_by_view(topology, state)
        refuse_stale(fitting, basis(topology, state), plan(topology, aged))
    wished, known = ages(topology, state, means.supervisor, means.transport)
    if wished.settings != topology.settings:
        topology, state = wished, look(wished, means.transport)
    if means.restarts:
        refuse_way(state, known.starts)
    consented = known if fitting is None else known.only(fitting.restarts)
    state = _aged(topology, state, consented, means)
    made = plan(topology, state)
    outcome = Outcome(topology, state, made, ages=known)
    try:
        _phases(outcome, made, consented, means)
    except ShardwrightError as error:
        error.after(str(step) for phase in outcome.phases for step in phase.steps)
        raise
    return outcome


def _phases(outcome: Outcome, made: Plan, known: Ages, means: Means) -> None:
    """Carry out one phase after the other, each planned anew; `outcome` is kept up to date."""
    topology = outcome.topology
    waiter = Waiter(topology, means.transport, means.clock, means.progress)
    failures = 0
    for _ in range(ROUNDS + len(made.phases)):
        require_consent(made, means.allowed)
        if made.empty:
            return
        phase = made.phases[0]
        after = _run(phase, outcome.state, topology, means, waiter, known, last=failures == TRIES - 1)
        if after is None and phase.until in (Until.MOVED, Until.CLOSED):
            failures += 1
            means.clock.sleep(REST * failures)
        elif phase.until is Until.MOVED:
            failures = 0
        outcome.phases.append(phase)
        outcome.forgot |= {step.id: means.clock.now() for step in phase.steps if isinstance(step, Forget)}
        seen = after if after is not None and not unsettled(after) else await_views(topology, means)
        outcome.state = _aged(topology, seen, known, means)
        made = plan(topology, outcome.state)
    raise ApplyError(
        "does-not-converge",
        f"after {len(outcome.phases)} phases there is still something to do: {made.phases[0].steps[:3]}",
        hint="something else changes this cluster at the same time; stop it and run again",
    )


def _aged(topology: Topology, state: ClusterState, known: Ages, means: Means) -> ClusterState:
    """What planning may know: nobody is outdated where nobody may be restarted."""
    return known.add(topology, state) if means.restarts else state


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
        if not detail and state.disputes and waited < DISPUTE_LIMIT:
            detail = f"{state.disputes[0].slots} are claimed by more than one node"
        if not detail or not reasons <= _STARTING or waited > limit:
            return state
        total = len(topology.nodes)
        means.progress(ProgressEvent(Moment.WAITING, "answers", detail, len(state.nodes), total))
        means.clock.sleep(min(0.1 + waited / 10, 2.0))


def _run(
    phase: Phase,
    before: ClusterState,
    topology: Topology,
    means: Means,
    waiter: Waiter,
    known: Ages,
    *,
    last: bool,
) -> ClusterState | None:
    """Carry out one phase; gives the state where the wait for its end took one, none where it must be looked at again.

    With `last`, a reason that passes is an error too.
    """
    means.progress(ProgressEvent(Moment.STARTED, phase.name, count(len(phase.steps), "step") if phase.steps else ""))
    if changed := _restart(phase, before, means):
        means.progress(ProgressEvent(Moment.WAITING, phase.name, f"{changed}; looking again"))
        return None
    if means.prober is not None and any(isinstance(step, Meet) for step in phase.steps):
        closed = means.prober.probe(before.nodes, before.nodes)
        if closed:
            raise bus_error(closed)
    elections = Elections(phase, before, means.transport, means.clock, means.progress)
    if elections.await_turn():
        means.progress(ProgressEvent(Moment.WAITING, phase.name, "looking again"))
        return None
    refusals = _send(phase, before, means)
    later = [refusal.step for refusal in refusals if _can_wait(refusal)]
    again = [r for r in refusals if _overtaken(r) or _taken_at_start(r, known, means.restarts) or (r.lost and not last)]
    _raise_refused(phase, [refusal for refusal in refusals if not _can_wait(refusal) and refusal not in again])
    if again:
        means.progress(ProgressEvent(Moment.WAITING, phase.name, f"{again[0].step}: {again[0].message}; looking again"))
        return None

    def retry() -> bool:
        if elections.again():
            _send(phase, before, means)
        if not later:
            return False
        again = _send(replace(phase, steps=tuple(later)), before, means)
        later[:] = [refusal.step for refusal in again if _can_wait(refusal)]
        return bool(later)

    waited = waiter.wait(phase, before, retry)
    if waited.unmet:
        means.progress(ProgressEvent(Moment.FAILED, phase.name, f"not done after {phase.limit:.0f} s"))
        raise unmet_error(phase, waited.unmet, topology, means.transport, means.prober, means.password)
    means.progress(ProgressEvent(Moment.FINISHED, phase.name))
    return waited.state


def _restart(phase: Phase, before: ClusterState, means: Means) -> str:
    """Restart who is to be restarted; gives why not, where somebody's part in the cluster has changed meanwhile."""
    steps = [step for step in phase.steps if isinstance(step, Restart)]
    if not steps or means.supervisor is None:
        return ""
    changed = other_part(steps, before, means.transport)
    if not changed:
        restart(steps, means.supervisor)
    return changed


def _send(phase: Phase, before: ClusterState, means: Means) -> tuple[Refusal, ...]:
    """Valkey waits for its replicas at each slot that it is told of, and hears of it by the bus in milliseconds anyway: only
    Redis is told who owns what has moved."""
    nodes = before.nodes.items()
    primaries = [e for e, node in nodes if node.role is Role.PRIMARY and node.view.product == "redis"]
    return send(
        phase,
        means.transport,
        means.password,
        clock=means.clock,
        progress=means.progress,
        primaries=primaries,
        bytes_per_second=means.bytes_per_second,
    )


def _can_wait(refusal: Refusal) -> bool:
    """A replica that does not know its primary yet is asked again; nothing else is."""
    return isinstance(refusal.step, Replicate) and any(words in refusal.message for words in _WAITABLE)


def _overtaken(refusal: Refusal) -> bool:
    """Gossip that an earlier run began introduced the node between our look and our step, and it has no need of a number;
    or it became a replica, or a primary, by itself meanwhile, or its primary failed."""
    if isinstance(refusal.step, Failover):
        return "to a replica" in refusal.message or "Master is down" in refusal.message
    if isinstance(refusal.step, Part):
        return refusal.message.startswith("READONLY")
    return isinstance(refusal.step, SetEpoch) and "does not know any other node" in refusal.message


def _taken_at_start(refusal: Refusal, known: Ages, restart: bool) -> bool:
    """A setting that the server does not take live, and that its file has since it was started: a new start takes it."""
    step = refusal.step
    if not isinstance(step, Configure) or refusal.lost or not restart or not known.excuses(step.node):
        return False
    known.refused.add((step.node, step.setting))
    return True


def _raise_refused(phase: Phase, refused: list[Refusal]) -> None:
    if not refused:
        return
    lines = "\n".join(f"- {refusal.step}: {refusal.message}" for refusal in refused[:6])
    if all(_TOO_FEW_FILES in refusal.message for refusal in refused):
        raise ApplyError(
            "open-files-low",
            f"{len(refused)} servers may open too few files for the wanted maxclients:\n{lines}",
            hint="allow their processes more and restart them (systemd: LimitNOFILE is in the unit that was just written; "
            "service_manager: direct: ulimit -Hn of whoever deploys), or lower maxclients in cluster.yml",
        )
    if all(refusal.lost and refusal.message.startswith(_UNCONFIRMED) for refusal in refused):
        raise ApplyError(
            "replicas-unconfirmed",
            f"'{phase.name}': replicas did not confirm {len(refused)} of {len(phase.steps)} steps, {TRIES} times:\n{lines}",
            hint="a primary waits 2 s for all of its linked replicas before it changes a slot: look at slave0 and further "
            "in INFO replication of those above; mend or stop the replica that lags, then run the same command again",
        )
    raise ApplyError(
        "step-refused",
        f"'{phase.name}': {len(refused)} of {len(phase.steps)} steps were refused by the servers:\n{lines}",
        hint="nothing of it is lost; mend what the server names, then run the same command again",
    )

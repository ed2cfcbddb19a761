"""The whole of one run on the cluster: converge, then prove. The one function that every front door calls.

Knows neither hosts nor pods: whoever started the servers hands over its own findings about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..core.outdated import by_view
from ..core.planning import plan
from ..core.planning.fingerprint import Basis, basis
from ..core.planning.staleness import refuse_stale
from ..core.verification import verify
from ..core.verification.passwords import password_findings
from ..errors import ShardwrightError
from ..model.endpoint import Endpoint
from ..model.plan import Phase, Plan, Until
from ..model.price import Price
from ..model.progress import Moment, ProgressEvent
from ..model.report import Finding, Report, Severity
from ..model.saved_plan import SavedPlan
from ..model.standing import Given
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import Transport
from .aging import Ages, aged_by_view, ages
from .canary import canaries
from .converging import Means, Outcome, converge
from .observing import look, look_fitted
from .passwords import unlike
from .pricing import price_plan
from .rotating import refused
from .waiting import Waiter, not_whole

CALM_LIMIT = 30.0
"""Seconds that a cluster without anything left to do has to become whole, before it is judged."""
BAN = 70.0
"""Seconds after which a forgotten identity can come back: the servers' ban of 60 s, and some."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The report, and what was done before it; `outcome` is None where the cluster was only looked at."""

    report: Report
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A plan that is only read: what it costs, and what it was made from."""

    made: Plan
    price: Price
    basis: Basis


def foresee(topology: Topology, means: Means) -> Foreseen:
    """What `form_and_verify` would do, changes of passwords included, and what that costs; touches nothing.

    Raises:
        ObservationError: as planning raises; ``password-refused``.
        PlanError: as planning raises.
    """
    rotation = means.rotation
    if rotation is None or rotation.security.password is None:
        return _foreseen(topology, means, means.transport)
    found = rotation.survey(_servers(topology))
    if found.refusing:
        raise refused(found.refusing, rotation.security)
    means = replace(means, closing=found.open)
    return _foreseen(topology, means, rotation.entering(found), rotation.forecast(found))


def _foreseen(
    topology: Topology, means: Means, transport: Transport, around: tuple[Sequence[Phase], Sequence[Phase]] = ((), ())
) -> Foreseen:
    """The plan for the cluster between the phases `around` it, with the restarts that hosts tell of; without a supervisor
    those that servers show."""
    fitted, state = look_fitted(topology, transport)
    basis_of = basis(fitted, state)
    if means.supervisor is None:
        made = plan(fitted, state if means.closing else aged_by_view(fitted, state))
    else:
        fitted, known = ages(fitted, state, means.supervisor, transport)
        made = plan(fitted, known.add(fitted, state) if means.restarts else state)
    before, after = around
    made = replace(made, phases=(*before, *made.phases, *after))
    return Foreseen(made, price_plan(made, state, transport), basis_of)


def form_and_verify(
    topology: Topology,
    means: Means,
    *,
    canary: bool = True,
    further: Iterable[Finding] = (),
    fitting: SavedPlan | None = None,
) -> Proof:
    """Turn what is into `topology`, then verify it.

    Args:
        topology: what should be.
        means: what to work with.
        canary: write a canary key in every shard.
        further: findings made by other means, for the report.
        fitting: a plan that was read before.

    Raises:
        ShardwrightError: as `converge` raises; nothing is raised because something is unhealthy.
    """
    try:
        means = replace(means, closing=_admit(topology, means, fitting))
        outcome = converge(topology, means, fitting=fitting)
    except ShardwrightError as error:
        error.after(str(s) for p in (means.rotation.done if means.rotation else ()) for s in p.steps)
        raise
    fitted = outcome.topology
    state = _calmed(fitted, outcome.state, means)
    state, ghosts = _stay_forgotten(fitted, state, outcome, means)
    if means.rotation is not None:
        if not not_whole(fitted, state):
            read = None if fitting is None else fitting.steps
            means.rotation.retire(_servers(fitted), means.progress, read=read)
        outcome.phases[:] = means.rotation.around(outcome.phases)
    found = [*further, *ghosts, *_outdated(fitted, state, outcome.ages)]
    return Proof(prove(fitted, state, means, canary=canary, further=found), outcome)


def _admit(topology: Topology, means: Means, fitting: SavedPlan | None) -> bool:
    """Let the servers take the password; a plan that was read before must fit before that is done. Gives whether servers
    are open, to be closed at the end."""
    rotation = means.rotation
    if rotation is None:
        return False
    if fitting is not None and any(rotation.forecast(rotation.survey(_servers(topology)))[0]):
        seen = foresee(topology, replace(means, supervisor=None))
        refuse_stale(fitting, seen.basis, seen.made)
    return rotation.admit(_servers(topology), means.progress)


def _servers(topology: Topology) -> list[Endpoint]:
    """All that cluster.yml names, spares too: they are to be of use with the password of the others."""
    return [node.endpoint for node in (*topology.nodes, *topology.spares)]


def _logins(topology: Topology, means: Means) -> list[Finding]:
    """Who may log in, tried with new connections where an old password is known."""
    rotation = means.rotation
    if rotation is None or rotation.security.password is None:
        return []
    security, found = rotation.security, rotation.survey(_servers(topology))
    named = {node.endpoint: node.name for node in (*topology.nodes, *topology.spares)}
    names = {e: name for e, name in named.items() if e in {*found.standings, *found.unheard}}
    return [
        *password_findings(
            names,
            found.standings,
            retired=rotation.takers(Given.RETIRED, names)[0] if security.retired else None,
            previous=rotation.takers(Given.PREVIOUS, names)[0] if security.previous else None,
            stale_files=rotation.stale_files,
        )
    ]


def _calmed(topology: Topology, state: ClusterState, means: Means) -> ClusterState:
    """The cluster once it is whole, or as it is when the limit ends: servers that were only started need no step, and
    yet take seconds to find each other again."""
    if not not_whole(topology, state):
        return state
    waiter = Waiter(topology, means.transport, means.clock, means.progress)
    waited = waiter.wait(Phase("come together", (), Until.WHOLE, CALM_LIMIT), state, lambda: False)
    return waited.state or look(topology, means.transport)


def _stay_forgotten(
    topology: Topology, state: ClusterState, outcome: Outcome, means: Means
) -> tuple[ClusterState, list[Finding]]:
    """A look once the servers' ban on forgotten identities has run out, and whether any came back; only after a run that
    forgot some. A node that still runs and was not reset can be brought back by a message of its own."""
    if not outcome.forgot:
        return state, []
    until = max(outcome.forgot.values()) + BAN
    while (left := until - means.clock.now()) > 0:
        detail = f"that {len(outcome.forgot)} stay forgotten when the servers' ban on them is over, within {BAN:.0f} s"
        means.progress(ProgressEvent(Moment.WAITING, "verify", detail))
        means.clock.sleep(min(left, 1.0))
    state = look(topology, means.transport)
    listed = {stranger.id for stranger in state.strangers} & outcome.forgot.keys()
    back = [s for s in state.strangers if s.id in listed]
    if not back:
        message = f"{len(outcome.forgot)} forgotten identities are listed by nobody, {BAN:.0f} s later"
        return state, [Finding("stay-forgotten", Severity.OK, topology.name, message)]
    hint = "see what still runs there: stop it, or CLUSTER RESET HARD it, then run the deploy again"
    text = "was forgotten and is listed again by {} of our nodes"
    return state, [
        Finding("forgotten-came-back", Severity.ERROR, f"{s.address}:{s.port}", text.format(len(s.known_by)), hint)
        for s in back
    ]


def _passwords(topology: Topology, state: ClusterState, means: Means) -> list[Finding]:
    """Nodes that could not follow another primary, though all links are up now."""
    hint = "CONFIG SET masterauth there to the cluster's password; the file has it already if the deploy wrote it"
    message = "{} would log in to a new primary with another password than the cluster's"
    names = {node.endpoint: node.name for node in topology.nodes}
    return [
        Finding(
            "replication-password", Severity.ERROR, names.get(e, str(e)), message.format(names.get(e, str(e))), hint
        )
        for e in sorted(unlike(means.transport, state.nodes, means.password))
    ]


def _outdated(topology: Topology, state: ClusterState, known: Ages) -> list[Finding]:
    """Servers that would run otherwise after a new start, by what their hosts say; verifying finds the others itself."""
    seen = known.add(topology, state)
    hint = "run the deploy: it restarts servers where that is safe; or do it by hand, a primary after a failover"
    left = [n for n in topology.nodes if n.endpoint in seen.outdated]
    return [
        Finding("restart-needed", Severity.WARNING, n.name, f"{n.name}: {'; '.join(seen.outdated[n.endpoint])}", hint)
        for n in left
        if not by_view(topology, seen.nodes[n.endpoint].view)
    ]


def verify_only(topology: Topology, means: Means, *, canary: bool = True, further: Iterable[Finding] = ()) -> Proof:
    """Look, and verify; changes nothing but the canaries."""
    fitted, state = look_fitted(topology, means.transport)
    _, known = ages(fitted, state, means.supervisor, means.transport)
    found = [*further, *_outdated(fitted, state, known)]
    return Proof(prove(fitted, state, means, canary=canary, further=found))


def prove(
    topology: Topology, state: ClusterState, means: Means, *, canary: bool, further: Iterable[Finding] = ()
) -> Report:
    """The report on `state`, with canaries where they are wanted."""
    means.progress(ProgressEvent(Moment.STARTED, "verify", "every node's own view"))
    extra = list(further)
    if canary and state.nodes:
        extra += canaries(topology, state, means.transport, means.clock)
    extra += [*_passwords(topology, state, means), *_logins(topology, means)]
    report = verify(topology, state, extra)
    means.progress(ProgressEvent(Moment.FINISHED if report.healthy else Moment.FAILED, "verify"))
    return report

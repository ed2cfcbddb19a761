"""`drill`: break something on purpose while writers count what they are told, mend it, and prove the cluster again.

Whoever breaks hosts is behind `ports.Fault`, whoever writes meanwhile behind `ports.Load`; here is the order. What was
broken is mended however this ends. Keys have a reserved prefix and a TTL, lie in one slot a shard, and are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.drilling import choose, drill_findings
from ..core.electing import failover_limit, node_timeout
from ..core.verification.copies import primary_of
from ..core.verification.survival import leading_nodes
from ..errors import PlanError
from ..model.drill import DrillKind, DrillOutcome, DrillTarget, ShardTold
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import Failover, Phase, Until
from ..model.progress import Moment, ProgressEvent
from ..model.report import Finding, Severity
from ..model.state import ClusterState
from ..model.topology import Node, Shard, Topology
from ..ports import Command, Fault, Load
from .accounting import Client, Writer
from .applying import send
from .canary import key_in
from .converging import Means
from .electing import Elections
from .observing import look, look_fitted
from .run import Proof, prove
from .waiting import Waiter

PREFIX = "shardwright:drill:"
TTL = 3600
"""Seconds after which a drill's keys are gone by themselves; longer than a drill can take."""
WARM_UP = 2.0
"""Seconds of undisturbed writes before the fault and after the end."""
STEADY = 2.0
"""Seconds for which all shards must take writes until they count as served again."""
FLOWING = 0.5
"""Seconds since the last acknowledged write below which a shard takes writes."""
BATCH = 500
"""Keys of one pipeline when all are read back and removed."""
TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Drill:
    """What is to be broken, and with what.

    Attributes:
        kind: of fault.
        name: of the target; empty to have it chosen.
        fault: makes what breaks and mends a target; told how many seconds it may last before it mends itself.
        load: calls the writers.
        client: for one shard, its members given with the primary first.
        interval: seconds between two writes of one shard, for the report.
        run: part of all key names, so that drills do not meet each other's keys.
    """

    kind: DrillKind
    name: str
    fault: Callable[[DrillTarget, float], Fault]
    load: Load
    client: Callable[[Sequence[Endpoint]], Client]
    interval: float
    run: str


def drill(
    topology: Topology, means: Means, wish: Drill, *, canary: bool = True, further: Iterable[Finding] = ()
) -> Proof:
    """Prove, break, mend, prove again.

    Raises:
        PlanError: ``drill-not-whole`` (the cluster is not proved before), and as `choose` raises; nothing was broken.
        ApplyError: the fault could not be brought about, or not be mended.
    """
    hosts = tuple(further)
    fitted, state = look_fitted(topology, means.transport)
    _require_whole(prove(fitted, state, means, canary=canary, further=hosts).findings)
    target = choose(wish.kind, wish.name, fitted, state)
    outcome = _carry_out(fitted, state, means, wish, target)
    fitted, state = look_fitted(topology, means.transport)
    return Proof(prove(fitted, state, means, canary=canary, further=[*hosts, *drill_findings(outcome)]))


def served_limit(topology: Topology) -> float:
    """Seconds that a fault lasts at the most while the shards do not take writes again."""
    return 30.0 + 2 * node_timeout(topology)


def _require_whole(findings: Iterable[Finding]) -> None:
    errors = [f for f in findings if f.severity is Severity.ERROR]
    if errors:
        lines = "\n".join(f"- [{f.code}] {f.subject}: {f.message}" for f in errors[:6])
        raise PlanError(
            "drill-not-whole",
            f"the cluster is not proved, so nothing was broken:\n{lines}",
            hint="run the deploy until it is proved; then drill",
        )


def _carry_out(topology: Topology, state: ClusterState, means: Means, wish: Drill, target: DrillTarget) -> DrillOutcome:
    clock = means.clock
    writers = {shard.name: _writer(shard, state, wish) for shard in topology.shards}
    limit = served_limit(topology)
    fault = wish.fault(target, limit)
    wish.load.start([_step(writer, means) for writer in writers.values()])
    try:
        clock.sleep(WARM_UP)
        means.progress(ProgressEvent(Moment.STARTED, "drill", f"lose {target}"))
        struck = clock.now()
        try:
            fault.strike()
            served = _await_served(writers, means, struck, limit)
        finally:
            fault.lift()
        lifted = clock.now()
        lacking = _await_whole(topology, state, means)
        whole = clock.now()
        clock.sleep(WARM_UP)
    finally:
        wish.load.stop()
    after = look(topology, means.transport)
    told, left = _read_back(topology, after, writers, means, struck)
    means.progress(ProgressEvent(Moment.FINISHED if not lacking else Moment.FAILED, "drill", f"{target} is back"))
    before, now = leading_nodes(topology, state), leading_nodes(topology, after)
    moved = [(shard, was, now[shard]) for shard, was in before.items() if now.get(shard, was) != was]
    if not lacking:
        _give_back(topology, after, means, [(was, led) for _, was, led in moved])
    return DrillOutcome(
        target,
        told,
        node_timeout(topology),
        wish.interval,
        served,
        None if lacking else whole - lifted,
        lacking,
        tuple((shard, was.name, led.name) for shard, was, led in moved),
        left,
    )


def _writer(shard: Shard, state: ClusterState, wish: Drill) -> Writer:
    primary = primary_of(shard, state)
    assert primary is not None, "a whole cluster has a primary in each shard"
    members = sorted((node.endpoint for node in shard.members), key=lambda e: e != primary.endpoint)
    return Writer(wish.client(members), f"{key_in(primary.slots, PREFIX)}:{wish.run}")


def _step(writer: Writer, means: Means) -> Callable[[], None]:
    def step() -> None:
        writer.write(means.clock.now())
        writer.read(means.clock.now())

    return step


def _await_served(writers: Mapping[str, Writer], means: Means, struck: float, limit: float) -> float | None:
    """Seconds from the fault until the last shard took writes again, once all have done so for `STEADY` seconds."""
    clock, since = means.clock, struck
    while True:
        clock.sleep(0.05)
        now = clock.now()
        stuck = [name for name, w in writers.items() if w.last is None or now - w.last > FLOWING]
        if stuck:
            since = now
            detail = f"{stuck[0]} to take writes again: {now - struck:.0f} of {limit:.0f} s"
            means.progress(ProgressEvent(Moment.WAITING, "drill", detail, len(writers) - len(stuck), len(writers)))
        elif now - since > STEADY:
            return max(0.0, since - struck)
        if now - struck > limit:
            return None


def _await_whole(topology: Topology, state: ClusterState, means: Means) -> str:
    """Wait until the cluster is whole, at most a node timeout and a minute; gives what it lacks then."""
    waiter = Waiter(topology, means.transport, means.clock, means.progress)
    phase = Phase("come together", (), Until.WHOLE, 90.0 + 2 * node_timeout(topology))
    unmet = waiter.wait(phase, state, lambda: False).unmet
    return "; ".join(f"{endpoint} {lack}" for endpoint, lack in [*unmet.items()][:3])


def _give_back(topology: Topology, state: ClusterState, means: Means, moved: Iterable[tuple[Node, Node]]) -> None:
    """Lets those lead again that did before, one after the other; where that fails, the proof says what is wrong with it."""
    for was, leads in moved:
        phase = Phase("hand back", (Failover(was.endpoint, leads.endpoint),), Until.LED, failover_limit(topology))
        _hand_back(phase, topology, state, means)


def _hand_back(phase: Phase, topology: Topology, state: ClusterState, means: Means) -> None:
    elections = Elections(phase, state, means.transport, means.clock, means.progress)

    def ask() -> None:
        send(phase, means.transport, means.password, clock=means.clock, progress=means.progress)

    def again() -> bool:
        if elections.again():
            ask()
        return False

    elections.await_turn()
    ask()
    Waiter(topology, means.transport, means.clock, means.progress).wait(phase, state, again)


def _read_back(
    topology: Topology, state: ClusterState, writers: Mapping[str, Writer], means: Means, struck: float
) -> tuple[tuple[ShardTold, ...], int]:
    """What each shard's writer was told and what of it is lost; and how many keys could not be removed."""
    told, left = [], 0
    for shard in topology.shards:
        account, primary = writers[shard.name].account, primary_of(shard, state)
        lost: int | None = None
        if primary is not None:
            found = _ask_all(primary.endpoint, "GET", [*account.acknowledged], means)
            if found is not None:
                pairs = zip(account.acknowledged.items(), found, strict=True)
                account.lost = tuple(key for (key, value), reply in pairs if reply != value.encode())
                lost = len(account.lost)
        keys = [*account.acknowledged, *account.indeterminate, *account.refused]
        removed = _ask_all(primary.endpoint, "UNLINK", keys, means) if primary is not None else None
        left += len(keys) if removed is None or not all(isinstance(reply, int) for reply in removed) else 0
        window = account.window(struck) if lost else None
        counts = (len(account.acknowledged), len(account.refused), len(account.indeterminate))
        told.append(ShardTold(shard.name, *counts, account.longest_gap, account.longest_read_gap, lost, window))
    return tuple(told), left


def _ask_all(endpoint: Endpoint, word: str, keys: Sequence[str], means: Means) -> list[object] | None:
    """The replies to one command a key; None where an answer did not come."""
    replies: list[object] = []
    for batch in _batches([(word, key) for key in keys]):
        answer = means.transport.ask({endpoint: batch}, timeout=TIMEOUT)[endpoint]
        if isinstance(answer, Silence):
            return None
        replies += answer
    return replies


def _batches(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    for first in range(0, len(commands), BATCH):
        yield commands[first : first + BATCH]

"""Which fault a drill may bring about, and what its outcome says: pure.

A fault that the cluster would not survive is no drill: every shard must keep a copy that is in step, and more than half of
the primaries must stay to elect. What is lost then is the engine's own doing, asynchronous replication; it is said, and is
no error. An error is a cluster that does not become whole, and a drill that shows nothing. All else is information and not
`OK`: it is what a drill is made for, and people read it in the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import PlanError
from ..model.drill import DrillKind, DrillOutcome, DrillTarget, ShardTold
from ..model.report import Finding, Severity
from ..model.state import ClusterState
from ..model.topology import Node, Topology
from .losses import fatal
from .verification.survival import leading_nodes, live_copies

LEAST_WRITES = 50
"""Acknowledged writes of a shard below which nothing is concluded."""


def choose(kind: DrillKind, name: str, topology: Topology, state: ClusterState) -> DrillTarget:
    """What to break: what is named, else the survivable target that leads the most shards, the first of those.

    Args:
        kind: of fault.
        name: of a node (``h1:6379``), a shard, a host or a zone; empty to have it chosen.
        topology: fitted to what is.
        state: what is; a whole cluster.

    Raises:
        PlanError: ``drill-target-unknown``, ``drill-not-survivable``.
    """
    leading = leading_nodes(topology, state)
    targets = {t.name: t for t in _targets(kind, topology, leading)}
    survivable = [t for t in targets.values() if _survivable(t, topology, state, leading)]
    if name:
        wanted = leading[name].name if kind is DrillKind.PROCESS and name in leading else name
        if wanted not in targets:
            known = ", ".join(targets) or "none: cluster.yml names no zones"
            raise PlanError("drill-target-unknown", f"there is no {kind} {name!r} to break", hint=f"one of: {known}")
        if targets[wanted] not in survivable:
            raise _not_survivable(kind, wanted)
        return targets[wanted]
    if not survivable:
        raise _not_survivable(kind, "any one")
    return max(survivable, key=lambda target: len(target.shards))


def _not_survivable(kind: DrillKind, which: str) -> PlanError:
    return PlanError(
        "drill-not-survivable",
        f"the cluster would not survive the loss of {kind} {which}: a shard would be left without a copy, or no majority of "
        "primaries without it; nothing was broken",
        hint="shardwright verify says what may die; take another kind or target, or add hosts",
    )


def _targets(kind: DrillKind, topology: Topology, leading: Mapping[str, Node]) -> Iterator[DrillTarget]:
    if kind is DrillKind.PROCESS:
        for shard, node in leading.items():
            yield DrillTarget(kind, node.name, (node,), (shard,))
        return
    names = sorted({getattr(node, kind.value) for node in topology.nodes} - {""})
    for name in names:
        nodes = tuple(node for node in topology.nodes if getattr(node, kind.value) == name)
        yield DrillTarget(kind, name, nodes, tuple(shard for shard, node in leading.items() if node in nodes))


def _survivable(target: DrillTarget, topology: Topology, state: ClusterState, leading: Mapping[str, Node]) -> bool:
    """Whether the rest could go on; every other node counts as one domain, and the target's as another."""
    copies = live_copies(topology, state)
    dead = set(target.nodes)

    def label(node: Node) -> str:
        return "dead" if node in dead else "alive"

    return not fatal(copies, leading.values(), label, ["dead"])


def drill_findings(outcome: DrillOutcome) -> tuple[Finding, ...]:
    """What to say of the outcome, for the report."""
    return (*_course(outcome), *_validity(outcome), *(_shard(told, outcome) for told in outcome.told))


def _course(outcome: DrillOutcome) -> Iterator[Finding]:
    target, limit = str(outcome.target), outcome.node_timeout
    moved = "; ".join(f"{shard} went from {before} to {after}" for shard, before, after in outcome.failovers)
    if outcome.served_after is not None:
        text = f"all shards took writes {outcome.served_after:.2f} s after the loss of it, at a node timeout of {limit:g} s"
        yield Finding("drill-served-again", Severity.INFO, target, f"{text}; {moved or 'nobody failed over'}")
    else:
        text = f"not all shards took writes again while it was lost, at a node timeout of {limit:g} s; {moved}"
        yield Finding(
            "drill-not-served", Severity.ERROR, target, text, "see which below, and the logs of their replicas"
        )
    if outcome.whole_after is not None:
        text = f"the cluster was whole {outcome.whole_after:.1f} s after it came back"
        yield Finding("drill-whole-again", Severity.INFO, target, text)
    else:
        text = f"the cluster did not become whole after it came back: {outcome.lacking}"
        yield Finding(
            "drill-not-whole-again", Severity.ERROR, target, text, "run the deploy; it says what is in its way"
        )
    if outcome.left:
        text = f"{outcome.left:,} keys of the drill could not be removed; they expire by themselves"
        yield Finding("drill-keys-left", Severity.WARNING, target, text)


def _validity(outcome: DrillOutcome) -> Iterator[Finding]:
    led = [told for told in outcome.told if told.shard in outcome.target.shards]
    few = [told.shard for told in outcome.told if told.acknowledged < LEAST_WRITES]
    felt = not led or outcome.failovers or any(told.refused + told.unknown for told in led)
    if few or not felt:
        text = (
            f"fewer than {LEAST_WRITES} writes were acknowledged in {', '.join(few)}"
            if few
            else "no write was disturbed"
        )
        hint = "see whether the fault took hold, and what the servers' logs say of that time"
        yield Finding("drill-shows-nothing", Severity.ERROR, str(outcome.target), text, hint)


def _shard(told: ShardTold, outcome: DrillOutcome) -> Finding:
    counts = f"{told.acknowledged:,} writes acknowledged, {told.refused:,} refused, {told.unknown:,} without an answer"
    gaps = f"at most {told.gap:.2f} s without an acknowledged write and {told.read_gap:.2f} s without a read"
    text = f"{counts}; {gaps}, at one write in {outcome.interval * 1000:g} ms"
    if told.lost is None:
        hint = "run verify, and look for the keys when the shard serves"
        return Finding("drill-not-read-back", Severity.ERROR, told.shard, f"{text}; they could not be read back", hint)
    if told.lost == 0:
        return Finding("drill-nothing-lost", Severity.INFO, told.shard, f"{text}; none of the acknowledged is lost")
    first, last = told.window or (0.0, 0.0)
    lost = f"{told.lost:,} of the acknowledged are lost, acknowledged {first:.2f} to {last:.2f} s after the fault"
    hint = "replication is asynchronous: WAIT 1 after writes that matter, or min-replicas-to-write, bounds what is lost"
    return Finding("drill-writes-lost", Severity.WARNING, told.shard, f"{text}; {lost}", hint)

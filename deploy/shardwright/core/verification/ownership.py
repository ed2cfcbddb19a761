"""Does every slot have exactly one owner, by every view, and none stand open?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...model.observation import Role
from ...model.report import Finding, Severity
from ...model.slots import SLOT_COUNT
from ...model.state import ClusterState
from ...model.topology import Topology

UNEVEN = 0.1
"""Share of its quota by which a shard may be off before it is worth a word."""


def ownership(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Uncovered, disputed and open slots, nodes that do not serve, shards off their quota, equal epochs."""
    problems = [*_owners(state), *_not_serving(topology, state)]
    yield from problems
    if not problems and _all_asked(topology, state) and state.agreed and not any(s.slots for s in state.strangers):
        yield Finding(
            "slots-served", Severity.OK, topology.name, f"all {SLOT_COUNT:,} slots have one owner, by every view"
        )
    yield from _open(state)
    yield from _quotas(topology, state)
    yield from _epochs(state)


def _all_asked(topology: Topology, state: ClusterState) -> bool:
    return bool(state.nodes) and all(node.endpoint in state.nodes for node in topology.nodes)


def _owners(state: ClusterState) -> Iterator[Finding]:
    uncovered = state.uncovered
    if uncovered:
        yield Finding(
            "slots-uncovered",
            Severity.ERROR,
            str(uncovered),
            f"{len(uncovered):,} of {SLOT_COUNT:,} slots have no owner",
            "bring back what is silent: it may own them"
            if state.silences
            else "run the deploy again: it gives them to the shards that lack slots",
        )
    for dispute in state.disputes:
        who = " and ".join(map(str, dispute.claimants))
        yield Finding(
            "slots-claimed-twice", Severity.ERROR, str(dispute.slots), f"claimed by {who}", "compare both nodes"
        )


def _not_serving(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    for node in topology.nodes:
        seen = state.nodes.get(node.endpoint)
        if seen is not None and not seen.view.cluster_ok:
            message = f"{node.name} says that the cluster is not ok and refuses commands"
            yield Finding("node-not-serving", Severity.ERROR, node.name, message, "look at CLUSTER INFO there")


def _open(state: ClusterState) -> Iterator[Finding]:
    for slot in state.open_slots:
        ends = f"{slot.source or 'nobody'} -> {slot.target or 'nobody'}"
        yield Finding(
            "slot-open", Severity.ERROR, str(slot.slot), f"marked as moving: {ends}", "run the deploy: it closes it"
        )


def _quotas(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    for shard in topology.shards:
        owned = sum(len(state.nodes[n.endpoint].slots) for n in shard.members if n.endpoint in state.nodes)
        if owned and abs(owned - shard.quota) > shard.quota * UNEVEN:
            message = f"{shard.name} owns {owned:,} slots, its quota is {shard.quota:,}"
            yield Finding("slots-uneven", Severity.WARNING, shard.name, message, "reshard when the load asks for it")


def _epochs(state: ClusterState) -> Iterator[Finding]:
    owners = [node for node in state.nodes.values() if node.role is Role.PRIMARY and node.slots]
    for epoch, count in Counter(node.view.myself.epoch for node in owners).items():
        if count > 1:
            who = ", ".join(str(node.endpoint) for node in owners if node.view.myself.epoch == epoch)
            message = f"{count} primaries share configuration epoch {epoch}"
            yield Finding("epoch-shared", Severity.WARNING, who, message, "they settle it themselves; verify again")

"""What is refused before anything is planned, and no consent can allow: pictures on which every step is a gamble.

Why before all: one MEET across two clusters merges them and deletes keys within seconds, and nothing in the state tells
afterwards. So identity and membership of *every* node are settled first.
"""

from __future__ import annotations

from ...errors import ObservationError, PlanError
from ...model.endpoint import Endpoint, NodeId
from ...model.observation import Health
from ...model.plan import Configure, Failover, Plan
from ...model.state import ClusterState, Dispute, StrangerState
from ...model.topology import Topology
from ..histories import LACKING_HINT, lacks_keys
from ..losses import owners_gone, votes_missing
from ..verification.disks import FAILING_HINT


def refuse(topology: Topology, state: ClusterState) -> None:
    """Raise the first reason not to plan.

    Raises:
        ObservationError: ``nodes-silent``.
        PlanError: ``duplicate-node-id``, ``belongs-to-another-cluster``, ``two-clusters``, ``slots-claimed-twice``,
            ``slot-owner-missing``, ``nodes-disagree``.

    Owners that are lost for good are no reason here: `lost_owners`.
    """
    _silent(topology, state)
    _duplicates(state)
    _live_strangers(topology, state)
    _two_clusters(topology, state)
    _disputes(state)
    _missing_owners(state)


def refuse_failing_disks(topology: Topology, state: ClusterState, made: Plan) -> None:
    """Refuse to change who is in the cluster and who owns what while a node that stays in it can't write to its disk.

    Each such change is saved in every node's list of nodes, and a server that can't save that ends itself.

    Raises:
        PlanError: ``persistence-failing``.
    """
    if all(isinstance(step, Configure) for step in made.steps):
        return
    lines = [
        f"- {node.name} ({node.endpoint}): {', '.join(seen.view.failing)}"
        for node in topology.nodes
        if (seen := state.nodes.get(node.endpoint)) is not None and seen.view.failing
    ]
    if lines:
        raise PlanError(
            "persistence-failing",
            "the plan changes the cluster, which every node must save, and some can't write to their disks; nothing was "
            "changed:\n" + "\n".join(lines),
            hint=FAILING_HINT,
        )


def refuse_lacking(state: ClusterState, made: Plan) -> None:
    """Refuse to let a replica lead that can't be a copy of its primary, whatever it says of its link.

    Raises:
        PlanError: ``replica-lacks-keys``.
    """
    for step in made.steps:
        if not isinstance(step, Failover):
            continue
        replica, primary = state.nodes[step.node], state.nodes[step.primary]
        if replica.primary_id == primary.id and lacks_keys(replica, primary):
            raise PlanError(
                "replica-lacks-keys",
                f"{step.node} was to lead in place of {step.primary}, and holds {replica.view.keys:,} of its "
                f"{primary.view.keys:,} keys; nothing more was changed",
                hint=LACKING_HINT,
            )


def gone_for_good(state: ClusterState, stranger: StrangerState) -> bool:
    """Whether an identity owns nothing and can't return: it is dead, or another id answers at its address now."""
    return not stranger.slots and (stranger.dead or _displaced(state, stranger))


def lost_owners(state: ClusterState) -> tuple[StrangerState, ...]:
    """Dead owners of slots that none of our nodes replicates: their shards' data is lost unless they come back.

    A replica that has just taken over replicates nobody any more, while others still list the dead owner with its slots: so
    whose slots any of our nodes claims is not lost (`successors`).
    """
    gone = left_over(state)
    leaving = {endpoint for endpoint, node in state.nodes.items() if node.id in gone}
    copied = {node.primary_id for node in state.nodes.values()}
    return tuple(
        s
        for s in state.strangers
        if s.slots and s.dead and s.id not in copied and not successors(state, s) and not leaving.issuperset(s.known_by)
    )


def successors(state: ClusterState, stranger: StrangerState) -> tuple[Endpoint, ...]:
    """Our nodes that know this one and claim slots that others still hold to be its: they took over, not all have heard."""
    return tuple(e for e, node in state.nodes.items() if stranger.id in node.knows and node.slots & stranger.slots)


def unsettled(state: ClusterState) -> str:
    """What the servers are about to find out or to settle by themselves, in words; empty where nothing is.

    That is: an identity that is gone and not yet failed by all, a failed primary that has a replica among our nodes or whose
    replica took over unheard by some, and a primary that comes back when its replica has taken over.
    """
    primaries = {node.primary_id for node in state.nodes.values()}
    for stranger in state.strangers:
        if gone_for_good(state, stranger):
            continue
        name = f"{stranger.id[:8]} ({stranger.address or 'no address'}:{stranger.port})"
        if not stranger.dead and (stranger.health is Health.SUSPECT or _displaced(state, stranger)):
            return f"{name} is gone, and not all nodes know it yet"
        if stranger.health is Health.FAILED and stranger.slots and stranger.id in primaries:
            return f"{name} is failed, and its replica has not taken over yet"
        if heirs := successors(state, stranger):
            return f"{' and '.join(map(str, heirs))} took over from {name}, and not all nodes have heard of it yet"
    for dispute in state.disputes:
        if any(group.issuperset(dispute.claimants) for group in state.groups):
            return (
                f"{' and '.join(map(str, dispute.claimants))} both claim slots, and one will hear of the other's epoch"
            )
    return ""


def left_over(state: ClusterState) -> frozenset[NodeId]:
    """Nodes that hold no key and know nobody but dead members of a cluster that is gone."""
    dead = {s.id for s in state.strangers if s.dead}
    nodes = state.nodes.values()
    return frozenset(n.id for n in nodes if n.knows and n.knows <= dead and not n.view.keys)


def _displaced(state: ClusterState, stranger: StrangerState) -> bool:
    places = {(n.view.address, e.port) for e, n in state.nodes.items()}
    places |= {(view.address, e.port) for e, view in state.resting.items()}
    return (stranger.address, stranger.port) in places


def _silent(topology: Topology, state: ClusterState) -> None:
    missing = [node for node in topology.nodes if node.endpoint not in state.nodes]
    if not missing:
        return
    lines = []
    for node in missing:
        silence = state.silences.get(node.endpoint)
        reason = f"{silence.reason}: {silence.detail}" if silence else "was not asked"
        zone = f", zone {node.zone}" if node.zone else ""
        lines.append(f"- {node.name} ({node.endpoint}{zone}): {reason}")
    few = votes_missing(state)
    if few:
        lines.append(f"of the primaries {len(owners_gone(state))} are gone, too many for any replica to be elected")
    raise ObservationError(
        "nodes-silent",
        f"{len(missing)} of {len(topology.nodes)} nodes gave no view, so nothing more was changed:\n"
        + "\n".join(lines),
        hint="new ones are started by deploy/cluster.py; else bring them back (is the service running, is the client port "
        "open from here, is it the right password?) and run the same command again"
        + (f"; at least {few} of the primaries must come back (shardwright explain majority-lost)" if few else ""),
    )


def _duplicates(state: ClusterState) -> None:
    for node_id, places in state.duplicates:
        where = " and ".join(map(str, places))
        if len({(state.nodes[e].view.address, e.port) for e in places}) == 1:
            raise PlanError(
                "duplicate-node-id",
                f"{where} are one server: both lead to {state.nodes[places[0]].view.address}:{places[0].port}",
                hint="give each node its own address or port in cluster.yml",
            )
        raise PlanError(
            "duplicate-node-id",
            f"{where} have one identity, {node_id[:8]}: one of them is a clone (a copied data directory or image)",
            hint="stop the clone, move its nodes.conf away, start it, and run the same command again",
        )


def _live_strangers(topology: Topology, state: ClusterState) -> None:
    spares = {(node.endpoint.host, node.endpoint.port): node for node in topology.spares}
    for stranger in state.strangers:
        if stranger.dead or gone_for_good(state, stranger):
            continue
        spare = spares.get((stranger.address, stranger.port))
        if spare is not None:
            raise ObservationError(
                "nodes-silent",
                f"{spare.name} ({spare.endpoint}) holds no place any more, is still in the cluster, and gave no view",
                hint="bring it back, so that it can be emptied; if it is lost, wait until the cluster has failed it over",
            )
        members = ", ".join(map(str, stranger.known_by[:6]))
        if _displaced(state, stranger):
            raise PlanError(
                "nodes-disagree",
                f"{members} still take {stranger.id[:8]} for alive, in whose place another node answers now",
                hint="wait a node timeout, until they have noticed, then run again",
            )
        raise PlanError(
            "belongs-to-another-cluster",
            f"{members} know the node {stranger.id[:8]} at {stranger.address}:{stranger.port}, which cluster.yml does "
            f"not name; it owns {len(stranger.slots):,} slots",
            hint="if it is yours, put its host back into cluster.yml (with `leaving: true` to take it out of the cluster), "
            "deploy, and then delete it; if its machine has just died, run again once its replica has taken over; if it is "
            "not yours, take our nodes out of that cluster first "
            "(CLUSTER FORGET on its nodes, then CLUSTER RESET HARD on ours, once they hold no keys)",
        )


def _two_clusters(topology: Topology, state: ClusterState) -> None:
    formed = [g for g in state.groups if len(g) > 1 and any(state.nodes[e].view.keys for e in g)]
    if len(formed) < 2:
        return
    lines = [
        f"- {', '.join(map(str, sorted(g)))}: {sum(state.nodes[e].view.keys for e in g):,} keys in all copies"
        for g in formed
    ]
    raise PlanError(
        "two-clusters",
        f"the nodes of {topology.name} form {len(formed)} clusters that hold data; joining them would destroy one:\n"
        + "\n".join(lines),
        hint="keep one: save and empty the other (CLUSTER RESET HARD on each of its nodes), then run again",
    )


def _disputes(state: ClusterState) -> None:
    for dispute in state.disputes:
        counts = ", ".join(f"{e} ({state.nodes[e].view.keys:,} keys)" for e in dispute.claimants)
        raise PlanError(
            "slots-claimed-twice",
            f"{len(dispute.slots):,} slots ({dispute.slots}) are claimed by more than one node: {counts}",
            hint="look at both with CLUSTER NODES; if one holds no keys of them, CLUSTER DELSLOTSRANGE there; run again"
            + _amnesia(state, dispute),
        )


def _amnesia(state: ClusterState, dispute: Dispute) -> str:
    """What to do with a claimant that knows nobody and has keys, beside others that know each other."""
    lonely = [e for e in dispute.claimants if not state.nodes[e].knows and state.nodes[e].view.keys]
    if not lonely or len(lonely) == len(dispute.claimants):
        return ""
    return (
        f"; {lonely[0]} knows nobody: if it has lost its nodes.conf, stop it, put the file back "
        f"(shardwright-guard restore {lonely[0].port} on its host) and start it"
    )


def _missing_owners(state: ClusterState) -> None:
    gone, lost = left_over(state), {stranger.id for stranger in lost_owners(state)}
    leaving = {endpoint for endpoint, node in state.nodes.items() if node.id in gone}
    for stranger in state.strangers:
        if stranger.slots and stranger.id not in lost and not leaving.issuperset(stranger.known_by):
            raise _missing_owner(state, stranger)


def _missing_owner(state: ClusterState, stranger: StrangerState) -> PlanError:
    if heirs := successors(state, stranger):
        return PlanError(
            "nodes-disagree",
            f"{' and '.join(map(str, heirs))} took over slots of {stranger.id[:8]} at {stranger.address or 'no address'}:"
            f"{stranger.port}, and {', '.join(map(str, stranger.known_by[:6]))} still hold it to be their owner",
            hint="wait a node timeout, until all have heard of it, then run again",
        )
    copies = ", ".join(f"{e} ({n.view.keys:,} keys)" for e, n in state.nodes.items() if n.primary_id == stranger.id)
    return PlanError(
        "slot-owner-missing",
        f"{len(stranger.slots):,} slots ({stranger.slots}) belong to {stranger.id[:8]} at "
        f"{stranger.address or 'an unknown address'}:{stranger.port}, which is gone and not among our nodes; it has not "
        f"been replaced by its replica {copies}",
        hint="start that node again with its data and its nodes.conf; if it is lost for good, CLUSTER FAILOVER FORCE on "
        "the replica makes it the primary (what it had not received is lost); then run again",
    )

"""What is refused before anything is planned, and no consent can allow: pictures on which every step is a gamble.

Why before all: one MEET across two clusters merges them and deletes keys within seconds, and nothing in the state tells
afterwards. So identity and membership of *every* node are settled first.
"""

from __future__ import annotations

from ...errors import ObservationError, PlanError
from ...model.observation import Health
from ...model.state import ClusterState, StrangerState
from ...model.topology import Topology


def refuse(topology: Topology, state: ClusterState) -> None:
    """Raise the first reason not to plan.

    Raises:
        ObservationError: ``nodes-silent``.
        PlanError: ``duplicate-node-id``, ``belongs-to-another-cluster``, ``two-clusters``, ``slots-claimed-twice``,
            ``slot-owner-missing``.
    """
    _silent(topology, state)
    _duplicates(state)
    _live_strangers(state)
    _two_clusters(topology, state)
    _disputes(state)
    _missing_owners(state)


def superseded(state: ClusterState, stranger: StrangerState) -> bool:
    """Whether a dead identity stood at an address where one of our nodes now answers under another id."""
    places = {(n.view.address, e.port) for e, n in state.nodes.items()}
    return stranger.health is Health.FAILED and (stranger.address, stranger.port) in places


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
    raise ObservationError(
        "nodes-silent",
        f"{len(missing)} of {len(topology.nodes)} nodes gave no view; the cluster was not changed:\n"
        + "\n".join(lines),
        hint="bring them back (is the service running, is the client port open from here, is it the right password?) "
        "and run the same command again",
    )


def _duplicates(state: ClusterState) -> None:
    for node_id, places in state.duplicates:
        where = " and ".join(map(str, places))
        raise PlanError(
            "duplicate-node-id",
            f"{where} have one identity, {node_id[:8]}: one of them is a clone (a copied data directory or image)",
            hint="stop the clone, move its nodes.conf away, start it, and run the same command again",
        )


def _live_strangers(state: ClusterState) -> None:
    for stranger in state.strangers:
        if stranger.health is Health.FAILED:
            continue
        members = ", ".join(map(str, stranger.known_by[:6]))
        raise PlanError(
            "belongs-to-another-cluster",
            f"{members} know the node {stranger.id[:8]} at {stranger.address}:{stranger.port}, which cluster.yml does "
            f"not name; it owns {len(stranger.slots):,} slots",
            hint="if it is yours, add its host to cluster.yml; if not, take our nodes out of that cluster first "
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
            hint="look at both with CLUSTER NODES; if one holds no keys of them, CLUSTER DELSLOTSRANGE there; run again",
        )


def _missing_owners(state: ClusterState) -> None:
    for stranger in state.strangers:
        if stranger.slots:
            raise PlanError(
                "slot-owner-missing",
                f"{len(stranger.slots):,} slots ({stranger.slots}) belong to {stranger.id[:8]} at "
                f"{stranger.address or 'an unknown address'}:{stranger.port}, which is failed and not among our nodes",
                hint="start that node again with its data; if it is lost for good, its shard's data is lost too: "
                "CLUSTER FORGET it on all nodes to say so, then run again",
            )

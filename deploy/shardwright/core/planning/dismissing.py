"""Takes spares out of the cluster: instances that the spec names and that hold no place any more.

Why at the end: by then they own nothing, and every shard has its wanted copies without them. Why a reset before the
forgetting: a forgotten node that still knows the others is brought back by its own messages. A spare is reset *hard*, which
gives it a new identity that nobody knows, and its old one is forgotten by all (`forgetting`).
"""

from __future__ import annotations

from ...model.observation import Role
from ...model.plan import Hazard, Phase, Reset, Until
from ...model.state import ClusterState, NodeState
from ...model.topology import Topology


def dismiss_phase(topology: Topology, state: ClusterState) -> tuple[Phase | None, tuple[Hazard, ...]]:
    """Resets the spares that are members; a hazard for each that holds keys of slots it does not own."""
    members = spare_members(topology, state)
    if not members:
        return None, ()
    steps = tuple(Reset(node.endpoint, _keys(node)) for node in members)
    hazards = tuple(
        Hazard(
            "resets-nonempty-node",
            str(node.endpoint),
            f"{node.endpoint} has no place any more and holds {_keys(node):,} keys of slots that it does not own",
        )
        for node in members
        if _keys(node)
    )
    return Phase("dismiss", steps, Until.EMPTY, 30.0), hazards


def spare_members(topology: Topology, state: ClusterState) -> list[NodeState]:
    """Spares that are in the cluster."""
    return [state.nodes[node.endpoint] for node in topology.spares if node.endpoint in state.nodes]


def _keys(node: NodeState) -> int:
    """Keys that a reset must delete itself: a replica drops its copy, and what is drained has moved by then."""
    return 0 if node.role is Role.REPLICA or node.slots else node.view.keys

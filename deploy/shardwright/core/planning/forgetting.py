"""Identities that are dead or dismissed.

Safe because such an identity owns nothing and cannot return: it is failed by every view, or another identity answers in its
place, or it was just emptied. All nodes are told at once, inside the servers' 60 s ban, so that none brings it back to the
others. After replicas have their primaries, since a server does not forget the one it replicates.
"""

from __future__ import annotations

from ...model.plan import Forget, Phase, Until
from ...model.state import ClusterState
from ...model.topology import Topology
from .dismissing import spare_members
from .refusing import gone_for_good


def forget_phase(topology: Topology, state: ClusterState) -> Phase | None:
    """Forgets each on every node that lists it, and the spares that are in the cluster, which are reset before."""
    staying = [node.endpoint for node in topology.nodes]
    gone = {
        (e, stranger.id) for stranger in state.strangers if gone_for_good(state, stranger) for e in stranger.known_by
    }
    gone |= {(e, spare.id) for spare in spare_members(topology, state) for e in staying}
    steps = tuple(Forget(endpoint, node_id) for endpoint, node_id in sorted(gone) if endpoint in staying)
    return Phase("forget", steps, Until.FORGOTTEN, 30.0) if steps else None

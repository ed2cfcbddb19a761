"""Dead identities that one of our nodes has taken the place of: it came back under a new id.

Safe because such an identity is failed by every view, owns nothing, and cannot return: its address answers under another
id, which the servers have noticed (then they know no address of it any more) or are about to. After replicas have their
primaries, since a server does not forget the one it replicates. Dead members elsewhere are left alone and reported.
"""

from __future__ import annotations

from ...model.plan import Forget, Phase, Until
from ...model.state import ClusterState
from .refusing import superseded


def forget_phase(state: ClusterState) -> Phase | None:
    """Forgets each superseded identity on every node that lists it, inside the servers' 60 s ban."""
    steps = tuple(
        Forget(endpoint, stranger.id)
        for stranger in state.strangers
        if superseded(state, stranger) and not stranger.slots
        for endpoint in stranger.known_by
    )
    return Phase("forget", steps, Until.FORGOTTEN, 30.0) if steps else None

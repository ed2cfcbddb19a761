"""Primaries without keys that would become replicas without getting a copy.

A primary that loses its last slots to two others at once, to its successor and to the target of a move, deletes the keys
of those slots and tells nobody: its history stays the one that its successor knows. Made a replica of that, it would go on
where it ended, and be in step by all that servers say of themselves, with nothing in it. The next failover would make that
the truth.

So its history is parted from its successor's before, by one change that touches no key and that the successor has not.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...model.plan import Part, Phase, Replicate, Until, steps_of
from ...model.state import ClusterState
from ..histories import resumes


def part_phase(state: ClusterState, following: Iterable[Phase | None]) -> Phase | None:
    """Before the phases that make replicas: those of their nodes that must take a full copy, and would not."""
    replicates = [step for step in steps_of(following) if isinstance(step, Replicate)]
    steps = tuple(Part(s.node, s.primary) for s in replicates if resumes(state.nodes[s.node], state.nodes[s.primary]))
    return Phase("part histories", steps, Until.PARTED, 20.0) if steps else None

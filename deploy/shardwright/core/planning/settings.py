"""Settings that the servers run with and should not, or not yet.

What a killed run left behind from forming is found here as any other difference, and put back. Settings that only a
restart can change, and those that a server refused to take live, are left to `rolling`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...model.plan import Configure, Phase, Until, steps_of
from ...model.state import ClusterState, NodeState
from ...model.topology import Topology
from ..settings import differing, is_live


def settle_phase(topology: Topology, state: ClusterState, before: Iterable[Phase | None]) -> Phase | None:
    """Puts every live setting right, those included that phases `before` are about to change for a while."""
    borrowed = {(s.node, s.setting) for s in steps_of(before) if isinstance(s, Configure) and s.temporary}
    steps = tuple(
        step
        for node in topology.nodes
        for step in _configure(topology, state.nodes[node.endpoint])
        if (step.node, step.setting) not in borrowed | state.refused
    )
    wanted = dict(topology.live)
    back = tuple(Configure(node, name, wanted[name]) for node, name in sorted(borrowed) if name in wanted)
    if not steps and not back:
        return None
    rewrites = any(step.setting == "appendonly" for step in steps)
    return Phase("settle", back + steps, Until.CONFIGURED, 600.0 if rewrites else 30.0)


def _configure(topology: Topology, node: NodeState) -> Iterator[Configure]:
    view = node.view
    wanted = {**dict(topology.settings), **dict(topology.live)}
    for name, value in differing(wanted, view.settings, view.product, view.version).items():
        if name in view.settings and is_live(name, view.product, view.version):
            yield Configure(view.endpoint, name, value)

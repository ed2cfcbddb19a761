"""A fingerprint of (topology, state): a saved plan is refused when it no longer fits.

Offsets, key counts and gossip times are left out: they change under every client and decide nothing here. So is what hosts
say of how servers were started: not everybody who plans can ask them, and a restart is judged anew right before it.
"""

from __future__ import annotations

import hashlib
import json

from ...model.state import ClusterState
from ...model.topology import Topology


def fingerprint(topology: Topology, state: ClusterState) -> str:
    """sha256 in hexadecimal over a canonical JSON form."""
    wanted = {
        "name": topology.name,
        "shards": [[s.name, s.quota, [str(n.endpoint) for n in s.members]] for s in topology.shards],
        "spares": sorted(str(n.endpoint) for n in topology.spares),
        "live": sorted(topology.live),
        "settings": sorted(topology.settings),
        "even_primaries": topology.even_primaries,
    }
    found = [
        [
            str(endpoint),
            node.id,
            node.role.value,
            node.primary_id,
            str(node.slots),
            sorted(node.knows),
            sorted(node.misplaced),
            bool(node.view.keys),
            sorted(node.view.stray),
            sorted(node.view.settings.items()),
            f"{node.view.product} {node.view.version}",
        ]
        for endpoint, node in state.nodes.items()
    ]
    others = [[s.id, s.address, s.port, s.health.value, str(s.slots)] for s in state.strangers]
    open_slots = [[s.slot, str(s.source), str(s.target)] for s in state.open_slots]
    text = json.dumps([wanted, found, others, open_slots, sorted(map(str, state.silences))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()

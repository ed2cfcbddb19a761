"""What a plan was made from, as plain values, and their fingerprint: a saved plan is refused when it no longer fits.

Offsets, key counts and gossip times are left out: they change under every client and decide nothing here. So is what hosts
say of how servers were started: not everybody who plans can ask them, and a restart is judged anew right before it. Whom a
node knows and its settings are kept as digests: all lists of nodes together grow with the square of the nodes, and a value
need not lie in a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...model.state import ClusterState
from ...model.topology import Topology

Basis = Mapping[str, Any]
"""JSON values: ``wanted``, ``nodes`` by endpoint, ``strangers`` by identity, ``open_slots``, ``silent``."""


def fingerprint(topology: Topology, state: ClusterState) -> str:
    """sha256 in hexadecimal over a canonical JSON form of `basis`."""
    return digest(basis(topology, state))


def digest(value: object) -> str:
    """sha256 in hexadecimal of JSON values, the same whatever the order of names."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def basis(topology: Topology, state: ClusterState) -> Basis:
    """All that planning decides on."""
    circles: dict[frozenset[str], str] = {}
    nodes = {}
    for endpoint, node in state.nodes.items():
        circle = node.knows | {node.id}
        if circle not in circles:
            circles[circle] = digest(sorted(circle))
        view = node.view
        nodes[str(endpoint)] = {
            "id": node.id,
            "runs": f"{view.product} {view.version}",
            "role": node.role.value,
            "primary": node.primary_id,
            "slots": str(node.slots),
            "knows": circles[circle],
            "misplaced": sorted(node.misplaced),
            "holds_keys": bool(view.keys),
            "stray": sorted(view.stray),
            "settings": {name: digest(value)[:12] for name, value in sorted(view.settings.items())},
        }
    return {
        "wanted": _wanted(topology),
        "nodes": nodes,
        "strangers": {s.id: [s.address, s.port, s.health.value, str(s.slots)] for s in state.strangers},
        "open_slots": {str(s.slot): [str(s.source), str(s.target)] for s in state.open_slots},
        "silent": sorted(map(str, state.silences)),
    }


def _wanted(topology: Topology) -> dict[str, Any]:
    return {
        "name": topology.name,
        "shards": [[s.name, s.quota, [str(n.endpoint) for n in s.members]] for s in topology.shards],
        "spares": sorted(str(n.endpoint) for n in topology.spares),
        "settings": {name: digest(value)[:12] for name, value in sorted((*topology.live, *topology.settings))},
        "even_primaries": topology.even_primaries,
    }

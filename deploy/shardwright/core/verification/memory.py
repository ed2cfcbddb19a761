"""Is there room for what clients write, and does nobody delete what they wrote? By the servers' own word.

Only a primary's memory is judged: a replica holds what its primary does, and does not keep to the limit by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.observation import NodeView, Role
from ...model.report import Finding, Severity
from ...model.state import ClusterState
from ...model.topology import Topology

NEARLY = 0.95
"""Share of its limit from which a server that deletes nothing is worth a word."""
POLICY = "maxmemory-policy"
KEEPS_ALL = "noeviction"


def memory(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Primaries that are full, and servers that delete keys once they are."""
    names = {node.endpoint: node.name for node in topology.nodes}
    chosen = dict(topology.settings).get(POLICY, "").lower()
    limited = {names.get(e, str(e)): node for e, node in state.nodes.items() if memory_limit(node.view)}
    for name, node in limited.items():
        policy = node.view.settings.get(POLICY, "")
        if policy == KEEPS_ALL and node.role is Role.PRIMARY:
            yield from _full(name, node.view)
        elif policy not in ("", KEEPS_ALL) and not chosen:
            message = (
                f"{name} deletes keys when its memory is full ({POLICY} {policy}), and cluster.yml does not say so"
            )
            hint = f"CONFIG SET {POLICY} {KEEPS_ALL} there; where it is a cache, write {POLICY} into cluster.yml"
            yield Finding("eviction-on", Severity.WARNING, name, message, hint)
    if limited and chosen not in ("", KEEPS_ALL):
        message = (
            f"cluster.yml says {POLICY} {chosen}: keys are deleted when memory is full, which only a cache can bear"
        )
        hint = f"where keys must not be lost: {POLICY}: {KEEPS_ALL}"
        yield Finding("eviction-on", Severity.INFO, topology.name, message, hint)


def memory_limit(view: NodeView) -> int:
    """The server's `maxmemory` in bytes; 0 where it has none."""
    text = view.settings.get("maxmemory", "0")
    return int(text) if text.isdecimal() else 0


def _full(name: str, view: NodeView) -> Iterator[Finding]:
    limit, used = memory_limit(view), view.memory_used - view.memory_exempt
    if used < limit * NEARLY:
        return
    does = "refuses writes with OOM" if used >= limit else "will soon refuse writes with OOM"
    message = f"{name} uses {used:,} of {limit:,} bytes of maxmemory, deletes nothing ({KEEPS_ALL}) and {does}"
    hint = "raise maxmemory in cluster.yml and deploy (it is set live), add shards, or delete keys; a restart frees nothing"
    yield Finding("memory-full", Severity.ERROR if used >= limit else Severity.WARNING, name, message, hint)

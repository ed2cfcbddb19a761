"""What the nodes believe of the cluster against what was declared: the checks of verification, read as drift.

Part of `drifting`. Not every finding is drift: a replica that is behind or epochs that are shared settle themselves, and who
is primary is nobody's wish. A table says which are, and who can mend them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.drift import Drift, Mend, Truth
from ..model.state import ClusterState
from ..model.topology import Topology
from .planning.resharding import TOLERANCE
from .verification.copies import copies
from .verification.membership import membership
from .verification.ownership import ownership
from .verification.running import running

_MENDS = {
    "node-silent": (Mend.PERSON, "an answer"),
    "node-unknown": (Mend.LIVE, "every node to know all others"),
    "duplicate-node-id": (Mend.PERSON, "an identity for each node"),
    "dead-member": (Mend.PERSON, "the members of cluster.yml alone"),
    "unknown-member": (Mend.PERSON, "the members of cluster.yml alone"),
    "address-differs": (Mend.PERSON, "the addresses of cluster.yml"),
    "link-down": (Mend.PERSON, "bus links between all nodes"),
    "views-differ": (Mend.PERSON, "one picture"),
    "slots-uncovered": (Mend.LIVE, "all 16,384 slots owned"),
    "slots-claimed-twice": (Mend.PERSON, "one owner for each slot"),
    "slot-open": (Mend.LIVE, "no slot marked as moving"),
    "shard-without-primary": (Mend.PERSON, "a primary that owns its slots"),
    "replica-misplaced": (Mend.LIVE, "the shard's number of replicas"),
    "replica-link-down": (Mend.PERSON, "a link to its primary"),
    "product-differs": (Mend.PERSON, "the engine of cluster.yml"),
    "version-differs": (Mend.DEPLOY, "the version of cluster.yml"),
}
_ENGINE = ("product-differs", "version-differs")


def cluster_drifts(topology: Topology, state: ClusterState) -> Iterator[Drift]:
    """One row for each finding that is drift."""
    names = {str(node.endpoint): node.name for node in topology.nodes}
    for finding in (
        *membership(topology, state),
        *ownership(topology, state),
        *copies(topology, state),
        *running(topology, state),
    ):
        if finding.code in _MENDS:
            mend, wanted = _MENDS[finding.code]
            truth = Truth.ENGINE if finding.code in _ENGINE else Truth.CLUSTER
            subject = names.get(finding.subject, finding.subject)
            what = finding.code.replace("-", " ")
            yield Drift(finding.code, truth, subject, what, wanted, finding.message, mend, finding.hint)
    yield from _uneven(topology, state)


def _uneven(topology: Topology, state: ClusterState) -> Iterator[Drift]:
    """Shards so far off their quota that an apply moves slots: sooner than verification warns."""
    for shard in topology.shards:
        owned = sum(len(state.nodes[n.endpoint].slots) for n in shard.members if n.endpoint in state.nodes)
        if owned and abs(owned - shard.quota) > shard.quota * TOLERANCE:
            wanted, found = f"{shard.quota:,} slots", f"{owned:,} slots"
            hint = "shardwright plan says what an apply would move"
            yield Drift("slots-uneven", Truth.CLUSTER, shard.name, "slots uneven", wanted, found, Mend.LIVE, hint)

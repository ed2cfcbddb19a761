"""`verify`: does the picture match what should be? Pure; a family of checks a file, each yields findings.

Every check looks at each node's own view, never at one node's word for all: a cluster that says `ok` and has all its slots
covered can have no working replica, two owners of a slot, or another cluster's nodes in it. What holds is a finding too, so
that a report shows what was checked and not only what failed.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...model.report import Finding, Report, Severity
from ...model.state import ClusterState
from ...model.topology import Topology
from .copies import copies
from .disks import disks
from .membership import membership
from .memory import memory
from .ownership import ownership
from .running import running
from .shard_rows import shard_rows
from .survival import survival

__all__ = ["verify"]

_GRAVEST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.OK)


def verify(topology: Topology, state: ClusterState, further: Iterable[Finding] = ()) -> Report:
    """The report on `state` against `topology`.

    Args:
        topology: what should be.
        state: what is.
        further: findings that were made by other means: canary keys, hosts.

    Returns:
        Findings gravest first, then by the order of the checks; healthy when none is an error.
    """
    found = [
        *membership(topology, state),
        *ownership(topology, state),
        *copies(topology, state),
        *survival(topology, state),
        *running(topology, state),
        *disks(topology, state),
        *memory(topology, state),
        *further,
    ]
    found.sort(key=lambda finding: _GRAVEST_FIRST.index(finding.severity))
    return Report(topology.name, topology.product, tuple(found), shard_rows(topology, state))

"""How long servers take for elections, by their node timeout: Redis, whose numbers are the larger (by its source)."""

from __future__ import annotations

from ..model.topology import Topology

DEFAULT_TIMEOUT = 15.0
"""Seconds of `cluster-node-timeout` where nobody says another."""
LEAST_RETRY = 4.0


def node_timeout(topology: Topology) -> float:
    """Of the servers, in seconds."""
    return int(dict(topology.live).get("cluster-node-timeout", DEFAULT_TIMEOUT * 1000)) / 1000


def retry_after(timeout: float) -> float:
    """Seconds after which a replica of Redis that asked for votes asks anew, with this node timeout in seconds."""
    return max(4 * timeout, LEAST_RETRY)


def failover_limit(topology: Topology) -> float:
    """Seconds in which a manual failover is done, even one whose first election came to nothing."""
    return max(60.0, retry_after(node_timeout(topology)) + 30.0)

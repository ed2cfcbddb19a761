"""`PlaySupervisor`: the hosts' service managers, for the cluster's plan to restart servers in a play.

How servers were started is what the play's tasks saw of their hosts, so a play that restarts nothing enters no host for it.
A restart goes over ssh of our own, by what `ssh` in cluster.yml says: the one task that forms the cluster has no connection
of Ansible's to all hosts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..adapters.supervisor import HostsSupervisor
from ..errors import ShardwrightError
from ..model.endpoint import Endpoint
from ..model.state import StartState
from ..model.topology import Topology
from .logins import endpoints


class PlaySupervisor:
    """`ports.Supervisor` by what the play has seen, and by ssh of our own."""

    def __init__(self, seen: Mapping[str, Mapping[str, Any]], topology: Topology, by_ssh: HostsSupervisor) -> None:
        """`seen`: by endpoint in words, what `hosts` gave under ``starts``."""
        nodes = endpoints(topology)
        self._starts = {
            nodes[name]: StartState(**{**start, "named": frozenset(start["named"])})
            for name, start in seen.items()
            if name in nodes
        }
        self._by_ssh = by_ssh

    def started(self) -> Mapping[Endpoint, StartState]:
        """See `ports.Supervisor.started`; by the play's last look at each host."""
        return self._starts

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """See `ports.Supervisor.restart`; the hosts are looked at once more before that."""
        try:
            self._by_ssh.started()
        except ShardwrightError as error:
            return dict.fromkeys(nodes, error.message)
        return self._by_ssh.restart(nodes)

"""Tries every node's bus port from the hosts: one exec a host, when the cluster is to be joined or does not join."""

from __future__ import annotations

from collections.abc import Iterable

import gevent
from pyinfra.api.host import Host
from pyinfra.api.state import State

from ..adapters.bus_prober import pairs
from ..core.host import probing
from ..errors import ShardwrightError
from ..model.endpoint import Endpoint
from ..ports import Unreachable
from . import shell
from .results import Run


class HostProber:
    """`ports.BusProber` by way of the hosts."""

    def __init__(self, state: State, run: Run) -> None:
        self._run = run
        self._hosts: dict[str, Host] = {h.data.get("shardwright_host"): h for h in state.inventory if h.connected}
        topology = run.environment.topology
        self._names = {node.endpoint: node.host for node in (*topology.nodes, *topology.spares)}

    def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
        """See `ports.BusProber.probe`. A host from where nothing can be tried gives no pairs, and a warning."""
        wanted = sorted(set(targets))
        by_host: dict[str, list[Endpoint]] = {}
        for source in sources:
            by_host.setdefault(self._names.get(source, ""), []).append(source)
        asked = {name: gevent.spawn(self._from, name, wanted) for name in by_host if name in self._hosts}
        gevent.joinall(asked.values(), raise_error=True)
        return pairs(by_host, {name: job.value for name, job in asked.items()})

    def _from(self, name: str, targets: list[Endpoint]) -> list[tuple[Endpoint, str]]:
        result = self._run.hosts[name]
        try:
            output = shell.read(
                self._hosts[name], result.spec, probing.probe(targets), deadline=probing.deadline(targets)
            )
        except ShardwrightError as error:
            result.warn("bus-not-probed", error.message)
            return []
        result.execs += 1
        found = probing.closed(output.lines, targets)
        if found is None:
            result.warn("bus-not-probed", probing.NO_MEANS)
        return found or []

"""`FakeSupervisor`: `ports.Supervisor` of a `FakeCluster`, with files and binaries that a deploy has put there.

A restart is one effect of the transport that it shares its numbers with, so that a run can be killed before it, in the
middle (stopped and not started again), or after it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..model.endpoint import Endpoint
from ..model.state import StartState
from .fake_cluster import FakeCluster
from .fake_server import FakeServer
from .fake_settings import defaults
from .fake_transport import FakeTransport, Killed

DOWN = 0.5
"""Seconds from a server's end to its start."""


class FakeSupervisor:
    """Starts servers with the product, version and settings that lie there now.

    Args:
        cluster: the servers.
        transport: whose effects are counted.
        product: of the binary that is in place.
        version: of it.
        settings: of the files that are in place, beside the defaults.
        middle: number of the effect at which a run dies between stop and start.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        transport: FakeTransport,
        *,
        product: str,
        version: str,
        settings: Mapping[str, str],
        middle: int = 0,
    ) -> None:
        self._cluster = cluster
        self._transport = transport
        self._engine = (product, version)
        self._settings = dict(settings)
        self._middle = middle
        self.restarted: list[Endpoint] = []

    def started(self) -> Mapping[Endpoint, StartState]:
        """See `ports.Supervisor.started`."""
        return {s.endpoint: self._start_of(s) for s in self._cluster.servers if s.running}

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """See `ports.Supervisor.restart`."""
        servers = [server for server in self._cluster.servers if server.endpoint in nodes]
        stopped: list[tuple[FakeServer, str]] = []
        for server in servers:
            fault = self._transport.count()
            if fault in ("before", "request"):
                self._start(stopped)
                raise Killed(f"before the restart of {server.endpoint}")
            self._cluster.kill(server)
            if self._transport.effects == self._middle:
                raise Killed(f"in the middle of the restart of {server.endpoint}")
            stopped.append((server, fault))
        self._cluster.clock.sleep(DOWN)
        self._start(stopped)
        if any(fault for _, fault in stopped):
            raise Killed("after a restart")
        return {}

    def start_dead(self) -> None:
        """What a deploy does with servers that do not run: start them, with the files that lie there."""
        self._start([(server, "") for server in self._cluster.servers if not server.running])

    def _start(self, servers: list[tuple[FakeServer, str]]) -> None:
        for server, _ in servers:
            server.product, server.version = self._engine
            server.number = tuple(int(part) for part in server.version.split(".")[:2])
            server.config_file = {**defaults(server.product), **self._settings}
            self._cluster.start(server)
            self.restarted.append(server.endpoint)

    def _start_of(self, server: FakeServer) -> StartState:
        wanted = {**defaults(self._engine[0]), **self._settings}
        return StartState(
            server.pid,
            replaced=(server.product, server.version) != self._engine,
            rewritten=server.config_file != wanted,
            lines=self._settings,
            named=frozenset(server.config_file) - defaults(server.product).keys(),
        )

"""`ServersSupervisor`: `ports.Supervisor` of real servers on loopback, which it stops by SIGTERM and starts by themselves.

What a deploy would have put on hosts before, another binary or other lines of configuration, is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..model.endpoint import Endpoint
from ..model.state import StartState
from .servers import Server


class ServersSupervisor:
    """Starts `servers` anew with what lies there now.

    Args:
        servers: all of them.
        binary: what their service starts now; as they run where none is named.
        settings: lines that their files have now, beside those that they have.
        before: called with the servers of each restart, right before it.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        binary: Path | None = None,
        settings: Mapping[str, str] | None = None,
        before: Callable[[Sequence[Server]], None] | None = None,
    ) -> None:
        self._servers = {server.endpoint: server for server in servers}
        self._binary = binary
        self._settings = dict(settings or {})
        self._before = before

    def started(self) -> Mapping[Endpoint, StartState]:
        """See `ports.Supervisor.started`."""
        return {e: self._start_of(server) for e, server in self._servers.items() if server.process is not None}

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """See `ports.Supervisor.restart`."""
        chosen = [self._servers[node] for node in nodes]
        if self._before is not None:
            self._before(chosen)
        with ThreadPoolExecutor(len(chosen)) as pool:
            failed = dict(zip(nodes, pool.map(self._anew, chosen), strict=True))
        return {endpoint: why for endpoint, why in failed.items() if why}

    def _anew(self, server: Server) -> str:
        server.stop()
        server.binary = self._binary or server.binary
        server.settings = {**server.settings, **self._settings}
        try:
            server.start()
        except TimeoutError as error:
            return str(error)
        return ""

    def _start_of(self, server: Server) -> StartState:
        assert server.process is not None
        return StartState(
            pid=server.process.pid,
            replaced=self._binary not in (None, server.binary),
            rewritten=any(server.settings.get(name) != value for name, value in self._settings.items()),
            lines=self._settings,
        )

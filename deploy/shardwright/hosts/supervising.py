"""`HostSupervisor`: the hosts' service managers by way of pyinfra's connections, for the cluster's plan to restart servers.

What is asked for is what was last seen of the hosts, so a run that restarts nothing costs no round trip. A restart is one
exec a host.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import gevent
from pyinfra.api.host import Host
from pyinfra.api.state import State

from ..core.host import restarts
from ..errors import ShardwrightError
from ..model.blueprint import Instance
from ..model.endpoint import Endpoint
from ..model.state import StartState
from . import shell
from .results import HostResult, Run


class HostSupervisor:
    """`ports.Supervisor` by way of the hosts."""

    def __init__(self, state: State, run: Run) -> None:
        self._run = run
        self._hosts: dict[str, Host] = {h.data.get("shardwright_host"): h for h in state.inventory if h.connected}

    def started(self) -> Mapping[Endpoint, StartState]:
        """See `ports.Supervisor.started`; by the last look at each host."""
        seen = [(r.blueprint, r.state) for r in self._run.hosts.values()]
        return {e: s for made, state in seen if made and state for e, s in restarts.starts(made, state).items()}

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """See `ports.Supervisor.restart`."""
        jobs = {}
        for name, result in self._run.hosts.items():
            there = restarts.among(result.blueprint, nodes) if result.blueprint else ()
            if there:
                jobs[there] = gevent.spawn(self._on, name, result, there)
        gevent.joinall(jobs.values(), raise_error=True)
        return {i.endpoint: job.value for there, job in jobs.items() if job.value for i in there}

    def _on(self, name: str, result: HostResult, instances: tuple[Instance, ...]) -> str:
        """Why it failed; empty where it did not."""
        if name not in self._hosts:
            return f"{name} takes no part in this run (--limit)"
        assert result.blueprint is not None
        assert result.state is not None
        found = restarts.steps(result.blueprint, result.state, instances)
        text = restarts.script(result.blueprint, result.state, found)
        try:
            output = shell.change(self._hosts[name], result.spec, text, deadline=restarts.SECONDS)
        except ShardwrightError as error:
            return error.message
        result.execs += 1
        return restarts.failure(output, found)

"""`HostsSupervisor`: the hosts' service managers by way of ssh of our own, or of this machine's shell for ``@local``.

For whoever converges a cluster without pyinfra (`shardwright apply --restart`); inside pyinfra its own connections are used
(`hosts.supervising`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ..core.host import questions, restarts
from ..core.host.entering import CHANGE, COMPLETE, READ, Output
from ..core.host.state import HostState, parse
from ..core.host.words import subject
from ..errors import ObservationError, merged
from ..model.blueprint import Blueprint, Instance
from ..model.endpoint import Endpoint
from ..model.spec import HostSpec
from ..model.state import StartState
from .environment import Environment

LOOK_SECONDS = 90.0


class Shell(Protocol):
    """Runs scripts on hosts."""

    def __call__(self, host: HostSpec, boot: str, script: str, seconds: float) -> Output:
        """Run `script` there by `boot` (see `core.host.entering`).

        Raises:
            OSError: the host is not reached, or there was no end within `seconds`.
        """
        ...


class HostsSupervisor:
    """`ports.Supervisor` of the hosts of an environment."""

    def __init__(self, environment: Environment, shell: Shell) -> None:
        self._environment = environment
        self._shell = shell
        self._seen: dict[str, tuple[Blueprint, HostState]] = {}

    def started(self) -> Mapping[Endpoint, StartState]:
        """See `ports.Supervisor.started`.

        Raises:
            ObservationError: ``look-failed``, naming every host that could not be looked at.
        """
        hosts = self._environment.spec.hosts
        with ThreadPoolExecutor(max(1, len(hosts))) as pool:
            looks = dict(zip(hosts, pool.map(self._look, hosts), strict=True))
        if errors := [look for look in looks.values() if isinstance(look, ObservationError)]:
            raise merged(errors)
        states = {host: look for host, look in looks.items() if isinstance(look, HostState)}
        self._seen = {host.name: (self._environment.fitting(host, state), state) for host, state in states.items()}
        return {e: s for made, state in self._seen.values() for e, s in restarts.starts(made, state).items()}

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """See `ports.Supervisor.restart`."""
        jobs = [
            (host, there)
            for host in self._environment.spec.hosts
            if host.name in self._seen and (there := restarts.among(self._seen[host.name][0], nodes))
        ]
        with ThreadPoolExecutor(max(1, len(jobs))) as pool:
            failed = list(pool.map(lambda job: self._restart(*job), jobs))
        return {i.endpoint: why for (_, there), why in zip(jobs, failed, strict=True) if why for i in there}

    def _look(self, host: HostSpec) -> HostState | ObservationError:
        script = questions.look(self._environment.blueprints(host).values())
        try:
            output = self._shell(host, READ, script, LOOK_SECONDS)
        except OSError as error:
            output = Output(False, (), (str(error),))
        state = parse(output.lines)
        if state.complete and not state.sudo_refusal:
            return state
        words = state.sudo_refusal or " ".join(output.errors)[-200:] or "no words"
        text = f"{subject(host)}: it can't be seen how its servers were started ({words}); nothing was changed"
        return ObservationError("look-failed", text, hint="log in there; the user needs sudo without a password")

    def _restart(self, host: HostSpec, instances: tuple[Instance, ...]) -> str:
        made, state = self._seen[host.name]
        found = restarts.steps(made, state, instances)
        text = f"{restarts.script(made, state, found)}\n{COMPLETE}"
        try:
            return restarts.failure(self._shell(host, CHANGE, text, restarts.SECONDS), found)
        except OSError as error:
            return str(error)

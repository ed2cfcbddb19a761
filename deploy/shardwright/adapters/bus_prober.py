"""`ShellProber`: the bus ports tried from the hosts by way of a shell of our own, for whoever works without pyinfra."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from ..core.host import probing
from ..core.host.entering import READ
from ..core.host.words import subject
from ..model.endpoint import Endpoint
from ..model.spec import HostSpec
from ..ports import Unreachable
from .environment import Environment
from .supervisor import Shell


class ShellProber:
    """`ports.BusProber` of the hosts of an environment. `say` hears from where nothing could be tried, and why."""

    def __init__(self, environment: Environment, shell: Shell, say: Callable[[str], object]) -> None:
        self._shell = shell
        self._say = say
        hosts = {host.name: host for host in environment.spec.hosts}
        topology = environment.topology
        self._hosts = {node.endpoint: hosts[node.host] for node in (*topology.nodes, *topology.spares)}

    def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
        """See `ports.BusProber.probe`. A host from where nothing can be tried gives no pairs."""
        wanted = sorted(set(targets))
        from_hosts: dict[HostSpec, list[Endpoint]] = {}
        for source in sources:
            if source in self._hosts:
                from_hosts.setdefault(self._hosts[source], []).append(source)
        with ThreadPoolExecutor(max(1, len(from_hosts))) as pool:
            found = dict(zip(from_hosts, pool.map(lambda host: self._from(host, wanted), from_hosts), strict=True))
        return tuple(
            Unreachable(source, target, reason)
            for host, closed in found.items()
            for target, reason in closed
            for source in from_hosts[host]
            if source != target
        )

    def _from(self, host: HostSpec, targets: list[Endpoint]) -> list[tuple[Endpoint, str]]:
        try:
            output = self._shell(host, READ, probing.probe(targets), probing.deadline(targets))
        except OSError as error:
            self._say(f"{subject(host)}: the bus ports could not be tried from there: {error}")
            return []
        found = probing.closed(output.lines, targets)
        if found is None:
            self._say(f"{subject(host)}: {probing.NO_MEANS}")
        return found or []

"""`ShellProber`: the bus ports tried from the hosts by way of a shell of our own, for whoever works without pyinfra."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..core.host import probing
from ..core.host.entering import READ
from ..core.host.words import subject
from ..model.endpoint import Endpoint
from ..model.spec import HostSpec
from ..ports import Unreachable
from .environment import Environment
from .supervisor import Shell


def pairs(
    sources: Mapping[str, Sequence[Endpoint]], closed: Mapping[str, Iterable[tuple[Endpoint, str]]]
) -> tuple[Unreachable, ...]:
    """Who can't reach whom.

    Args:
        sources: the servers of each host.
        closed: by host, whom it could not reach, and why.
    """
    return tuple(
        Unreachable(source, target, reason)
        for host, found in closed.items()
        for target, reason in found
        for source in sources[host]
        if source != target
    )


class ShellProber:
    """`ports.BusProber` of the hosts of an environment. `say` hears from where nothing could be tried, and why."""

    def __init__(self, environment: Environment, shell: Shell, say: Callable[[str], object]) -> None:
        self._environment = environment
        self._shell = shell
        self._say = say

    def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
        """See `ports.BusProber.probe`. A host from where nothing can be tried gives no pairs."""
        wanted = sorted(set(targets))
        topology = self._environment.topology
        names = {node.endpoint: node.host for node in (*topology.nodes, *topology.spares)}
        by_host: dict[str, list[Endpoint]] = {}
        for source in sources:
            if source in names:
                by_host.setdefault(names[source], []).append(source)
        hosts = [host for host in self._environment.spec.hosts if host.name in by_host]
        with ThreadPoolExecutor(max(1, len(hosts))) as pool:
            found = list(pool.map(lambda host: self._from(host, wanted), hosts))
        return pairs(by_host, {host.name: closed for host, closed in zip(hosts, found, strict=True)})

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

"""The deploy `drift`: look at every host and at the cluster, say every difference, change nothing.

One look a host, as of every deploy; only where a configuration file was edited a second one fetches its text, to name the
lines. That text holds the password: it is compared at once and not kept.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from functools import partial

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation

from ..control.converging import Means
from ..control.drifting import find_drift
from ..control.run import Proof
from ..core.config_lines import ConfigFile
from ..core.host import drift_rows, restarts
from ..errors import ShardwrightError
from ..model.blueprint import Blueprint, File
from ..model.endpoint import Endpoint
from ..model.report import Finding
from ..model.topology import Topology
from . import operations, shell
from .forming import once
from .operations import Commands, elected
from .results import Run, here, run_of

READ_SECONDS = 30


def drift() -> None:
    """Compare spec, files, servers, cluster, kernel and services; exit code 1 where they differ."""
    operations.look(name="Look at the hosts", judge=False)
    compare_hosts(name="Compare the hosts")
    compare_cluster(name="Compare the cluster")


@operation()
def compare_hosts() -> Commands:
    """Keep what differs on this host."""
    host, state = here()
    result = run_of(state).hosts[host.data.shardwright_host]
    if state.is_executing and result.state is not None and result.blueprint is not None:
        try:
            other = drift_rows.edited(result.blueprint, result.state)
            texts: dict[str, str] = {}
            if other:
                output = shell.read(host, result.spec, _reading(other), deadline=READ_SECONDS)
                result.execs += 1
                texts = _texts(output.lines)
            result.drift = drift_rows.rows(result.blueprint, result.state)
            result.config_files = _config_files(result.blueprint, other, texts)
        except ShardwrightError as error:
            result.errors = (error,)
            yield FunctionCommand(operations.fail, (), {})
            return
    host.noop("nothing is changed")
    yield from ()


@operation()
def compare_cluster() -> Commands:
    """Compare the cluster, and say all differences; on one host's behalf for all."""
    host, state = here()
    run = run_of(state)
    if host is elected(state, run):
        yield from once(state, run, partial(_find, run), forecast=False)


def _find(run: Run, topology: Topology, means: Means, *, canary: bool, further: Iterable[Finding]) -> Proof:
    rows = tuple(row for result in run.hosts.values() for row in result.drift)
    files = {endpoint: file for result in run.hosts.values() for endpoint, file in result.config_files}
    seen = [(result.blueprint, result.state) for result in run.hosts.values()]
    starts = {
        endpoint: start
        for blueprint, state in seen
        if blueprint is not None and state is not None
        for endpoint, start in restarts.starts(blueprint, state).items()
    }
    return find_drift(topology, means, canary=canary, further=further, files=files, starts=starts, hosts=rows)


def _reading(paths: Iterable[str]) -> str:
    """A script that prints the files, each line marked as one."""
    words = " ".join(map(shlex.quote, paths))
    return f"for f in {words}; do printf 'file\\t%s\\n' \"$f\"; sed 's/^/line\\t/' -- \"$f\"; done\n"


def _texts(lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        kind, _, rest = line.partition("\t")
        if kind == "file":
            current = found.setdefault(rest, [])
        elif kind == "line":
            current.append(rest)
    return {path: "\n".join(text) for path, text in found.items()}


def _config_files(
    blueprint: Blueprint, other: dict[str, File], texts: dict[str, str]
) -> tuple[tuple[Endpoint, ConfigFile], ...]:
    wanted = {f.path: f.content for f in blueprint.files} | {path: file.content for path, file in other.items()}
    return tuple(
        (i.endpoint, ConfigFile.of(i.config, wanted[i.config], texts.get(i.config))) for i in blueprint.instances
    )

"""How the running servers of a host were started, and the script that restarts some of them. Pure.

Whoever can run scripts on hosts (`hosts` by pyinfra, `adapters` by ssh of our own) makes a `ports.Supervisor` of these.
The script first writes the configuration as it is wished in the end, since by then the servers run with it: their
`appendonly` was switched live, and a file that says otherwise would make them come up empty.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...model.blueprint import Blueprint, File, Instance
from ...model.endpoint import Endpoint
from ...model.state import StartState
from ..outdated import start_lines
from . import batches
from .changes import Change, RestartInstances, Stage, changes, is_replaced, is_rewritten, is_running, server_process
from .entering import Output
from .services import RESTART_SECONDS
from .state import HostState

SECONDS = RESTART_SECONDS + 60.0
"""For the whole script."""


def starts(blueprint: Blueprint, state: HostState) -> dict[Endpoint, StartState]:
    """How each server that runs was started, by what was seen of its host."""
    running = (i for i in blueprint.instances if is_running(i, state, blueprint.manager))
    return {instance.endpoint: _start(instance, blueprint, state) for instance in running}


def _start(instance: Instance, blueprint: Blueprint, state: HostState) -> StartState:
    content = next((f.content for f in blueprint.files if f.path == instance.config), "")
    return StartState(
        pid=server_process(instance, state, blueprint.manager) or 0,
        replaced=is_replaced(instance, blueprint, state),
        rewritten=is_rewritten(instance, blueprint, state),
        lines=start_lines(content),
        named=frozenset(dict(state.named).get(instance.name, ())),
        memory=state.available_kib * 1024,
        coming=state.engine,
    )


def among(blueprint: Blueprint, nodes: Collection[Endpoint]) -> tuple[Instance, ...]:
    """The instances of the blueprint that are at `nodes`."""
    return tuple(instance for instance in blueprint.instances if instance.endpoint in nodes)


def steps(blueprint: Blueprint, state: HostState, instances: Sequence[Instance]) -> tuple[Change, ...]:
    """What restarting these instances takes: their files as wished, then the restart."""
    configs = {instance.config for instance in instances}
    files = changes(blueprint, state, settled=True).of(Stage.FILES)
    ours = (change for change in files if isinstance(change.action, File) and change.action.path in configs)
    names = ", ".join(instance.name for instance in instances)
    return *ours, Change(Stage.SERVICES, f"restart {names}", RestartInstances(tuple(instances)))


def script(blueprint: Blueprint, state: HostState, found: Sequence[Change]) -> str:
    """The script that carries `found` out."""
    return batches.batch(found, blueprint, state.family, "", lock_wait=0)


def failure(output: Output, found: Sequence[Change]) -> str:
    """Why the script failed, in its own words; empty where it did not."""
    came = batches.result(output.lines, found, output.ok, output.errors).failure
    if came is None:
        return ""
    return f"[{came.code}] {came.seen}" + (f"; hint: {came.hint}" if came.hint else "")

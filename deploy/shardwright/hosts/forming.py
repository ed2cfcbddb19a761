"""The one call that forms the cluster and proves it, made once a run.

Every host has the operation, and the first one of the spec that is active does it: pyinfra's own `_run_once` gives it to a
random host in the preparing stage, and if that host fails before, it is silently left out for all.
"""

from __future__ import annotations

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..adapters.clock import RealClock
from ..adapters.resp import RespTransport
from ..control.converging import Means, converge
from ..errors import ShardwrightError
from ..model.spec import Transport
from .busprobe import HostProber
from .operations import Commands, fail, succeed
from .results import Run, here, run_of
from .tunnels import through_ssh


@operation()
def form() -> Commands:
    """Turn the servers into the cluster of the spec, and prove it; on one host's behalf for all."""
    host, state = here()
    run = run_of(state)
    if host is not elected(state, run) or not state.is_executing:
        return
    try:
        changed = _form(state, run)
    except ShardwrightError as error:
        run.error = error
        yield FunctionCommand(fail, (), {})
        return
    if changed:
        yield FunctionCommand(succeed, (), {})


def elected(state: State, run: Run) -> Host | None:
    """The first host of the spec that takes part in this run."""
    active = {h.data.shardwright_host: h for h in state.inventory.get_active_hosts()}
    return next((active[h.name] for h in run.environment.spec.hosts if h.name in active), None)


def transport(state: State, run: Run) -> RespTransport:
    """How nodes are spoken to: directly, or through pyinfra's ssh connections."""
    spec = run.environment.spec
    connect = through_ssh(state, run) if spec.transport is Transport.SSH else None
    return RespTransport(spec.security.password, connect=connect)


def means(state: State, run: Run) -> Means:
    """What the core works with in this run."""
    password = run.environment.spec.security.password
    allowed = tuple(str(run.allow).split(",")) if run.allow else ()
    return Means(transport(state, run), RealClock(), HostProber(state, run), password, allowed)


def _form(state: State, run: Run) -> bool:
    """Form and verify; whether anything was changed in the cluster."""
    work = means(state, run)
    try:
        run.outcome = outcome = converge(run.environment.topology, work)
    finally:
        work.transport.close()
    return outcome.changed

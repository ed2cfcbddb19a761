"""The one call that forms the cluster and proves it, made once a run; and what is left behind of a run that never got there.

Every host has the operation, and the first one of the spec that is active does it: pyinfra's own `_run_once` gives it to a
random host in the preparing stage, and if that host fails before, it is silently left out for all.
"""

from __future__ import annotations

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..adapters.resp import RespTransport
from ..errors import ShardwrightError
from ..model.spec import Transport
from .busprobe import HostProber
from .operations import Commands
from .results import Run, here, run_of
from .tunnels import through_ssh


@operation(is_idempotent=False)
def form() -> Commands:
    """Turn the servers into the cluster of the spec, and prove it; on one host's behalf for all."""
    host, state = here()
    if host is elected(state, run_of(state)):
        yield FunctionCommand(_form, (), {})


def elected(state: State, run: Run) -> Host | None:
    """The first host of the spec that takes part in this run."""
    active = {h.data.shardwright_host: h for h in state.inventory.get_active_hosts()}
    return next((active[h.name] for h in run.environment.spec.hosts if h.name in active), None)


def transport(state: State, run: Run) -> RespTransport:
    """How nodes are spoken to: directly, or through pyinfra's ssh connections."""
    spec = run.environment.spec
    connect = through_ssh(state, run) if spec.transport is Transport.SSH else None
    return RespTransport(spec.security.password, connect=connect)


def record_failure(run: Run) -> None:
    """Leave the record of a run that ended before the cluster was looked at."""


def _form(state: State, host: Host) -> bool:  # noqa: ARG001 - these names make pyinfra heed what is returned
    run = run_of(state)
    try:
        HostProber(state, run)
    except ShardwrightError as error:
        run.error = error
        return False
    return True

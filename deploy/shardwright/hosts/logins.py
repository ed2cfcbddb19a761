"""How a run of pyinfra logs in to servers, and which of them are to admit a new password before files are written."""

from __future__ import annotations

from pyinfra.api.state import State

from ..adapters.resp import RespTransport
from ..control.credentials import rewritten
from ..control.rotating import Knock, Rotation
from ..core.host.changes import is_running
from ..core.planning.rotating import DEFAULT
from ..model.endpoint import Endpoint
from ..model.secret import Secret
from ..model.spec import Transport
from .results import Run
from .tunnels import through_ssh


def knocking(state: State, run: Run) -> Knock:
    """Makes transports that log in with one password."""
    connect = through_ssh(state, run) if run.environment.spec.transport is Transport.SSH else None

    def knock(password: Secret | None) -> RespTransport:
        return RespTransport(password, user=DEFAULT, connect=connect)

    return knock


def rotation(state: State, run: Run) -> Rotation:
    """What changes passwords in this run; its `main` is the run's transport.

    Hosts that were left out keep files with the old password, so nothing is refused before they were taken in again.
    """
    security, knock = run.environment.spec.security, knocking(state, run)
    everywhere = all(result.state is not None for result in run.hosts.values())
    return Rotation(
        security,
        knock(security.password),
        knock,
        writes_files=everywhere,
        retires=everywhere,
        begun=bool(run.admitted),
    )


def files_change(run: Run) -> bool:
    """Whether the configuration of any running server would be written anew."""
    looked = [r for r in run.hosts.values() if r.state is not None and r.blueprint is not None]
    return any(rewritten(r.blueprint, r.state) for r in looked if r.blueprint is not None and r.state is not None)


def running(run: Run) -> tuple[Endpoint, ...]:
    """Servers that run, by what their hosts say; all servers of hosts that were not looked at."""
    found: list[Endpoint] = []
    topology = run.environment.topology
    for name, result in run.hosts.items():
        if result.state is None or result.blueprint is None:
            found += [n.endpoint for n in (*topology.nodes, *topology.spares) if n.host == name]
        else:
            manager = result.blueprint.manager
            found += [i.endpoint for i in result.blueprint.instances if is_running(i, result.state, manager)]
    return tuple(found)

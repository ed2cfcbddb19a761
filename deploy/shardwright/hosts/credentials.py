"""Whether running servers take the password of `cluster.yml`, asked before their files are written anew.

Files that hold another password than the running servers would part a cluster at the next restart of any of them: the new
one could log in nowhere. A deploy does not rotate passwords, so it refuses while the files still fit. Nothing is asked
where no file of a running server would change, which keeps it out of the runs that change nothing.
"""

from __future__ import annotations

from pyinfra.api.state import State

from ..adapters.resp import RespTransport
from ..control.observing import read_view
from ..core.parsing import look_commands
from ..errors import ObservationError, ShardwrightError
from ..model.blueprint import File
from ..model.observation import Silence
from ..model.spec import Transport
from . import looking
from .changes import Stage, is_running
from .environment import subject
from .results import HostResult, Run
from .tunnels import through_ssh

SECONDS = 5.0


def refusals(state: State, run: Run, result: HostResult) -> tuple[ShardwrightError, ...]:
    """An error if a running server of this host, whose configuration would be written anew, refuses the password."""
    assert result.state is not None
    assert result.blueprint is not None
    blueprint = result.blueprint
    rewritten = {c.action.path for c in looking.wanted(result).of(Stage.FILES) if isinstance(c.action, File)}
    asked = [
        i
        for i in blueprint.instances
        if i.config in rewritten
        and result.state.path(i.config).kind == "file"
        and is_running(i, result.state, blueprint.manager)
    ]
    if not asked:
        return ()
    spec = run.environment.spec
    connect = through_ssh(state, run) if spec.transport is Transport.SSH else None
    transport = RespTransport(spec.security.password, connect=connect)
    try:
        answers = transport.ask({i.endpoint: look_commands(()) for i in asked}, timeout=SECONDS)
        views = {e: read_view(e, answer, transport) for e, answer in answers.items()}
    finally:
        transport.close()
    refusing = [str(e) for e, v in views.items() if isinstance(v, Silence) and v.reason == "unauthorised"]
    if not refusing:
        return ()
    wanted = "the password of cluster.yml" if spec.security.password else "access without a password"
    return (
        ObservationError(
            "password-refused",
            f"{subject(result.spec)}: {', '.join(refusing)} refused {wanted}; nothing was changed",
            hint="give the password that the servers have; to change it, first on every running server: CONFIG SET "
            "masterauth, then on every one CONFIG SET requirepass, then deploy with the new one",
        ),
    )

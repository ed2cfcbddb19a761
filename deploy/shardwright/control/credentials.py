"""Whether running servers take the password of `cluster.yml`, asked before their files are written anew.

Files that hold another password than the running servers would part a cluster at the next restart of any of them: the new
one could log in nowhere. A deploy does not rotate passwords, so it refuses while the files still fit. Nothing is asked
where no file of a running server would change, which keeps it out of the runs that change nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from ..core.host.changes import Stage, changes, is_running
from ..core.host.state import HostState
from ..core.host.words import subject
from ..core.parsing import look_commands
from ..errors import ObservationError, ShardwrightError
from ..model.blueprint import Blueprint, File
from ..model.observation import Silence
from ..model.spec import HostSpec
from ..ports import Transport
from .observing import read_view

SECONDS = 5.0


def refusals(
    host: HostSpec, blueprint: Blueprint, state: HostState, connect: Callable[[], Transport], *, password: bool
) -> tuple[ShardwrightError, ...]:
    """An error if a running server of this host, whose configuration would be written anew, refuses the password.

    Args:
        host: of the spec.
        blueprint: what it should be.
        state: what was found there.
        connect: makes the transport, which is closed here; called only where there is something to ask.
        password: whether the spec has one.
    """
    rewritten = {c.action.path for c in changes(blueprint, state).of(Stage.FILES) if isinstance(c.action, File)}
    asked = [
        i
        for i in blueprint.instances
        if i.config in rewritten and state.path(i.config).kind == "file" and is_running(i, state, blueprint.manager)
    ]
    if not asked:
        return ()
    transport = connect()
    try:
        answers = transport.ask({i.endpoint: look_commands(()) for i in asked}, timeout=SECONDS)
        views = {e: read_view(e, answer, transport) for e, answer in answers.items()}
    finally:
        transport.close()
    refusing = [str(e) for e, v in views.items() if isinstance(v, Silence) and v.reason == "unauthorised"]
    if not refusing:
        return ()
    wanted = "the password of cluster.yml" if password else "access without a password"
    return (
        ObservationError(
            "password-refused",
            f"{subject(host)}: {', '.join(refusing)} refused {wanted}; nothing was changed",
            hint="give the password that the servers have; to change it, first on every running server: CONFIG SET "
            "masterauth, then on every one CONFIG SET requirepass, then deploy with the new one",
        ),
    )

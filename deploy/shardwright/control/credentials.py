"""Which running servers would get another configuration, and whether they take a password of `cluster.yml`, asked before.

Files that hold another password than the running servers would part a cluster at the next restart of any of them: the new
one could log in nowhere. So servers that take none of the passwords of `cluster.yml` are a refusal, and the others admit the
new one before files are written. Nothing is asked where no file of a running server would change, which keeps it out of the
runs that change nothing.
"""

from __future__ import annotations

from ..core.host.changes import Stage, changes, is_running
from ..core.host.state import HostState
from ..core.host.words import subject
from ..errors import ShardwrightError
from ..model.blueprint import Blueprint, File, Instance
from ..model.spec import HostSpec, Security
from .rotating import Knock, Rotation, refused


def rewritten(blueprint: Blueprint, state: HostState) -> tuple[Instance, ...]:
    """Running servers of this host whose configuration would be written anew."""
    files = {c.action.path for c in changes(blueprint, state).of(Stage.FILES) if isinstance(c.action, File)}
    return tuple(
        i
        for i in blueprint.instances
        if i.config in files and state.path(i.config).kind == "file" and is_running(i, state, blueprint.manager)
    )


def refusals(
    host: HostSpec,
    blueprint: Blueprint,
    state: HostState,
    knock: Knock,
    *,
    security: Security,
) -> tuple[ShardwrightError, ...]:
    """An error if a running server of this host, whose configuration would be written anew, takes no password of ours.

    Args:
        host: of the spec.
        blueprint: what it should be.
        state: what was found there.
        knock: makes a transport that logs in with just this password; called only where there is something to ask.
        security: the passwords.
    """
    asked = rewritten(blueprint, state)
    if not asked:
        return ()
    main = knock(security.password)
    try:
        refusing = Rotation(security, main, knock).survey(instance.endpoint for instance in asked).refusing
    finally:
        main.close()
    return (refused(refusing, security, f"{subject(host)}: "),) if refusing else ()

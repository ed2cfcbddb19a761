"""The cluster's lock (`adapters.lock`), taken on pyinfra's own connection to the first host."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from paramiko import SSHException
from pyinfra.api.host import Host
from pyinfra.api.state import State

from ..adapters import lock
from ..adapters.lock import Held
from ..core.host.words import subject
from ..errors import ObservationError
from ..model.spec import HostSpec

if TYPE_CHECKING:
    from .results import Run


def place(state: State, run: Run) -> tuple[Host, list[str]]:
    """The host that has the lock, and hosts before it that can't be reached: the spec's first one, whatever `--limit` says.

    Runs with different limits would not exclude one another otherwise.
    """
    known = {h.data.shardwright_host: h for h in state.inventory}
    missed: list[str] = []
    for spec in run.environment.spec.hosts:
        host = known[spec.name]
        if not host.connected:
            host.connect("for the lock", show_errors=False)
            run.hosts[spec.name].errors = ()
        if host.connected:
            return host, missed
        missed.append(spec.name)
    raise LookupError("no host is connected")


def hold(host: Host, spec: HostSpec, cluster: str) -> Held | None:
    """Take the cluster's lock on `host`; None where the host has no means to lock.

    Raises:
        PlanError: ``locked``, naming the run that has it.
        ObservationError: ``lock-failed``.
    """
    program = lock.words(spec, cluster)
    session = lock.on_this_machine(program) if spec.connect == "@local" else _remote(host, spec, program)
    return lock.confirm(session, subject(spec), cluster)


def _remote(host: Host, spec: HostSpec, program: list[str]) -> Held:
    connector: Any = host.connector
    try:
        channel = connector.client.get_transport().open_session(timeout=lock.ANSWER_SECONDS)
        channel.settimeout(lock.ANSWER_SECONDS)
        channel.exec_command(shlex.join(program))
    except (OSError, EOFError, SSHException) as error:
        text = f"{subject(spec)}: the lock could not be taken ({error}); nothing was changed"
        raise ObservationError("lock-failed", text, hint="see whether ssh gets there, then run again") from error
    return Held(channel)

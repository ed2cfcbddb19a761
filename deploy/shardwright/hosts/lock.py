"""The cluster's lock (`adapters.lock`), taken on pyinfra's own connection to the first host."""

from __future__ import annotations

import shlex
from typing import Any

from paramiko import SSHException
from pyinfra.api.host import Host

from ..adapters import lock
from ..adapters.lock import Held
from ..core.host.words import subject
from ..errors import ObservationError
from ..model.spec import HostSpec


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

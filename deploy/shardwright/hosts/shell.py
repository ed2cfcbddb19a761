"""Runs one script on a host: by one exec, the script on stdin, with a deadline, as root where the host wants sudo.

Knows pyinfra's connectors, nothing of what the scripts do. Scripts go by stdin and never by argv, because argv is seen by
every user of the host. sudo is asked by us and not by pyinfra's `_sudo`, which would prompt for a password in CI; and
pyinfra's own upload is avoided, as it leaves a world-readable file of a predictable name in /tmp.
"""

from __future__ import annotations

import gevent
from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host

from ..core.host import entering
from ..core.host.entering import Output
from ..core.host.words import subject
from ..errors import ObservationError
from ..model.spec import HostSpec


def read(host: Host, spec: HostSpec, script: str, *, deadline: float) -> Output:
    """Run a script that changes nothing; its text may be seen by the host's users.

    Args:
        host: pyinfra's host, connected.
        spec: the same host in the spec.
        script: POSIX shell.
        deadline: seconds for all of it.

    Raises:
        ObservationError: ``connection-lost`` or ``host-too-slow``.
    """
    return _run(host, spec, entering.READ, script, deadline)


def change(host: Host, spec: HostSpec, script: str, *, deadline: float) -> Output:
    """Run a script that may hold secrets, from a private directory, which is its `$1` and is removed at the end.

    A script that did not arrive whole is not run. Arguments and errors as of `read`.
    """
    return _run(host, spec, entering.CHANGE, f"{script}\n{entering.COMPLETE}", deadline)


def _run(host: Host, spec: HostSpec, boot: str, script: str, deadline: float) -> Output:
    command = StringCommand(entering.command(boot, sudo=spec.ssh.sudo and spec.connect != "@local"))
    late = ObservationError(
        "host-too-slow",
        f"{subject(spec)}: no end after {deadline:g} s; what was begun there may still be done",
        hint="look at the host's load and its network, then run again: what is done already is recognised",
    )
    try:
        with gevent.Timeout(deadline, late):
            # The boot script is plain sh already; no further shell around it.
            ok, output = host.run_shell_command(command, _shell_executable=None, _stdin=script)
    except (OSError, EOFError, SSHException) as error:
        raise ObservationError(
            "connection-lost",
            f"{subject(spec)}: the connection broke ({error or type(error).__name__}); what was begun may be done",
            hint="run again: what is done already is recognised",
        ) from error
    return Output(ok, entering.clean(output.stdout_lines), entering.clean(output.stderr_lines))

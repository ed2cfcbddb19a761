"""Runs one script on a host: by one exec, the script on stdin, with a deadline, as root where the host wants sudo.

Knows pyinfra's connectors, nothing of what the scripts do. Scripts go by stdin and never by argv, because argv is seen by
every user of the host. sudo is asked by us and not by pyinfra's `_sudo`, which would prompt for a password in CI; and
pyinfra's own upload is avoided, as it leaves a world-readable file of a predictable name in /tmp.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

import gevent
from paramiko import SSHException
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host

from ..errors import ObservationError
from ..model.spec import HostSpec
from .environment import subject

_AS_ROOT = """
export LC_ALL=C
say() { printf '%s\\t%s\\n' "$1" "$(printf %s "$2" | tr '\\n\\t' '  ')"; }
say login "$(id -un)"
root=
if [ "$(id -u)" != 0 ] && [ "$1" = sudo ]; then
  if refusal=$(sudo -n true 2>&1 </dev/null); then root='sudo -n -H'; else say sudo-refused "$refusal"; fi
fi
"""
_READ = _AS_ROOT + "exec $root sh -c 'eval \"$(cat)\"'"
"""Not the text as an argument of sudo, which would write all of it to the host's log at every run."""

_CHANGE = (
    _AS_ROOT
    + """
exec $root sh -c '
umask 077
base=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}
if [ "$(id -u)" = 0 ] && [ -d /run ] && [ -w /run ]; then base=/run; fi
find "$base" -maxdepth 1 -name "shardwright-run.*" -user "$(id -u)" -mmin +60 -exec rm -rf {} + 2>/dev/null
work=$(mktemp -d "$base/shardwright-run.XXXXXX") || exit 97
trap "rm -rf \\"$work\\"" EXIT
trap "exit 98" HUP INT TERM PIPE
exec 9>"$base/shardwright-change.$(id -u).lock"
left=120
until ! command -v flock >/dev/null || flock -n 9; do
  left=$((left - 1))
  [ $left -gt 0 ] || { echo "an interrupted deploy is still at work here" >&2; exit 96; }
  sleep 1
done
cat >"$work/script"
if [ "$(tail -n 1 "$work/script")" != "#complete" ]; then echo truncated; exit 99; fi
sh "$work/script" "$work" </dev/null 9>&-
'
"""
)
_CONTROL = re.compile(r"[^\t\x20-\x7e\x80-\uffff]")


@dataclass(frozen=True, slots=True)
class Output:
    """What the script printed, line by line, without control characters; `ok` if it ended with exit code 0."""

    ok: bool
    lines: tuple[str, ...]
    errors: tuple[str, ...]


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
    return _run(host, spec, _READ, script, deadline)


def change(host: Host, spec: HostSpec, script: str, *, deadline: float) -> Output:
    """Run a script that may hold secrets, from a private directory, which is its `$1` and is removed at the end.

    A script that did not arrive whole is not run. Arguments and errors as of `read`.
    """
    return _run(host, spec, _CHANGE, f"{script}\n#complete", deadline)


def _run(host: Host, spec: HostSpec, boot: str, script: str, deadline: float) -> Output:
    wants_sudo = "sudo" if spec.ssh.sudo and spec.connect != "@local" else "plain"
    command = StringCommand(f"sh -c {shlex.quote(boot)} shardwright {wants_sudo}")
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
    return Output(ok, _clean(output.stdout_lines), _clean(output.stderr_lines))


def _clean(lines: list[str]) -> tuple[str, ...]:
    return tuple(_CONTROL.sub("?", line) for line in lines)

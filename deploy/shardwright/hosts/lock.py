"""The lock against two deploys of one cluster at a time, held on the cluster's side.

A `flock` on the first host of the spec, held by a process that lives on our ssh session: when this process dies, by
whatever signal, the session ends, and with it the lock. A heartbeat frees it also if the network to us dies without a
word. The file names its owner, so that a refused run can say who is at work.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any, Protocol

import gevent
from pyinfra.api.host import Host
from pyinfra.api.state import State

from ..adapters import run_context
from ..core.host.words import subject
from ..errors import ObservationError, PlanError
from ..model.spec import HostSpec

if TYPE_CHECKING:
    from .results import Run

HEARTBEAT_SECONDS = 5
SILENCE_SECONDS = 60
ANSWER_SECONDS = 30
_TRIES = 5

_HOLD = r"""
export LC_ALL=C
base=/run
if [ "$(id -u)" != 0 ] || [ ! -w /run ]; then base=${XDG_RUNTIME_DIR:-/tmp}; fi
lock=$base/shardwright-deploy-$1.lock
command -v flock >/dev/null || { echo missing; exit 0; }
umask 022
exec 9>>"$lock" || { echo unwritable; exit 0; }
tries=$3
until flock -n 9; do
  tries=$((tries - 1))
  if [ $tries -le 0 ]; then echo "busy $(head -n 1 "$lock")"; exit 0; fi
  sleep 1
done
printf '%s\n' "$2" >"$lock"
echo held
while [ -n "$(timeout "$4" dd bs=1 count=1 2>/dev/null)" ]; do :; done
: >"$lock"
"""


class Held(Protocol):
    """A lock that is held until `release`, or until this process ends."""

    def release(self) -> None:
        """Give the lock back."""


def owner() -> str:
    """Who this run is, in one line: user@host with the CI job where there is one, process, since when."""
    return f"{run_context.actor()}, pid {os.getpid()}, since {run_context.started(run_context.now())}"


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
    words = ["sh", "-c", _HOLD, "shardwright-lock", cluster, owner(), str(_TRIES), str(SILENCE_SECONDS)]
    if spec.ssh.sudo and spec.connect != "@local":
        words = ["sh", "-c", 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -H "$@"; fi', "sh", *words]
    session = _Local(words) if spec.connect == "@local" else _Remote(host, words)
    answer = session.first_line()
    if answer == "held":
        session.beat()
        return session
    session.release()
    if answer.startswith("busy"):
        by = answer.removeprefix("busy").strip() or "another run"
        raise PlanError(
            "locked",
            f"{subject(spec)}: another deploy of {cluster} is at work: {by}; nothing was changed",
            hint="wait until it has ended; if it is dead, its lock is free within a minute",
        )
    if answer in ("missing", "unwritable"):
        return None
    text = f"{subject(spec)}: the lock could not be taken (answer: {answer or 'none'}); nothing was changed"
    raise ObservationError("lock-failed", text, hint="log in there and see whether sudo and flock work")


class _Local:
    """The lock's process on this machine."""

    def __init__(self, words: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._beats: gevent.Greenlet | None = None

    def first_line(self) -> str:
        assert self._process.stdout is not None
        with gevent.Timeout(ANSWER_SECONDS, False):
            return self._process.stdout.readline().decode().strip()
        return ""

    def beat(self) -> None:
        self._beats = gevent.spawn(self._heart)

    def _heart(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            while True:
                stdin.write(b".")
                stdin.flush()
                gevent.sleep(HEARTBEAT_SECONDS)
        except OSError:
            return

    def release(self) -> None:
        if self._beats is not None:
            self._beats.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        with gevent.Timeout(ANSWER_SECONDS, False):
            self._process.wait()


class _Remote:
    """The lock's process on a host, on a channel of pyinfra's own ssh connection."""

    def __init__(self, host: Host, words: list[str]) -> None:
        connector: Any = host.connector
        self._channel = connector.client.get_transport().open_session(timeout=ANSWER_SECONDS)
        self._channel.settimeout(ANSWER_SECONDS)
        self._channel.exec_command(shlex.join(words))
        self._beats: gevent.Greenlet | None = None

    def first_line(self) -> str:
        line = b""
        try:
            while not line.endswith(b"\n") and (part := self._channel.recv(1)):
                line += part
        except OSError:
            return ""
        return line.decode(errors="replace").strip()

    def beat(self) -> None:
        self._beats = gevent.spawn(self._heart)

    def _heart(self) -> None:
        try:
            while True:
                self._channel.sendall(b".")
                gevent.sleep(HEARTBEAT_SECONDS)
        except OSError:
            return

    def release(self) -> None:
        if self._beats is not None:
            self._beats.kill()
        self._channel.close()

"""The lock against two runs that change one cluster at a time, held on the cluster's side.

A `flock` on the first host of the spec, held by a process that lives on a stream of ours: when this process dies, by
whatever signal, the stream ends, and with it the lock. A heartbeat frees it also if the network to us dies without a
word. The file names its owner, so that a refused run can say who is at work. Deploys and `shardwright apply` take the
same lock: the former on a channel of pyinfra's connection, the latter on one of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from typing import Protocol

from ..errors import ObservationError, PlanError
from ..model.report import Finding, Severity
from ..model.spec import ClusterSpec, HostSpec
from . import run_context

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
_AS_ROOT = r"""
if [ "$(id -u)" = 0 ]; then exec "$@"; fi
said=$(sudo -n true 2>&1 </dev/null) || { echo "refused $(id -un): $said" | head -n 1; exit 0; }
exec sudo -n -H "$@"
"""


class Stream(Protocol):
    """Stdin and stdout of the lock's process: a socket, or a channel of ssh."""

    def settimeout(self, value: float | None, /) -> None:
        """Seconds for one read or write."""

    def recv(self, count: int, /) -> bytes:
        """At most `count` bytes of what it says; none at its end."""

    def sendall(self, data: bytes, /) -> None:
        """Write to it."""

    def close(self) -> None:
        """End it."""


class Sessions(Protocol):
    """Runs a program on a host, over ssh."""

    def session(self, host: HostSpec, words: list[str], *, limit: float) -> Stream:
        """Its stdin and stdout. Raises `OSError` where ssh does not get there."""


class Held:
    """The lock, held until `release`, or until this process ends."""

    def __init__(self, stream: Stream, process: subprocess.Popen[bytes] | None = None) -> None:
        self._stream, self._process = stream, process
        self._over = threading.Event()
        stream.settimeout(ANSWER_SECONDS)

    def first_line(self) -> str:
        """What the process says first; nothing if it says nothing in time."""
        line = b""
        try:
            while not line.endswith(b"\n") and (part := self._stream.recv(1)):
                line += part
        except OSError:
            return ""
        return line.decode(errors="replace").strip()

    def beat(self) -> None:
        """From now on tell the process that we live."""
        threading.Thread(target=self._heart, name="lock", daemon=True).start()

    def _heart(self) -> None:
        try:
            while True:
                self._stream.sendall(b".")
                if self._over.wait(HEARTBEAT_SECONDS):
                    return
        except OSError:
            return

    def release(self) -> None:
        """Give the lock back."""
        self._over.set()
        self._stream.close()
        if self._process is not None:
            try:
                self._process.wait(ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()


def owner() -> str:
    """Who this run is, in one line: user@host with the CI job where there is one, process, since when."""
    return f"{run_context.actor()}, pid {os.getpid()}, since {run_context.started(run_context.now())}"


def words(host: HostSpec, cluster: str) -> list[str]:
    """The program that holds the lock of `cluster` on `host`."""
    plain = ["sh", "-c", _HOLD, "shardwright-lock", cluster, owner(), str(_TRIES), str(SILENCE_SECONDS)]
    if not host.ssh.sudo or host.connect == "@local":
        return plain
    return ["sh", "-c", _AS_ROOT, "sh", *plain]


def on_this_machine(program: list[str]) -> Held:
    """The lock's process here. In a session of its own, so that Ctrl-C does not end it before us."""
    ours, its = socket.socketpair()
    with its:
        os.set_blocking(its.fileno(), True)  # under gevent sockets are not, and the process takes it as it is
        end, none = its.fileno(), subprocess.DEVNULL
        process = subprocess.Popen(program, stdin=end, stdout=end, stderr=none, start_new_session=True)
    return Held(ours, process)


def confirm(session: Held, where: str, cluster: str) -> Held | None:
    """`session` once it holds the lock; None where the host has no means to lock.

    Args:
        session: whose process was just started.
        where: the host, for messages.
        cluster: its name.

    Raises:
        PlanError: ``locked``, naming the run that has it.
        ObservationError: ``lock-failed``, or ``sudo-refused``.
    """
    answer = session.first_line()
    if answer == "held":
        session.beat()
        return session
    session.release()
    if answer.startswith("busy"):
        by = answer.removeprefix("busy").strip() or "another run"
        raise PlanError(
            "locked",
            f"{where}: another deploy or apply of {cluster} is at work: {by}; nothing was changed",
            hint="wait until it has ended; if it is dead, its lock is free within a minute",
        )
    if answer in ("missing", "unwritable"):
        return None
    if answer.startswith("refused"):
        user, _, said = answer.removeprefix("refused").strip().partition(": ")
        text = f"{where}: {user} may not use sudo without a password ({said}), so the lock could not be taken"
        rule = f"put into /etc/sudoers.d/shardwright: {user} ALL=(root) NOPASSWD: ALL"
        raise ObservationError("sudo-refused", f"{text}; nothing was changed", hint=rule)
    text = f"{where}: the lock could not be taken (answer: {answer or 'none'}); nothing was changed"
    raise ObservationError("lock-failed", text, hint="log in there and see whether sudo and flock work")


def hold_or_warn(spec: ClusterSpec, sessions: Sessions | None) -> tuple[Held | None, tuple[Finding, ...]]:
    """The lock of the spec's cluster, or the warning that there is none: whoever applies may reach the servers only.

    Args:
        spec: of the cluster; its first host has the lock.
        sessions: ssh to the hosts; not needed where the first host is this machine.

    Raises:
        PlanError: ``locked``.
    """
    first = spec.hosts[0]
    program, where = words(first, spec.name), f"{first.name} ({first.address})"
    try:
        if first.connect == "@local" or sessions is None:
            session = on_this_machine(program)
        else:
            session = Held(sessions.session(first, program, limit=ANSWER_SECONDS))
        held = confirm(session, where, spec.name)
        why = "" if held else "there is no flock there, or its directory can't be written"
    except ObservationError:
        held, why = None, "its process gave no answer there: no sudo without a password, or no flock"
    except OSError as error:
        held, why = None, str(error)
    if held is not None:
        return held, ()
    text = f"no lock is held ({why}): a deploy or apply at the same time would not be noticed"
    hint = "see that one job at a time changes the cluster; with ssh to that host the lock is taken"
    return None, (Finding("no-lock", Severity.WARNING, first.name, text, hint),)

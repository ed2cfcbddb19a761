"""Where pyinfra's run is led on our terms: it stops at the first barrier with a failed host, with our words and exit code.

pyinfra names a failed host, goes on with the others, and ends with 1. For a cluster that is wrong: a missing host must
stop the run before anything is changed anywhere, and the exit code says what to do about it. pyinfra offers callbacks for
the connecting, but only once a state is initialised, which is after the inventory was read; hence the two wrapped methods.
"""

from __future__ import annotations

import re
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gevent
from paramiko import BadHostKeyException
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State

from ..core.host.words import subject
from ..core.report_text import printable
from ..errors import ApplyError, ObservationError, ShardwrightError, merged
from . import asked
from .recording import check_writable
from .results import Run

KEEPALIVE_SECONDS = 5
DEAD_PEER_SECONDS = 20


def lead(state: State, run: Run, ended: Callable[[Run], None]) -> None:
    """Make `state` stop at the first barrier with a failed host.

    Args:
        state: pyinfra's, not initialised yet.
        run: where the hosts' errors are.
        ended: called once before such an end, to write the record.
    """
    initialise = state.init

    def init(*args: Any, **kwargs: Any) -> None:
        initialise(*args, **kwargs)
        given = state.inventory.override_data
        run.reports = Path(str(given.get("reports", run.reports)))
        _refuse_reports(run)
        try:
            asked.read(run, given, sys.argv[1:], state.inventory, state.limit_hosts)
        except ShardwrightError as error:
            run.error = error
            stop(run, ended)
        state.callback_handlers.append(_Connecting(run))

    def fail_hosts(hosts: Iterable[Host], activated_count: int | None = None) -> None:  # noqa: ARG001 - pyinfra's
        failed = set(hosts)
        if not failed:
            return
        state.failed_hosts.update(failed)
        state.active_hosts -= failed
        for host in failed:
            result = run.hosts.get(host.data.get("shardwright_host", ""))
            if result is not None and not result.errors and run.error is None and not run.recorded:
                result.errors = (_unexplained(host),)
        stop(run, ended)

    for number in (signal.SIGINT, signal.SIGTERM):
        # In a greenlet of its own, as it writes files. Not by gevent's own handlers: pyinfra has taken SIGINT from them.
        signal.signal(number, lambda n, _: gevent.spawn(_interrupted, signal.Signals(n), run, ended))
    state.init = init  # type: ignore[method-assign]
    state.fail_hosts = fail_hosts  # type: ignore[method-assign]


def _refuse_reports(run: Run) -> None:
    """A run whose record can't be written ends before any host is contacted."""
    if run.command is None or "--dry" in sys.argv:
        return
    try:
        check_writable(run)
    except ShardwrightError as error:
        run.error = error
        stop(run, lambda _: None)


def stop(run: Run, ended: Callable[[Run], None]) -> None:
    """End the process with the merged error of all hosts and its exit code.

    Raises:
        SystemExit: always.
    """
    if run.error is None and run.errors:
        run.error = merged(run.errors, subject="checks or changes")
    if not run.ended:
        run.ended = True
        ended(run)
        if run.error is not None:
            show(run.error)
    raise SystemExit(run.error.exit_code if run.error is not None else run.exit_code)


def _interrupted(number: signal.Signals, run: Run, ended: Callable[[Run], None]) -> None:
    """Say what the state is, leave the record, and end as the shell expects of this signal."""
    if run.ended:
        return
    run.error = ApplyError(
        "interrupted",
        f"ended by {number.name}; the step that each host was at may still be done there, and nothing after it",
        hint="run the same command again: what is done already is recognised",
    )
    run.ended = True
    _undo(run)
    ended(run)
    show(run.error)
    raise SystemExit(128 + number)


def _undo(run: Run) -> None:
    """Mend what is broken on purpose, before the end."""
    if run.undo is None:
        return
    print("mending what the drill has broken ...", file=sys.stderr, flush=True)
    try:
        run.undo()
    except ShardwrightError as error:
        show(error)


def show(error: ShardwrightError) -> None:
    """Print an error as the last words of the run."""
    print(printable(f"ERROR {error}"), file=sys.stderr, flush=True)


def _unexplained(host: Host) -> ShardwrightError:
    return ObservationError("host-failed", f"{host.name}: the operation failed there; its words are above")


class _Connecting(BaseStateCallback):
    """Notes why a host could not be reached, and makes connections notice a peer that is gone."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def host_connect(self, state: State, host: Host) -> None:  # type: ignore[override]  # noqa: ARG002 - pyinfra's
        client = getattr(host.connector, "client", None)
        transport = client.get_transport() if client is not None else None
        if transport is None:
            return
        transport.set_keepalive(KEEPALIVE_SECONDS)
        if isinstance(transport.sock, socket.socket):
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_SECONDS * 1000)

    def host_connect_error(  # type: ignore[override]
        self,
        state: State,  # noqa: ARG002 - pyinfra's
        host: Host,
        error: Exception,
    ) -> None:
        result = self.run.hosts[host.data.shardwright_host]
        known_hosts = result.spec.ssh.known_hosts or "~/.ssh/known_hosts"
        result.errors = (_connect_error(subject(result.spec), error, known_hosts),)


def _missing_key(text: str) -> str:
    """For whom there is no key: the host itself, or a jump host before it."""
    found = re.search(r"No host key for (\S+)", text)
    return f"no ssh host key for {found[1] if found else 'it'}"


def _connect_error(who: str, error: Exception, known_hosts: str) -> ShardwrightError:
    cause = error.__context__
    text = str(error)
    if isinstance(cause, BadHostKeyException):
        found, wanted = cause.key.fingerprint, cause.expected_key.fingerprint
        return ObservationError(
            "host-key-changed",
            f"{who}: its ssh host key is {found}, wanted {wanted} ({known_hosts}); nothing was changed on any host",
            hint="find out why it changed (a rebuilt host, or somebody in between); only then put the new key there",
        )
    if "No host key for" in text:
        return ObservationError(
            "host-key-unknown",
            f"{who}: {_missing_key(text)} in {known_hosts}; nothing was changed on any host",
            hint=f"get its key from a trusted place, or: ssh-keyscan HOST >> {known_hosts}, after comparing fingerprints",
        )
    if "Authentication" in text:
        return ObservationError(
            "ssh-refused",
            f"{who}: {text}; nothing was changed on any host",
            hint="check ssh.user and ssh.key in cluster.yml, and the user's authorized_keys on the host",
        )
    return ObservationError(
        "host-unreachable",
        f"{who}: {text}; nothing was changed on any host",
        hint="check that the host is up and that ssh reaches it from here; then run again",
    )

"""Runs one script on a host over the connection that Ansible has: the script on stdin, with a deadline.

Knows neither Ansible nor what the scripts do. Becoming root is Ansible's affair here (`become`), so its users keep their
own ways and passwords of becoming root; `ssh.sudo` of cluster.yml only gives the inventory's default.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from ..core.host import entering
from ..core.host.entering import Output
from ..core.host.words import subject
from ..errors import ObservationError, ShardwrightError
from ..model.spec import HostSpec


class Run(Protocol):
    """Runs a command line on the host with `stdin`; gives its exit code, stdout and stderr.

    Raises `NoConnection`, with the words of whatever refused, where it could not be run at all.
    """

    def __call__(self, command: str, stdin: bytes) -> tuple[int, str, str]:
        """Run it to its end."""
        ...


class NoConnection(Exception):
    """The host could not be entered; the text is what Ansible or ssh said."""


class _Late(Exception):
    """The deadline has passed."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A host of the spec, and the way into it."""

    spec: HostSpec
    run: Run

    def read(self, script: str, *, deadline: float) -> Output:
        """Run a script that changes nothing, for at most `deadline` seconds.

        Raises:
            ObservationError: the host can't be entered, or it took too long.
        """
        return self._send(entering.READ, script, deadline)

    def change(self, script: str, *, deadline: float) -> Output:
        """Run a script that may hold secrets, from a private directory; what is cut short on its way is not run."""
        return self._send(entering.CHANGE, f"{script}\n{entering.COMPLETE}", deadline)

    def _send(self, boot: str, script: str, deadline: float) -> Output:
        command = entering.command(boot, sudo=False)
        try:
            with _limit(deadline):
                code, out, errors = self.run(command, script.encode())
        except NoConnection as error:
            raise refused(self.spec, str(error)) from None
        except _Late:
            raise ObservationError(
                "host-too-slow",
                f"{subject(self.spec)}: no end after {deadline:g} s; what was begun there may still be done",
                hint="look at the host's load and its network, then run again: what is done already is recognised",
            ) from None
        return Output(code == 0, entering.clean(out.splitlines()), entering.clean(errors.splitlines()))


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """End what is inside after `seconds`, by a signal: Ansible runs each task of a host in a process of its own."""

    def late(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's arguments
        raise _Late

    before: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def refused(host: HostSpec, words: str) -> ShardwrightError:
    """The error for a host that could not be entered, by what ssh or Ansible said."""
    said = " ".join(words.split())[-400:]
    known_hosts = host.ssh.known_hosts or "known_hosts"
    for mark, code, text, hint in (
        (
            "HOST IDENTIFICATION HAS CHANGED",
            "host-key-changed",
            f"its ssh host key is not the one in {known_hosts}",
            "find out why it changed (a rebuilt host, or somebody in between); only then put the new key there",
        ),
        (
            "Host key verification failed",
            "host-key-unknown",
            f"no ssh host key for it in {known_hosts}",
            f"get its key from a trusted place, or: ssh-keyscan HOST >> {known_hosts}, after comparing fingerprints",
        ),
        (
            "Permission denied (",
            "ssh-refused",
            said,
            "check ansible_user and its key (with our inventory: ssh.user, ssh.key), and authorized_keys on the host",
        ),
        (
            "sudo password",
            "sudo-refused",
            f"{host.ssh.user or 'the user'} may not use sudo without a password ({said})",
            "give --ask-become-pass, or put into /etc/sudoers.d/shardwright: USER ALL=(root) NOPASSWD: ALL",
        ),
    ):
        if mark in words:
            return ObservationError(code, f"{subject(host)}: {text}; nothing was changed", hint=hint)
    return ObservationError(
        "host-unreachable",
        f"{subject(host)}: {said}; nothing more was done there",
        hint="check that the host is up and that ssh reaches it from here; then run again",
    )

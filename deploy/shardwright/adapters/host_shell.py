"""Runs scripts on hosts: through ssh of our own, or here for ``@local``; as root by sudo where the spec says so."""

from __future__ import annotations

import subprocess

from ..core.host.entering import Output, clean, command
from ..model.spec import HostSpec
from .ssh import SshTunnels


class HostShell:
    """A `supervisor.Shell` over the connections of `tunnels`."""

    def __init__(self, tunnels: SshTunnels) -> None:
        self._tunnels = tunnels

    def __call__(self, host: HostSpec, boot: str, script: str, seconds: float) -> Output:
        """See `supervisor.Shell`."""
        if host.connect == "@local":
            return _here(command(boot, sudo=False), script, seconds)
        code, out, err = self._tunnels.run(host, command(boot, sudo=host.ssh.sudo), script, seconds)
        return Output(code == 0, clean(out.splitlines()), clean(err.splitlines()))


def _here(words: str, script: str, seconds: float) -> Output:
    try:
        done = subprocess.run(
            ["sh", "-c", words], input=script, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no end within {seconds:.0f} s; what was begun goes on") from error
    return Output(done.returncode == 0, clean(done.stdout.splitlines()), clean(done.stderr.splitlines()))

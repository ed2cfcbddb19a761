"""Runs scripts on hosts: through ssh of our own, or here for ``@local``; as root by sudo where the spec says so."""

from __future__ import annotations

import subprocess

import paramiko

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
        words = command(boot, sudo=host.ssh.sudo)
        try:
            stdin, stdout, stderr = self._tunnels.client(host).exec_command(words, timeout=seconds)
            stdin.write(script)
            stdin.channel.shutdown_write()
            out, err = (stream.read().decode("utf-8", "replace") for stream in (stdout, stderr))
            code = stdout.channel.recv_exit_status()
        except TimeoutError as error:
            raise TimeoutError(f"no end within {seconds:.0f} s; what was begun there goes on") from error
        except (paramiko.SSHException, EOFError) as error:
            raise ConnectionError(f"ssh to {host.name}: {error}") from error
        return Output(code == 0, clean(out.splitlines()), clean(err.splitlines()))


def _here(words: str, script: str, seconds: float) -> Output:
    try:
        done = subprocess.run(
            ["sh", "-c", words], input=script, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no end within {seconds:.0f} s; what was begun goes on") from error
    return Output(done.returncode == 0, clean(done.stdout.splitlines()), clean(done.stderr.splitlines()))

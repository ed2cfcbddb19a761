"""Streams to nodes and commands on hosts through ssh connections of our own, for the command line.

Inside pyinfra its own connections are used (`hosts.tunnels`); this is for `shardwright plan|apply|verify`, which run without
it. Host keys are always checked: a key that is not known is refused, never learned.
"""

from __future__ import annotations

import shlex
import socket
from pathlib import Path
from threading import Lock
from typing import cast

import paramiko

from ..model.endpoint import Endpoint
from ..model.spec import ClusterSpec, HostSpec

CONNECT_LIMIT = 15.0
"""Seconds for one ssh connection, login included."""


class SshTunnels:
    """Opens streams to the servers of a spec through one ssh connection a host, made when first needed."""

    def __init__(self, spec: ClusterSpec) -> None:
        self._hosts = {(host.address, port): host for host in spec.hosts for port in host.ports}
        self._clients: dict[str, paramiko.SSHClient] = {}
        self._locks = {host.name: Lock() for host in spec.hosts}

    def connect(self, endpoint: Endpoint, timeout: float) -> socket.socket:
        """A stream to `endpoint`.

        Raises:
            OSError: the host or its server can't be reached; the text says which and why.
        """
        host = self._hosts.get((endpoint.host, endpoint.port))
        if host is None or host.connect == "@local":
            return socket.create_connection((endpoint.host, endpoint.port), timeout)
        try:
            transport = self.client(host).get_transport()
            if transport is None:
                raise ConnectionError(f"ssh to {host.name}: the connection is gone")
            target = (endpoint.host, endpoint.port)
            channel = transport.open_channel("direct-tcpip", target, ("127.0.0.1", 0), timeout=timeout)
        except paramiko.SSHException as error:
            raise ConnectionError(f"ssh to {host.name}: {error}") from error
        channel.settimeout(timeout)
        return cast(socket.socket, channel)

    def run(self, host: HostSpec, words: str, script: str, seconds: float) -> tuple[int, str, str]:
        """Run a command on a host with `script` as its input: exit code, what it printed, what it complained of.

        Raises:
            OSError: the host is not reached, or there was no end within `seconds`.
        """
        try:
            stdin, stdout, stderr = self.client(host).exec_command(words, timeout=seconds)
            stdin.write(script)
            stdin.channel.shutdown_write()
            out, err = (stream.read().decode("utf-8", "replace") for stream in (stdout, stderr))
            return stdout.channel.recv_exit_status(), out, err
        except TimeoutError as error:
            raise TimeoutError(f"no end within {seconds:.0f} s; what was begun there goes on") from error
        except (paramiko.SSHException, EOFError) as error:
            raise ConnectionError(f"ssh to {host.name}: {error}") from error

    def session(self, host: HostSpec, words: list[str], *, limit: float) -> paramiko.Channel:
        """A program on `host`; its stdin and stdout as a channel whose reads and writes have `limit` seconds.

        Raises:
            OSError: ssh does not get there; the text says why.
        """
        try:
            transport = self.client(host).get_transport()
            if transport is None:
                raise ConnectionError(f"ssh to {host.name}: the connection is gone")
            channel = transport.open_session(timeout=limit)
            channel.settimeout(limit)
            channel.exec_command(shlex.join(words))
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise ConnectionError(f"ssh to {host.name}: {error or type(error).__name__}") from error
        return channel

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def client(self, host: HostSpec) -> paramiko.SSHClient:
        """The connection to a host, made when first needed."""
        with self._locks[host.name]:
            if host.name not in self._clients:
                self._clients[host.name] = _login(host)
            return self._clients[host.name]


def _login(host: HostSpec) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    known = Path(host.ssh.known_hosts or "~/.ssh/known_hosts").expanduser()
    if known.exists():
        client.load_host_keys(str(known))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        host.connect or host.address,
        port=host.ssh.port,
        username=host.ssh.user,
        key_filename=str(Path(host.ssh.key).expanduser()) if host.ssh.key else None,
        timeout=CONNECT_LIMIT,
        banner_timeout=CONNECT_LIMIT,
        auth_timeout=CONNECT_LIMIT,
        sock=_jump(host),
    )
    return client


def _jump(host: HostSpec) -> paramiko.ProxyCommand | None:
    """Through a jump host by the machine's own ssh, which knows its configuration and agent."""
    if not host.ssh.jump:
        return None
    user = f"{host.ssh.user}@" if host.ssh.user and "@" not in host.ssh.jump else ""
    return paramiko.ProxyCommand(
        f"ssh -o BatchMode=yes -W {host.connect or host.address}:{host.ssh.port} {user}{host.ssh.jump}"
    )

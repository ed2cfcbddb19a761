"""Streams to nodes through the ssh connections that pyinfra has, for networks where nothing else reaches the hosts.

Needs `AllowTcpForwarding` on the hosts, which is sshd's default. A channel shares its connection's window and dies with
it; the control machine's own hosts (``@local``) are reached by plain TCP.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from paramiko import SSHException
from pyinfra.api.state import State

from ..model.endpoint import Endpoint
from .results import Run

Connect = Callable[[Endpoint, float], socket.socket]


def through_ssh(state: State, run: Run) -> Connect:
    """What `RespTransport` opens its streams with.

    The function that is returned raises `OSError` where the host or its server can't be reached.
    """
    topology = run.environment.topology
    names = {node.endpoint: node.host for node in (*topology.nodes, *topology.spares)}
    by_address = {host.address: host.name for host in run.environment.spec.hosts}

    def connect(endpoint: Endpoint, timeout: float) -> socket.socket:
        name = names.get(endpoint) or by_address.get(endpoint.host)
        host = next((h for h in state.inventory if h.data.get("shardwright_host") == name), None)
        client: Any = getattr(host.connector, "client", None) if host is not None else None
        if client is None:
            return socket.create_connection((endpoint.host, endpoint.port), timeout)
        transport = client.get_transport()
        if transport is None or not transport.is_active():
            raise ConnectionError(f"the ssh connection to {name} is gone")
        try:
            target = (endpoint.host, endpoint.port)
            channel = transport.open_channel("direct-tcpip", target, ("127.0.0.1", 0), timeout=timeout)
        except SSHException as error:
            raise ConnectionRefusedError(f"through ssh to {name}: {error}") from error
        channel.settimeout(timeout)
        return cast(socket.socket, channel)

    return connect

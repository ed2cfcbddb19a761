"""How a play logs in to servers, and `admit`: they take a new password before files are written that only it fits."""

from __future__ import annotations

from collections.abc import Mapping

from ..adapters.environment import Environment
from ..adapters.resp import RespTransport
from ..adapters.ssh import SshTunnels
from ..control.rotating import Knock, Rotation
from ..core.planning.rotating import DEFAULT
from ..model.endpoint import Endpoint
from ..model.progress import Progress
from ..model.secret import Secret
from ..model.spec import ClusterSpec, Transport
from ..model.topology import Topology


def knocking(spec: ClusterSpec, tunnels: SshTunnels) -> Knock:
    """Makes transports that log in with one password."""
    connect = tunnels.connect if spec.transport is Transport.SSH else None

    def knock(password: Secret | None) -> RespTransport:
        return RespTransport(password, user=DEFAULT, connect=connect)

    return knock


def rotation(spec: ClusterSpec, tunnels: SshTunnels, *, everywhere: bool = True, begun: bool = False) -> Rotation:
    """What changes passwords in this play; its `main` is the play's transport.

    Args:
        spec: of the cluster.
        tunnels: ways to its servers.
        everywhere: all hosts are in the play; else files of some keep the old password, so that nothing is refused.
        begun: the play has changed passwords before this.
    """
    knock = knocking(spec, tunnels)
    main = knock(spec.security.password)
    return Rotation(spec.security, main, knock, writes_files=everywhere, retires=everywhere, begun=begun)


def endpoints(topology: Topology) -> Mapping[str, Endpoint]:
    """All servers of the topology, by address and port in words."""
    return {str(node.endpoint): node.endpoint for node in (*topology.nodes, *topology.spares)}


def admit(environment: Environment, running: tuple[Endpoint, ...], progress: Progress) -> tuple[str, ...]:
    """Let running servers take the new password; gives the steps that were done.

    Raises:
        ShardwrightError: a server takes none of the passwords, or refused the change.
    """
    tunnels = SshTunnels(environment.spec)
    made = rotation(environment.spec, tunnels)
    try:
        made.admit(running, progress)
    finally:
        made.main.close()
        tunnels.close()
    return tuple(str(step) for phase in made.done for step in phase.steps)

"""Why a wait ended unmet: names the pairs of nodes and the likely cause, from one more look and from the bus ports.

Causes are tried from the most certain to the least: a closed bus port is seen by connecting, a wrong announced address and
another password by asking; only what is left is called a disagreement.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..errors import ApplyError
from ..model.endpoint import Endpoint
from ..model.observation import Role
from ..model.plan import Phase
from ..model.secret import Secret
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import BusProber, Transport, Unreachable
from .observing import look
from .passwords import unlike
from .waiting import Unmet

SHOWN = 6
"""Pairs or nodes that a message names before it only counts."""


def unmet_error(
    phase: Phase,
    unmet: Unmet,
    topology: Topology,
    transport: Transport,
    prober: BusProber | None,
    password: Secret | None,
) -> ApplyError:
    """The error for a wait of `phase` that ended with `unmet` nodes."""
    state = look(topology, transport)
    code, cause, hint = _cause(state, transport, prober, password)
    lines = [f"- {endpoint}: {lack}" for endpoint, lack in islice(unmet.items(), SHOWN)]
    if len(unmet) > SHOWN:
        lines.append(f"- and {len(unmet) - SHOWN} more")
    message = (
        f"'{phase.name}' was not done after {phase.limit:.0f} s on {len(unmet)} of {len(topology.nodes)} nodes:\n"
        + "\n".join(lines)
        + f"\nlikely cause: {cause}"
    )
    return ApplyError(code, message, hint=hint)


def bus_error(closed: tuple[Unreachable, ...]) -> ApplyError:
    """The error for bus ports that can't be reached from the other nodes' hosts."""
    lines = [f"- {u.source} -> {u.target.host}:{u.target.bus_port}: {u.reason}" for u in closed[:SHOWN]]
    if len(closed) > SHOWN:
        lines.append(f"- and {len(closed) - SHOWN} more pairs")
    ports = ", ".join(sorted({str(u.target.bus_port) for u in closed}))
    return ApplyError(
        "bus-port-closed",
        f"{len(closed)} pairs of nodes can't reach each other's bus port:\n" + "\n".join(lines),
        hint=f"open TCP {ports} between the hosts (firewall, security group), then run the same command again",
    )


def _cause(
    state: ClusterState, transport: Transport, prober: BusProber | None, password: Secret | None
) -> tuple[str, str, str]:
    if state.silences:
        silence = next(iter(state.silences.values()))
        return "nodes-silent", f"{silence.endpoint} gives no view: {silence.detail}", "bring it back and run again"
    closed = prober.probe(state.nodes, state.nodes) if prober is not None else ()
    if closed:
        error = bus_error(closed)
        return error.code, error.message, error.hint
    wrong = next(_wrong_addresses(state), None)
    if wrong is not None:
        return (
            "address-differs",
            wrong,
            "compare `address` in cluster.yml with cluster-announce-ip, -port and -bus-port",
        )
    unlinked = next(_password_differs(state, transport, password), None)
    if unlinked is not None:
        return (
            "password-differs",
            f"{unlinked} logs in at its primary with another password",
            ("CONFIG SET primaryauth (masterauth) there to the cluster's password, then run again"),
        )
    if not state.agreed:
        return (
            "nodes-disagree",
            "the nodes' views of the cluster differ",
            "compare CLUSTER NODES on the nodes named above",
        )
    return (
        "wait-timed-out",
        "the nodes were too slow (load, packet loss)",
        "run the same command again; it goes on from here",
    )


def _wrong_addresses(state: ClusterState) -> Iterator[str]:
    places = {node.id: node.view for node in state.nodes.values()}
    for endpoint, node in state.nodes.items():
        for peer in node.view.peers:
            seen = places.get(peer.id)
            if seen is not None and (peer.address, peer.port) != (seen.address, seen.endpoint.port):
                yield f"{endpoint} sees {seen.endpoint} at {peer.address or 'no address'}:{peer.port}"


def _password_differs(state: ClusterState, transport: Transport, password: Secret | None) -> Iterator[Endpoint]:
    down = [e for e, n in state.nodes.items() if n.role is Role.REPLICA and not n.view.primary_link_up]
    yield from sorted(unlike(transport, down, password))

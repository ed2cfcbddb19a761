"""`discover`: from one node of a running cluster to a look at all of its members. Read-only.

The members are those that the nodes list, asked at the addresses that they announce, because these are what a spec needs;
the address that the user typed is only the door.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core.consolidation import consolidate
from ..core.running_settings import asked_names
from ..errors import ObservationError
from ..model.endpoint import Endpoint
from ..model.observation import NodeView, Observation, PeerView, Silence
from ..model.secret import Secret
from ..model.state import ClusterState
from ..ports import Clock, Transport
from .observing import TIMEOUT, observe
from .passwords import unlike

_ROUNDS = 8
"""Looks after which the list of members must have come to an end."""
AGREE_LIMIT = 20.0
"""Seconds that views which differ have to become one, as they do by themselves after a change."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """All members with all their settings, and those with another password for replication than the cluster's."""

    state: ClusterState
    unlike: frozenset[Endpoint]


def discover(
    transport: Transport, clock: Clock, door: Endpoint, password: Secret | None = None, *, timeout: float = TIMEOUT
) -> Discovery:
    """Look at every member of the cluster that the node at `door` is in.

    Args:
        transport: that logs in with the cluster's password.
        clock: to wait by, where the views still differ.
        door: where one node answers; its bus port does not matter.
        password: to compare with what replicas log in with.
        timeout: seconds for each node and look.

    Raises:
        ObservationError: ``adopt-no-view``: the first node gave none.
    """
    first = observe(transport, [door], ())
    if door not in first.views:
        raise _no_view(first.silences[door])
    began, known = clock.now(), _members(first.views.values(), transport)
    while True:
        observation = _all(transport, known, timeout)
        state = consolidate(observation)
        if state.agreed or clock.now() - began > AGREE_LIMIT:
            return Discovery(state, unlike(transport, observation.views, password, timeout=timeout))
        clock.sleep(0.5)


def _all(transport: Transport, found: set[Endpoint], timeout: float) -> Observation:
    """A look at `found`, and at whomever those list."""
    asked: dict[Endpoint, None] = {}
    observation = Observation({}, {})
    for _ in range(_ROUNDS):
        if not found - asked.keys():
            break
        asked |= dict.fromkeys(found)
        observation = observe(transport, sorted(asked), asked_names(), timeout=timeout)
        found = _members(observation.views.values(), transport)
    return observation


def _members(views: Iterable[NodeView], transport: Transport) -> set[Endpoint]:
    return {
        _endpoint(peer, view, transport) for view in views for peer in (view.myself, *view.peers) if _asked(peer, view)
    }


def _asked(peer: PeerView, view: NodeView) -> bool:
    return not peer.handshake and bool(peer.port) and (bool(peer.address) or peer is view.myself)


def _endpoint(peer: PeerView, view: NodeView, transport: Transport) -> Endpoint:
    """Where the peer is; a node that has met nobody does not know its own address."""
    return Endpoint(peer.address or transport.address(view.endpoint), peer.port, peer.bus_port)


def _no_view(silence: Silence) -> ObservationError:
    hints = {
        "unauthorised": "give the cluster's password: --password-env NAME or --password-file FILE",
        "not-a-cluster-node": "it runs without cluster-enabled; name a node of a cluster",
        "refused": "is that the client port, and does the server run?",
        "protected": "give its servers a password, or adopt them on their own machine",
    }
    return ObservationError(
        "adopt-no-view",
        f"{silence.endpoint} gave no view ({silence.reason}: {silence.detail}); nothing was written",
        hint=hints.get(silence.reason, "is it a client port without TLS, and is it open from here?"),
    )

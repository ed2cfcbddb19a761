"""`observe`: one look at all nodes at once, read-only.

A second, small question goes only to primaries, and only where a slot has no owner or is open: how many keys of it they
hold. Without that, giving an ownerless slot away could hide the keys that somebody still has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..core.consolidation import consolidate
from ..core.fitting import fit
from ..core.parsing import Unreadable, look_commands, parse_view, printable
from ..errors import ObservationError
from ..model.endpoint import Endpoint
from ..model.observation import NodeView, Observation, Role, Silence
from ..model.slots import ALL_SLOTS, SlotSet
from ..model.state import ClusterState
from ..model.topology import Topology
from ..ports import Answer, Command, ReplyError, Transport

ALWAYS = ("maxmemory", "maxmemory-policy", "maxclients")
"""Settings that are read even where the spec does not name them: slots are moved only to where there is room, a full server
refuses writes or deletes keys, and one that may open too few files takes fewer clients than anybody asked for."""
TIMEOUT = 5.0
"""Seconds that one node has for one look, connecting included."""

_REASONS = (
    ("NOAUTH", "unauthorised"),
    ("WRONGPASS", "unauthorised"),
    ("ERR invalid password", "unauthorised"),
    ("NOPERM", "unauthorised"),
    ("LOADING", "loading"),
    ("ERR This instance has cluster support disabled", "not-a-cluster-node"),
    ("ERR unknown", "unreadable"),
)


def look(topology: Topology, transport: Transport, *, timeout: float = TIMEOUT) -> ClusterState:
    """The state of all nodes of `topology`, and of its spares as far as they are members."""
    names = [name for name, _ in (*topology.live, *topology.settings)]
    spares = [n.endpoint for n in topology.spares]
    endpoints = [*(n.endpoint for n in topology.nodes), *spares]
    return consolidate(observe(transport, endpoints, [*dict.fromkeys([*names, *ALWAYS])], timeout=timeout), spares)


def look_fitted(topology: Topology, transport: Transport) -> tuple[Topology, ClusterState]:
    """The topology as it fits the cluster, and the state as that topology sees it: who is a spare is decided by fitting."""
    state = look(topology, transport)
    return refit(topology, state, transport)


def refit(topology: Topology, state: ClusterState, transport: Transport) -> tuple[Topology, ClusterState]:
    """The same from a look at `topology` that was just taken; looks again only where other nodes are spares."""
    fitted = fit(topology, state)
    return fitted, state if fitted.spares == topology.spares else look(fitted, transport)


def observe(
    transport: Transport, endpoints: Iterable[Endpoint], settings: Sequence[str], *, timeout: float = TIMEOUT
) -> Observation:
    """Views and silences of `endpoints`; `settings` are the names to read with CONFIG GET.

    Takes at most about twice `timeout` seconds. A node that fails becomes a silence, never an exception.
    """
    asked = look_commands(settings)
    answers = transport.ask(dict.fromkeys(endpoints, asked), timeout=timeout)
    views: dict[Endpoint, NodeView] = {}
    silences: dict[Endpoint, Silence] = {}
    for endpoint, answer in answers.items():
        seen = read_view(endpoint, answer, transport)
        if isinstance(seen, Silence):
            silences[endpoint] = seen
        else:
            views[endpoint] = seen
    return Observation(_with_stray(views, transport, timeout), silences)


def read_view(endpoint: Endpoint, answer: Answer, transport: Transport) -> NodeView | Silence:
    """A node's view from its answer to `look_commands`, or why there is none."""
    if isinstance(answer, Silence):
        return answer
    refused = next((reply for reply in answer[:4] if isinstance(reply, ReplyError)), None)
    if refused is not None:
        reason = next((code for start, code in _REASONS if refused.message.startswith(start)), "unreadable")
        return Silence(endpoint, reason, printable(refused.message))
    try:
        return parse_view(endpoint, transport.address(endpoint), answer)
    except (Unreadable, ObservationError) as error:
        return Silence(endpoint, "unreadable", printable(str(error)))


def _with_stray(views: Mapping[Endpoint, NodeView], transport: Transport, timeout: float) -> dict[Endpoint, NodeView]:
    doubtful = _doubtful(views.values())
    holders = [e for e, v in views.items() if v.keys and v.myself.role is Role.PRIMARY]
    if not doubtful or not holders:
        return dict(views)
    slots = tuple(doubtful)
    count: tuple[Command, ...] = tuple(("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in slots)
    answers = transport.ask(dict.fromkeys(holders, count), timeout=timeout)
    found = dict(views)
    for endpoint, answer in answers.items():
        if isinstance(answer, Silence):
            continue
        held = {slot: n for slot, n in zip(slots, answer, strict=False) if isinstance(n, int) and n}
        found[endpoint] = replace(views[endpoint], stray=held)
    return found


def _doubtful(views: Iterable[NodeView]) -> SlotSet:
    """Slots that are open, and those without an owner.

    A node that was asked owns what it says itself: peers go on listing slots that it has given up.
    """
    seen = list(views)
    asked = {view.id for view in seen}
    owned = SlotSet()
    open_slots: list[int] = []
    for view in seen:
        owned |= view.myself.slots
        for peer in view.peers:
            if peer.id not in asked:
                owned |= peer.slots
        open_slots += [slot for slot, _ in (*view.myself.migrating, *view.myself.importing)]
    return (ALL_SLOTS - owned) | SlotSet.of(*open_slots)

"""`consolidate`: from the views of all nodes to one picture. Pure and total: odd data becomes data, never an exception.

What a node owns is taken from its own word, not from the majority's: while a cluster forms, peers lag behind, and where
two nodes claim one slot both claims must stay visible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from ..model.endpoint import Endpoint, NodeId
from ..model.observation import Health, NodeView, Observation, PeerView, Role
from ..model.slots import SlotSet
from ..model.state import ClusterState, Dispute, NodeState, OpenSlot, StrangerState

_HEALTH_ORDER = (Health.OK, Health.SUSPECT, Health.FAILED)


def consolidate(observation: Observation, spares: Collection[Endpoint] = ()) -> ClusterState:
    """One picture of all views, in the order of the endpoints.

    Args:
        observation: what all nodes said.
        spares: those that may be silent or stand alone; they are part of the picture only where they are members.
    """
    resting = _resting(observation.views, spares)
    views = {e: view for e, view in sorted(observation.views.items()) if e not in resting}
    addresses = {view.id: (view.address, view.endpoint.port) for view in views.values()}
    nodes = {endpoint: _node(view, addresses) for endpoint, view in views.items()}
    strangers = _strangers(views, frozenset(addresses))
    gone = frozenset(s.id for s in strangers if s.dead and not s.slots)
    return ClusterState(
        nodes=nodes,
        silences={e: s for e, s in sorted(observation.silences.items()) if e not in spares},
        strangers=strangers,
        duplicates=_duplicates(views),
        disputes=_disputes(nodes),
        open_slots=_open_slots(nodes),
        groups=_groups(nodes),
        agreed=_agreed(views.values(), gone),
        resting={endpoint: observation.views[endpoint] for endpoint in sorted(resting)},
    )


def _resting(views: Mapping[Endpoint, NodeView], spares: Collection[Endpoint]) -> frozenset[Endpoint]:
    """The spares that know nobody and that nobody knows.

    One that knows others is part of the picture, even if it knows none of the nodes that hold a place: a cluster all of
    whose members came to be spares would go unseen otherwise, with all that it holds.
    """
    alone = {e for e in spares if e in views and not any(not peer.handshake for peer in views[e].peers)}
    known = {peer.id for e, view in views.items() if e not in alone for peer in view.peers}
    ids = {view.id for e, view in views.items() if e not in alone}
    return frozenset(e for e in alone if views[e].id not in known | ids)


def picture(view: NodeView, without: Collection[NodeId] = ()) -> frozenset[tuple[NodeId, str, NodeId | None, int]]:
    """What a view says of the whole cluster: each node's id, role, primary and slots; handshakes are left out."""
    everyone = (view.myself, *(peer for peer in view.peers if not peer.handshake))
    return frozenset((p.id, p.role.value, p.primary_id, p.slots.mask) for p in everyone if p.id not in without)


def _agreed(views: Iterable[NodeView], without: Collection[NodeId]) -> bool:
    """Whether all pictures are the same. There are as many lines as nodes squared, and few different ones: each is read
    once, and pictures are compared as sets of numbers."""
    numbers: dict[tuple[NodeId, str, NodeId | None, int], int] = {}
    known: dict[int, int] = {}
    pictures: set[frozenset[int]] = set()
    for view in views:
        lines = set()
        for peer in (view.myself, *view.peers):
            if peer.handshake or peer.id in without:
                continue
            number = known.get(id(peer))
            if number is None:
                line = (peer.id, peer.role.value, peer.primary_id, peer.slots.mask)
                number = known[id(peer)] = numbers.setdefault(line, len(numbers))
            lines.add(number)
        pictures.add(frozenset(lines))
        if len(pictures) > 1:
            return False
    return True


def _node(view: NodeView, addresses: Mapping[NodeId, tuple[str, int]]) -> NodeState:
    met = [peer for peer in view.peers if not peer.handshake]
    return NodeState(
        view,
        knows=frozenset(peer.id for peer in met),
        cut=frozenset(peer.id for peer in met if not peer.linked),
        misplaced=frozenset(p.id for p in met if addresses.get(p.id, (p.address, p.port)) != (p.address, p.port)),
    )


def _strangers(views: Mapping[Endpoint, NodeView], asked: frozenset[NodeId]) -> tuple[StrangerState, ...]:
    seen: dict[NodeId, list[tuple[Endpoint, PeerView]]] = defaultdict(list)
    for endpoint, view in views.items():
        for peer in view.peers:
            if peer.id not in asked and not peer.handshake:
                seen[peer.id].append((endpoint, peer))
    return tuple(_stranger(node_id, lines) for node_id, lines in sorted(seen.items()))


def _stranger(node_id: NodeId, lines: list[tuple[Endpoint, PeerView]]) -> StrangerState:
    latest = max((peer for _, peer in lines), key=lambda p: (bool(p.address), p.epoch))
    slots = SlotSet()
    for _, peer in lines:
        slots |= peer.slots
    return StrangerState(
        id=node_id,
        address=latest.address,
        port=latest.port,
        health=min((peer.health for _, peer in lines), key=_HEALTH_ORDER.index),
        slots=slots,
        known_by=tuple(endpoint for endpoint, _ in lines),
    )


def _duplicates(views: Mapping[Endpoint, NodeView]) -> tuple[tuple[NodeId, tuple[Endpoint, ...]], ...]:
    holders: dict[NodeId, list[Endpoint]] = defaultdict(list)
    for endpoint, view in views.items():
        holders[view.id].append(endpoint)
    return tuple((node_id, tuple(found)) for node_id, found in sorted(holders.items()) if len(found) > 1)


def _disputes(nodes: Mapping[Endpoint, NodeState]) -> tuple[Dispute, ...]:
    claimed = SlotSet()
    twice = SlotSet()
    for node in nodes.values():
        twice |= claimed & node.slots
        claimed |= node.slots
    by_claimants: dict[tuple[Endpoint, ...], list[int]] = defaultdict(list)
    for slot in twice:
        by_claimants[tuple(e for e, n in nodes.items() if slot in n.slots)].append(slot)
    return tuple(Dispute(SlotSet.of(*slots), claimants) for claimants, slots in sorted(by_claimants.items()))


def _open_slots(nodes: Mapping[Endpoint, NodeState]) -> tuple[OpenSlot, ...]:
    """Marks of primaries only: newer servers repeat a primary's marks at its replicas. An end that follows another by now
    was failed over: who leads it has its keys, and with older servers no mark."""
    homes = {node.id: endpoint for endpoint, node in nodes.items()}
    endpoints = {node.id: homes.get(node.primary_id or node.id, endpoint) for endpoint, node in nodes.items()}
    given: dict[int, dict[Endpoint, Endpoint | None]] = defaultdict(dict)
    taken: dict[int, dict[Endpoint, Endpoint | None]] = defaultdict(dict)
    for endpoint, node in nodes.items():
        if node.role is Role.PRIMARY:
            for slot, target in node.view.myself.migrating:
                given[slot][endpoint] = endpoints.get(target)
            for slot, source in node.view.myself.importing:
                taken[slot][endpoint] = endpoints.get(source)
    return tuple(_open_slot(slot, given[slot], taken[slot], nodes) for slot in sorted(given.keys() | taken.keys()))


def _open_slot(
    slot: int,
    given: Mapping[Endpoint, Endpoint | None],
    taken: Mapping[Endpoint, Endpoint | None],
    nodes: Mapping[Endpoint, NodeState],
) -> OpenSlot:
    owner = next((endpoint for endpoint, node in nodes.items() if slot in node.slots), None)
    source = owner or next(iter(given), None) or next((e for e in taken.values() if e is not None), None)
    target = given.get(source) if source is not None else None
    if taken and target not in taken:
        target = next(iter(taken))
    return OpenSlot(slot, source, target, tuple(sorted({*given, *taken})))


def _groups(nodes: Mapping[Endpoint, NodeState]) -> tuple[frozenset[Endpoint], ...]:
    """Connected sets of nodes, by union over "knows"; a stranger that two nodes know connects them too."""
    root: dict[str, str] = {}

    def find(item: str) -> str:
        root.setdefault(item, item)
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    joined: set[frozenset[NodeId]] = set()
    for endpoint, node in nodes.items():
        circle = node.knows | {node.id}
        root[find(f"at {endpoint}")] = own = find(node.id)
        if circle in joined:
            continue
        joined.add(circle)
        for node_id in circle:
            root[find(node_id)] = own = find(own)
    members: dict[str, set[Endpoint]] = defaultdict(set)
    for endpoint in nodes:
        members[find(f"at {endpoint}")].add(endpoint)
    return _largest_first(frozenset(group) for group in members.values())


def _largest_first(groups: Iterable[frozenset[Endpoint]]) -> tuple[frozenset[Endpoint], ...]:
    return tuple(sorted(groups, key=lambda group: (-len(group), min(group))))

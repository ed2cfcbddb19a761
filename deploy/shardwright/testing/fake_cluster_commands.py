"""The CLUSTER commands of a fake server, with the refusals of the real ones word for word."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from ..model.slots import SLOT_COUNT
from ..model.wire import Reply, ReplyError
from . import fake_failover, fake_gossip, fake_migration, fake_replication, fake_reports
from .fake_replies import NO_REPLICAS, NOT_INTEGER, OK, PENDING, SYNTAX, Answered, Held, arity
from .fake_wire import Peer

if TYPE_CHECKING:
    from .fake_commands import Session
    from .fake_server import FakeServer

Handler = Callable[["FakeServer", list[str]], Reply]
BAD_SLOT = ReplyError("ERR Invalid or out of range slot")


CONFIRMING = 2.0
"""Seconds that Valkey gives its replicas to confirm that they have a slot's change."""


def run(s: FakeServer, session: Session, argv: list[bytes]) -> Answered:
    """One CLUSTER command."""
    sub = argv[1].decode("latin-1").lower()
    found = HANDLERS.get(sub)
    if found is None or (sub in VALKEY_9 and not s.valkey_9):
        return ReplyError(f"ERR unknown subcommand '{argv[1].decode('latin-1')}'. Try CLUSTER HELP.")
    handler, least, most = found
    given = [word.decode("latin-1") for word in argv[2:]]
    if not least <= len(given) <= most:
        return arity(f"cluster|{sub}")
    if sub == "setslot" and s.confirms and (held := _held_back(s, session)) is not None:
        return held
    reply = handler(s, given)
    if sub in CHANGES and not isinstance(reply, ReplyError):
        s.cluster.changed(s)
    return reply


def _held_back(s: FakeServer, session: Session) -> Answered | None:
    """All replicas that are linked take a slot's change first; nothing once they have, or where there are none."""
    feeds = [feed for feed in s.copying.feeds if feed.online]
    if session.held is None:
        if not feeds:
            return None
        fake_replication.write(s, fake_replication.NO_KEY)
        session.held = Held(len(feeds), s.copying.offset, s.clock.now() + CONFIRMING)
    held = session.held
    confirmed = sum(feed.acked >= held.offset for feed in feeds) >= held.replicas
    if not confirmed and s.clock.now() < held.until:
        return PENDING
    session.held = None
    return None if confirmed else NO_REPLICAS


def _ranges(s: FakeServer, given: list[str], *, add: bool) -> int | ReplyError:
    wanted = 0
    if len(given) % 2:
        return arity(f"cluster|{'add' if add else 'del'}slotsrange")
    for first, last in zip(given[::2], given[1::2], strict=True):
        if not all(word.isdigit() and int(word) < SLOT_COUNT for word in (first, last)):
            return BAD_SLOT
        if int(first) > int(last):
            return ReplyError(f"ERR start slot number {first} is greater than end slot number {last}")
        for slot in range(int(first), int(last) + 1):
            owned = s.assigned >> slot & 1
            if add and owned:
                return ReplyError(f"ERR Slot {slot} is already busy")
            if not add and not owned:
                return ReplyError(f"ERR Slot {slot} is already unassigned")
            if wanted >> slot & 1:
                return ReplyError(f"ERR Slot {slot} specified multiple times")
            wanted |= 1 << slot
    return wanted


def _add(s: FakeServer, given: list[str]) -> Reply:
    wanted = _quick(s, given) or _ranges(s, given, add=True)
    if isinstance(wanted, ReplyError):
        return wanted
    s.myself.slots |= wanted
    for slot in [slot for slot in s.importing if wanted >> slot & 1]:
        del s.importing[slot]
    s.update_state()
    return OK


def _quick(s: FakeServer, given: list[str]) -> int:
    """The slots of one free range, 0 where each slot must be looked at."""
    if len(given) != 2 or not all(w.isdigit() and int(w) < SLOT_COUNT for w in given) or int(given[0]) > int(given[1]):
        return 0
    wanted = ((1 << (int(given[1]) - int(given[0]) + 1)) - 1) << int(given[0])
    return 0 if s.assigned & wanted else wanted


def _add_single(s: FakeServer, given: list[str]) -> Reply:
    return _add(s, [word for slot in given for word in (slot, slot)])


def _delete(s: FakeServer, given: list[str]) -> Reply:
    wanted = _ranges(s, given, add=False)
    if isinstance(wanted, ReplyError):
        return wanted
    for peer in s.everyone:
        peer.slots &= ~wanted
    s.update_state()
    return OK


def _epoch(s: FakeServer, given: list[str]) -> Reply:
    if not given[0].lstrip("-").isdigit():
        return NOT_INTEGER
    epoch = int(given[0])
    if epoch < 0:
        return ReplyError(f"ERR Invalid config epoch specified: {epoch}")
    if s.peers:
        return ReplyError("ERR The user can assign a config epoch only when the node does not know any other node.")
    if s.myself.epoch:
        return ReplyError("ERR Node config epoch is already non-zero")
    s.myself.epoch = epoch
    s.current_epoch = max(s.current_epoch, epoch)
    return OK


def _bump(s: FakeServer, _given: list[str]) -> Reply:
    highest = max(s.current_epoch, *(peer.epoch for peer in s.everyone))
    if s.myself.epoch and s.myself.epoch == highest:
        return f"STILL {s.myself.epoch}".encode()
    fake_migration.bump(s)
    return f"BUMPED {s.myself.epoch}".encode()


def _meet(s: FakeServer, given: list[str]) -> Reply:
    host, port, bus = given[0], given[1], given[2] if len(given) > 2 else ""
    tcp = "TCP " if s.number < (7, 2) else ""
    if not port.lstrip("-").isdigit():
        return ReplyError(f"ERR Invalid {tcp}base port specified: {port}")
    if bus and not bus.lstrip("-").isdigit():
        return ReplyError(f"ERR Invalid {tcp}bus port specified: {bus}")
    bus_port = int(bus) if bus else int(port) + 10_000
    if not (0 < int(port) < 65_536 and 0 < bus_port < 65_536) and s.product == "valkey":
        return ReplyError("ERR Port number is out of range")
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        address = ""
    if not address or not (0 < int(port) < 65_536 and 0 < bus_port < 65_536):
        return ReplyError(f"ERR Invalid node address specified: {host}:{port}")
    s.cluster.meet(s, address, int(port), bus_port)
    return OK


def _forget(s: FakeServer, given: list[str]) -> Reply:
    if given[0] == s.id:
        return ReplyError("ERR I tried hard but I can't forget myself...")
    peer = s.peers.get(given[0])
    if peer is None:
        known = s.banned.get(given[0], 0.0) > s.clock.now() and s.forgives
        return OK if known else ReplyError(f"ERR Unknown node {given[0]}")
    if s.myself.replica and s.myself.primary_id == peer.id:
        return ReplyError("ERR Can't forget my master!")
    s.banned[peer.id] = s.clock.now() + fake_gossip.BAN
    fake_gossip.forget(s, peer)
    s.update_state()
    return OK


def _replicate(s: FakeServer, given: list[str]) -> Reply:
    peer = s.peers.get(given[0])
    if given[0] == s.id:
        return ReplyError("ERR Can't replicate myself")
    if peer is None or peer.handshake:
        return ReplyError(f"ERR Unknown node {given[0]}")
    if peer.replica:
        return ReplyError("ERR I can only replicate a master, not a replica.")
    if not s.myself.replica and (s.myself.slots or len(s.store)):
        return ReplyError("ERR To set a master the node must be empty and without assigned slots.")
    if s.myself.primary_id != peer.id:
        fake_replication.follow(s, peer.id)
    return OK


def _replicas(s: FakeServer, given: list[str]) -> Reply:
    peer = s.myself if given[0] == s.id else s.peers.get(given[0])
    if peer is None:
        return ReplyError(f"ERR Unknown node {given[0]}")
    if peer.replica:
        return ReplyError("ERR The specified node is not a master")
    return [fake_reports.node_line(s, p).rstrip("\n").encode() for p in s.everyone if p.primary_id == peer.id]


def _failover(s: FakeServer, given: list[str]) -> Reply:
    if given and given[0].lower() not in ("force", "takeover"):
        return SYNTAX
    if not s.myself.replica:
        return ReplyError("ERR You should send CLUSTER FAILOVER to a replica")
    primary = s.peers.get(s.myself.primary_id or "")
    if primary is None:
        return ReplyError("ERR I'm a replica but my master is unknown to me")
    if not given and (primary.fail or not s.cluster.linked(primary)):
        return ReplyError("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE")
    fake_failover.ask(s, given[0].lower() if given else "")
    return OK


def _reset(s: FakeServer, given: list[str]) -> Reply:
    hard = bool(given) and given[0].lower() == "hard"
    if given and given[0].lower() not in ("hard", "soft"):
        return SYNTAX
    if not s.myself.replica and len(s.store):
        return ReplyError("ERR CLUSTER RESET can't be called with master nodes containing keys")
    if s.myself.replica:
        fake_replication.lead(s)
        s.store.clear()
    fake_replication.close_all(s)
    for peer in list(s.peers.values()):
        fake_gossip.forget(s, peer)
    s.migrating.clear()
    s.importing.clear()
    s.myself.slots = 0
    if hard:
        at = s.myself.at
        s.new_identity()
        s.myself.at = at
    s.cluster.left(s)
    s.update_state()
    return OK


def _setslot(s: FakeServer, given: list[str]) -> Reply:
    if s.myself.replica:
        return ReplyError("ERR Please use SETSLOT only with masters.")
    if not given[0].isdigit() or int(given[0]) >= SLOT_COUNT:
        return BAD_SLOT
    slot, action = int(given[0]), given[1].lower()
    if action == "stable" and len(given) == 2:
        s.migrating.pop(slot, None)
        s.importing.pop(slot, None)
        return OK
    if action not in ("migrating", "importing", "node") or len(given) != 3:
        return ReplyError("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")
    return _open(s, slot, action, given[2]) if action != "node" else _give(s, slot, given[2])


def _open(s: FakeServer, slot: int, action: str, node_id: str) -> Reply:
    mine = bool(s.myself.slots >> slot & 1)
    if mine == (action == "importing"):
        word = "already" if mine else "not"
        return ReplyError(f"ERR I'm {word} the owner of hash slot {slot}")
    peer = s.myself if node_id == s.id else s.peers.get(node_id)
    if peer is None:
        return ReplyError(f"ERR I don't know about node {node_id}")
    if peer.replica:
        return ReplyError("ERR Target node is not a master")
    if peer is s.myself and s.valkey_9:
        return ReplyError("ERR Target node is myself")
    (s.importing if action == "importing" else s.migrating)[slot] = node_id
    return OK


def _give(s: FakeServer, slot: int, node_id: str) -> Reply:
    peer: Peer | None = s.myself if node_id == s.id else s.peers.get(node_id)
    bit = 1 << slot
    if peer is None:
        return ReplyError(f"ERR Unknown node {node_id}")
    if peer.replica:
        return ReplyError("ERR Target node is not a master")
    if s.myself.slots & bit and peer is not s.myself and s.store.in_slot(slot):
        return ReplyError(
            f"ERR Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
        )
    lost_last = peer is not s.myself and s.myself.slots == bit
    for other in s.everyone:
        other.slots &= ~bit
    peer.slots |= bit
    s.migrating.pop(slot, None)
    if peer is s.myself and s.importing.pop(slot, None) is not None:
        fake_migration.bump(s)
        fake_gossip.tell_all(s)
    if lost_last and s.settings["cluster-allow-replica-migration"] == "yes":
        fake_replication.follow(s, peer.id)
    s.update_state()
    return OK


def _count(s: FakeServer, given: list[str]) -> Reply:
    if not given[0].lstrip("-").isdigit():
        return NOT_INTEGER
    if not 0 <= int(given[0]) < SLOT_COUNT:
        return ReplyError("ERR Invalid slot")
    return len(s.store.in_slot(int(given[0])))


def _keys(s: FakeServer, given: list[str]) -> Reply:
    if not all(word.lstrip("-").isdigit() for word in given):
        return NOT_INTEGER
    slot, count = map(int, given)
    if not 0 <= slot < SLOT_COUNT or count < 0:
        return ReplyError("ERR Invalid slot or number of keys")
    return [*islice(s.store.in_slot(slot), count)]


def _shown(text: Callable[[FakeServer], str]) -> Handler:
    return lambda s, _given: text(s).encode()


HANDLERS: dict[str, tuple[Handler, int, int]] = {
    "myid": (lambda s, _g: s.id.encode(), 0, 0),
    "myshardid": (lambda s, _g: s.shard_id.encode(), 0, 0),
    "info": (_shown(fake_reports.cluster_info), 0, 0),
    "nodes": (_shown(fake_reports.nodes), 0, 0),
    "addslotsrange": (_add, 2, 10**6),
    "addslots": (_add_single, 1, 10**6),
    "delslotsrange": (_delete, 2, 10**6),
    "set-config-epoch": (_epoch, 1, 1),
    "bumpepoch": (_bump, 0, 0),
    "meet": (_meet, 2, 3),
    "forget": (_forget, 1, 1),
    "replicate": (_replicate, 1, 1),
    "replicas": (_replicas, 1, 1),
    "slaves": (_replicas, 1, 1),
    "failover": (_failover, 0, 1),
    "reset": (_reset, 0, 1),
    "setslot": (_setslot, 2, 5),
    "countkeysinslot": (_count, 1, 1),
    "getkeysinslot": (_keys, 2, 2),
    "saveconfig": (lambda _s, _g: OK, 0, 0),
    "migrateslots": (fake_migration.start, 2, 10**6),
    "getslotmigrations": (fake_migration.listed, 0, 0),
    "cancelslotmigrations": (fake_migration.cancel, 0, 0),
}
VALKEY_9 = frozenset({"migrateslots", "getslotmigrations", "cancelslotmigrations"})
CHANGES = frozenset({"addslotsrange", "addslots", "delslotsrange", "set-config-epoch", "setslot", "bumpepoch"})

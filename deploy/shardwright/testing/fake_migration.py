"""Keys and slots on the move: MIGRATE between two fake servers, and Valkey 9's atomic slot migration.

An atomic migration copies the slots' keys and the writes since, then hands the slots over in one step with a newer epoch;
until then the source serves them. If either end dies or the source stops owning a slot, nothing has moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.slots import SLOT_COUNT, SlotSet, slot_of
from ..model.wire import Reply, ReplyError
from . import fake_admin, fake_gossip, fake_replication
from .fake_replies import OK, SYNTAX

if TYPE_CHECKING:
    from .fake_commands import Session
    from .fake_server import FakeServer

KEYS_A_SECOND = 75_000
LOST_SOURCE = "Connection lost to source. Check CLUSTER GETSLOTMIGRATIONS on the source node for more information."
TARGET_ERROR = "ERR Target instance replied with error: "


def keys_of(argv: list[bytes]) -> list[bytes]:
    """The keys that a MIGRATE names."""
    upper = [word.upper() for word in argv]
    if argv[3]:
        return [argv[3]]
    return argv[upper.index(b"KEYS", 6) + 1 :] if b"KEYS" in upper[6:] else []


def migrate(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    """MIGRATE host port key|"" 0 timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key ...]."""
    upper = [word.upper() for word in argv]
    options = upper[6 : upper.index(b"KEYS", 6) if b"KEYS" in upper[6:] else None]
    user, password = _credentials(argv, options)
    now = s.clock.now()
    found = {key: value for key in keys_of(argv) if (value := s.store.get(key, now)) is not None}
    if not found:
        return b"NOKEY"
    at = (argv[1].decode(), int(argv[2]), 0)
    target = s.cluster.listening(at, client=True)
    if target is None or target.frozen or s.cluster.is_cut(s, target) or s.cluster.is_cut(target, s):
        return ReplyError("IOERR error or timeout writing to target instance")
    refused = _refused(s, target, found, user, password, replace=b"REPLACE" in options)
    for key, value in found.items() if not isinstance(refused, str) else ():
        if key in refused:
            continue
        fake_replication.write(target, (key, value, None))
        if b"COPY" not in options:
            fake_replication.write(s, (key, None, None))
    if refused:
        text = refused if isinstance(refused, str) else "BUSYKEY Target key name already exists."
        return ReplyError(TARGET_ERROR + text)
    return OK


def _credentials(argv: list[bytes], options: list[bytes]) -> tuple[str, str | None]:
    for name, count in ((b"AUTH", 1), (b"AUTH2", 2)):
        if name in options:
            at = 6 + options.index(name) + 1
            return argv[at].decode() if count == 2 else "", argv[at + count - 1].decode("utf-8", "surrogateescape")
    return "", None


def _refused(
    s: FakeServer, target: FakeServer, keys: dict[bytes, bytes], user: str, password: str | None, *, replace: bool
) -> str | set[bytes]:
    """What the target says to all of the keys, or which of them it refuses because it has them."""
    if target.passwords and password is None:
        return "NOAUTH Authentication required."
    if password is not None and (words := fake_admin.login(target, user, password)):
        return words
    slot = slot_of(next(iter(keys)))
    owner = target.owner_of(slot)
    if owner is None:
        return "CLUSTERDOWN Hash slot not served"
    if not target.ok:
        return "CLUSTERDOWN The cluster is down"
    if owner is not target.myself and slot not in target.importing:
        return f"MOVED {slot} {owner.at[0]}:{owner.at[1]}"
    return set() if replace else {key for key in keys if target.store.get(key, s.clock.now()) is not None}


def bump(s: FakeServer) -> None:
    """Take an epoch newer than all that are known, without asking anybody."""
    highest = max(s.current_epoch, *(peer.epoch for peer in s.everyone))
    if s.myself.epoch == 0 or s.myself.epoch != highest:
        s.current_epoch = highest + 1
        s.myself.epoch = s.current_epoch


@dataclass
class SlotMigration:
    """One migration as either end keeps it. `mask` are its slots."""

    name: str
    exporting: bool
    mask: int
    source: str
    target: str
    began: int
    state: str
    message: str = ""

    @property
    def over(self) -> bool:
        """Whether it has ended, one way or the other."""
        return self.state in ("success", "failed", "cancelled")


def start(s: FakeServer, given: list[str]) -> Reply:
    """CLUSTER MIGRATESLOTS SLOTSRANGE first last [first last ...] NODE id [SLOTSRANGE ...]."""
    if s.myself.replica:
        return ReplyError("ERR Slot migration can only be used on primary nodes.")
    jobs = _parse(s, given)
    if isinstance(jobs, ReplyError):
        return jobs
    for mask, node_id in jobs:
        name = s.cluster.new_id()
        now = int(s.clock.now())
        export = SlotMigration(name, True, mask, s.id, node_id, now, "connecting")
        s.migrations.insert(0, export)
        _run(s, export)
    return OK


def _parse(s: FakeServer, given: list[str]) -> list[tuple[int, str]] | ReplyError:
    jobs: list[tuple[int, str]] = []
    words = list(given)
    claimed = 0
    while words:
        if words.pop(0).lower() != "slotsrange":
            return SYNTAX
        mask = 0
        while words and words[0].lstrip("-").isdigit():
            found = _range(words)
            if isinstance(found, ReplyError):
                return found
            mask |= found
        if not mask:
            return ReplyError("ERR No slot ranges specified")
        if len(words) < 2 or words.pop(0).lower() != "node":
            return SYNTAX
        if mask & claimed:
            return ReplyError("ERR Slot ranges in migrations overlap")
        claimed |= mask
        jobs.append((mask, words.pop(0)))
    for mask, node_id in jobs:
        refused = _unfit(s, mask, node_id)
        if refused is not None:
            return refused
    return jobs


def _range(words: list[str]) -> int | ReplyError:
    if len(words) < 2 or words[1].lower() == "node":
        return ReplyError("ERR No end slot for final slot range")
    first, last = words.pop(0), words.pop(0)
    if not all(word.isdigit() and int(word) < SLOT_COUNT for word in (first, last)):
        return ReplyError("ERR Invalid or out of range slot")
    if int(first) > int(last):
        return ReplyError(f"ERR Start slot number {first} is greater than end slot number {last}.")
    return ((1 << (int(last) - int(first) + 1)) - 1) << int(first)


def _unfit(s: FakeServer, mask: int, node_id: str) -> ReplyError | None:
    if node_id == s.id:
        return ReplyError("ERR Target node can not be this node.")
    if node_id not in s.peers:
        return ReplyError(f"ERR Unknown node name: {node_id}")
    if mask & ~s.owned:
        return ReplyError("ERR Slots are not served by this node.")
    for running in s.migrations:
        both = mask & running.mask
        if both and running.exporting and not running.over:
            return ReplyError(f"ERR I am already migrating slot {(both & -both).bit_length() - 1}.")
    return None


def _run(s: FakeServer, export: SlotMigration) -> None:
    """Greet the target, copy, hand over; each a while after the other."""
    boot = s.boot

    def greet() -> None:
        if s.boot != boot or not s.running or export.over:
            return
        target = s.cluster.listening(s.peers[export.target].at, client=True) if export.target in s.peers else None
        if target is None:
            _fail(export, "Unable to connect to target node: Connection refused")
        elif target.frozen or s.frozen or s.cluster.is_cut(s, target) or s.cluster.is_cut(target, s):
            export.state = "reading-establish-response"
            s.clock.after(0.1, greet)
        elif target.myself.replica:
            refused = "ERR Slot migration can only be used on primary nodes."
            _fail(export, f"Received error during handshake to target: -{refused}\r\n")
        else:
            _copy(s, target, export)

    s.clock.after(s.cluster.delay(), greet)


def _fail(migration: SlotMigration, message: str) -> None:
    migration.state, migration.message = "failed", message


def _copy(s: FakeServer, target: FakeServer, export: SlotMigration) -> None:
    boots = (s.boot, target.boot)
    incoming = SlotMigration(
        export.name, False, export.mask, export.source, export.target, export.began, "receiving-snapshot"
    )
    target.migrations.insert(0, incoming)
    export.state = "waiting-to-snapshot"
    keys = sum(len(s.store.in_slot(slot)) for slot in s.store.slots() if export.mask >> slot & 1)

    def finish() -> None:
        together = boots == (s.boot, target.boot) and s.running and target.running and target.id == export.target
        if not together or s.cluster.is_cut(s, target) or s.cluster.is_cut(target, s) or target.myself.replica:
            _fail(incoming, LOST_SOURCE)
            if not export.over:
                _fail(export, "Connection lost to target")
        elif export.over or export.mask & ~s.owned:
            _fail(incoming, LOST_SOURCE)
            export.state = export.state if export.over else "failed"
        elif target.frozen or s.frozen:
            s.clock.after(0.1, finish)
        else:
            _hand_over(s, target, export.mask)
            export.state = incoming.state = "success"

    s.clock.after(0.15 + keys / KEYS_A_SECOND, finish)


def _hand_over(s: FakeServer, target: FakeServer, mask: int) -> None:
    for slot in [slot for slot in s.store.slots() if mask >> slot & 1]:
        for key, value in s.store.in_slot(slot).items():
            fake_replication.write(target, (key, value, None))
        for key in list(s.store.in_slot(slot)):
            fake_replication.write(s, (key, None, None))
    for end in (target, s):
        for peer in end.everyone:
            peer.slots &= ~mask
            if peer.id == target.id:
                peer.slots |= mask
    bump(target)
    s.peers[target.id].epoch = target.myself.epoch
    fake_gossip.tell_all(target)
    if not s.myself.slots and s.settings["cluster-allow-replica-migration"] == "yes":
        fake_replication.follow(s, target.id)
    for end in (target, s):
        end.update_state()
        end.cluster.changed(end)


def listed(s: FakeServer, _given: list[str]) -> Reply:
    """CLUSTER GETSLOTMIGRATIONS."""
    return [_entry(m) for m in s.migrations]


def _entry(m: SlotMigration) -> Reply:
    slots = " ".join(f"{r.first}-{r.last}" for r in SlotSet(m.mask).ranges())
    fields: list[tuple[str, str | int]] = [
        ("name", m.name),
        ("operation", "EXPORT" if m.exporting else "IMPORT"),
        ("slot_ranges", slots),
        ("target_node", m.target),
        ("source_node", m.source),
        ("create_time", m.began),
        ("last_update_time", m.began),
        ("last_ack_time", m.began),
        ("state", m.state),
        ("message", m.message),
        ("cow_size", 0),
        ("remaining_repl_size", 0),
    ]
    return [
        item for name, value in fields for item in (name.encode(), value if isinstance(value, int) else value.encode())
    ]


def cancel(s: FakeServer, _given: list[str]) -> Reply:
    """CLUSTER CANCELSLOTMIGRATIONS."""
    running = [m for m in s.migrations if m.exporting and not m.over]
    if not running:
        return ReplyError("ERR No migrations ongoing")
    for export in running:
        export.state = "cancelled"
        for server in s.cluster.servers:
            for incoming in server.migrations:
                if incoming.name == export.name and not incoming.exporting:
                    _fail(incoming, LOST_SOURCE)
    return OK

"""How a fake server answers commands: who may, whether here, then what. In the servers' order and words.

The CLUSTER commands are in `fake_cluster_commands`, MIGRATE and slot migrations in `fake_migration`, passwords and
settings in `fake_admin`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.secret import Secret
from ..model.slots import slot_of
from ..model.wire import Command, Reply, ReplyError
from . import fake_admin, fake_cluster_commands, fake_migration, fake_replication, fake_reports
from .fake_replies import NO_REPLICAS, NOT_INTEGER, OK, PENDING, SYNTAX, Answered, Held, arity

if TYPE_CHECKING:
    from .fake_server import FakeServer


@dataclass
class Session:
    """One client's connection: whether it has logged in, and its modes."""

    logged_in: bool = False
    readonly: bool = False
    asking: bool = False
    waiting_since: float | None = None
    held: Held | None = None


@dataclass(frozen=True)
class Spec:
    """A command: its least and most words, whether it writes, where its keys are."""

    run: Callable[[FakeServer, Session, list[bytes]], Answered]
    least: int = 1
    most: int = 10**9
    writes: bool = False
    keys: Callable[[list[bytes]], list[bytes]] | None = None


def words(command: Command) -> list[bytes]:
    """The words of a command as they go over the wire."""
    plain = (w.reveal() if isinstance(w, Secret) else w for w in command)
    return [w if isinstance(w, bytes) else str(w).encode() for w in plain]


def execute(s: FakeServer, session: Session, argv: list[bytes]) -> Answered:
    """Answer one command."""
    name = argv[0].decode("latin-1").lower()
    spec = COMMANDS.get(name)
    if spec is None:
        rest = "".join(f"'{a.decode('latin-1')}' " for a in argv[1:])
        return ReplyError(f"ERR unknown command '{argv[0].decode('latin-1')}', with args beginning with: {rest}")
    if not spec.least <= len(argv) <= spec.most:
        return arity(name)
    if s.passwords and not session.logged_in and name != "auth":
        return ReplyError("NOAUTH Authentication required.")
    asking, session.asking = session.asking, False
    if spec.keys is not None:
        elsewhere = redirect(s, session, spec, argv, asking)
        if elsewhere is not None:
            return elsewhere
    if spec.writes:
        if s.election.pause_until and not s.myself.replica:
            session.asking = asking
            return PENDING
        refused = _unwritable(s)
        if refused is not None:
            return refused
    return spec.run(s, session, argv)


def _unwritable(s: FakeServer) -> ReplyError | None:
    needed = int(s.settings["min-replicas-to-write"])
    if s.myself.replica:
        return ReplyError("READONLY You can't write against a read only replica.")
    if needed and fake_reports.good_replicas(s) < needed:
        return NO_REPLICAS
    return None


def redirect(s: FakeServer, session: Session, spec: Spec, argv: list[bytes], asking: bool) -> ReplyError | None:
    """Where the keys of a command are, if not here."""
    keys = spec.keys(argv) if spec.keys else []
    slots = list(dict.fromkeys(slot_of(key) for key in keys))
    if not slots:
        return None
    crossing = ReplyError("CROSSSLOT Keys in request don't hash to the same slot")
    if len(slots) > 1 and s.valkey_9:
        return crossing
    slot = slots[0]
    owner = s.owner_of(slot)
    if owner is None:
        return ReplyError("CLUSTERDOWN Hash slot not served")
    if len(slots) > 1:
        return crossing
    if not s.ok:
        return ReplyError("CLUSTERDOWN The cluster is down")
    return _by_owner(s, session, spec, keys, slot, asking)


def _by_owner(
    s: FakeServer, session: Session, spec: Spec, keys: list[bytes], slot: int, asking: bool
) -> ReplyError | None:
    owner = s.owner_of(slot)
    assert owner is not None
    missing = [key for key in keys if s.store.get(key, s.clock.now()) is None]
    moving = slot in s.migrating or slot in s.importing
    if moving and spec.run is fake_migration.migrate:
        return None
    if owner is s.myself and slot in s.migrating and missing:
        if len(missing) < len(set(keys)):
            return ReplyError("TRYAGAIN Multiple keys request during rehashing of slot")
        target = s.peers.get(s.migrating[slot])
        return _to("ASK", slot, target.at) if target is not None else None
    if owner is s.myself:
        return None
    if slot in s.importing and asking:
        if len(keys) > 1 and missing:
            return ReplyError("TRYAGAIN Multiple keys request during rehashing of slot")
        return None
    if s.myself.replica and session.readonly and not spec.writes and owner.id == s.myself.primary_id:
        return None
    return _to("MOVED", slot, owner.at)


def _to(word: str, slot: int, at: tuple[str, int, int]) -> ReplyError:
    return ReplyError(f"{word} {slot} {at[0]}:{at[1]}")


def _ping(_s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    return argv[1] if len(argv) > 1 else b"PONG"


def _get(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    return s.store.get(argv[1], s.clock.now())


def _mget(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    return [s.store.get(key, s.clock.now()) for key in argv[1:]]


def _exists(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    return sum(s.store.get(key, s.clock.now()) is not None for key in argv[1:])


def _set(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    ends, rest, present = None, [w.upper() for w in argv[3:]], s.store.get(argv[1], s.clock.now()) is not None
    only: bytes | None = None
    while rest:
        word = rest.pop(0)
        if word in (b"NX", b"XX") and only in (None, word):
            only = word
        elif word in (b"EX", b"PX") and rest and ends is None:
            amount = rest.pop(0)
            if not amount.lstrip(b"-").isdigit():
                return NOT_INTEGER
            if int(amount) <= 0:
                return ReplyError("ERR invalid expire time in 'set' command")
            ends = s.clock.now() + int(amount) / (1 if word == b"EX" else 1000)
        else:
            return SYNTAX
    if (only == b"NX" and present) or (only == b"XX" and not present):
        return None
    fake_replication.write(s, (argv[1], argv[2], ends))
    return OK


def _del(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    found = [key for key in dict.fromkeys(argv[1:]) if s.store.get(key, s.clock.now()) is not None]
    for key in found:
        fake_replication.write(s, (key, None, None))
    return len(found)


def _incr(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    value = s.store.get(argv[1], s.clock.now()) or b"0"
    if not value.lstrip(b"-").isdigit():
        return NOT_INTEGER
    fake_replication.write(s, (argv[1], str(int(value) + 1).encode(), None))
    return int(value) + 1


def _flush(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    if len(argv) > 1 and argv[1].upper() not in (b"SYNC", b"ASYNC"):
        return SYNTAX
    fake_replication.write(s, fake_replication.FLUSH)
    return OK


def _function(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    """FUNCTION FLUSH: no server here has any, and the change is passed on all the same."""
    if [w.upper() for w in argv[1:]] not in ([b"FLUSH"], [b"FLUSH", b"SYNC"], [b"FLUSH", b"ASYNC"]):
        return SYNTAX
    fake_replication.write(s, fake_replication.NO_KEY)
    return OK


def _mode(name: str, value: bool) -> Callable[[FakeServer, Session, list[bytes]], Reply]:
    def change(_s: FakeServer, session: Session, _argv: list[bytes]) -> Reply:
        setattr(session, name, value)
        return OK

    return change


def _select(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    refused = "DB index is out of range" if s.valkey_9 else "SELECT is not allowed in cluster mode"
    return OK if argv[1] == b"0" else ReplyError(f"ERR {refused}")


def _wait(s: FakeServer, session: Session, argv: list[bytes]) -> Answered:
    if not (argv[1].isdigit() and argv[2].isdigit()):
        return NOT_INTEGER
    wanted, limit = int(argv[1]), int(argv[2]) / 1000
    session.waiting_since = session.waiting_since if session.waiting_since is not None else s.clock.now()
    reached = sum(feed.online and feed.acked >= s.copying.offset for feed in s.copying.feeds)
    if reached < wanted and (not limit or s.clock.now() - session.waiting_since < limit):
        return PENDING
    session.waiting_since = None
    return reached


def _info(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    return fake_reports.info(s, {w.decode("latin-1").lower() for w in argv[1:]}).encode()


def _client(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    """CLIENT LIST TYPE MASTER: the link to its primary, while it is up."""
    if [w.upper() for w in argv[1:]] != [b"LIST", b"TYPE", b"MASTER"]:
        return SYNTAX
    link = s.copying.link
    if link is None or not link.online:
        return b""
    age = int(s.clock.now() - link.began)
    return f"id=3 addr={s.peers[s.myself.primary_id or ''].at[0]} age={age} idle=0 flags=M db=0\n".encode()


def _dbsize(s: FakeServer, _session: Session, _argv: list[bytes]) -> Reply:
    return len(s.store)


def _memory(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    """MEMORY USAGE; about what a real server says of a short string."""
    if argv[1].upper() != b"USAGE":
        return SYNTAX
    value = s.store.get(argv[2], s.clock.now())
    return None if value is None else 56 + len(argv[2]) + len(value)


def _dump(s: FakeServer, _session: Session, argv: list[bytes]) -> Reply:
    """DUMP, in a form of its own: the value, and ten bytes in place of version and checksum."""
    value = s.store.get(argv[1], s.clock.now())
    return None if value is None else b"\0" + value + bytes(10)


def _role(s: FakeServer, _session: Session, _argv: list[bytes]) -> Reply:
    c = s.copying
    if s.myself.replica:
        at = s.peers[s.myself.primary_id or ""].at
        return [b"slave", at[0].encode(), at[1], b"connected" if c.up else b"connect", c.offset]
    feeds: list[Reply] = [
        [f.replica.at[0].encode(), str(f.replica.at[1]).encode(), str(f.acked).encode()] for f in c.feeds
    ]
    return [b"master", c.offset, feeds]


def _one(argv: list[bytes]) -> list[bytes]:
    return argv[1:2]


def _second(argv: list[bytes]) -> list[bytes]:
    return argv[2:3]


def _all(argv: list[bytes]) -> list[bytes]:
    return argv[1:]


COMMANDS: dict[str, Spec] = {
    "ping": Spec(_ping, 1, 2),
    "get": Spec(_get, 2, 2, keys=_one),
    "mget": Spec(_mget, 2, keys=_all),
    "exists": Spec(_exists, 2, keys=_all),
    "set": Spec(_set, 3, writes=True, keys=_one),
    "del": Spec(_del, 2, writes=True, keys=_all),
    "unlink": Spec(_del, 2, writes=True, keys=_all),
    "incr": Spec(_incr, 2, 2, writes=True, keys=_one),
    "flushall": Spec(_flush, 1, writes=True),
    "function": Spec(_function, 2, writes=True),
    "dbsize": Spec(_dbsize, 1, 1),
    "readonly": Spec(_mode("readonly", True), 1, 1),
    "readwrite": Spec(_mode("readonly", False), 1, 1),
    "asking": Spec(_mode("asking", True), 1, 1),
    "select": Spec(_select, 2, 2),
    "wait": Spec(_wait, 3, 3),
    "auth": Spec(fake_admin.auth, 2, 3),
    "acl": Spec(fake_admin.acl, 2),
    "config": Spec(fake_admin.config, 2),
    "info": Spec(_info, 1),
    "client": Spec(_client, 2),
    "role": Spec(_role, 1, 1),
    "memory": Spec(_memory, 3, 3, keys=_second),
    "dump": Spec(_dump, 2, 2, keys=_one),
    "cluster": Spec(fake_cluster_commands.run, 2),
    "migrate": Spec(fake_migration.migrate, 6, writes=True, keys=fake_migration.keys_of),
}
READS: Final = frozenset(
    {
        "ping",
        "get",
        "mget",
        "exists",
        "dbsize",
        "readonly",
        "readwrite",
        "asking",
        "select",
        "wait",
        "auth",
        "info",
        "client",
        "role",
        "memory",
        "dump",
    }
)
CLUSTER_READS: Final = frozenset(
    {
        "myid",
        "myshardid",
        "info",
        "nodes",
        "replicas",
        "slaves",
        "countkeysinslot",
        "getkeysinslot",
        "getslotmigrations",
    }
)


def is_effect(commands: Sequence[Command]) -> bool:
    """Whether a pipeline changes anything at the server."""
    return any(_changes(words(command)) for command in commands)


def _changes(argv: list[bytes]) -> bool:
    name = argv[0].decode("latin-1").lower()
    sub = argv[1].decode("latin-1").lower() if len(argv) > 1 else ""
    if name == "cluster":
        return sub not in CLUSTER_READS
    if name in ("config", "acl"):
        return sub not in ("get", "list", "whoami")
    return name not in READS

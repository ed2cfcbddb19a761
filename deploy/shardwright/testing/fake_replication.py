"""Asynchronous replication between fake servers: offsets, partial and full synchronisation, what is lost when.

An acknowledged write is in its primary's memory and on its way. When a process is killed, what it had handed to the kernel
still arrives; when its host is lost, it does not. A former primary that has more than its successor throws that away.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from . import fake_admin, fake_failover

if TYPE_CHECKING:
    from .fake_server import FakeServer

RDB_VERSIONS = {
    "redis": (((8, 0), 13), ((7, 4), 12), ((7, 2), 11), ((0, 0), 10)),
    "valkey": (((9, 0), 80), ((0, 0), 11)),
}
"""Version of the format of a whole copy, by product and the first series that writes it: who knows only lower ones can't
load it. Valkey skipped those that Redis took after 7.2."""

Change = tuple[bytes, bytes | None, float | None]
"""Key, value and expiry; no value: deleted; the empty change (no key): everything is deleted."""
FLUSH: Change = (b"", None, None)
NO_KEY: Change = (b"", b"", 0.0)
"""What changes no key, and is passed on all the same."""


class Feed:
    """One replica's connection to its primary."""

    def __init__(self, primary: FakeServer, replica: FakeServer) -> None:
        self.primary, self.replica = primary, replica
        self.alive = True
        self.online = False
        self.source = primary.copying
        self.acked = 0
        self.began = self.heard = self.acknowledged = primary.clock.now()

    @property
    def lag(self) -> int:
        """Whole seconds since the replica last said how far it is."""
        return int(self.primary.clock.now() - self.acknowledged)


class Copying:
    """Replication of one server process: its history, its replicas, its link to its primary."""

    def __init__(self, s: FakeServer) -> None:
        self.s = s
        self.offset = 0
        self.replid = s.cluster.new_id()
        self.replid2 = "0" * 40
        self.second_offset = -1
        self.active = False
        self.ends: list[int] = []
        self.changes: list[Change] = []
        self.backlog_start = 1
        self.feeds: list[Feed] = []
        self.link: Feed | None = None
        self.connecting = False
        self.syncing = False
        self.down_since = s.clock.now()

    @property
    def up(self) -> bool:
        """Whether the link to the primary carries writes."""
        return self.link is not None and self.link.online

    def age(self) -> float:
        """Seconds since the primary was last heard of over the link."""
        now = self.s.clock.now()
        return now - (self.link.heard if self.link is not None and self.link.online else self.down_since)

    def record(self, change: Change, end: int) -> None:
        """Add a change to the history that a partial synchronisation is served from."""
        self.offset = end
        self.ends.append(end)
        self.changes.append(change)
        limit = int(self.s.settings["repl-backlog-size"])
        if end - self.backlog_start > 2 * limit:
            cut = bisect_right(self.ends, end - limit)
            self.backlog_start = self.ends[cut - 1] + 1 if cut else self.backlog_start
            del self.ends[:cut], self.changes[:cut]

    def serves(self, replid: str, offset: int) -> bool:
        """Whether a replica with that history can go on from its offset."""
        mine = replid == self.replid and offset <= self.offset
        former = replid == self.replid2 and offset < self.second_offset
        return self.active and (mine or former) and offset + 1 >= self.backlog_start


def apply(s: FakeServer, change: Change) -> None:
    """Change the keys."""
    key, value, ends = change
    if change is NO_KEY:
        return
    if change is FLUSH or (not key and value is None):
        s.store.clear()
    elif value is None:
        s.store.drop(key)
    else:
        s.store.put(key, value, ends)


def write(s: FakeServer, change: Change) -> None:
    """A change at a primary: done, and on its way to the replicas."""
    apply(s, change)
    c = s.copying
    if not c.active:
        return
    c.record(change, c.offset + 30 + len(change[0]) + len(change[1] or b""))
    for feed in c.feeds:
        _kick(feed)


def _kick(feed: Feed) -> None:
    if feed.online and feed.alive:
        sent = feed.primary.copying.offset
        feed.primary.clock.after(feed.primary.cluster.delay(), lambda: _pump(feed, sent))


def _pump(feed: Feed, sent: int) -> None:
    primary, replica = feed.primary, feed.replica
    if feed.alive and not replica.frozen and not primary.cluster.is_cut(primary, replica):
        _deliver(feed, sent)


def _deliver(feed: Feed, sent: int) -> None:
    """What the primary sent up to an offset and the replica has not; the replica says how far it is."""
    primary, replica = feed.primary, feed.replica
    source, own = feed.source, replica.copying
    feed.heard = primary.clock.now()
    first, last = bisect_right(source.ends, own.offset), bisect_right(source.ends, sent)
    for change, end in zip(source.changes[first:last], source.ends[first:last], strict=True):
        apply(replica, change)
        own.record(change, end)
    if not primary.cluster.is_cut(replica, primary):
        feed.acked, feed.acknowledged = own.offset, primary.clock.now()
    if replica.election.manual_until:
        fake_failover.cron(replica)


def cron(s: FakeServer) -> None:
    """Once a second: connect again, show a sign of life, give up what has been silent for too long."""
    if s.myself.replica:
        connect(s)
        link = s.copying.link
        if link is not None and s.clock.now() - link.heard > int(s.settings["repl-timeout"]):
            close(link)
    for feed in list(s.copying.feeds):
        if feed.online:
            _pump(feed, s.copying.offset)
        if s.clock.now() - feed.acknowledged > int(s.settings["repl-timeout"]):
            close(feed)


def connect(s: FakeServer) -> None:
    """A replica without a link asks its primary for one."""
    c = s.copying
    primary = s.peers.get(s.myself.primary_id or "")
    if not s.running or c.link is not None or c.connecting or primary is None or not s.myself.replica:
        return
    target = s.cluster.listening(primary.at, client=True)
    if target is None or s.cluster.is_cut(s, target) or s.cluster.is_cut(target, s):
        return
    c.connecting = True
    boots = (s.boot, target.boot)

    def greet() -> None:
        if s.copying is not c:
            return
        c.connecting = False
        if boots == (s.boot, target.boot) and target.running and s.myself.primary_id == primary.id:
            _synchronise(s, target)

    s.clock.after(s.cluster.delay(), greet)


def _synchronise(s: FakeServer, target: FakeServer) -> None:
    c, source = s.copying, target.copying
    auth = s.settings["masterauth"]
    if (target.passwords and not auth) or (auth and fake_admin.login(target, s.settings["masteruser"], auth)):
        return
    if target is s or (target.myself.replica and not source.up):
        return
    feed = c.link = Feed(target, s)
    source.feeds.append(feed)
    if source.serves(c.replid, c.offset):
        c.replid, c.replid2, c.second_offset = source.replid, source.replid2, source.second_offset
        c.active = feed.online = True
        _kick(feed)
        return
    if not _readable(s, target):
        close(feed)
        return
    if not source.active:
        source.active, source.replid = True, s.cluster.new_id()
        source.backlog_start = source.offset + 1
    wait = int(target.settings["repl-diskless-sync-delay"])
    s.clock.after(wait + s.cluster.delay(), lambda: _transfer(feed))


def _format(s: FakeServer) -> int:
    return next(number for series, number in RDB_VERSIONS[s.product] if s.number >= series)


def _readable(s: FakeServer, source: FakeServer) -> bool:
    """Whether a server can load the whole copy that the other sends."""
    sent, known = _format(source), _format(s)
    return sent <= known and not (s.product == "valkey" and source.product == "redis" and sent > 11)


def _transfer(feed: Feed) -> None:
    s, source = feed.replica, feed.source
    if not feed.alive:
        return
    c = s.copying
    c.syncing = True
    values = feed.primary.store.values()
    history = (source.replid, source.replid2, source.second_offset, source.offset)

    def loaded() -> None:
        if not feed.alive:
            return
        s.store.load(values)
        c.replid, c.replid2, c.second_offset, c.offset = history
        c.ends, c.changes, c.backlog_start = [], [], c.offset + 1
        c.syncing, c.active, feed.online = False, True, True
        feed.heard = feed.acknowledged = s.clock.now()
        feed.acked = c.offset
        _kick(feed)

    s.clock.after(2 * s.cluster.delay() + len(values) / 500_000, loaded)


def close(feed: Feed) -> None:
    """The connection is gone for both ends."""
    feed.alive = False
    if feed in feed.source.feeds:
        feed.source.feeds.remove(feed)
    c = feed.replica.copying
    if c.link is feed:
        c.link, c.syncing, c.down_since = None, False, feed.primary.clock.now()


def close_all(s: FakeServer) -> None:
    """Every connection of replication is gone."""
    for feed in list(s.copying.feeds):
        close(feed)
    if s.copying.link is not None:
        close(s.copying.link)


def end(s: FakeServer, *, host_lost: bool) -> None:
    """The process ends: the kernel still sends what it has and says goodbye, unless the host is lost too."""
    for feed in list(s.copying.feeds):
        if host_lost:
            continue
        if feed.online and not feed.replica.frozen and not s.cluster.is_cut(s, feed.replica):
            _deliver(feed, s.copying.offset)
        close(feed)
    if s.copying.link is not None and not host_lost:
        close(s.copying.link)


def lead(s: FakeServer) -> None:
    """From replica to primary, with a history of its own that begins where the old one ends."""
    c = s.copying
    if c.link is not None:
        close(c.link)
    s.myself.replica, s.myself.primary_id = False, None
    c.replid2, c.second_offset, c.replid = c.replid, c.offset + 1, s.cluster.new_id()


def follow(s: FakeServer, primary_id: str) -> None:
    """Become a replica of another; the keys are replaced if its history differs."""
    c = s.copying
    for feed in list(c.feeds):
        close(feed)
    if c.link is not None:
        close(c.link)
    s.myself.replica, s.myself.primary_id, s.myself.slots = True, primary_id, 0
    s.migrating.clear()
    s.importing.clear()
    fake_failover.begin_anew(s)
    c.down_since = s.clock.now()
    connect(s)
    s.update_state()
    s.cluster.changed(s)

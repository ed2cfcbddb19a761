"""Gossip without messages, for clusters of hundreds of fake servers: everybody hears at once what somebody is.

What is believed after hearing is the same code as with messages; only how news travels is not simulated. Failures are
noticed by all at once, when the node timeout has passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import fake_beliefs, fake_failover, fake_gossip, fake_replication
from .fake_wire import Address, Kind, Link, Message, Peer

if TYPE_CHECKING:
    from .fake_cluster import FakeCluster
    from .fake_server import FakeServer

TICK = 0.5
STANDING: Final[Link] = Link.__new__(Link)
"""The link to every peer that is up."""
STANDING.open = STANDING.up = False


class Instant:
    """Does nothing where gossip is simulated by messages."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._news: dict[FakeServer, None] = {}
        if cluster.instant:
            cluster.clock.every(TICK, self._tick)

    def meet(self, server: FakeServer, at: Address) -> None:
        """Both clusters become one."""
        other = self._cluster.listening(at)
        if other is not None and other is not server and other.id not in server.peers:
            self._cluster.clock.after(self._cluster.delay(), lambda: self._join(server, other))

    def _join(self, one: FakeServer, other: FakeServer) -> None:
        if other.id in one.peers or not one.running or not other.running:
            return
        groups = self._group(one), self._group(other)
        for mine, theirs in (groups, groups[::-1]):
            for server in mine:
                server.myself.at = server.at
                for member in theirs:
                    if member is not server and member.id not in server.peers:
                        peer = Peer(member.id, member.at, server.clock.now())
                        peer.link, peer.pong_received = STANDING, server.clock.now()
                        server.peers[member.id] = peer
        for server in (*groups[0], *groups[1]):
            self.changed(server)

    def _group(self, server: FakeServer) -> list[FakeServer]:
        by_id = {other.id: other for other in self._cluster.servers if other.running}
        return [server, *(by_id[node_id] for node_id in server.peers if node_id in by_id)]

    def changed(self, server: FakeServer) -> None:
        """Tell everybody, a moment later and once for all changes of that moment."""
        if self._cluster.instant and server.running:
            if not self._news:
                self._cluster.clock.after(self._cluster.delay(), self._tell)
            self._news[server] = None

    def _tell(self) -> None:
        news, self._news = self._news, {}
        told = [(server, fake_gossip.message(server, Kind.PONG)) for server in news]
        for receiver in [server for server in self._cluster.servers if server.running and not server.frozen]:
            free = ~receiver.assigned
            for sender, what in told:
                peer = receiver.peers.get(sender.id)
                if peer is None or self._cluster.is_cut(sender, receiver):
                    continue
                fake_beliefs.hear_epochs(receiver, peer, what)
                if _only_gains(receiver, peer, what, free):
                    free &= ~what.slots
                    peer.slots, receiver.state_due = what.slots, True
                else:
                    fake_gossip.hear(receiver, peer, what)
                    free = ~receiver.assigned if not peer.replica else free

    def post(self, server: FakeServer, peer: Peer, what: Message) -> None:
        """One message to one server."""
        receiver = self._cluster.listening(peer.at)
        if receiver is None or receiver.frozen or self._cluster.is_cut(server, receiver):
            return

        def arrive() -> None:
            sender = receiver.peers.get(what.id)
            if sender is not None and receiver.running:
                fake_beliefs.hear_epochs(receiver, sender, what)
                fake_gossip.hear(receiver, sender, what)

        self._cluster.clock.after(self._cluster.delay(), arrive)

    def gone(self, server: FakeServer) -> None:
        """A server ended or knows nobody any more: links are down at once, and it is failed after the node timeout."""
        if not self._cluster.instant:
            return
        boot = server.boot
        for other in self._cluster.servers:
            peer = other.peers.get(server.id)
            if peer is not None:
                peer.link = None
        self._cluster.clock.after(server.timeout * 1.5, lambda: self._fail(server, boot))

    def _fail(self, server: FakeServer, boot: int) -> None:
        if server.running and server.boot != boot:
            return
        for other in self._cluster.servers:
            peer = other.peers.get(server.id)
            if other.running and peer is not None and peer.link is None:
                peer.fail, peer.fail_time = True, other.clock.now()
                other.update_state()

    def back(self, server: FakeServer) -> None:
        """A server runs again."""
        if not self._cluster.instant:
            return
        for other in self._cluster.servers:
            peer = other.peers.get(server.id)
            if peer is not None and other.running:
                peer.link, peer.fail, peer.at = STANDING, False, server.at
                self.changed(other)
            known = server.peers.get(other.id)
            if known is not None:
                known.link = STANDING if other.running else None
        self.changed(server)

    def _tick(self) -> None:
        for server in self._cluster.servers:
            if not server.running or server.frozen:
                continue
            server.ticks += 1
            if server.ticks % 2 == 0:
                fake_replication.cron(server)
            if server.myself.replica:
                fake_failover.cron(server)
            if server.state_due or not server.ok:
                server.decide_state()


def _only_gains(receiver: FakeServer, peer: Peer, what: Message, free: int) -> bool:
    """Whether all the news is that a primary has slots that nobody had: most of it, while a large cluster forms."""
    plain = what.primary_id is None and not peer.replica and what.epoch != receiver.myself.epoch
    return plain and not peer.slots & ~what.slots and not what.slots & ~peer.slots & ~free and not receiver.importing

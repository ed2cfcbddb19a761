"""The cluster bus: links, pings, handshakes, and what a server believes after a message.

Every rule here is one that the real servers have, and that `tests/contract` holds against them. Two that surprise: a
server learns slots and role only from a message of somebody whom it already knows, hence from the second one; and whoever
opens a second link to a peer makes that peer close the first, so that both exchange news at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import fake_beliefs, fake_failover
from .fake_wire import Gossip, Kind, Link, Message, Peer

if TYPE_CHECKING:
    from .fake_server import FakeServer

BAN = 60.0
"""Seconds in which a forgotten id is not taken from others' gossip."""


def cron(s: FakeServer) -> None:
    """Links, timeouts and pings, ten times a second."""
    now, timeout = s.clock.now(), s.timeout
    handshake_limit = max(timeout, 1.0)
    suspected = False
    for peer in list(s.peers.values()):
        if peer.no_address:
            continue
        if peer.handshake and now - peer.made > handshake_limit:
            forget(s, peer)
            continue
        if peer.link is None:
            connect(s, peer)
        elif s.remeets and _unheard(peer, now, handshake_limit):
            send_ping(s, peer, Kind.MEET)
            peer.inbound_freed = now
    if s.ticks % 10 == 0:
        _ping_someone(s)
    for peer in list(s.peers.values()):
        if peer.handshake or peer.no_address:
            continue
        suspected |= _watch(s, peer, now, timeout)
    if suspected:
        s.update_state()


def _unheard(peer: Peer, now: float, limit: float) -> bool:
    normal = not (peer.handshake or peer.meet or peer.fail or peer.pfail)
    return normal and peer.inbound is None and now - peer.inbound_freed > limit


def _ping_someone(s: FakeServer) -> None:
    peers = [p for p in s.peers.values() if p.link is not None and not p.ping_sent and not p.handshake]
    if peers:
        drawn = s.random.sample(peers, min(5, len(peers)))
        send_ping(s, min(drawn, key=lambda p: p.pong_received))


def _watch(s: FakeServer, peer: Peer, now: float, timeout: float) -> bool:
    """Reconnect, ping or suspect a peer; whether it is newly suspected."""
    silent = now - peer.heard
    waited = now - peer.ping_sent
    link = peer.link
    if link and peer.ping_sent and now - link.made > timeout and waited > timeout / 2 and silent > timeout / 2:
        close(link)
    if peer.link and not peer.ping_sent and now - peer.pong_received > timeout / 2:
        send_ping(s, peer)
        return False
    if peer.link and s.election.pause_until and s.election.wanted_by == peer.id and not s.myself.replica:
        send_ping(s, peer)
        return False
    if not peer.ping_sent or min(waited, silent) <= timeout or peer.pfail or peer.fail:
        return False
    peer.pfail = True
    fake_beliefs.mark_failed_if_agreed(s, peer)
    return True


def connect(s: FakeServer, peer: Peer) -> None:
    """Open a link to the address at which a peer is believed to be."""
    target = s.cluster.listening(peer.at)
    if target is None and not s.cluster.swallows(s, peer.at):
        peer.ping_sent = peer.ping_sent or s.clock.now()
        return
    link = peer.link = Link(s, target, peer, s.clock.now())
    if target is not None and not s.cluster.is_cut(s, target) and not s.cluster.is_cut(target, s):
        s.cluster.later(link, True, lambda: _connected(s, link))


def _connected(s: FakeServer, link: Link) -> None:
    peer = link.node
    if peer.link is not link:
        return
    link.up = True
    sent = peer.ping_sent
    send_ping(s, peer, Kind.MEET if peer.meet else Kind.PING)
    peer.ping_sent = sent or peer.ping_sent
    peer.meet = False


def close(link: Link | None) -> None:
    """Close a link; both ends notice, unless nothing gets through between them."""
    if link is None or not link.open:
        return
    link.open = False
    if link.node.link is link:
        link.node.link = None
    if link.target is not None:
        for peer in link.target.peers.values():
            if peer.inbound is link:
                peer.inbound = None
                peer.inbound_freed = link.target.clock.now()


def forget(s: FakeServer, peer: Peer) -> None:
    """Drop a peer and all that is known of it."""
    s.peers.pop(peer.id, None)
    close(peer.link)
    close(peer.inbound)
    for other in s.peers.values():
        if other.reports:
            other.reports.pop(peer.id, None)
        if other.primary_id == peer.id:
            other.primary_id = None


def meet(s: FakeServer, host: str, port: int, bus_port: int) -> None:
    """CLUSTER MEET: a handshake under a made up id, unless one to that address is under way."""
    at = (host, port, bus_port)
    if any(p.handshake and p.at == at for p in s.peers.values()):
        return
    peer = Peer(s.cluster.new_id(), at, s.clock.now())
    peer.handshake = peer.meet = True
    s.peers[peer.id] = peer


def message(s: FakeServer, kind: Kind, gossip: tuple[Gossip, ...] = (), **more: object) -> Message:
    """A message with the sender's own state."""
    own = s.myself
    lead = s.peers.get(own.primary_id or "") if own.replica else own
    told = lead or own
    at = (own.at[0] or s.endpoint.host, s.endpoint.port, s.endpoint.bus_port)
    now = s.clock.now()
    forgotten = tuple(i for i, until in s.banned.items() if until > now) if s.banned and s.forgives else ()
    paused = bool(s.election.pause_until) and not own.replica
    return Message(
        kind, own.id, at, s.current_epoch, told.epoch, told.slots, own.primary_id, s.copying.offset, paused,
        gossip=gossip, forgotten=forgotten, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def send_ping(s: FakeServer, peer: Peer, kind: Kind = Kind.PING) -> None:
    """A ping (or meeting) over the link to `peer`, with gossip of some others."""
    if peer.link is None:
        return
    if kind is Kind.PING:
        peer.ping_sent = s.clock.now()
    if peer.link.up:
        _send(s, peer.link, message(s, kind, _gossip(s, peer)), outbound=True)


def send(s: FakeServer, peer: Peer, what: Message) -> bool:
    """One message over the link to `peer`; whether there is one."""
    if s.cluster.instant:
        s.cluster.post(s, peer, what)
        return True
    if peer.link is None or not peer.link.up:
        return False
    _send(s, peer.link, what, outbound=True)
    return True


def broadcast(s: FakeServer, what: Message, among: Iterable[Peer] | None = None) -> int:
    """One message to all peers that are past their handshake; to how many."""
    peers = list(s.peers.values()) if among is None else among
    return sum(send(s, peer, what) for peer in peers if not peer.handshake)


def tell_all(s: FakeServer) -> None:
    """Everybody hears at once what this server is now."""
    broadcast(s, message(s, Kind.PONG))


def _send(s: FakeServer, link: Link, what: Message, *, outbound: bool) -> None:
    receiver = link.target if outbound else link.source
    if receiver is not None:
        s.cluster.carry(s, receiver, link, outbound, lambda: _receive(receiver, link, what, outbound))


def _gossip(s: FakeServer, to: Peer) -> tuple[Gossip, ...]:
    known = [
        p
        for p in s.peers.values()
        if p is not to and not p.handshake and not p.no_address and (p.link is not None or p.slots)
    ]
    doubtful = [p for p in known if p.pfail]
    steady = [p for p in known if not p.pfail]
    wanted = min(max(3, (len(s.peers) + 1) // 10), len(steady))
    return tuple(
        Gossip(p.id, p.at, p.replica, p.pfail, p.fail, p.pong_received)
        for p in (*s.random.sample(steady, wanted), *doubtful)
    )


def _receive(s: FakeServer, link: Link, what: Message, outbound: bool) -> None:
    """`outbound` is the sender's side: an outbound message came in over a link that somebody else opened."""
    node = None if outbound else link.node
    sender = node if node is not None and not node.handshake else s.peers.get(what.id)
    if sender is not None and sender.handshake:
        sender = None
    if sender is not None and outbound and sender.inbound is not link:
        if sender.inbound is not None and sender.inbound.open:
            close(sender.inbound)
        sender.inbound = link
    if sender is not None:
        sender.heard = s.clock.now()
        fake_beliefs.hear_epochs(s, sender, what)
    if what.kind in (Kind.PING, Kind.MEET):
        if what.kind is Kind.MEET or not s.myself.at[0]:
            s.myself.at = s.at
        if sender is None and what.kind is Kind.MEET:
            _welcome(s, what)
            fake_beliefs.hear_of_others(s, None, what)
        answered = s.peers.get(what.id) or Peer(what.id, what.at, 0.0)
        _send(s, link, message(s, Kind.PONG, _gossip(s, answered)), outbound=False)
    if what.kind in (Kind.PING, Kind.PONG, Kind.MEET):
        _hear_ping(s, link, node, sender, what)
    elif sender is not None:
        hear(s, sender, what)


def _welcome(s: FakeServer, what: Message) -> None:
    peer = Peer(s.cluster.new_id(), what.at, s.clock.now())
    peer.handshake = True
    s.peers[peer.id] = peer


def _hear_ping(s: FakeServer, link: Link, node: Peer | None, sender: Peer | None, what: Message) -> None:
    if node is not None and node.handshake:
        if s.peers.get(what.id) is not None or what.id == s.id:
            known = s.peers.get(what.id)
            if known is not None and known.at != what.at:
                _move(known, what)
            forget(s, node)
            return
        del s.peers[node.id]
        node.id, node.handshake, node.meet = what.id, False, False
        node.replica, node.inbound_freed = what.primary_id is not None, s.clock.now()
        s.peers[node.id] = node
    elif node is not None and node.id != what.id:
        node.no_address = True
        close(link)
        return
    if sender is not None and what.kind is Kind.PING and sender.at != what.at and node is None:
        _move(sender, what)
    if node is not None and what.kind is Kind.PONG:
        node.pong_received, node.ping_sent, node.heard = s.clock.now(), 0.0, s.clock.now()
        fake_beliefs.clear_failure(s, node)
    if sender is not None:
        hear(s, sender, what)
        fake_beliefs.hear_of_others(s, sender, what)
        _forget_too(s, what)


def _forget_too(s: FakeServer, what: Message) -> None:
    for node_id in what.forgotten:
        peer = s.peers.get(node_id)
        if peer is not None and peer.id != s.myself.primary_id and s.forgives:
            s.banned[node_id] = s.clock.now() + BAN
            forget(s, peer)
            s.update_state()


def _move(peer: Peer, what: Message) -> None:
    peer.at, peer.no_address = what.at, False
    close(peer.link)


def hear(s: FakeServer, sender: Peer, what: Message) -> None:
    """A message of a known peer; of a ping only what it says of the sender."""
    if what.kind in (Kind.PING, Kind.PONG, Kind.MEET):
        fake_beliefs.hear_role(s, sender, what)
        fake_beliefs.hear_slots(s, sender, what)
        fake_failover.hear_pause(s, what)
    elif what.kind is Kind.FAIL:
        failed = s.peers.get(what.subject)
        if failed is not None and not failed.fail:
            failed.fail, failed.pfail, failed.fail_time = True, False, s.clock.now()
            s.update_state()
    elif what.kind is Kind.UPDATE:
        fake_beliefs.hear_update(s, what)
    elif what.kind is Kind.ASK_VOTE:
        fake_failover.hear_request(s, sender, what)
    elif what.kind is Kind.VOTE:
        fake_failover.hear_vote(s, sender, what)
    elif what.kind is Kind.PAUSE:
        fake_failover.hear_start(s, sender)

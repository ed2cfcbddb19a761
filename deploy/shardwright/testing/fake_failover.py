"""Elections: automatic ones of replicas whose primary failed, and manual ones (CLUSTER FAILOVER), which lose nothing.

In a manual one the primary stops answering writes and tells its offset; the replica asks for votes when it has all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import fake_gossip, fake_replication
from .fake_wire import Kind, Message, Peer

if TYPE_CHECKING:
    from .fake_server import FakeServer

MANUAL_LIMIT = 5.0
"""Seconds after which a manual failover is given up."""


@dataclass
class Election:
    """Where a failover stands: at a replica who votes for it, at a primary whom it makes way for.

    The votes outlive it: only after four node timeouts they are asked for anew, but by newer Valkey (`begin_anew`).
    """

    at: float = -1e9
    epoch: int = 0
    sent: bool = False
    votes: int = 0
    manual_until: float = 0.0
    manual_offset: int = -1
    pause_until: float = 0.0
    wanted_by: str = ""

    def end_manual(self) -> None:
        """The manual failover is over, whatever came of it."""
        self.manual_until, self.manual_offset, self.pause_until, self.wanted_by = 0.0, -1, 0.0, ""


def begin_anew(s: FakeServer) -> None:
    """No manual failover is under way any more, and newer Valkey has no votes of an earlier election either."""
    if s.forgets_votes:
        s.election = Election()
    else:
        s.election.end_manual()


def cron(s: FakeServer) -> None:
    """A replica's look at whether it should stand for election."""
    e, now = s.election, s.clock.now()
    if e.manual_until and now > e.manual_until:
        e.end_manual()
    primary = s.peers.get(s.myself.primary_id or "")
    manual = bool(e.manual_until)
    ready = manual and e.manual_offset >= 0 and s.copying.offset >= e.manual_offset
    if primary is None or not primary.slots or not (primary.fail or ready):
        return
    if not ready and (s.settings["cluster-replica-no-failover"] == "yes" or _too_old(s)):
        return
    _stand(s, ready)


def _too_old(s: FakeServer) -> bool:
    age = s.copying.age() - s.timeout
    factor = int(s.settings["cluster-replica-validity-factor"])
    return bool(factor) and age > int(s.settings["repl-ping-replica-period"]) + s.timeout * factor


def _stand(s: FakeServer, manual: bool) -> None:
    e, now = s.election, s.clock.now()
    limit = max(s.timeout * 2, 2.0)
    if now - e.at > limit * 2:
        e.at = now if manual else now + 0.5 + s.random.random() / 2 + _rank(s)
        e.sent, e.votes = False, 0
        if not manual:
            pong = fake_gossip.message(s, Kind.PONG)
            fake_gossip.broadcast(s, pong, [p for p in s.peers.values() if p.primary_id == s.myself.primary_id])
            return
    if now < e.at or now - e.at > limit:
        return
    if not e.sent:
        s.current_epoch += 1
        e.epoch, e.sent = s.current_epoch, True
        s.requests += fake_gossip.broadcast(s, fake_gossip.message(s, Kind.ASK_VOTE, forced=manual))
    if e.votes >= len(s.voters()) // 2 + 1:
        win(s, e.epoch)


def _rank(s: FakeServer) -> int:
    """How many other replicas of the same primary are further than this one: seconds to wait."""
    mates = [p for p in s.peers.values() if p.primary_id == s.myself.primary_id]
    return sum(p.offset > s.copying.offset for p in mates)


def win(s: FakeServer, epoch: int) -> None:
    """Take the primary's place: its slots under a newer epoch."""
    old = s.peers[s.myself.primary_id or ""]
    slots, old.slots = old.slots, 0
    fake_replication.lead(s)
    s.myself.slots |= slots
    s.myself.epoch = max(s.myself.epoch, epoch)
    s.election.end_manual()
    s.update_state()
    fake_gossip.broadcast(s, fake_gossip.message(s, Kind.PONG))
    s.cluster.changed(s)


def ask(s: FakeServer, mode: str) -> None:
    """CLUSTER FAILOVER, at the replica; by `force` it waits for no offset, by `takeover` for no votes either."""
    begin_anew(s)
    s.election.manual_until = s.clock.now() + MANUAL_LIMIT
    if mode == "takeover":
        s.current_epoch = max(s.current_epoch, *(peer.epoch for peer in s.everyone)) + 1
        win(s, s.current_epoch)
        return
    if mode == "force":
        s.election.manual_offset = 0
        cron(s)
        return
    primary = s.peers[s.myself.primary_id or ""]
    fake_gossip.send(s, primary, fake_gossip.message(s, Kind.PAUSE))


def hear_start(s: FakeServer, sender: Peer) -> None:
    """A replica wants our place: stop answering writes, and tell it our offset until it is over."""
    if s.myself.replica or sender.primary_id != s.id:
        return
    s.election.end_manual()
    s.election.pause_until, s.election.wanted_by = s.clock.now() + MANUAL_LIMIT, sender.id
    tell = fake_gossip.message(s, Kind.PING)
    fake_gossip.send(s, sender, tell)


def hear_pause(s: FakeServer, what: Message) -> None:
    """The paused primary's offset."""
    e = s.election
    if e.manual_until and what.paused and what.id == s.myself.primary_id and e.manual_offset < 0:
        e.manual_offset = what.offset
        cron(s)


def hear_request(s: FakeServer, sender: Peer, what: Message) -> None:
    """Vote or not: one vote an epoch, for a replica of a failed primary, whose view of the slots is not older."""
    own, now = s.myself, s.clock.now()
    primary = own if sender.primary_id == s.id else s.peers.get(sender.primary_id or "")
    if own.replica or not own.slots or what.current_epoch < s.current_epoch or s.vote_epoch == s.current_epoch:
        return
    if primary is None or not sender.replica or not (primary.fail or what.forced):
        return
    if now - primary.voted_at < 2 * s.timeout and not s.votes_again:
        return
    if any(p.slots & what.slots and p.epoch > what.epoch for p in s.everyone):
        return
    primary.voted_at = now
    s.vote_epoch = s.current_epoch
    fake_gossip.send(s, sender, fake_gossip.message(s, Kind.VOTE))


def hear_vote(s: FakeServer, sender: Peer, what: Message) -> None:
    """Count a vote; win at once with the last that is needed."""
    e = s.election
    if s.myself.replica and e.sent and not sender.replica and sender.slots and what.current_epoch >= e.epoch:
        e.votes += 1
        if e.votes >= len(s.voters()) // 2 + 1:
            win(s, e.epoch)

"""What a fake server believes of its peers after what they told: epochs, roles, slots, failures, addresses.

The newer configuration epoch wins a slot, whoever loses it without keeping any becomes the winner's replica, and keys of a
lost slot are deleted without a word: here lies what makes a careless MEET or a forced failover destroy data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import fake_gossip, fake_replication
from .fake_wire import Kind, Message, Peer

if TYPE_CHECKING:
    from .fake_server import FakeServer


def hear_epochs(s: FakeServer, sender: Peer, what: Message) -> None:
    """Take over newer epochs, and the sender's offset."""
    s.current_epoch = max(s.current_epoch, what.current_epoch)
    sender.epoch = max(sender.epoch, what.epoch) if what.kind is not Kind.UPDATE else sender.epoch
    sender.offset = what.offset


def hear_role(s: FakeServer, sender: Peer, what: Message) -> None:
    """Primary or replica, and of whom; a primary that became a replica keeps no slots."""
    if what.primary_id is None:
        if sender.replica:
            sender.replica, sender.primary_id = False, None
            s.update_state()
        return
    if not sender.replica:
        sender.replica, sender.slots = True, 0
        s.update_state()
    known = what.primary_id == s.id or what.primary_id in s.peers
    if known and sender.primary_id != what.primary_id:
        sender.primary_id = what.primary_id
    if s.myself.replica and s.myself.primary_id == sender.id and what.primary_id not in (s.id, None) and known:
        fake_replication.follow(s, what.primary_id)


def hear_slots(s: FakeServer, sender: Peer, what: Message) -> None:
    """Slots of the sender, or of its primary; tell it where somebody newer owns them; settle equal epochs."""
    lead = sender if not sender.replica else s.peers.get(sender.primary_id or "")
    if sender.replica and sender.primary_id == s.id:
        lead = s.myself
    if lead is not None and lead.slots != what.slots:
        if not sender.replica:
            take_slots(s, sender, what.epoch, what.slots)
        _correct(s, sender, what)
    own = s.myself
    if (
        not own.replica
        and not sender.replica
        and what.epoch == own.epoch
        and sender.id > own.id
        and own.epoch == sender.epoch
    ):
        s.current_epoch += 1
        own.epoch = s.current_epoch


def _correct(s: FakeServer, sender: Peer, what: Message) -> None:
    for owner in s.everyone:
        if owner is not sender and owner.slots & what.slots and owner.epoch > what.epoch:
            update = fake_gossip.message(
                s, Kind.UPDATE, subject=owner.id, subject_epoch=owner.epoch, subject_slots=owner.slots
            )
            fake_gossip.send(s, sender, update)
            return


def hear_update(s: FakeServer, what: Message) -> None:
    """Somebody says that slots have a newer owner than we told."""
    owner = s.peers.get(what.subject)
    if owner is None or what.subject == s.id or owner.epoch >= what.subject_epoch:
        return
    owner.replica, owner.primary_id = False, None
    owner.epoch = what.subject_epoch
    take_slots(s, owner, what.subject_epoch, what.subject_slots)


def take_slots(s: FakeServer, sender: Peer, epoch: int, claimed: int) -> None:
    """Give `sender` those of the slots it claims whose owner has an older epoch, or that nobody owns."""
    own_lead = s.myself if not s.myself.replica else s.peers.get(s.myself.primary_id or "")
    held = 0
    for slot in s.importing:
        held |= 1 << slot
    new = claimed & ~sender.slots & ~held
    before_own = s.myself.slots
    lead_lost = 0
    taken = new
    for peer in s.everyone:
        if peer is sender or not peer.slots & new:
            continue
        if peer.epoch < epoch:
            lost = peer.slots & new
            peer.slots &= ~new
            lead_lost = lost if peer is own_lead else lead_lost
        else:
            taken &= ~peer.slots
    sender.slots |= taken
    if taken:
        _after_loss(s, sender, own_lead, lead_lost, before_own & taken, claimed)
        s.update_state()


def _after_loss(s: FakeServer, winner: Peer, lead: Peer | None, lead_lost: int, own_lost: int, claimed: int) -> None:
    """Follow who took the last slot. Where servers may not move by themselves, only a successor: Valkey knows its shard's
    members; Redis takes for one who claims exactly what it took."""
    for slot in [n for n in s.migrating if own_lost >> n & 1]:
        del s.migrating[slot]
    succeeds = lead_lost == (claimed if s.product == "redis" else winner.slots)
    migrates = s.settings["cluster-allow-replica-migration"] == "yes" or succeeds
    if lead is not None and lead_lost and not lead.slots and migrates:
        fake_replication.follow(s, winner.id)
    elif own_lost:
        s.store.drop_slots([slot for slot in s.store.slots() if own_lost >> slot & 1])


def hear_of_others(s: FakeServer, sender: Peer | None, what: Message) -> None:
    """The gossip: new peers by their id, reports of failure, later signs of life, new addresses of the failed."""
    now = s.clock.now()
    for told in what.gossip:
        if told.id == s.id:
            continue
        peer = s.peers.get(told.id)
        if peer is None:
            banned = s.banned.get(told.id, 0.0) > now
            if sender is not None and not banned:
                peer = s.peers[told.id] = Peer(told.id, told.at, now)
                peer.replica, peer.pfail, peer.fail = told.replica, told.pfail, told.fail
                peer.fail_time = now
            continue
        if sender is not None and not sender.replica:
            _report(s, sender, peer, told.pfail or told.fail)
        well = not (told.pfail or told.fail)
        if well and not peer.ping_sent and not peer.reports and told.pong_received > peer.pong_received:
            peer.pong_received = min(told.pong_received, now)
        if well and (peer.pfail or peer.fail) and told.at != peer.at:
            fake_gossip.close(peer.link)
            peer.at, peer.no_address = told.at, False


def _report(s: FakeServer, sender: Peer, peer: Peer, failing: bool) -> None:
    if failing:
        peer.reports = peer.reports or {}
        peer.reports[sender.id] = s.clock.now()
        mark_failed_if_agreed(s, peer)
    elif peer.reports:
        peer.reports.pop(sender.id, None)


def mark_failed_if_agreed(s: FakeServer, peer: Peer) -> None:
    """From suspicion to failure: when a majority of primaries with slots suspects the peer."""
    if not peer.pfail or peer.fail:
        return
    now = s.clock.now()
    peer.reports = {r: at for r, at in (peer.reports or {}).items() if now - at <= 2 * s.timeout}
    voters = s.voters()
    agreeing = sum(p.id in peer.reports for p in voters) + (not s.myself.replica)
    if agreeing < len(voters) // 2 + 1:
        return
    peer.fail, peer.pfail, peer.fail_time = True, False, now
    fake_gossip.broadcast(s, fake_gossip.message(s, Kind.FAIL, subject=peer.id))
    s.update_state()


def clear_failure(s: FakeServer, peer: Peer) -> None:
    """A pong came: the suspicion goes; a failure too, for an owner of slots only after a while without a new owner."""
    if peer.pfail:
        peer.pfail = False
        s.update_state()
    elif peer.fail and (peer.replica or not peer.slots or s.clock.now() - peer.fail_time > 2 * s.timeout):
        peer.fail = False
        s.update_state()

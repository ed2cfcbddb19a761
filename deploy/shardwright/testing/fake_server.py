"""`FakeServer`: the state of one server process in memory, its life (start, crash, freeze) and its regular work.

Knows neither commands nor how the bus works inside: `fake_commands`, `fake_gossip`, `fake_failover` and `fake_replication`
act on it. What is on its disk survives a crash: identity, peers and epochs always (servers save them before they answer),
keys only where persistence is on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..model.endpoint import Endpoint
from . import fake_admin, fake_failover, fake_gossip, fake_replication
from .fake_settings import defaults
from .fake_store import Store
from .fake_wire import Address, Peer

if TYPE_CHECKING:
    from .fake_cluster import FakeCluster
    from .fake_migration import SlotMigration

ALL = (1 << 16_384) - 1
WRITABLE_DELAY = 2.0
"""Seconds after its start in which a primary does not call the cluster ok."""
CRON = 0.1


class FakeServer:
    """One server. Made by `FakeCluster`; tests read its fields, and change it through the cluster's methods."""

    def __init__(
        self, cluster: FakeCluster, endpoint: Endpoint, product: str, version: str, settings: Mapping[str, str]
    ) -> None:
        self.cluster = cluster
        self.clock = cluster.clock
        self.random = cluster.random
        self.endpoint = endpoint
        self.product = product
        self.version = version
        self.number = tuple(int(part) for part in version.split(".")[:2])
        self.config_file = {**defaults(product), **settings}
        self.boot = 0
        self.running = False
        self.frozen = self.host_lost = False
        self.inbox: list[Callable[[], None]] = []
        self.forget_everything()

    @property
    def at(self) -> Address:
        """IP, client port and bus port on which it listens."""
        return (self.endpoint.host, self.endpoint.port, self.endpoint.bus_port)

    @property
    def id(self) -> str:
        """The identity that it has given itself."""
        return self.myself.id

    @property
    def owned(self) -> int:
        """The slots that it owns by its own word, as a mask."""
        return 0 if self.myself.replica else self.myself.slots

    @property
    def timeout(self) -> float:
        """Node timeout, in seconds."""
        return int(self.settings["cluster-node-timeout"]) / 1000

    @property
    def remeets(self) -> bool:
        """Whether it introduces itself again to those that do not write to it (Valkey from 8.1 on)."""
        return self.product == "valkey" and self.number >= (8, 1)

    @property
    def forgets_votes(self) -> bool:
        """Whether it drops the votes of its last election with each manual failover, and when it follows another (Valkey,
        tried from 8.1 on)."""
        return self.product == "valkey" and self.number >= (8, 1)

    @property
    def votes_again(self) -> bool:
        """Whether it votes for a shard in each epoch, and not once in two node timeouts (Valkey, tried from 8.1 on)."""
        return self.product == "valkey" and self.number >= (8, 1)

    @property
    def forgives(self) -> bool:
        """Whether FORGET is passed on to the others, and forgetting twice is no error (Redis 7.2, Valkey)."""
        return self.product == "valkey" or self.number >= (7, 2)

    @property
    def confirms(self) -> bool:
        """Whether its replicas must have a slot's change before it makes it itself (Valkey from 8.0 on)."""
        return self.product == "valkey" and self.number >= (8, 0)

    @property
    def valkey_9(self) -> bool:
        """Whether it speaks as Valkey does from 9.0 on."""
        return self.product == "valkey" and self.number >= (9, 0)

    @property
    def assigned(self) -> int:
        """Slots that have an owner by its knowledge, as a mask."""
        mask = self.myself.slots
        for peer in self.peers.values():
            mask |= peer.slots
        return mask

    def forget_everything(self) -> None:
        """As with an empty directory: a new identity that knows nobody and owns nothing."""
        self.new_identity()
        self.dataset: dict[bytes, bytes] = {}
        self._new_process()

    def new_identity(self) -> None:
        """Take a fresh id, keep nothing of the cluster."""
        self.myself = Peer(self.cluster.new_id(), ("", self.endpoint.port, self.endpoint.bus_port), self.clock.now())
        self.shard_id: str = self.cluster.new_id()
        self.peers: dict[str, Peer] = {}
        self.current_epoch = self.vote_epoch = 0
        self.migrating: dict[int, str] = {}
        self.importing: dict[int, str] = {}
        self.banned: dict[str, float] = {}

    def _new_process(self) -> None:
        self.settings = dict(self.config_file)
        given = self.settings["requirepass"]
        self.passwords: dict[str, None] = {fake_admin.digest(given): None} if given else {}
        self.run_id = self.cluster.new_id()
        self.pid = 1000 + self.boot
        self.started = self.clock.now()
        self.ok = self.state_due = False
        self.first_update: float | None = None
        self.minority_at = -1e9
        self.ticks = 0
        self.store = Store()
        self.store.load(self.dataset)
        self.copying = fake_replication.Copying(self)
        self.election = fake_failover.Election()
        self.requests = 0
        self.migrations: list[SlotMigration] = []
        self.rewriting_until = 0.0

    def start(self) -> None:
        """Start the process; it listens at once."""
        self.boot += 1
        self.running, self.frozen, self.host_lost = True, False, False
        self._new_process()
        now = self.clock.now()
        for peer in list(self.peers.values()):
            if peer.handshake:
                del self.peers[peer.id]
                continue
            peer.link = peer.inbound = None
            peer.ping_sent, peer.pong_received, peer.heard, peer.inbound_freed = 0.0, now, now, now
            peer.reports = None
        self._claim_what_it_holds()
        boot = self.boot
        if not self.cluster.instant:
            self.clock.after(self.random.random() * CRON, lambda: self.clock.every(CRON, lambda: self._regular(boot)))
        if self.myself.replica:
            self.clock.after(0.01, lambda: fake_replication.connect(self))

    def _claim_what_it_holds(self) -> None:
        """A primary that finds keys in slots of nobody takes them; keys in slots of others are deleted without a word."""
        if self.myself.replica:
            return
        for slot in self.store.slots():
            if self.myself.slots >> slot & 1:
                continue
            if self.owner_of(slot) is None:
                self.myself.slots |= 1 << slot
            else:
                self.store.drop_slot(slot)

    def stop(self) -> None:
        """The process is gone; what persistence keeps is kept."""
        self.dataset = self.store.values() if self.settings["appendonly"] == "yes" else {}
        self.running = False
        self.frozen = False
        self.inbox.clear()

    def _regular(self, boot: int) -> bool:
        if self.boot != boot or not self.running:
            return False
        if not self.frozen:
            self.cron()
        return True

    def cron(self) -> None:
        """What a server does ten times a second."""
        self.ticks += 1
        fake_gossip.cron(self)
        if self.ticks % 10 == 0:
            fake_replication.cron(self)
        if self.myself.replica:
            fake_failover.cron(self)
        elif self.election.pause_until and self.clock.now() > self.election.pause_until:
            self.election.end_manual()
        if not self.ok:
            self.decide_state()

    def owner_of(self, slot: int) -> Peer | None:
        """Whom it takes for the owner of a slot."""
        bit = 1 << slot
        if self.myself.slots & bit:
            return self.myself
        return next((peer for peer in self.peers.values() if peer.slots & bit), None)

    @property
    def everyone(self) -> list[Peer]:
        """Itself and its peers."""
        return [self.myself, *self.peers.values()]

    def voters(self) -> list[Peer]:
        """Primaries with slots."""
        return [peer for peer in self.everyone if peer.slots and not peer.replica]

    def update_state(self) -> None:
        """Decide anew whether the cluster is ok: at once, or, where gossip is instant, with the next tick."""
        self.state_due = True
        if not self.cluster.instant:
            self.decide_state()

    def decide_state(self) -> None:
        """Whether the cluster is ok, as the servers decide it."""
        self.state_due = False
        now = self.clock.now()
        if self.first_update is None:
            self.first_update = now
        primary = not self.myself.replica
        if primary and not self.ok and now - self.first_update < WRITABLE_DELAY:
            return
        covered, reachable, voters = 0, 0, 0
        for peer in self.everyone:
            if peer.slots and not peer.replica:
                voters += 1
                covered |= 0 if peer.fail else peer.slots
                reachable += not (peer.fail or peer.pfail)
        fine = covered == ALL or self.settings["cluster-require-full-coverage"] == "no"
        if reachable < voters // 2 + 1:
            fine = False
            self.minority_at = now
        if fine == self.ok:
            return
        if fine and primary and now - self.minority_at < min(max(self.timeout, 0.5), 5.0):
            return
        self.ok = fine

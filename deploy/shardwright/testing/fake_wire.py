"""What fake servers keep of each other and what travels between them: `Peer`, `Link`, `Message`.

Plain mutable slots, because a cluster of a thousand servers keeps a million peers. Slots are one integer, a bit a slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fake_server import FakeServer

Address = tuple[str, int, int]
"""IP, client port, bus port."""


class Kind(Enum):
    """Kinds of bus messages."""

    PING = "ping"
    PONG = "pong"
    MEET = "meet"
    FAIL = "fail"
    UPDATE = "update"
    ASK_VOTE = "failover-auth-request"
    VOTE = "failover-auth-ack"
    PAUSE = "mfstart"


class Link:
    """One TCP connection of the bus, from `source` to `target`; `boots` are their starts at which it was made."""

    __slots__ = ("boots", "made", "node", "open", "source", "target", "up", "woken")

    def __init__(self, source: FakeServer, target: FakeServer | None, node: Peer, made: float) -> None:
        self.source = source
        self.target = target
        self.node = node
        self.made = made
        self.boots = (source.boot, target.boot if target else 0)
        self.open: bool = True
        self.up: bool = False
        self.woken: dict[bool, float] = {True: 0.0, False: 0.0}


class Peer:
    """What one server believes of another, or of itself."""

    __slots__ = (
        "address",
        "at",
        "epoch",
        "fail",
        "fail_time",
        "handshake",
        "heard",
        "id",
        "inbound",
        "inbound_freed",
        "link",
        "made",
        "meet",
        "no_address",
        "offset",
        "pfail",
        "ping_sent",
        "pong_received",
        "primary_id",
        "replica",
        "reports",
        "slots",
        "voted_at",
    )

    def __init__(self, node_id: str, at: Address, made: float) -> None:
        self.id = node_id
        self.at = at
        self.made = made
        self.replica = False
        self.primary_id: str | None = None
        self.epoch = 0
        self.slots = 0
        self.handshake = self.meet = self.pfail = self.fail = self.no_address = False
        self.fail_time = 0.0
        self.ping_sent = 0.0
        self.pong_received = 0.0
        self.heard = made
        self.link: Link | None = None
        self.inbound: Link | None = None
        self.inbound_freed = made
        self.offset = 0
        self.voted_at = -1e9
        self.reports: dict[str, float] | None = None


@dataclass(slots=True, frozen=True)
class Gossip:
    """What a message says of a third server."""

    id: str
    at: Address
    replica: bool
    pfail: bool
    fail: bool
    pong_received: float


@dataclass(slots=True, frozen=True)
class Message:
    """A message of the bus: who sends it, what it is, what it tells of others.

    A replica's `epoch` and `slots` are those of its primary. `subject` is the failed node, or the owner that an update is
    about, with `subject_epoch` and `subject_slots`. `forgotten` are the ids that the sender was told to forget.
    """

    kind: Kind
    id: str
    at: Address
    current_epoch: int
    epoch: int
    slots: int
    primary_id: str | None
    offset: int
    paused: bool = False
    forced: bool = False
    gossip: tuple[Gossip, ...] = ()
    forgotten: tuple[str, ...] = ()
    subject: str = ""
    subject_epoch: int = 0
    subject_slots: int = 0

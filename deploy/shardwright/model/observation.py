"""Raw answers, one view for each node that was asked, and the silences. Nothing is judged or merged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .endpoint import Endpoint, NodeId
from .slots import SlotSet


class Role(StrEnum):
    """What a server is in its shard."""

    PRIMARY = "primary"
    REPLICA = "replica"


class Health(StrEnum):
    """What one node thinks of a peer: `SUSPECT` is its own opinion, `FAILED` the majority's."""

    OK = "ok"
    SUSPECT = "suspect"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PeerView:
    """One line of a node's list of nodes: what it believes of the peer `id`.

    `address` is empty where the node does not know it; `handshake` marks a peer that has not answered yet, whose id is
    made up. `linked` is the state of the bus link.
    """

    id: NodeId
    address: str
    port: int
    bus_port: int
    role: Role
    primary_id: NodeId | None
    health: Health
    handshake: bool
    linked: bool
    epoch: int
    slots: SlotSet
    migrating: tuple[tuple[int, NodeId], ...] = ()
    importing: tuple[tuple[int, NodeId], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    """All that one node said of itself and of its peers.

    `address` is the IP it was asked at. `offset` is its replication offset in bytes; `primary_link_up` is true for a
    primary. `stray` counts keys in slots that have no owner or are open, where that was asked for. `settings` is what
    `CONFIG GET` gave for the names that were asked. `run_id` and `pid` are of the process: a new start gives others.
    `failing` says, in words, what it last could not write to its disk. Of `memory_used`, `memory_exempt` are bytes that do
    not count against its limit. Since its start it began `full_copies` for replicas, and cut `cut_off` connections off whose
    output did not fit into their buffer (Redis 7.0 does not count these: 0).

    `history` names the stream of changes that its `offset` counts. Who has led before under another name goes on with
    those that stand before `former_until` in `former_history`, without a full copy (-1: none).
    """

    endpoint: Endpoint
    address: str
    id: NodeId
    myself: PeerView
    peers: tuple[PeerView, ...]
    product: str
    version: str
    cluster_ok: bool
    keys: int
    offset: int
    primary_link_up: bool
    syncing: bool
    loading: bool
    replicas_linked: int
    memory_used: int
    aof_enabled: bool
    aof_rewriting: bool
    settings: Mapping[str, str]
    stray: Mapping[int, int] = field(default_factory=dict)
    run_id: str = ""
    pid: int = 0
    failing: tuple[str, ...] = ()
    memory_exempt: int = 0
    full_copies: int = 0
    cut_off: int = 0
    history: str = ""
    former_history: str = ""
    former_until: int = -1


@dataclass(frozen=True, slots=True)
class Silence:
    """A node that gave no view. `reason` is a stable code: ``refused``, ``timed-out``, ``unresolved``, ``unauthorised``,
    ``not-a-cluster-node``, ``loading``, ``closed``, ``unreadable``, ``unreachable``, ``protected``."""

    endpoint: Endpoint
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Observation:
    """Answers of all nodes that were asked, in the order of the endpoints."""

    views: Mapping[Endpoint, NodeView]
    silences: Mapping[Endpoint, Silence]

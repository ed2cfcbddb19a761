"""One picture made of the views: who is there, who owns what, who knows whom, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .endpoint import Endpoint, NodeId
from .observation import Health, NodeView, Role, Silence
from .slots import ALL_SLOTS, SlotSet


@dataclass(frozen=True, slots=True)
class NodeState:
    """One observed node. `knows` are the ids it has met; of those, `cut` are the ones that it has no link to now, and
    `misplaced` the ones that it looks for at another address than they answer at.
    """

    view: NodeView
    knows: frozenset[NodeId]
    cut: frozenset[NodeId]
    misplaced: frozenset[NodeId]

    @property
    def endpoint(self) -> Endpoint:
        """Where it was asked."""
        return self.view.endpoint

    @property
    def id(self) -> NodeId:
        """Who it is."""
        return self.view.id

    @property
    def role(self) -> Role:
        """What it says it is."""
        return self.view.myself.role

    @property
    def primary_id(self) -> NodeId | None:
        """Whom it replicates; None for a primary."""
        return self.view.myself.primary_id

    @property
    def slots(self) -> SlotSet:
        """What it claims to own itself."""
        return self.view.myself.slots


@dataclass(frozen=True, slots=True)
class StrangerState:
    """A node that others know but that was not asked: ours and silent, superseded, or another cluster's.

    `health` is the best that any node thinks of it. `known_by` are the endpoints that list it.
    """

    id: NodeId
    address: str
    port: int
    health: Health
    slots: SlotSet
    known_by: tuple[Endpoint, ...]

    @property
    def dead(self) -> bool:
        """Whether it is failed by all, or no node knows an address of it any more: where it stood, another node answers.

        Some servers never call the latter failed, since they do not ask it any more.
        """
        return self.health is Health.FAILED or not self.address


@dataclass(frozen=True, slots=True)
class StartState:
    """How a running server was started, by the word of its host.

    `pid` is the process that was looked at (0: unknown). `replaced`: its binary is not the one that its service starts now;
    `coming` is what that one says to `--version` (empty: unknown).
    `rewritten`: its configuration is not the one that it started with; then `lines` are the directives that it would start
    with now, and `named` those that any of its files has named since it started, both without secrets. `memory` are the
    bytes that are available on its host (0: unknown).
    """

    pid: int
    replaced: bool = False
    rewritten: bool = False
    lines: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    memory: int = 0
    coming: str = ""


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A slot that primaries mark as moving: its source (migrating), its target (importing), or both.

    `source` is the owner where there is one. `marked` are all primaries that bear a mark of it.
    """

    slot: int
    source: Endpoint | None
    target: Endpoint | None
    marked: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Dispute:
    """Slots that more than one node claims as its own."""

    slots: SlotSet
    claimants: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What is. Made by `core.consolidation` from an `Observation`; total: odd data becomes data here, not an error.

    `groups` are the sets of nodes that are connected by knowing each other; one group means one cluster.
    `agreed` is whether every view has the same nodes, roles, primaries and slot owners; dead nodes that own nothing and
    were not asked are left out of that, since nodes that join later never hear of them. `resting` are spares that answer
    but share no cluster with our nodes, and who they are: they are in no other field.

    `outdated` are the servers that must be started anew, and why, in words; `refused` the settings that a server did not
    take live; `memory` the bytes that are available on the hosts of the servers. All three are empty where nobody can say.
    """

    nodes: Mapping[Endpoint, NodeState]
    silences: Mapping[Endpoint, Silence]
    strangers: tuple[StrangerState, ...]
    duplicates: tuple[tuple[NodeId, tuple[Endpoint, ...]], ...]
    disputes: tuple[Dispute, ...]
    open_slots: tuple[OpenSlot, ...]
    groups: tuple[frozenset[Endpoint], ...]
    agreed: bool
    resting: Mapping[Endpoint, NodeView] = field(default_factory=dict)
    outdated: Mapping[Endpoint, tuple[str, ...]] = field(default_factory=dict)
    refused: frozenset[tuple[Endpoint, str]] = frozenset()
    memory: Mapping[Endpoint, int] = field(default_factory=dict)

    @property
    def by_id(self) -> dict[NodeId, NodeState]:
        """Observed nodes by identity; of duplicates the first."""
        found: dict[NodeId, NodeState] = {}
        for node in self.nodes.values():
            found.setdefault(node.id, node)
        return found

    @property
    def covered(self) -> SlotSet:
        """Slots that some observed node claims, or that anyone attributes to a node that was not asked."""
        mask = SlotSet()
        for node in self.nodes.values():
            mask |= node.slots
        for stranger in self.strangers:
            mask |= stranger.slots
        return mask

    @property
    def uncovered(self) -> SlotSet:
        """Slots that nobody owns."""
        return ALL_SLOTS - self.covered

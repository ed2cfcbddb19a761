"""The difference between what should be and what is, as a value: `Step`, `Phase`, `Hazard`, `Plan`.

A step is named after the command it issues and holds no command text: `core.commands` turns it into one, so that a plan
can be printed, compared and stored. No step holds a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from .endpoint import Endpoint, NodeId
from .slots import SlotSet


@dataclass(frozen=True, slots=True)
class Configure:
    """Set a live setting. `temporary` marks what is put back before the plan ends."""

    node: Endpoint
    setting: str
    value: str
    temporary: bool = False

    def __str__(self) -> str:
        return f"set {self.setting} {self.value} on {self.node}" + (" for a while" if self.temporary else "")


@dataclass(frozen=True, slots=True)
class SetEpoch:
    """Give a node that knows nobody its own configuration epoch."""

    node: Endpoint
    epoch: int

    def __str__(self) -> str:
        return f"number {self.node} as epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class AddSlots:
    """Give slots that have no owner to a primary."""

    node: Endpoint
    slots: SlotSet

    def __str__(self) -> str:
        return f"assign {len(self.slots):,} slots ({self.slots}) to {self.node}"


@dataclass(frozen=True, slots=True)
class Meet:
    """Introduce `node` to the node at `peer`, whose IP is `address`."""

    node: Endpoint
    peer: Endpoint
    address: str

    def __str__(self) -> str:
        return f"introduce {self.node} to {self.peer}"


@dataclass(frozen=True, slots=True)
class Replicate:
    """Make `node` a replica of the node `primary_id`, which is at `primary`."""

    node: Endpoint
    primary: Endpoint
    primary_id: NodeId

    def __str__(self) -> str:
        return f"make {self.node} a replica of {self.primary}"


@dataclass(frozen=True, slots=True)
class Part:
    """Give `node` a history of its own, so that it takes a full copy of `primary`, which has copied it before.

    Functions that were loaded there are dropped by it; the full copy replaces them anyway.
    """

    node: Endpoint
    primary: Endpoint

    def __str__(self) -> str:
        return f"let {self.node} take a full copy of {self.primary}"


@dataclass(frozen=True, slots=True)
class Failover:
    """Make the replica `node` lead in place of `primary`, by a manual failover that loses nothing."""

    node: Endpoint
    primary: Endpoint

    def __str__(self) -> str:
        return f"let {self.node} lead in place of {self.primary}"


@dataclass(frozen=True, slots=True)
class Forget:
    """Make `node` forget the identity `id`."""

    node: Endpoint
    id: NodeId

    def __str__(self) -> str:
        return f"forget {self.id[:8]} on {self.node}"


@dataclass(frozen=True, slots=True)
class CloseSlot:
    """Take the moving mark off a slot where the other end holds nothing of it."""

    node: Endpoint
    slot: int

    def __str__(self) -> str:
        return f"take the moving mark off slot {self.slot} on {self.node}"


@dataclass(frozen=True, slots=True)
class FinishSlot:
    """Finish a move that somebody began: what `source` still holds of the slot goes to `target`, which then owns it."""

    node: Endpoint
    node_id: NodeId
    slot: int
    target: Endpoint
    target_id: NodeId
    target_address: str

    def __str__(self) -> str:
        return f"finish moving slot {self.slot} from {self.node} to {self.target}"


@dataclass(frozen=True, slots=True)
class MigrateSlots:
    """Move slots with their keys from `node` to `target`, while both serve.

    `atomic`: by the servers' own slot migration (both ends have it); else key by key.
    """

    node: Endpoint
    node_id: NodeId
    target: Endpoint
    target_id: NodeId
    target_address: str
    slots: SlotSet
    atomic: bool

    def __str__(self) -> str:
        return f"move {len(self.slots):,} slots ({self.slots}) from {self.node} to {self.target}"


@dataclass(frozen=True, slots=True)
class Reset:
    """Empty a node and make it forget its cluster. `keys` is the number of keys that are lost by it."""

    node: Endpoint
    keys: int

    def __str__(self) -> str:
        return f"reset {self.node}" + (f", deleting {self.keys:,} keys" if self.keys else "")


@dataclass(frozen=True, slots=True)
class Restart:
    """Have the service manager of `node` start it anew. `why` in words."""

    node: Endpoint
    why: str

    def __str__(self) -> str:
        return f"restart {self.node}: {self.why}"


@dataclass(frozen=True, slots=True)
class AdmitPassword:
    """Let `node` take `security.password`, and `security.previous` where there is one, beside those that it takes."""

    node: Endpoint

    def __str__(self) -> str:
        return f"admit the password on {self.node}"


@dataclass(frozen=True, slots=True)
class UsePassword:
    """Let `node` log in at its primary with `security.password`; `user` is the name it says, empty for none."""

    node: Endpoint
    user: str = ""

    def __str__(self) -> str:
        return f"replicate with the password on {self.node}" + (f" as user {self.user}" if self.user else "")


@dataclass(frozen=True, slots=True)
class RetirePassword:
    """Let `node` take no other password of `cluster.yml` than those that are to be valid; `closing`: nor none at all."""

    node: Endpoint
    closing: bool = False

    def __str__(self) -> str:
        return f"refuse {'clients without a password' if self.closing else 'the old password'} on {self.node}"


Step = (
    Configure
    | SetEpoch
    | AddSlots
    | Meet
    | Replicate
    | Part
    | Failover
    | Forget
    | CloseSlot
    | FinishSlot
    | MigrateSlots
    | Reset
    | Restart
    | AdmitPassword
    | UsePassword
    | RetirePassword
)


class Until(StrEnum):
    """The condition that ends a phase, as the cluster must show it.

    `PREPARED`: numbers, slots and settings read back. `ACQUAINTED`: every pair of a `Meet` knows each other. `PARTED`: no
    node of a `Part` could go on where it ended. `FOLLOWING`: every `Replicate` read back. `WHOLE`: every node is in its
    place, all views agree, the state is ok everywhere and every link is up. `CONFIGURED`: the settings read back.
    `CLOSED`: no slot is open. `MOVED`: the targets own what was moved, by every view. `LED`: the failed over lead, and the
    cluster is whole.
    `FORGOTTEN`: nobody lists the forgotten. `EMPTY`: the reset nodes are alone and hold nothing. `LOGGED_IN`: what logs in
    and what does not is as it should be, tried with new connections.

    Of a rolling restart, in which servers that still wait for theirs may lack the link to a newer primary: `READY`: the
    cluster is whole. `HANDED`: the failed over lead, and it is whole. `RESTARTED`: the restarted are other processes of
    the wanted version, have caught up with their primaries, and it is whole. `STARTED`: the same of servers that stand
    alone, whatever the cluster is.
    """

    PREPARED = "prepared"
    ACQUAINTED = "acquainted"
    PARTED = "parted"
    FOLLOWING = "following"
    WHOLE = "whole"
    CONFIGURED = "configured"
    CLOSED = "closed"
    MOVED = "moved"
    LED = "led"
    FORGOTTEN = "forgotten"
    EMPTY = "empty"
    READY = "ready"
    HANDED = "handed"
    RESTARTED = "restarted"
    STARTED = "started"
    LOGGED_IN = "logged-in"


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps whose order does not matter, and the condition that ends them within `limit` seconds."""

    name: str
    steps: tuple[Step, ...]
    until: Until
    limit: float


def steps_of(phases: Iterable[Phase | None]) -> Iterator[Step]:
    """The steps of those phases that there are, in order."""
    return (step for phase in phases if phase is not None for step in phase.steps)


@dataclass(frozen=True, slots=True)
class Hazard:
    """A reason to stop and ask for consent by name: code, the nodes it is about, and what would be lost."""

    code: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered phases, hazards, and a fingerprint (sha256) of the topology and the state that it was made from."""

    phases: tuple[Phase, ...]
    hazards: tuple[Hazard, ...]
    fingerprint: str

    @property
    def empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.phases

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in the order of the phases."""
        return tuple(step for phase in self.phases for step in phase.steps)

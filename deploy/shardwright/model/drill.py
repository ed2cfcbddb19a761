"""What a drill breaks and what came of it, as values: `DrillTarget`, `ShardTold`, `DrillOutcome`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .topology import Node


class DrillKind(StrEnum):
    """`PROCESS`: one primary's server is killed. `HOST`: a host is cut off, and its servers are killed. `ZONE`: a zone's
    hosts are cut off from all others."""

    PROCESS = "process"
    HOST = "host"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class DrillTarget:
    """What is broken: `name` is the node's, host's or zone's; `shards` are those that it leads."""

    kind: DrillKind
    name: str
    nodes: tuple[Node, ...]
    shards: tuple[str, ...]

    def __str__(self) -> str:
        what = {DrillKind.PROCESS: "the server", DrillKind.HOST: "host", DrillKind.ZONE: "zone"}[self.kind]
        return f"{what} {self.name}"


@dataclass(frozen=True, slots=True)
class ShardTold:
    """What the writer of one shard was told.

    Attributes:
        shard: its name.
        acknowledged: number of writes.
        refused: number of writes that did not happen.
        unknown: number of writes without an answer.
        gap: longest time without an acknowledged write, in seconds.
        read_gap: longest time without an answered read, in seconds.
        lost: number of acknowledged writes that are gone; None where they could not be read back.
        window: first and last moment after the fault, in seconds, at which a lost write was acknowledged.
    """

    shard: str
    acknowledged: int
    refused: int
    unknown: int
    gap: float
    read_gap: float
    lost: int | None
    window: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class DrillOutcome:
    """All of a drill.

    Attributes:
        target: what was broken.
        told: by shard, in order.
        node_timeout: in force, in seconds.
        interval: seconds between two writes of one shard.
        served_after: seconds from the fault until all shards took writes again for good; None: not before it was lifted.
        whole_after: seconds from its end until the cluster was whole; None: not within the limit.
        lacking: what it lacked then.
        failovers: (shard, primary before, primary after).
        left: keys of the drill that could not be removed, and go by themselves.
    """

    target: DrillTarget
    told: tuple[ShardTold, ...]
    node_timeout: float
    interval: float
    served_after: float | None
    whole_after: float | None
    lacking: str = ""
    failovers: tuple[tuple[str, str, str], ...] = ()
    left: int = 0

"""Verified facts: `Finding`, `Report`, and the rows that people read. Holds values only; judging is `core.verification`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .drift import Drift
from .slots import SlotSet


class Severity(StrEnum):
    """`ERROR` makes a report unhealthy; `WARNING` and `INFO` do not; `OK` is a fact that was checked and holds."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One verified fact: stable code, severity, subject (node, shard or host), message, and what to do."""

    code: str
    severity: Severity
    subject: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One node as shown. `lag` is bytes behind its primary (0 for a primary; None where unknown)."""

    node: str
    address: str
    host: str
    zone: str
    rack: str
    role: str
    version: str
    link_up: bool
    lag: int | None
    keys: int


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One shard as shown: primary first, then replicas; `primary` is None where the shard has none."""

    name: str
    slots: SlotSet
    primary: MemberRow | None
    replicas: tuple[MemberRow, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about one cluster in a stable order, and the table of its shards.

    `drift` holds the differences where those were looked for (none found: empty), else None.
    """

    cluster: str
    product: str
    findings: tuple[Finding, ...]
    shards: tuple[ShardRow, ...]
    drift: tuple[Drift, ...] | None = None

    @property
    def healthy(self) -> bool:
        """Whether no finding is an error."""
        return not any(f.severity is Severity.ERROR for f in self.findings)

    @property
    def slots_served(self) -> int:
        """Number of slots that have an owner by every view."""
        covered = SlotSet()
        for shard in self.shards:
            covered |= shard.slots
        return len(covered)

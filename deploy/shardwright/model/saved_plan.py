"""A plan that was written down to be read, and may be carried out later: `SavedPlan`. Holds no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What must still hold for the plan to be carried out.

    Attributes:
        cluster: its name.
        spec_path, spec_sha256: the cluster.yml that it was made from: as it was named, and of its bytes.
        tool_version: of shardwright.
        made: ISO 8601 in UTC.
        fingerprint: of what it was made from.
        basis: those values (`core.planning.fingerprint.basis`), to say what differs.
        steps: all steps in their order, as they are worded.
    """

    cluster: str
    spec_path: str
    spec_sha256: str
    tool_version: str
    made: str
    fingerprint: str
    basis: Mapping[str, Any]
    steps: tuple[str, ...]

    @property
    def restarts(self) -> frozenset[str]:
        """The nodes that some step starts anew, as they are printed."""
        begun = (step.removeprefix("restart ") for step in self.steps if step.startswith("restart "))
        return frozenset(node.partition(": ")[0] for node in begun)

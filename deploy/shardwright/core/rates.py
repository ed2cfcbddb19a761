"""How long steps take, for the estimate of a plan's time. Measured; a network, a busy server or a slow disk takes longer.

Where from: `python -m benchmarks.rates` (moves, copies, failover, start) and the forming benchmark (what phases take), both
on loopback on a machine of two cores that did other work as well (load 9 to 13), Valkey 9.1.2, November 2026: rather too
slow than too fast. No limit of a wait is derived from these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..model.plan import Until


@dataclass(frozen=True, slots=True)
class Rate:
    """What one source moves in a second: slots that are empty, small keys, bytes of large ones."""

    slots: float
    keys: float
    bytes: float


BY_KEY = Rate(660, 4_300, 24e6)
ATOMIC = Rate(5_700, 48_000, 35e6)
COPIED_BYTES = 20e6
"""Bytes a second of a replica's whole copy."""
FOLLOWS = 1.0
"""Seconds until a replica without a copy begins one."""
FAILOVER = 0.2
"""Seconds until a manual failover is done and all nodes know it."""
RESTART = 6.2
"""Seconds until a server that was started anew, and empty, is linked again; what it loads or copies comes on top."""
NODE = 0.008
"""Seconds for each node in each phase: all are looked at."""
OTHER = 0.1
"""Seconds of a phase whose condition holds as soon as its steps are done."""
BAN = 70.0
"""Seconds after which it is looked again whether the forgotten stay so."""
PHASE: Mapping[Until, float] = MappingProxyType(
    {
        Until.ACQUAINTED: 0.4,
        Until.WHOLE: 1.2,
    }
)
"""Seconds of a phase until its condition holds, by that condition, beside what its steps take."""

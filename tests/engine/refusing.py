"""What tests of refusals share: asking for one by code, and looking whether anything was touched."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.engine.kit import (
    Lab,
    eventually,
    nodes_of,
)

from shardwright.errors import PlanError, ShardwrightError


def refused(
    made: Lab, code: str, *words: str, pace: float = 1.0, kind: type[ShardwrightError] = PlanError
) -> ShardwrightError:
    """That converging is refused with this code, and that the message has these words and a remedy."""
    with pytest.raises(kind) as raised:
        made.converge(pace=pace)
    error = raised.value
    assert error.code == code, error
    for word in words:
        assert word in error.message, (word, error.message)
    assert error.hint
    return error


def keep_slots(made: Lab, index: int, count: int = 20) -> dict[str, str]:
    """Make one server a cluster of its own, with keys."""
    one = made[index]
    one.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    eventually(lambda: one.execute_command("CLUSTER INFO")["cluster_state"] == "ok", "it serves alone")
    pairs = {f"own{n}": str(n) for n in range(count)}
    for key, value in pairs.items():
        one.set(key, value)
    return pairs


def with_short_timeout(made: Lab) -> tuple[tuple[str, str], ...]:
    """The settings to keep, with a node timeout of a second: a dead node is called so while a test waits."""
    return tuple((name, "1000" if name == "cluster-node-timeout" else value) for name, value in made.topology.live)


def snapshot(made: Lab, indices: Iterable[int]) -> list[tuple[object, ...]]:
    """All that a cluster is: its lists of nodes without times, its keys and its epochs."""
    found = []
    for n in indices:
        rows = nodes_of(made[n])
        view = sorted((i, r["address"], r["role"], r["primary"], len(r["slots"])) for i, r in rows.items())
        epoch = made[n].execute_command("CLUSTER INFO")["cluster_current_epoch"]
        found.append((view, epoch, sorted(made[n].scan_iter(count=1000))))
    return found

"""Valkey changes a slot only once its replicas have the change: what a deploy makes of replicas that lag."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.simulation.kit import judge
from tests.simulation.test_running import THREE, quick, running

from shardwright.control.converging import Means, converge
from shardwright.errors import ApplyError
from shardwright.model.progress import Moment, ProgressEvent
from shardwright.testing.accounting import TransportClient
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.fake_server import FakeServer

KEYS = [f"{{b}}{n}" for n in range(3)]
SLOT = 3300
"""Of the hash tag {b}."""


def opened(*, both: bool) -> tuple[FakeCluster, FakeServer, FakeServer]:
    """A cluster with a slot that is marked at its source, and at its target too; with those two."""
    cluster = running()
    owners = [s for s in cluster.servers if s.owned]
    source = next(s for s in owners if s.owned >> SLOT & 1)
    target = next(s for s in owners if s is not source)
    a, b = source.endpoint, target.endpoint
    transport = cluster.transport()
    transport.ask({a: [("SET", key, "v") for key in KEYS]}, timeout=1)
    if both:
        transport.ask({b: [("CLUSTER", "SETSLOT", SLOT, "IMPORTING", source.id)]}, timeout=5)
    transport.ask({a: [("CLUSTER", "SETSLOT", SLOT, "MIGRATING", target.id)]}, timeout=5)
    return cluster, source, target


def replica_of(cluster: FakeCluster, primary: FakeServer) -> FakeServer:
    return next(s for s in cluster.servers if s.myself.primary_id == primary.id)


def run(cluster: FakeCluster, at_start: Callable[[], None]) -> None:
    """Converge; `at_start` is called once, when the first phase begins."""
    begun: list[str] = []

    def hear(event: ProgressEvent) -> None:
        if event.moment is Moment.STARTED and not begun:
            begun.append(event.phase)
            at_start()

    converge(quick(THREE), Means(cluster.transport(), cluster.clock, cluster.prober(), progress=hear))
    assert begun == ["close open slots"]


def assert_closed(cluster: FakeCluster) -> None:
    client = TransportClient(cluster.transport(), cluster.endpoints)
    assert [client.get(key) for key in KEYS] == ["v"] * 3
    assert not any(s.migrating or s.importing for s in cluster.servers if s.owned)
    cluster.clock.sleep(2)
    assert [
        wrong for wrong in judge(quick(THREE), cluster) if "keys" not in wrong and "slots, wanted" not in wrong
    ] == []


@pytest.mark.parametrize(("end", "both"), [("source", True), ("target", True), ("source", False)])
def test_one_that_stands_still_for_a_while_is_waited_for_in_the_same_run(end: str, both: bool) -> None:
    cluster, source, target = opened(both=both)
    slow = replica_of(cluster, source if end == "source" else target)

    def freeze() -> None:
        cluster.freeze(slow)
        cluster.clock.after(3, lambda: cluster.thaw(slow))

    run(cluster, freeze)
    assert_closed(cluster)


@pytest.mark.parametrize("both", [True, False], ids=["finish", "unmark"])
def test_one_that_never_confirms_ends_the_run_with_its_primary_named_and_the_next_run_goes_on(both: bool) -> None:
    cluster, source, _ = opened(both=both)
    slow = replica_of(cluster, source)
    with pytest.raises(ApplyError) as raised:
        run(cluster, lambda: cluster.cut(slow, source, one_way=True))
    assert raised.value.code == "replicas-unconfirmed"
    assert str(source.endpoint) in raised.value.message
    assert "INFO replication" in raised.value.hint
    cluster.heal()
    cluster.clock.sleep(5)
    run(cluster, lambda: None)
    assert_closed(cluster)

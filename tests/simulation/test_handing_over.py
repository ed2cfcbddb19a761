"""Somebody fails the source of a move over while it hands its slots over: at every moment, in fractions of a millisecond.

On Redis, a primary that loses its last slots to two others at once deletes the keys of what it lost and tells nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from tests.simulation.kit import deploy, judge
from tests.simulation.test_running import quick, running

from shardwright.control.converging import Means, converge
from shardwright.model.endpoint import Endpoint
from shardwright.model.plan import Part
from shardwright.model.wire import Answer, Command
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.fake_server import FakeServer
from shardwright.testing.strategies import topology

THREE = topology(3, 1)
THREE = replace(THREE, product="redis", live=(*THREE.live, ("cluster-allow-replica-migration", "no")))
MOMENTS = [n / 2000 for n in range(2, 9)]
"""Seconds between the failover and the handing over: messages take up to 2 ms."""


class Meddling:
    """A transport that calls `meddle` before slots go to a new owner for the first time."""

    def __init__(self, cluster: FakeCluster, meddle: Callable[[], None]) -> None:
        self._inner, self._meddle = cluster.transport(), meddle
        self.meddled = False

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        hands_over = any(
            c[:2] == ("CLUSTER", "SETSLOT") and c[3] == "NODE" for batch in requests.values() for c in batch
        )
        if hands_over and not self.meddled:
            self.meddled = True
            self._meddle()
        return self._inner.ask(requests, timeout=timeout)

    def address(self, endpoint: Endpoint) -> str:
        return self._inner.address(endpoint)

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize("drained", [False, True])
def test_a_failover_in_the_moment_of_handing_over_loses_no_key(drained: bool) -> None:
    wrong = {after: problems for after in MOMENTS if (problems := run(after, drained=drained))}
    assert wrong == {}


def test_a_primary_that_such_a_failover_left_empty_becomes_a_replica_with_all_keys_before_it_leads() -> None:
    """Somebody else moved the slots, without our care for the source."""
    found = [run_elsewhere(after) for after in MOMENTS]
    assert {problems for problems, _ in found} == {()}
    assert any(parted for _, parted in found), "the source was never left behind: this says nothing"


def run_elsewhere(after: float) -> tuple[tuple[str, ...], bool]:
    """What is wrong once a deploy has mended what it found, and whether a history had to be parted."""
    cluster = running(THREE)
    source, replica = ends(cluster)
    target = cluster[THREE.shards[0].members[0].endpoint]
    keys = {f"k{n}": f"v{n}" for n in range(300)}
    write(cluster, keys)
    other = cluster.transport()
    held = source.store.slots()
    free = [slot for slot in range(16384) if source.owned >> slot & 1 and slot not in held][:20]
    other.ask({target.endpoint: [("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id) for slot in free]}, timeout=1)
    other.ask({source.endpoint: [("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id) for slot in free]}, timeout=1)
    other.ask({replica.endpoint: [("CLUSTER", "FAILOVER")]}, timeout=1)
    cluster.clock.sleep(after)
    other.ask({target.endpoint: [("CLUSTER", "SETSLOT", slot, "NODE", target.id) for slot in free]}, timeout=1)
    cluster.clock.sleep(5)
    outcome, _ = deploy(replace(quick(THREE), even_primaries=True), cluster)
    cluster.clock.sleep(5)
    quotas = [problem for problem in judge(outcome.topology, cluster) if "slots, wanted" not in problem]
    parted = any(isinstance(step, Part) for phase in outcome.phases for step in phase.steps)
    return (*lost(cluster, keys), *quotas), parted


def ends(cluster: FakeCluster) -> tuple[FakeServer, FakeServer]:
    """Primary and replica of the second shard."""
    one, other = (cluster[node.endpoint] for node in THREE.shards[1].members)
    return (other, one) if one.myself.replica else (one, other)


def lost(cluster: FakeCluster, keys: Mapping[str, str]) -> list[str]:
    held = {key: value for server in cluster.servers if server.owned for key, value in server.store.values().items()}
    gone = [key for key, value in keys.items() if held.get(key.encode()) != value.encode()]
    return [f"{len(gone)} keys are lost"] if gone else []


def run(after: float, *, drained: bool) -> list[str]:
    """What is wrong once a move was met by a failover that many seconds before."""
    cluster = running(THREE)
    one, two, three = THREE.shards
    _, replica = ends(cluster)
    keys = {f"k{n}": f"v{n}" for n in range(300)}
    write(cluster, keys)
    fewer = (replace(one, quota=8192), replace(three, quota=8192))
    shifted = (replace(one, quota=one.quota + 300), replace(two, quota=two.quota - 300), three)
    wanted = replace(quick(THREE), shards=shifted)
    if drained:
        wanted = replace(wanted, shards=fewer, spares=two.members)

    def meddle() -> None:
        other = cluster.transport()
        assert other.ask({replica.endpoint: [("CLUSTER", "FAILOVER")]}, timeout=1)[replica.endpoint] == [b"OK"]
        cluster.clock.sleep(after)

    transport = Meddling(cluster, meddle)
    outcome = converge(wanted, Means(transport, cluster.clock, allowed=["moves-most-slots"]))
    cluster.clock.sleep(5)
    assert transport.meddled
    return lost(cluster, keys) + judge(outcome.topology, cluster)


def write(cluster: FakeCluster, keys: Mapping[str, str]) -> None:
    transport = cluster.transport()
    for key, value in keys.items():
        answers = transport.ask({s.endpoint: [("SET", key, value)] for s in cluster.servers if s.owned}, timeout=1)
        assert [b"OK"] in answers.values()

"""Drills on servers in memory: what is counted is what was lost, and whatever happens, what was broken is mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from tests.simulation.kit import CALM, judge
from tests.simulation.test_running import THREE, quick, running

from shardwright.control import drilling
from shardwright.control.converging import Means
from shardwright.control.drilling import Drill, drill
from shardwright.errors import ApplyError, PlanError
from shardwright.model.drill import DrillKind, DrillTarget
from shardwright.model.report import Finding, Report
from shardwright.testing.accounting import FakeClient
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.strategies import Network


class FakeLoad:
    """Writers that work while virtual time passes."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster, self.over = cluster, False

    def start(self, steps: Sequence[Callable[[], None]]) -> None:
        for step in steps:
            self._cluster.clock.every(0.01, lambda step=step: not self.over and (step(), True)[1])

    def stop(self) -> None:
        self.over = True


class FakeFault:
    """The same faults as on hosts; `harmless` breaks nothing, `failing` breaks and then fails."""

    def __init__(self, cluster: FakeCluster, how: str = "") -> None:
        self._cluster, self._how = cluster, how
        self.log: list[str] = []

    def __call__(self, target: DrillTarget, seconds: float) -> FakeFault:
        self.target = target
        assert seconds > 4
        return self

    def strike(self) -> None:
        self.log.append("strike")
        for node in self.target.nodes if self._how != "harmless" else ():
            server = self._cluster[node.endpoint]
            if self.target.kind is DrillKind.ZONE:
                self._cluster.isolate(server, clients=True)
            else:
                self._cluster.kill(server, host_lost=self.target.kind is DrillKind.HOST)
        if self._how == "failing":
            raise ApplyError("drill-not-broken", "half of it")

    def lift(self) -> None:
        self.log.append("lift")
        self._cluster.heal()
        for server in self._cluster.servers:
            if not server.running and self._how != "gone":
                self._cluster.start(server)


def drilled(cluster: FakeCluster, kind: DrillKind, name: str = "", how: str = "") -> tuple[Report, FakeFault]:
    fault = FakeFault(cluster, how)
    wish = Drill(kind, name, fault, FakeLoad(cluster), lambda _members: FakeClient(cluster), 0.01, "run")
    proof = drill(quick(THREE), Means(cluster.transport(), cluster.clock), wish)
    return proof.report, fault


def said(report: Report, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


def keys(cluster: FakeCluster) -> set[bytes]:
    return {key for server in cluster.servers for key in server.store.values()}


@pytest.mark.parametrize("kind", list(DrillKind))
def test_the_cluster_is_proved_again_and_the_time_is_that_of_the_failover(kind: DrillKind) -> None:
    cluster = running()
    report, fault = drilled(cluster, kind)
    assert report.healthy, report.findings
    assert fault.log == ["strike", "lift"]
    again = said(report, "drill-served-again")[0].message
    seconds = float(again.partition("took writes ")[2].partition(" s")[0])
    assert 1.5 < seconds < 6, "about the node timeout of 2 s, and an election"
    assert "shard-" in again
    assert said(report, "drill-whole-again")
    assert fault.target.nodes[0] in [s.primary for s in THREE.shards]
    assert [s.endpoint for s in cluster.servers if s.owned] == [s.primary.endpoint for s in THREE.shards], "as before"
    cluster.clock.sleep(1)
    assert judge(quick(THREE), cluster) == []
    assert keys(cluster) == set()


def test_what_a_lost_host_had_acknowledged_and_not_passed_on_is_counted() -> None:
    """By another count: the keys of the dead server that no other server has."""
    cluster = running(network=Network(1, (0.03, 0.06), 0.0))
    report, _ = drilled(cluster, DrillKind.HOST)
    lost = said(report, "drill-writes-lost")
    assert len(lost) == 1
    count = int(lost[0].message.partition("; ")[2].rpartition("; ")[2].partition(" of")[0].replace(",", ""))
    assert 0 < count < 30
    assert report.healthy, "the engine's own loss is told, and is no error"
    assert len(said(report, "drill-nothing-lost")) == 2


def test_a_fault_that_nobody_feels_proves_nothing() -> None:
    report, _ = drilled(running(), DrillKind.PROCESS, how="harmless")
    assert not report.healthy
    assert said(report, "drill-shows-nothing")


def test_a_server_that_does_not_come_back_is_said() -> None:
    report, _ = drilled(running(), DrillKind.PROCESS, how="gone")
    assert not report.healthy
    assert "10.0." in said(report, "drill-not-whole-again")[0].message


def test_what_was_broken_in_part_is_mended_and_the_keys_expire() -> None:
    cluster = running()
    fault = FakeFault(cluster, "failing")
    load = FakeLoad(cluster)
    wish = Drill(DrillKind.PROCESS, "", fault, load, lambda _members: FakeClient(cluster), 0.01, "run")
    with pytest.raises(ApplyError):
        drill(quick(THREE), Means(cluster.transport(), cluster.clock), wish)
    assert fault.log == ["strike", "lift"]
    assert load.over
    assert all(server.running for server in cluster.servers)


def test_a_cluster_that_is_not_whole_is_left_alone() -> None:
    cluster = running()
    cluster.kill(next(s for s in cluster.servers if s.myself.replica))
    fault = FakeFault(cluster)
    wish = Drill(DrillKind.PROCESS, "", fault, FakeLoad(cluster), lambda _m: FakeClient(cluster), 0.01, "run")
    with pytest.raises(PlanError) as raised:
        drill(quick(THREE), Means(cluster.transport(), cluster.clock), wish)
    assert raised.value.code == "drill-not-whole"
    assert fault.log == []


def test_a_host_with_all_copies_of_a_shard_and_names_that_are_not_there_are_refused() -> None:
    cluster = running()
    together = replace(
        THREE,
        shards=tuple(
            replace(s, members=tuple(replace(n, host="one", zone="z") for n in s.members)) for s in THREE.shards
        ),
    )
    together = replace(quick(together), spread="none")
    for wanted, kind, name, code in (
        (together, DrillKind.HOST, "one", "drill-not-survivable"),
        (together, DrillKind.ZONE, "", "drill-not-survivable"),
        (THREE, DrillKind.HOST, "nobody", "drill-target-unknown"),
        (THREE, DrillKind.PROCESS, "h9:6379", "drill-target-unknown"),
    ):
        fault = FakeFault(cluster)
        wish = Drill(kind, name, fault, FakeLoad(cluster), lambda _m: FakeClient(cluster), 0.01, "run")
        with pytest.raises(PlanError) as raised:
            drill(replace(quick(wanted), spread=wanted.spread), Means(cluster.transport(), cluster.clock), wish)
        assert raised.value.code == code
        assert fault.log == []


def test_a_shard_may_be_named_and_its_primary_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "WARM_UP", 1.0)
    cluster = running(network=CALM)
    _, fault = drilled(cluster, DrillKind.PROCESS, "shard-2")
    assert fault.target.shards == ("shard-2",)
    assert fault.target.nodes[0] in THREE.shards[1].members

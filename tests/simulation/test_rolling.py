"""Rolling restarts and upgrades on fake servers under a writer, killed anywhere: nothing is lost, and it ends the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.simulation.kit import CALM, deploy, judge

from shardwright.control.converging import Means, Outcome, converge
from shardwright.control.run import foresee
from shardwright.errors import PlanError, ShardwrightError
from shardwright.model.endpoint import Endpoint
from shardwright.model.saved_plan import SavedPlan
from shardwright.model.topology import Topology
from shardwright.testing.accounting import FakeClient, Writer
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.fake_supervisor import FakeSupervisor
from shardwright.testing.fake_transport import FakeTransport, Killed
from shardwright.testing.strategies import Network, topology

BASE = {"appendonly": "yes", "cluster-node-timeout": "2000", "repl-diskless-sync-delay": "0"}
AT_START = {**BASE, "databases": "32"}
"""With a setting that no server takes live."""
EFFECTS = 9
"""Of three shards with a replica each: six restarts, three failovers; beside them, news that is passed on."""


class Watched(FakeSupervisor):
    """Sees for itself that nothing is stopped that must not be."""

    def __init__(self, cluster: FakeCluster, transport: FakeTransport, wanted: Topology, **how: object) -> None:
        super().__init__(cluster, transport, **how)  # type: ignore[arg-type]
        self._servers, self._wanted = cluster, wanted

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """Refuses to be part of an outage."""
        assert all(not self._servers[e].owned for e in nodes), "a primary would be stopped"
        assert all(server.running for server in self._servers.servers), "somebody else is down still"
        assert len({n.host for n in self._wanted.nodes if n.endpoint in nodes}) == 1
        shards = [self._wanted.shard_of(e).name for e in nodes]
        assert len(set(shards)) == len(shards), "two members of a shard"
        for name in shards:
            members = [self._servers[n.endpoint] for s in self._wanted.shards if s.name == name for n in s.members]
            lead = next(server for server in members if server.owned)
            rest = [s for s in members if s is not lead and s.endpoint not in nodes]
            assert len(members) < 3 or any(s.copying.up and not s.copying.syncing for s in rest), "the last copy"
        return super().restart(nodes)


class Scene:
    """A cluster that runs, and what its files and binaries have become."""

    def __init__(
        self, wanted: Topology, runs: tuple[str, str], becomes: tuple[str, str], network: Network = CALM
    ) -> None:
        live = dict(wanted.live) | {k: v for k, v in BASE.items() if k in dict(wanted.live)}
        base = replace(wanted, live=tuple(live.items()), settings=(("appendonly", "yes"),))
        self.cluster = FakeCluster.of(
            replace(base, product=runs[0]), version=runs[1], settings=BASE, seed=network.seed, delay=network.delay
        )
        deploy(replace(base, product=runs[0]), self.cluster)
        self.becomes = becomes
        self.topology = replace(
            base, product=becomes[0], versions=becomes[1], settings=(("appendonly", "yes"), ("databases", "32"))
        )
        self.writer = Writer(FakeClient(self.cluster))
        self.cluster.clock.every(0.02, lambda: self.writer.write(self.cluster.clock.now()))
        self.cluster.clock.sleep(1)

    def supervisor(self, transport: FakeTransport, middle: int = 0) -> Watched:
        return Watched(
            self.cluster,
            transport,
            self.topology,
            product=self.becomes[0],
            version=self.becomes[1],
            settings=AT_START,
            middle=middle,
        )

    def run(self, transport: FakeTransport, supervisor: Watched, allowed: tuple[str, ...] = ()) -> Outcome:
        means = Means(transport, self.cluster.clock, self.cluster.prober(), allowed=allowed, supervisor=supervisor)
        return converge(self.topology, means)

    def roll(self, allowed: tuple[str, ...] = ()) -> tuple[Outcome, Watched]:
        transport = self.cluster.transport()
        supervisor = self.supervisor(transport)
        return self.run(transport, supervisor, allowed), supervisor

    def judged(self) -> None:
        """All are new, the cluster is whole, no write is lost, and a second run has nothing to do."""
        for server in self.cluster.servers:
            assert (server.product, server.version, server.settings["databases"]) == (*self.becomes, "32")
        self.cluster.clock.sleep(1)
        transport = self.cluster.transport()
        again = self.run(transport, self.supervisor(transport))
        assert (again.changed, transport.effects) == (False, 0)
        assert [w for w in judge(self.topology, self.cluster) if "keys" not in w] == []
        account = self.writer.check()
        assert len(account.acknowledged) > 100, "too few writes for a statement"
        assert account.lost == ()


CHANGES = [
    pytest.param(("valkey", "9.1.2"), ("valkey", "9.1.2"), id="setting"),
    pytest.param(("valkey", "8.1.1"), ("valkey", "9.1.2"), id="valkey"),
    pytest.param(("redis", "7.0.15"), ("valkey", "8.0.1"), id="engine"),
]


@pytest.mark.parametrize(("runs", "becomes"), CHANGES)
@pytest.mark.parametrize("replicas", [1, 2])
def test_every_server_is_restarted_once_and_no_write_is_lost(
    runs: tuple[str, str], becomes: tuple[str, str], replicas: int
) -> None:
    scene = Scene(topology(3, replicas), runs, becomes)
    transport = scene.cluster.transport()
    supervisor = scene.supervisor(transport)
    scene.run(transport, supervisor)
    assert transport.effects >= EFFECTS
    assert sorted(supervisor.restarted) == sorted(scene.cluster.endpoints)
    assert scene.writer.account.longest_gap < 1.0
    scene.judged()


@pytest.mark.parametrize("seed", range(3))
def test_over_a_slow_network_with_more_shards(seed: int) -> None:
    scene = Scene(topology(4, 1), ("redis", "7.0.15"), ("valkey", "8.0.1"), Network(seed, (0.0002, 0.02), 0.0))
    scene.roll()
    scene.judged()


KILLS = [*((mode, n) for mode in ("after", "middle") for n in range(1, 15)), *(("reply", n) for n in range(4, 15, 2))]
"""Before an effect is after the one before it."""


@pytest.mark.parametrize(("mode", "number"), KILLS)
def test_killed_at_any_effect_of_a_change_of_engine_and_run_again(number: int, mode: str) -> None:
    """Also between a failover and its restart, and between a stop and its start: a deploy starts who does not run."""
    scene = Scene(topology(3, 1), ("redis", "7.0.15"), ("valkey", "8.0.1"))
    transport = scene.cluster.transport()
    arms = {"after": transport.fail_after, "reply": transport.lose_reply}
    if mode in arms:
        arms[mode](number)
    with suppress(Killed, ShardwrightError):
        scene.run(transport, scene.supervisor(transport, number if mode == "middle" else 0))
    scene.supervisor(transport).start_dead()
    scene.roll()
    scene.judged()


def test_a_crash_between_the_files_and_the_restart_starts_the_new_engine_and_the_deploy_goes_on() -> None:
    """The crashed primary comes back by its service manager as the new engine, whom its old replica can't copy."""
    scene = Scene(topology(3, 1), ("redis", "7.0.15"), ("valkey", "8.0.1"))
    victim = next(server for server in scene.cluster.servers if server.owned)
    scene.cluster.kill(victim)
    scene.supervisor(scene.cluster.transport()).start_dead()
    scene.cluster.clock.sleep(20)
    scene.roll()
    scene.judged()


@pytest.mark.parametrize("when", [0.1, 1.0, 3.0, 6.0])
def test_a_failover_in_the_middle_of_a_rolling_restart(when: float) -> None:
    """A server that dies on the way is started by its service manager; a primary's part goes to its replica meanwhile."""
    scene = Scene(topology(3, 1), ("valkey", "8.1.1"), ("valkey", "9.1.2"))
    helper = scene.supervisor(scene.cluster.transport())

    def crash() -> None:
        running = [server for server in scene.cluster.servers if server.owned and server.running]
        if running:
            scene.cluster.kill(running[-1])
            scene.cluster.clock.after(8.0, helper.start_dead)

    scene.cluster.clock.after(when, crash)
    with suppress(AssertionError, ShardwrightError):  # the watch sees the one that crashed
        scene.roll()
    scene.cluster.clock.sleep(30)
    scene.roll()
    scene.judged()


def test_nobody_else_is_stopped_while_one_has_not_caught_up() -> None:
    """The first that is restarted is cut off from its primary for a while: linked by no view, and behind."""
    scene = Scene(topology(3, 1), ("valkey", "8.1.1"), ("valkey", "9.1.2"))
    times: list[float] = []

    class Cutting(Watched):
        def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
            times.append(scene.cluster.clock.now())
            done = super().restart(nodes)
            if len(times) == 1:
                replica = scene.cluster[next(iter(nodes))]
                primary = next(s for s in scene.cluster.servers if s.id == replica.myself.primary_id)
                scene.cluster.cut(replica, primary)
                scene.cluster.clock.after(8.0, scene.cluster.heal)
            return done

    transport = scene.cluster.transport()
    cutting = Cutting(scene.cluster, transport, scene.topology, product="valkey", version="9.1.2", settings=AT_START)
    scene.run(transport, cutting)
    assert times[1] - times[0] > 8.0
    scene.judged()


def test_a_shard_without_replica_is_restarted_only_by_consent_one_at_a_time() -> None:
    scene = Scene(topology(3, 0), ("valkey", "9.1.2"), ("valkey", "9.1.2"))
    with pytest.raises(PlanError) as refused:
        scene.roll()
    assert refused.value.code == "hazard-not-allowed"
    assert "restarts-without-replica" in str(refused.value)
    transport = scene.cluster.transport()
    calls: list[int] = []

    class Counting(FakeSupervisor):
        def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
            calls.append(len(nodes))
            assert all(server.running for server in scene.cluster.servers)
            return super().restart(nodes)

    supervisor = Counting(
        scene.cluster, transport, product=scene.becomes[0], version=scene.becomes[1], settings=AT_START
    )
    means = Means(transport, scene.cluster.clock, allowed=("restarts-without-replica",), supervisor=supervisor)
    converge(scene.topology, means)
    assert calls == [1, 1, 1]
    scene.judged()


@pytest.mark.parametrize(
    ("runs", "becomes", "code"),
    [
        (("valkey", "9.1.2"), ("valkey", "8.1.1"), "downgrades"),
        (("valkey", "8.1.1"), ("redis", "8.0.2"), "upgrade-path"),
        (("redis", "7.4.1"), ("valkey", "9.1.2"), "upgrade-path"),
        (("redis", "6.2.7"), ("redis", "7.2.4"), "upgrade-path"),
    ],
)
def test_a_change_without_a_way_is_refused_and_nothing_is_touched(
    runs: tuple[str, str], becomes: tuple[str, str], code: str
) -> None:
    scene = Scene(topology(3, 1), runs, becomes)
    transport = scene.cluster.transport()
    supervisor = scene.supervisor(transport)
    with pytest.raises(PlanError) as refused:
        scene.run(transport, supervisor)
    assert refused.value.code == code
    assert (transport.effects, supervisor.restarted) == (0, [])


def test_what_a_server_refuses_to_take_live_it_gets_by_a_restart() -> None:
    scene = Scene(topology(3, 1), ("valkey", "9.1.2"), ("valkey", "9.1.2"))
    settings_ = (("appendonly", "yes"), ("maxmemory-policy", "allkeys-lru"))
    scene.topology = replace(scene.topology, settings=settings_)
    transport = scene.cluster.transport()
    stubborn = _Stubborn(transport, "maxmemory-policy")
    supervisor = FakeSupervisor(
        scene.cluster,
        transport,
        product="valkey",
        version="9.1.2",
        settings={**BASE, "maxmemory-policy": "allkeys-lru"},
    )
    converge(scene.topology, Means(stubborn, scene.cluster.clock, supervisor=supervisor))  # type: ignore[arg-type]
    assert {server.settings["maxmemory-policy"] for server in scene.cluster.servers} == {"allkeys-lru"}
    assert sorted(supervisor.restarted) == sorted(scene.cluster.endpoints)
    assert scene.writer.check().lost == ()


class _Stubborn:
    """A transport to servers that take a setting only at their start."""

    def __init__(self, inner: FakeTransport, name: str) -> None:
        self._inner, self._name = inner, name

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def ask(self, requests: Mapping[Endpoint, Collection[tuple[object, ...]]], *, timeout: float) -> object:
        turned = {
            e: [("CONFIG", "SET", "databases", "9") if c[:3] == ("CONFIG", "SET", self._name) else c for c in batch]
            for e, batch in requests.items()
        }
        return self._inner.ask(turned, timeout=timeout)  # type: ignore[arg-type]


def test_with_a_plan_that_was_read_only_its_restarts_are_done() -> None:
    """A newer build lies on all hosts, which whoever only asks the servers does not see."""
    scene = Scene(topology(3, 1), ("valkey", "9.1.1"), ("valkey", "9.1.2"))
    scene.topology = replace(scene.topology, versions="9.1", settings=(("appendonly", "yes"),))
    transport = scene.cluster.transport()
    build = Watched(scene.cluster, transport, scene.topology, product="valkey", version="9.1.2", settings=BASE)
    means = Means(transport, scene.cluster.clock, scene.cluster.prober(), supervisor=build)
    seen = foresee(scene.topology, replace(means, supervisor=None))
    read = SavedPlan("test", "", "", "", "", seen.made.fingerprint, seen.basis, ())
    replica = next(server.endpoint for server in scene.cluster.servers if not server.owned)
    for steps, restarted in (((), []), ((f"restart {replica}: it is old",), [replica])):
        converge(scene.topology, means, fitting=replace(read, steps=steps))
        assert build.restarted == restarted
    converge(scene.topology, means)
    assert len(build.restarted) == 6

"""Passwords of fake clusters are changed, with the deployer killed at every effect, and judged from the servers' memories.

A watcher holds at every moment that each server can log in at each, and that clients with either password are let in.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from tests.simulation.kit import judge, servers_for

from shardwright.control.converging import Means
from shardwright.control.rotating import Rotation
from shardwright.control.run import Proof, foresee, form_and_verify, verify_only
from shardwright.errors import ApplyError, ObservationError, PlanError, ShardwrightError
from shardwright.model.endpoint import Endpoint
from shardwright.model.saved_plan import SavedPlan
from shardwright.model.secret import Secret
from shardwright.model.spec import Security
from shardwright.model.topology import Topology
from shardwright.testing.fake_admin import digest, login
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.fake_supervisor import FakeSupervisor
from shardwright.testing.fake_transport import FakeTransport, Killed
from shardwright.testing.strategies import MODES, Fault, topology

OLD, NEW, THIRD = "old pässword 'quoted'", 'new "password" ü\\', "somebody else's password"
THREE = topology(3, 1)
BEFORE = Security(Secret(OLD))
BOTH = Security(Secret(NEW), previous=Secret(OLD))
AFTER = Security(Secret(NEW), retired=Secret(OLD))


def means(cluster: FakeCluster, security: Security, fault: Fault | None = None) -> Means:
    transport = cluster.transport(security.password)
    if fault is not None:
        fault.arm(transport)
    rotation = Rotation(security, transport, transport.logging_in_with)
    return Means(transport, cluster.clock, cluster.prober(), security.password, rotation=rotation)


def run(cluster: FakeCluster, security: Security, fault: Fault | None = None) -> tuple[Proof, FakeTransport]:
    used = means(cluster, security, fault)
    assert isinstance(used.transport, FakeTransport)
    return form_and_verify(cluster_topology(cluster), used, canary=False), used.transport


def cluster_topology(cluster: FakeCluster) -> Topology:
    return replace(THREE, product=cluster.servers[0].product)


def formed(product: str = "valkey", password: str = OLD) -> FakeCluster:
    """A cluster that takes the old password, or is open."""
    wanted = replace(THREE, product=product)
    cluster = servers_for(wanted, settings={"requirepass": password, "masterauth": password})
    security = Security(Secret(password)) if password else Security(open=True)
    form_and_verify(wanted, means(cluster, security), canary=False)
    assert judge(wanted, cluster) == []
    return cluster


def write_files(cluster: FakeCluster) -> None:
    """What a deploy does between admitting and forming; a server that starts reads it."""
    for server in cluster.servers:
        server.config_file |= {"requirepass": NEW, "masterauth": NEW}


def watch(cluster: FakeCluster, *, clients: tuple[str, ...] = ()) -> list[str]:
    """At every moment each server can log in at each; `clients` are passwords that are always taken."""
    breaches: list[str] = []
    seen = None

    def look() -> None:
        nonlocal seen
        now = [(*s.passwords, s.settings["masterauth"], s.settings["masteruser"]) for s in cluster.servers]
        if now == seen:
            return
        seen = now
        for target in cluster.servers:
            for server in cluster.servers:
                auth, user = server.settings["masterauth"], server.settings["masteruser"]
                if login(target, user, auth) if auth else target.passwords:
                    breaches.append(f"{cluster.clock.now():.3f}: {server.endpoint} can't log in at {target.endpoint}")
            breaches.extend(f"{target.endpoint} refuses a client" for c in clients if login(target, "default", c))

    look()
    cluster.clock.every(0.001, look)
    return breaches


def held(cluster: FakeCluster) -> set[tuple[tuple[str, ...], str, str, str]]:
    """What the servers take and replicate with."""
    names = ("requirepass", "masterauth", "masteruser")
    return {(tuple(s.passwords), *(s.settings[name] for name in names)) for s in cluster.servers}


ROTATED = {((digest(NEW),), NEW, NEW, "")}


def errors(proof: Proof) -> list[str]:
    return [f"{f.code}: {f.message}" for f in proof.report.findings if f.severity.value == "error"]


def codes(proof: Proof) -> dict[str, str]:
    return {f.code: f.severity.value for f in proof.report.findings if f.code.startswith("password-")}


@pytest.mark.parametrize("product", ["valkey", "redis"])
def test_both_are_taken_until_the_old_one_is_retired(product: str) -> None:
    cluster = formed(product)
    breaches = watch(cluster, clients=(OLD,))
    proof, _ = run(cluster, BOTH)
    assert errors(proof) == []
    assert codes(proof) == {"password-previous": "info"}
    assert {frozenset(s.passwords) for s in cluster.servers} == {frozenset({digest(OLD), digest(NEW)})}
    again, transport = run(cluster, BOTH)
    assert transport.effects == 0
    assert again.outcome is not None
    assert not again.outcome.changed
    assert breaches == []

    for server in cluster.servers[::2]:  # as one that started from its file: it keeps the new one, and takes both
        server.settings["requirepass"] = NEW
    done, _ = run(cluster, AFTER)
    assert errors(done) == []
    assert codes(done) == {"password-retired": "ok"}
    assert held(cluster) == ROTATED
    assert run(cluster, AFTER)[1].effects == 0
    assert run(cluster, Security(Secret(NEW)))[1].effects == 0
    assert [b for b in breaches if "log in" in b] == []


def test_in_one_run_where_no_client_needs_the_time_between() -> None:
    cluster = formed()
    breaches = watch(cluster)
    proof, transport = run(cluster, AFTER)
    assert codes(proof) == {"password-retired": "ok"}
    assert held(cluster) == ROTATED
    assert proof.outcome is not None
    words = " ".join(str(step) for phase in proof.outcome.phases for step in phase.steps)
    assert "refuse the old password" in words
    assert OLD not in words
    assert transport.effects == 18
    assert breaches == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(1, 19))
def test_killed_at_every_effect_a_plain_run_ends_it(number: int, mode: str) -> None:
    cluster = formed("redis" if number % 2 else "valkey")
    breaches = watch(cluster)
    with suppress(Killed, ShardwrightError):
        run(cluster, AFTER, Fault(number, mode))
    write_files(cluster)
    victim = cluster.servers[number % 6]
    cluster.kill(victim)
    cluster.start(victim)
    proof, _ = run(cluster, AFTER)
    assert errors(proof) == []
    assert held(cluster) == ROTATED
    assert judge(cluster_topology(cluster), cluster) == []
    assert run(cluster, AFTER)[1].effects == 0
    late = [b for b in breaches if str(victim.endpoint) not in b]
    assert late == []


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("number", range(0, 19))
def test_an_open_cluster_is_closed_at_the_very_end(number: int, mode: str) -> None:
    cluster = formed("redis" if number % 2 else "valkey", "")
    breaches = watch(cluster)
    with suppress(Killed, ShardwrightError):
        run(cluster, Security(Secret(NEW)), Fault(number, mode) if number else None)
    proof, _ = run(cluster, Security(Secret(NEW)))
    assert errors(proof) == []
    assert held(cluster) == ROTATED
    assert run(cluster, Security(Secret(NEW)))[1].effects == 0
    assert breaches == []


def test_nobody_is_restarted_in_the_run_that_closes_an_open_cluster() -> None:
    """A server that starts with the password could not follow one that has none yet."""
    cluster = formed("valkey", "")
    version = cluster.servers[0].version
    there = {"requirepass": NEW, "masterauth": NEW, "databases": "4"}
    breaches = watch(cluster)

    def deploy() -> tuple[Proof, list[Endpoint]]:
        used = means(cluster, Security(Secret(NEW)))
        assert isinstance(used.transport, FakeTransport)
        supervisor = FakeSupervisor(cluster, used.transport, product="valkey", version=version, settings=there)
        used = replace(used, supervisor=supervisor)
        wanted = cluster_topology(cluster)
        foreseen = [str(step) for phase in foresee(wanted, used).made.phases for step in phase.steps]
        proof = form_and_verify(wanted, used, canary=False)
        assert any("restart" in step for step in foreseen) is bool(supervisor.restarted)
        return proof, supervisor.restarted

    proof, restarted = deploy()
    assert (errors(proof), restarted, held(cluster)) == ([], [], ROTATED)
    assert len([f for f in proof.report.findings if f.code == "restart-needed"]) == len(cluster.servers)
    proof, restarted = deploy()
    assert (errors(proof), len(restarted)) == ([], len(cluster.servers))
    assert breaches == []


def test_a_server_that_came_back_with_the_old_file_is_fetched_by_the_next_run() -> None:
    cluster = formed()
    run(cluster, AFTER)
    server = cluster.servers[4]
    cluster.kill(server)
    cluster.start(server)
    assert login(server, "", NEW)
    before = verify_only(cluster_topology(cluster), means(cluster, AFTER))
    assert "node-silent" in {f.code for f in before.report.findings if f.severity.value == "error"}
    proof, _ = run(cluster, AFTER)
    assert errors(proof) == []
    assert held(cluster) == ROTATED


def test_servers_that_take_neither_are_named_and_nothing_is_changed() -> None:
    cluster = formed(password=THIRD)
    with pytest.raises(ObservationError) as caught:
        run(cluster, BOTH)
    assert caught.value.code == "password-refused"
    assert str(cluster.servers[0].endpoint) in caught.value.message
    assert {tuple(s.passwords) for s in cluster.servers} == {(digest(THIRD),)}
    with pytest.raises(ObservationError):
        run(cluster, Security(open=True))


def test_a_password_that_nobody_named_stays_and_is_reported() -> None:
    cluster = formed()
    for server in cluster.servers:
        server.passwords[digest(THIRD)] = None
    proof, _ = run(cluster, AFTER)
    assert codes(proof) == {"password-retired": "ok", "password-unnamed": "warning"}
    assert {frozenset(s.passwords) for s in cluster.servers} == {frozenset({digest(NEW), digest(THIRD)})}


def test_a_server_that_can_not_be_asked_keeps_all_others_from_being_changed() -> None:
    cluster = formed()
    cluster.isolate(cluster.servers[2], clients=True)
    with pytest.raises(ObservationError) as caught:
        run(cluster, AFTER)
    assert caught.value.code == "password-untold"
    assert {tuple(s.passwords) for s in cluster.servers} == {(digest(OLD),)}


def test_nothing_is_retired_in_a_cluster_that_is_not_whole() -> None:
    cluster = formed()
    replica = next(s for s in cluster.servers if s.myself.replica)
    run(cluster, BOTH)
    cluster.isolate(replica, clients=False)
    cluster.clock.sleep(40)
    with suppress(ApplyError, ObservationError):
        proof, _ = run(cluster, AFTER)
        assert "password-retired" in {f.partition(":")[0] for f in errors(proof)}
    assert all(digest(OLD) in s.passwords for s in cluster.servers)


def test_a_run_that_writes_no_files_says_so_once() -> None:
    cluster = formed()
    for expected in ({"password-retired": "ok", "password-files": "warning"}, {"password-retired": "ok"}):
        used = means(cluster, AFTER)
        assert used.rotation is not None
        used.rotation.writes_files = False
        assert codes(form_and_verify(cluster_topology(cluster), used, canary=False)) == expected


def test_what_is_foreseen_is_what_is_done_and_changes_nothing() -> None:
    cluster = formed()
    used = means(cluster, AFTER)
    made = foresee(cluster_topology(cluster), used).made
    assert isinstance(used.transport, FakeTransport)
    assert used.transport.effects == 0
    assert [phase.name for phase in made.phases] == [
        "admit the password",
        "replicate with the password",
        "refuse the old password",
    ]
    proof, _ = run(cluster, AFTER)
    assert proof.outcome is not None
    assert [str(s) for p in proof.outcome.phases for s in p.steps] == [str(s) for s in made.steps]


def test_a_plan_that_was_read_before_admits_only_where_it_still_fits() -> None:
    cluster = formed()
    wanted = cluster_topology(cluster)
    seen = foresee(wanted, means(cluster, AFTER))
    steps = tuple(str(step) for step in seen.made.steps)
    read = SavedPlan("test", "", "", "", "", seen.made.fingerprint, seen.basis, steps)
    for stale in (replace(read, steps=()), replace(read, fingerprint="other")):
        with pytest.raises(PlanError) as caught:
            form_and_verify(wanted, means(cluster, AFTER), canary=False, fitting=stale)
        assert caught.value.code == "stale-plan"
        assert {tuple(s.passwords) for s in cluster.servers} == {(digest(OLD),)}
    assert errors(form_and_verify(wanted, means(cluster, AFTER), canary=False, fitting=read)) == []
    assert held(cluster) == ROTATED


def test_a_plan_that_was_read_before_refuses_no_password_that_it_does_not_name() -> None:
    cluster = formed()
    wanted = cluster_topology(cluster)
    run(cluster, BOTH)
    seen = foresee(wanted, means(cluster, AFTER))
    read = SavedPlan("test", "", "", "", "", seen.made.fingerprint, seen.basis, tuple(map(str, seen.made.steps)))
    assert read.steps
    for steps, taken in (((), 6), (read.steps, 0)):
        form_and_verify(wanted, means(cluster, AFTER), canary=False, fitting=replace(read, steps=steps))
        assert sum(digest(OLD) in server.passwords for server in cluster.servers) == taken


def test_where_files_of_some_hosts_stay_the_old_password_does_too() -> None:
    cluster = formed()
    used = means(cluster, AFTER)
    assert used.rotation is not None
    used.rotation.retires = used.rotation.writes_files = False
    proof = form_and_verify(cluster_topology(cluster), used, canary=False)
    assert codes(proof) == {"password-retired": "error", "password-files": "warning"}
    assert all({digest(OLD), digest(NEW)} == set(s.passwords) for s in cluster.servers)

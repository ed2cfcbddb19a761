"""What `verify` finds on real clusters with real defects, and that it claims nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from tests.engine.kit import Lab, client, codes, eventually, fill, found, lab, nodes_of
from tests.engine.refusing import refused

from shardwright.errors import ApplyError
from shardwright.model.report import Severity

pytestmark = pytest.mark.engine


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, settings={"enable-debug-command": "local"}) as one:
        one.converge()
        yield one


def test_full_memory_is_a_refused_canary_of_each_primary(made: Lab) -> None:
    made[1].config_set("maxmemory", "1")
    report = made.verify()
    (finding,) = found(report, "canary-refused")
    assert finding.subject == "shard-2"
    assert "OOM" in finding.message
    assert finding.hint
    assert not report.healthy
    assert not found(report, "canary-read-back")
    assert codes(report, "error") == {"canary-refused", "memory-full"}


def test_too_few_replicas_to_write_is_a_refused_canary(made: Lab) -> None:
    made[0].config_set("min-replicas-to-write", "2")
    (finding,) = found(made.verify(), "canary-refused")
    assert finding.subject == "shard-1"
    assert "NOREPLICAS" in finding.message


def test_a_dead_replica_is_named_and_nothing_of_it_is_claimed(made: Lab) -> None:
    made.servers[4].kill()
    report = made.verify()
    assert {(f.code, f.subject) for f in report.findings if f.severity is Severity.ERROR} >= {
        ("node-silent", f"h4:{made.ports[4]}"),
        ("replica-missing", f"h4:{made.ports[4]}"),
        ("host-loss-fatal", "h1"),
    }
    claimed = {f.code for f in report.findings if f.severity is Severity.OK}
    assert claimed <= {"canary-read-back"}
    for finding in found(report, "canary-read-back"):
        assert "2 replicas" in finding.message


def test_a_dead_primary_is_named_and_its_slots_are_not_called_served(made: Lab) -> None:
    made.servers[1].kill()
    report = made.verify()
    errors = {(f.code, f.subject) for f in report.findings if f.severity is Severity.ERROR}
    assert errors >= {("node-silent", f"h1:{made.ports[1]}"), ("shard-without-primary", "shard-2")}
    assert not {f.code for f in report.findings if f.severity is Severity.OK} & {
        "slots-served",
        "views-agree",
        "replicas-in-sync",
        "canary-read-back",
        "host-loss-survived",
    }


def test_a_replica_that_can_not_log_in_is_named_though_the_cluster_says_ok(made: Lab) -> None:
    made[3].config_set("masterauth", "not-it")
    made[0].execute_command("CLIENT", "KILL", "TYPE", "replica")
    eventually(lambda: made[3].info("replication")["master_link_status"] == "down", "the link is down")
    assert made[3].execute_command("CLUSTER INFO")["cluster_state"] == "ok"
    report = made.verify(pace=10)
    assert {(f.code, f.subject) for f in report.findings if f.severity is Severity.ERROR} >= {
        ("replica-link-down", f"h3:{made.ports[3]}"),
        ("canary-not-replicated", f"127.0.0.1:{made.ports[3]}"),
    }
    assert all(f.hint for f in report.findings if f.severity is Severity.ERROR)
    assert not found(report, "canary-read-back")
    assert not found(report, "replicas-in-sync")
    assert not found(report, "host-loss-survived")


def test_a_node_that_could_not_follow_another_primary_is_named_while_all_links_are_up(made: Lab) -> None:
    made[0].config_set("masterauth", "another")
    report = made.verify()
    (finding,) = found(report, "replication-password")
    assert finding.subject == f"h0:{made.ports[0]}"
    assert "masterauth" in finding.hint
    assert not report.healthy


def test_a_slot_nobody_owns_is_counted_and_named(made: Lab) -> None:
    made[0].execute_command("CLUSTER", "DELSLOTS", 77)
    report = made.verify(canary=False)
    (finding,) = found(report, "slots-uncovered")
    assert finding.subject == "77"
    assert "1 of 16,384" in finding.message
    assert report.slots_served == 16_383
    assert not found(report, "slots-served")


def test_an_open_slot_is_named_with_both_ends(made: Lab) -> None:
    ids = [made[n].execute_command("CLUSTER MYID") for n in range(2)]
    made[1].execute_command("CLUSTER", "SETSLOT", 77, "IMPORTING", ids[0])
    made[0].execute_command("CLUSTER", "SETSLOT", 77, "MIGRATING", ids[1])
    (finding,) = found(made.verify(), "slot-open")
    assert finding.subject == "77"
    assert finding.message.index(str(made.ports[0])) < finding.message.index(str(made.ports[1]))


def test_a_stranger_in_the_cluster_is_an_error(tmp_path: Path) -> None:
    with lab(tmp_path, spare=1) as made:
        made.converge()
        made[6].execute_command("CLUSTER", "MEET", "127.0.0.1", made.ports[0])
        eventually(lambda: all(len(nodes_of(made[n])) == 7 for n in range(6)), "the seventh has joined")
        report = made.verify()
        (finding,) = found(report, "unknown-member")
        assert finding.subject == f"127.0.0.1:{made.ports[6]}"
        assert finding.severity is Severity.ERROR
        assert not report.healthy


def test_a_replica_that_went_to_another_primary_is_named(made: Lab) -> None:
    made[3].execute_command("CLUSTER", "REPLICATE", made[1].execute_command("CLUSTER MYID"))
    eventually(lambda: made[3].info("replication")["master_link_status"] == "up", "it follows")
    report = made.verify()
    subjects = {f.subject for f in found(report, "replica-misplaced")}
    assert subjects & {f"h3:{made.ports[3]}", f"h4:{made.ports[4]}"}, "one of the two that share a primary now"
    assert not found(report, "host-loss-survived")
    assert not report.healthy


@pytest.mark.parametrize("name", ["cluster-require-full-coverage", "maxmemory-policy"])
def test_a_setting_that_differs_on_one_node_is_drift_and_put_right(made: Lab, name: str) -> None:
    wanted = made[0].config_get(name)[name]
    made.topology = replace(made.topology, settings=((name, wanted),))
    made[2].config_set(name, "no" if wanted == "yes" else "allkeys-lru")
    report = made.verify()
    (finding,) = found(report, "setting-differs")
    assert finding.subject == f"127.0.0.1:{made.ports[2]}"
    assert name in finding.message
    assert not found(report, "settings-wanted")
    outcome = made.converge()
    assert [str(step) for step in outcome.first.steps] == [f"set {name} {wanted} on 127.0.0.1:{made.ports[2]}"]
    assert made[2].config_get(name)[name] == wanted
    assert made.verify().healthy


def test_settings_that_a_killed_run_left_are_found_and_put_back_beside_data(made: Lab) -> None:
    pairs = fill(made, 30)
    made[0].config_set("cluster-node-timeout", "1000")
    made[4].config_set("cluster-replica-no-failover", "yes")
    assert {f.subject for f in found(made.verify(), "setting-differs")} == {
        f"127.0.0.1:{made.ports[n]}" for n in (0, 4)
    }
    outcome = made.converge()
    assert [phase.name for phase in outcome.phases] == ["settle"]
    assert made.verify().healthy
    with redis.RedisCluster(host="127.0.0.1", port=made.ports[0], decode_responses=True) as everywhere:
        assert {k: everywhere.get(k) for k in pairs} == pairs


def test_canaries_leave_nothing_behind_and_can_be_switched_off(made: Lab) -> None:
    report = made.verify()
    assert "3 shards" in found(report, "canary-read-back")[0].message
    assert [made[n].dbsize() for n in range(6)] == [0] * 6
    writes = [int(made[n].info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]) for n in range(3)]
    assert writes == [1, 1, 1]
    report = made.verify(canary=False)
    assert not found(report, "canary-read-back")
    after = [int(made[n].info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]) for n in range(3)]
    assert after == writes


def test_verifying_changes_nothing(made: Lab) -> None:
    def all_of_it() -> list[object]:
        found = []
        for port in made.ports:
            one = client(port)
            rows = nodes_of(one)
            info = one.execute_command("CLUSTER INFO")
            found.append(
                (sorted((i, r["role"], r["slots"], r["flags"]) for i, r in rows.items()), info["cluster_current_epoch"])
            )
        return found

    def flags() -> set[str]:
        return {flag for port in made.ports for r in nodes_of(client(port)).values() for flag in r["flags"]}

    eventually(lambda: not flags() & {"nofailover", "fail?"}, "what was set while forming is forgotten by all")
    before = all_of_it()
    made.verify(canary=False)
    assert all_of_it() == before


def test_a_node_that_can_not_save_is_named_and_the_cluster_is_not_changed(made: Lab) -> None:
    in_the_way = made.servers[1].directory / "dump.rdb" / "x"
    in_the_way.mkdir(parents=True)
    made[1].execute_command("BGSAVE")
    eventually(lambda: made[1].info("persistence")["rdb_last_bgsave_status"] == "err", "it could not save")
    report = made.verify()
    (finding,) = found(report, "persistence-failing")
    assert finding.subject == f"h1:{made.ports[1]}"
    assert "snapshot failed" in finding.message
    assert "BGSAVE" in finding.hint
    assert "don't restart" in finding.hint
    assert not report.healthy
    made[4].execute_command("CLUSTER", "RESET", "SOFT")
    error = refused(made, "persistence-failing", f"h1:{made.ports[1]} (127.0.0.1:{made.ports[1]})", "snapshot failed")
    assert "BGSAVE" in error.hint
    assert made[4].info("replication")["role"] == "master", "nobody has made it a replica again"
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    made[1].execute_command("BGSAVE")
    eventually(lambda: made[1].info("persistence")["rdb_last_bgsave_status"] == "ok", "it saves again")
    assert made.deploy().healthy


def test_a_server_that_may_open_too_few_files_is_found_with_numbers(made: Lab) -> None:
    server = made.servers[3]
    server.kill()
    server.launcher = ("prlimit", "--nofile=1056:1056")
    if os.geteuid() == 0:  # root could raise it again
        server.launcher += ("setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource")
    server.start()
    eventually(lambda: made[3].info("replication")["master_link_status"] == "up", "it is back")
    assert made[3].config_get("maxclients") == {"maxclients": "1024"}
    report = made.verify(canary=False)
    (finding,) = found(report, "open-files-low")
    assert (finding.subject, finding.severity) == (f"h3:{made.ports[3]}", Severity.WARNING)
    assert "1,024 clients" in finding.message
    assert "10,000" in finding.message
    assert "LimitNOFILE" in finding.hint
    made.topology = replace(made.topology, settings=(("maxclients", "10000"),))
    (finding,) = found(made.verify(canary=False), "open-files-low")
    assert finding.severity is Severity.ERROR
    error = refused(made, "open-files-low", f"127.0.0.1:{made.ports[3]}", "10000", kind=ApplyError)
    assert "LimitNOFILE" in error.hint


def test_another_engine_and_another_version_than_wanted_are_named(made: Lab) -> None:
    version = made[0].info("server")["valkey_version"]
    made.topology = replace(made.topology, versions="8.1")
    findings = found(made.verify(canary=False), "version-differs")
    assert {f.subject for f in findings} == {f"127.0.0.1:{port}" for port in made.ports}
    assert all(f"valkey {version}, wanted 8.1" in f.message and f.hint for f in findings)
    made.topology = replace(made.topology, versions="any", product="redis")
    findings = found(made.verify(canary=False), "product-differs")
    assert {f.subject for f in findings} == {f"127.0.0.1:{port}" for port in made.ports}
    assert all(f"valkey {version}, wanted redis" in f.message and f.hint for f in findings)

"""Nodes of others, clones, ghosts and data that nobody named: nothing is touched without a consent by name."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from redis.crc import key_slot
from tests.engine.kit import (
    Lab,
    assert_kept,
    assert_proved,
    eventually,
    fill,
    lab,
    laid_out,
    nodes_of,
    without_zones,
)
from tests.engine.refusing import keep_slots, refused, snapshot, with_short_timeout

from shardwright.errors import PlanError
from shardwright.model.topology import Shard

pytestmark = pytest.mark.engine


def test_a_node_with_keys_is_refused_and_emptied_only_by_consent(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        pairs = keep_slots(made, 4)
        before = snapshot(made, range(6))
        error = refused(made, "hazard-not-allowed", "resets-nonempty-node", str(made.ports[4]), "20 keys")
        assert "--allow resets-nonempty-node" in error.hint
        assert error.exit_code == 4
        assert snapshot(made, range(6)) == before
        assert {k: made[4].get(k) for k in pairs} == pairs
        with pytest.raises(PlanError):
            made.converge(allowed=["leaves-other-cluster"])
        made.converge(allowed=["resets-nonempty-node"])
        assert_proved(made)
        assert made[4].dbsize() == 0


def test_a_member_of_a_living_cluster_is_refused_and_that_cluster_is_untouched(tmp_path: Path) -> None:
    with lab(tmp_path, spare=3) as made:
        theirs = replace(made, topology=laid_out([s.endpoint for s in (*made.servers[6:], made.servers[5])], 0))
        theirs.converge()
        with made[6].client() as one:
            for n in range(300):
                try:
                    one.set(f"t{n}", "1")
                except Exception:
                    continue
        before = snapshot(made, range(9))
        error = refused(made, "belongs-to-another-cluster", str(made.ports[5]))
        assert any(str(port) in error.message for port in made.ports[6:])
        assert snapshot(made, range(9)) == before
        assert "CLUSTER FORGET" in error.hint


def test_two_clusters_with_data_are_not_joined(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        halves = []
        for half in (made.servers[:3], made.servers[3:]):
            part = replace(made, topology=laid_out([s.endpoint for s in half], 0))
            part.converge()
            halves.append((part, fill(Lab(half, part.topology), 30)))
        before = snapshot(made, range(6))
        refused(made, "two-clusters", "30 keys", *map(str, made.ports))
        assert snapshot(made, range(6)) == before


def test_slots_that_two_lonely_nodes_claim_are_nobodys_to_give(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        for n in (0, 1):
            made[n].execute_command("CLUSTER", "ADDSLOTSRANGE", 100, 199)
        before = snapshot(made, range(6))
        refused(made, "slots-claimed-twice", "100-199", str(made.ports[0]), str(made.ports[1]))
        assert snapshot(made, range(6)) == before
        key = next(f"k{n}" for n in range(10_000_000) if 100 <= key_slot(f"k{n}".encode()) < 200)
        for n in (0, 1):
            made[n].config_set("cluster-require-full-coverage", "no")
            eventually(lambda n=n: made[n].execute_command("CLUSTER INFO")["cluster_state"] == "ok", "it serves")
            made[n].set(key, f"of {n}")
        error = refused(made, "slots-claimed-twice", "100-199", *(f"127.0.0.1:{p} (1 keys)" for p in made.ports[:2]))
        assert "CLUSTER NODES" in error.hint
        assert [made[n].get(key) for n in (0, 1)] == ["of 0", "of 1"]


def test_a_server_that_came_back_without_its_list_of_nodes_is_no_member_and_loses_nothing(tmp_path: Path) -> None:
    """As with a start past the guard: a stranger that claims the slots of its keys, beside the list of the others."""
    with lab(tmp_path, settings={"cluster-node-timeout": "1000"}) as made:
        made.topology = replace(made.topology, live=with_short_timeout(made))
        made.converge()
        pairs = fill(made, 100)
        made[1].save()
        node = made[1].execute_command("CLUSTER MYID")
        victim = made.servers[1]
        victim.kill()
        lists = victim.directory / "nodes.conf"
        kept = lists.read_bytes()
        lists.unlink()
        victim.start()
        held = made[1].dbsize()
        assert held > 0
        error = refused(made, "slots-claimed-twice", f"127.0.0.1:{made.ports[1]} ({held} keys)", pace=3)
        assert f"shardwright-guard restore {made.ports[1]}" in error.hint
        assert made[1].dbsize() == held
        victim.kill()
        lists.write_bytes(kept)
        victim.start()
        assert made[1].execute_command("CLUSTER MYID") == node
        assert made.deploy().healthy
        assert_kept(made, pairs)


def test_a_clone_is_refused_before_anyone_is_introduced(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.servers[5].kill()
        made.servers[0].stop()
        shutil.copy(made.servers[0].directory / "nodes.conf", made.servers[5].directory / "nodes.conf")
        made.servers[0].start()
        made.servers[5].start()
        error = refused(made, "duplicate-node-id", str(made.ports[0]), str(made.ports[5]))
        assert "nodes.conf" in error.hint
        assert all(len(nodes_of(made[n])) == 1 for n in range(6))


def test_one_server_under_two_names_is_said_to_be_one(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        first = made.topology.shards[0]
        alias = replace(first.members[1], endpoint=replace(first.members[0].endpoint, host="localhost"))
        shards = (Shard(first.name, (first.members[0], alias), first.quota), *made.topology.shards[1:])
        made.topology = replace(made.topology, shards=shards)
        error = refused(made, "duplicate-node-id", "localhost", "one server")
        assert "cluster.yml" in error.hint


def test_hosts_that_were_regrouped_in_the_file_stay_as_the_cluster_has_them(tmp_path: Path) -> None:
    """Which member serves which shard is observed: swapping them would copy data for no gain."""
    with lab(tmp_path) as made:
        made.topology = without_zones(made.topology)
        made.converge()
        pairs = fill(made, 50)
        one, two, three = made.topology.shards
        before = snapshot(made, range(6))
        for members in ((one.members[0], two.members[0]), (one.members[0], two.members[1])):
            rest = tuple(n for n in (*one.members, *two.members) if n not in members)
            shards = (Shard(one.name, members, one.quota), Shard(two.name, rest, two.quota), three)
            made.topology = replace(made.topology, shards=shards)
            assert not made.converge().changed
        assert snapshot(made, range(6)) == before
        assert_kept(made, pairs)


def test_a_node_that_lost_sight_of_its_living_cluster_is_not_taken(tmp_path: Path) -> None:
    """One node alone can't know whether the others are dead or only out of its reach."""
    with lab(tmp_path, spare=3, settings={"cluster-node-timeout": "1000"}) as made:
        theirs = replace(made, topology=laid_out([s.endpoint for s in (*made.servers[6:], made.servers[5])], 0))
        theirs.topology = replace(theirs.topology, live=with_short_timeout(theirs))
        theirs.converge()
        for server in made.servers[6:]:
            server.kill()
        eventually(
            lambda: sum("fail?" in r["flags"] or "fail" in r["flags"] for r in nodes_of(made[5]).values()) == 3,
            "they are gone",
        )
        error = refused(made, "belongs-to-another-cluster", str(made.ports[5]), pace=20)
        assert "CLUSTER RESET HARD" in error.hint
        assert len(nodes_of(made[5])) == 4


def test_a_node_left_over_from_a_cluster_that_is_gone_is_reset_by_consent(tmp_path: Path) -> None:
    with lab(tmp_path, spare=1, settings={"cluster-node-timeout": "1000"}) as made:
        made[5].execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        made[6].execute_command("CLUSTER", "MEET", "127.0.0.1", made.ports[5])
        eventually(
            lambda: [r["flags"] for r in nodes_of(made[5]).values() if not r["myself"]] == [["master"]], "they have met"
        )
        made.servers[6].kill()
        eventually(lambda: any("fail" in r["flags"] for r in nodes_of(made[5]).values()), "it is failed")
        before = snapshot(made, range(6))
        error = refused(made, "hazard-not-allowed", "leaves-other-cluster", str(made.ports[5]))
        assert "--allow leaves-other-cluster" in error.hint
        assert snapshot(made, range(6)) == before
        made.converge(allowed=["leaves-other-cluster"])
        assert_proved(made)


def test_slots_of_a_shard_that_lost_everything_are_given_away_only_when_it_is_forgotten(tmp_path: Path) -> None:
    with lab(tmp_path, settings={"cluster-node-timeout": "1000"}) as made:
        made.topology = replace(made.topology, live=with_short_timeout(made))
        made.converge()
        pairs = fill(made, 100)
        old, other = (made[n].execute_command("CLUSTER MYID") for n in (1, 4))
        for n in (4, 1):
            made.servers[n].kill()
        eventually(lambda: "fail" in nodes_of(made[0])[old]["flags"], "it is failed")
        for n in (4, 1):
            for file in made.servers[n].directory.iterdir():
                file.unlink()
            made.servers[n].start()
        rest = (0, 2, 3, 5)
        eventually(
            lambda: all("noaddr" in nodes_of(made[n])[gone]["flags"] for n in rest for gone in (old, other)),
            "everybody knows that their places are taken",
        )
        before = snapshot(made, rest)
        error = refused(made, "hazard-not-allowed", "loses-shard", "5,461 of 16,384 slots", old[:8], pace=10)
        assert "--allow loses-shard" in error.hint
        assert snapshot(made, rest) == before
        made.converge(allowed=["loses-shard"])
        assert made.deploy().healthy
        assert_proved(made)
        kept = {k: v for k, v in pairs.items() if not 5462 <= key_slot(k.encode()) <= 10922}
        assert 50 < len(kept) < 100
        assert_kept(made, kept)


def test_primaries_of_one_epoch_are_told_apart_in_the_end(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        for n in range(6):
            made[n].execute_command("CLUSTER", "SET-CONFIG-EPOCH", 7)
        made.converge()
        assert_proved(made)
        epochs = [made[n].execute_command("CLUSTER INFO")["cluster_my_epoch"] for n in range(3)]
        assert len(set(epochs)) == 3


@pytest.mark.usefixtures("short_ban")
def test_a_dead_member_elsewhere_is_forgotten_and_keeps_nobody_from_healing(tmp_path: Path) -> None:
    """A host was replaced by another one, and nobody told the servers to forget it."""
    with lab(tmp_path, spare=1, settings={"cluster-node-timeout": "1000"}) as made:
        made.topology = replace(made.topology, live=with_short_timeout(made))
        made.converge()
        made[6].execute_command("CLUSTER", "MEET", "127.0.0.1", made.ports[0])
        eventually(lambda: all(len(nodes_of(made[n])) == 7 for n in range(6)), "the seventh has joined")
        made.servers[6].kill()
        made.servers[4].kill()
        eventually(
            lambda: "fail" in next(r for r in nodes_of(made[0]).values() if r["port"] == made.ports[6])["flags"],
            "it is failed",
        )
        for file in made.servers[4].directory.iterdir():
            file.unlink()
        made.servers[4].start()
        report = made.deploy()
        assert report.healthy, report.findings
        assert not any(f.code == "dead-member" for f in report.findings)
        assert not any(made.ports[6] in {r["port"] for r in nodes_of(made[n]).values()} for n in range(6))
        assert not made.converge().changed

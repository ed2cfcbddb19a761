"""What the servers do: each test runs against fake and real servers, and asserts what both must show."""

from __future__ import annotations

import re

import pytest
from tests.contract.bench import Bench
from tests.contract.conftest import MakeBench

from shardwright.core.parsing import parse_fields
from shardwright.model.observation import Health, Role, Silence
from shardwright.model.wire import ReplyError
from shardwright.testing.accounting import TransportClient, Writer

# Slots of the keys: b 3300, foo 12182, a 15495.


def test_a_met_server_is_a_handshake_first_and_then_known_by_its_name(bench: MakeBench) -> None:
    b = bench(2)
    b.meet(0, 1)
    shaking = [p for p in b.nodes(0).values() if p.handshake]
    assert [(p.address, p.port, p.slots.mask, p.linked) for p in shaking] == [
        ("127.0.0.1", b.endpoints[1].port, 0, False)
    ]
    assert b.ids[1] not in b.nodes(0)
    b.until(lambda: b.ids[1] in b.nodes(0) and b.ids[0] in b.nodes(1), "both know each other by name")
    b.until(lambda: len(b.nodes(0)) == 2, "the handshake is over")


def test_one_seed_is_enough_for_all_to_know_all(bench: MakeBench) -> None:
    b = bench(5)
    for i in range(1, 5):
        b.meet(i, 0)
    b.until(lambda: all(set(b.nodes(i)) == set(b.ids) for i in range(5)), "everybody knows everybody")


def test_a_meeting_with_an_address_where_nobody_listens_is_forgotten(bench: MakeBench) -> None:
    b = bench(1)
    b.ok(0, "CLUSTER MEET 127.0.0.1 15999 15998")
    assert len(b.nodes(0)) == 2
    b.until(lambda: len(b.nodes(0)) == 1, "the handshake is given up", 5)


def test_the_state_turns_ok_only_a_while_after_all_slots_are_known(bench: MakeBench) -> None:
    b = bench(3)
    for i, slots in enumerate(("0 5000", "5001 10000", "10001 16383")):
        b.ok(i, f"CLUSTER ADDSLOTSRANGE {slots}", f"CLUSTER SET-CONFIG-EPOCH {i + 1}")
    b.acquaint(0, 1, 2)
    b.until(lambda: all(sum(len(p.slots) for p in b.nodes(i).values()) == 16384 for i in range(3)), "slots are known")
    assert "ok" not in {b.state(i) for i in range(3)}
    assert b.error(0, "SET b 1") == "CLUSTERDOWN The cluster is down"
    b.until(lambda: {b.state(i) for i in range(3)} == {"ok"}, "the state is ok everywhere")
    b.ok(0, "SET b 1")


def test_primaries_of_one_epoch_end_with_different_ones(bench: MakeBench) -> None:
    b = bench(3)
    for i, slots in enumerate(("0 5000", "5001 10000", "10001 16383")):
        b.ok(i, f"CLUSTER ADDSLOTSRANGE {slots}")
    b.acquaint(0, 1, 2)
    b.until(lambda: len({b.peer(i, i).epoch for i in range(3)}) == 3, "three epochs")
    b.until(lambda: all(b.peer(i, j).epoch == b.peer(j, j).epoch for i in range(3) for j in range(3)), "known to all")


def test_a_slot_claimed_twice_goes_to_the_newer_epoch_and_the_losers_keys_are_gone(bench: MakeBench) -> None:
    b = bench(2, settings={"cluster-require-full-coverage": "no"})
    b.ok(0, "CLUSTER ADDSLOTSRANGE 0 5460", "CLUSTER SET-CONFIG-EPOCH 1")
    b.ok(1, "CLUSTER ADDSLOTSRANGE 3000 4000", "CLUSTER SET-CONFIG-EPOCH 2")
    b.until(lambda: b.state(0) == b.state(1) == "ok", "each is content alone")
    b.ok(0, "SET b lost")
    b.meet(0, 1)
    b.until(lambda: str(b.peer(0, 0).slots) == "0-2999,4001-5460", "the older epoch lost the slots")
    b.until(lambda: str(b.peer(1, 0).slots) == "0-2999,4001-5460", "and the other knows")
    assert b.ask(0, "DBSIZE") == 0
    assert str(b.peer(0, 1).slots) == "3000-4000"


def test_who_loses_its_last_slot_to_a_newer_epoch_becomes_its_replica(bench: MakeBench) -> None:
    b = bench(2, settings={"cluster-require-full-coverage": "no"})
    b.ok(0, "CLUSTER ADDSLOTSRANGE 3000 4000", "CLUSTER SET-CONFIG-EPOCH 1")
    b.ok(1, "CLUSTER ADDSLOTSRANGE 0 16383", "CLUSTER SET-CONFIG-EPOCH 2")
    b.until(lambda: b.state(0) == b.state(1) == "ok", "each is content alone")
    b.ok(0, "SET b lost")
    b.meet(1, 0)
    b.until(lambda: b.peer(0, 0).primary_id == b.ids[1], "the loser follows the winner")
    b.until(lambda: b.info(0)["master_link_status"] == "up", "and copies it")
    assert b.ask(0, "DBSIZE") == 0


def test_a_replica_gets_what_was_there_and_what_comes(bench: MakeBench) -> None:
    b = bench(4)
    b.form(3)
    b.ok(0, "SET b before")
    b.acquaint(0, 1, 2, 3)
    assert b.error(3, f"CLUSTER REPLICATE {'f' * 40}") == f"ERR Unknown node {'f' * 40}"
    b.ok(3, f"CLUSTER REPLICATE {b.ids[0]}")
    b.until(lambda: b.info(3)["master_link_status"] == "up", "the link is up")
    b.ok(3, "READONLY")
    b.until(lambda: b.ask(3, "GET b") == b"before", "what was there")
    b.ok(0, "SET b after")
    b.until(lambda: b.ask(3, "GET b") == b"after", "what came")
    b.until(lambda: b.info(3)["slave_repl_offset"] == b.info(0)["master_repl_offset"], "offsets are equal")
    assert b.info(0)["connected_slaves"] == "1"
    b.until(lambda: all(b.peer(i, 3).primary_id == b.ids[0] for i in range(4)), "all know whose replica it is")
    assert b.peer(1, 3).epoch == b.peer(1, 0).epoch


def test_a_replica_with_another_password_has_no_link_in_a_cluster_that_is_ok(bench: MakeBench) -> None:
    b = bench(4, password="right")
    b.ok(3, "CONFIG SET masterauth wrong")
    b.form(3)
    b.acquaint(0, 1, 2, 3)
    b.ok(3, f"CLUSTER REPLICATE {b.ids[0]}")
    b.until(lambda: {b.state(i) for i in range(4)} == {"ok"}, "ok everywhere")
    b.stays(lambda: b.info(3)["master_link_status"] == "down", "no link", 1.5)
    b.ok(3, "CONFIG SET masterauth right")
    b.until(lambda: b.info(3)["master_link_status"] == "up", "the link is up")


def test_forgetting_is_passed_on_but_by_old_redis_and_the_forgotten_node_stays_away_at_first(bench: MakeBench) -> None:
    b = bench(4)
    b.form(3)
    b.acquaint(0, 1, 2, 3)
    b.ok(0, f"CLUSTER FORGET {b.ids[3]}")
    assert b.ids[3] not in b.nodes(0)
    if b.release != ("redis", "7.0"):
        b.until(lambda: not any(b.ids[3] in b.nodes(i) for i in (1, 2)), "the others forget it too")
    else:
        b.stays(lambda: b.ids[3] in b.nodes(1) and b.ids[3] not in b.nodes(0), "only one forgets it", 2)
    assert b.ids[0] in b.nodes(3)


def test_a_server_that_was_reset_softly_is_met_again_by_valkey_only(bench: MakeBench) -> None:
    b = bench(3)
    b.acquaint(0, 1, 2)
    b.ok(2, "CLUSTER RESET SOFT")
    assert list(b.nodes(2)) == [b.ids[2]]
    if b.valkey:
        b.until(lambda: set(b.nodes(2)) == set(b.ids), "they introduced themselves again", 10)
    else:
        b.stays(lambda: list(b.nodes(2)) == [b.ids[2]], "alone", 3)


def test_a_hard_reset_gives_a_new_name_and_no_epoch(bench: MakeBench) -> None:
    b = bench(3)
    for i in range(3):
        b.ok(i, f"CLUSTER SET-CONFIG-EPOCH {i + 1}")
    b.acquaint(0, 1, 2)
    b.ok(2, "CLUSTER RESET HARD")
    new = b.text(2, "CLUSTER MYID")
    assert new != b.ids[2]
    assert [(p.id, p.epoch) for p in b.nodes(2).values()] == [(new, 0)]
    b.stays(lambda: list(b.nodes(2)) == [new], "nobody comes back to it", 3)
    b.until(lambda: b.peer(0, 2).health is Health.FAILED or not b.peer(0, 2).linked, "the old name is gone")


def test_a_second_meeting_makes_both_hear_news_at_once(bench: MakeBench) -> None:
    """The met closes the older link of whom it meets, who then opens it anew and asks; if it knows that link as theirs."""
    b = bench(6, settings={"cluster-node-timeout": "60000"})
    b.acquaint(*range(6))
    b.until(lambda: b.recognises(1, 0), "a first ping", 60)
    b.ok(1, "CLUSTER ADDSLOTSRANGE 0 10")
    b.meet(0, 1)
    b.until(lambda: len(b.peer(0, 1).slots) == 11, "who meets hears of the met", 1.0)
    assert len(b.nodes(0)) in (6, 7)


def test_a_manual_failover_swaps_the_roles_under_a_new_epoch_and_loses_nothing(bench: MakeBench) -> None:
    b = bench(4)
    b.form(3, 1)
    b.ok(0, "SET b kept")
    b.until(lambda: b.info(3)["slave_repl_offset"] == b.info(0)["master_repl_offset"], "the replica has all")
    b.ok(3, "CLUSTER FAILOVER")
    b.until(lambda: b.peer(3, 3).role is Role.PRIMARY, "the replica leads")
    b.until(lambda: b.whole(0, 1, 2, 3), "the cluster is whole")
    assert b.ask(3, "GET b") == b"kept"
    assert b.peer(0, 0).primary_id == b.ids[3]
    assert b.peer(1, 3).epoch == 103
    assert b.info(3)["second_repl_offset"] != "-1"
    b.ok(3, "SET b more")
    b.ok(0, "READONLY")
    b.until(lambda: b.ask(0, "GET b") == b"more", "the former primary copies")


def test_redis_takes_a_replica_that_led_a_moment_ago_for_elected_by_its_old_votes(bench: MakeBench) -> None:
    """Only by itself: the others go on with who leads, and it copies anew. Valkey asks for new votes."""
    b = bench(4, settings={"cluster-node-timeout": "5000"})
    b.form(3, 1)

    def requests() -> int:
        return int(parse_fields(b.text(3, "CLUSTER INFO")).get("cluster_stats_messages_auth-req_sent", "0"))

    def age() -> int:
        found = re.search(r" age=(\d+) .* flags=M ", b.text(3, "CLIENT LIST TYPE MASTER"))
        return int(found[1]) if found else -1

    assert requests() == 0
    assert b.text(0, "CLIENT LIST TYPE MASTER") == ""
    for heir in (3, 0):
        b.ok(heir, "CLUSTER FAILOVER")
        b.until(lambda heir=heir: len(b.peer(heir, heir).slots) == 5461, "it leads")  # type: ignore[misc]
        b.until(lambda: b.whole(0, 1, 2, 3), "the cluster is whole")
    before = requests()
    assert before > 0
    b.until(lambda: age() >= 2, "it follows for a while")
    b.ok(3, "CLUSTER FAILOVER")
    if b.valkey:
        b.until(lambda: len(b.peer(1, 3).slots) == 5461, "it leads, and others know")
        assert requests() > before
    else:
        b.until(lambda: 0 <= age() < 2, "it led for a moment, and copies again")
        b.stays(lambda: not b.peer(1, 3).slots, "nobody gives it slots", 2)
        assert requests() == before


def test_a_new_request_begins_a_new_election_on_valkey_and_not_on_redis(bench: MakeBench) -> None:
    """After one that came to nothing, since the other primaries were away."""
    b = bench(4, settings={"cluster-node-timeout": "5000"})
    b.form(3, 1)
    for i in (1, 2):
        b.kill(i)
    b.ok(3, "CLUSTER FAILOVER")
    b.stays(lambda: b.peer(3, 3).role is Role.REPLICA, "two of three votes are missing", 1)
    for i in (1, 2):
        b.start(i)
    b.clock.sleep(5)
    b.until(lambda: b.whole(0, 1, 2, 3), "they are back")
    b.ok(3, "CLUSTER FAILOVER")
    if b.valkey:
        b.until(lambda: b.peer(3, 3).role is Role.PRIMARY, "it leads")
    else:
        b.stays(lambda: b.peer(3, 3).role is Role.REPLICA, "it does not stand again", 3)


def test_a_dead_primary_is_failed_by_all_and_replaced_and_comes_back_as_a_replica(bench: MakeBench) -> None:
    b = bench(4)
    b.form(3, 1)
    b.ok(0, "SET b kept")
    b.until(lambda: b.info(3)["slave_repl_offset"] == b.info(0)["master_repl_offset"], "the replica has all")
    b.kill(0)
    assert isinstance(b.ask(0, "PING"), Silence)
    b.until(lambda: b.peer(3, 3).role is Role.PRIMARY, "the replica leads", 20)
    b.until(lambda: b.peer(1, 0).health is Health.FAILED, "the dead one is failed")
    b.until(lambda: not b.peer(1, 0).slots and len(b.peer(1, 3).slots) == 5461, "its slots are the new primary's")
    b.until(lambda: b.state(1) == b.state(2) == b.state(3) == "ok", "ok again")
    assert b.ask(3, "GET b") == b"kept"
    b.start(0)
    b.until(lambda: b.peer(0, 0).primary_id == b.ids[3], "the old primary follows the new one", 20)
    b.until(lambda: b.whole(0, 1, 2, 3), "the cluster is whole", 20)
    b.ok(0, "READONLY")
    assert b.ask(0, "GET b") == b"kept"


def test_no_replica_stands_where_failover_is_forbidden(bench: MakeBench) -> None:
    b = bench(4, settings={"cluster-replica-no-failover": "yes"})
    b.form(3, 1)
    b.kill(0)
    b.until(lambda: b.peer(1, 0).health is Health.FAILED, "the dead one is failed")
    b.until(lambda: b.state(1) == "fail", "slots are not served")
    assert b.error(1, "SET b 1") == "CLUSTERDOWN The cluster is down"
    b.stays(lambda: b.peer(3, 3).role is Role.REPLICA, "no election", 4)
    b.start(0)
    b.until(lambda: b.whole(0, 1, 2, 3), "it came back", 20)


def test_a_minority_serves_nothing(bench: MakeBench) -> None:
    b = bench(3)
    b.form(3)
    b.kill(1)
    b.kill(2)
    b.until(lambda: b.state(0) == "fail", "the rest is a minority")
    assert b.peer(0, 1).health is Health.SUSPECT
    assert b.error(0, "GET b") == "CLUSTERDOWN The cluster is down"


def test_a_primary_without_persistence_that_comes_back_fast_empties_its_replica(bench: MakeBench) -> None:
    b = bench(4, settings={"cluster-node-timeout": "5000"})
    b.form(3, 1)
    b.ok(0, "SET b lost")
    b.ok(3, "READONLY")
    b.until(lambda: b.ask(3, "GET b") == b"lost", "the replica has it")
    b.kill(0)
    b.start(0)
    b.until(lambda: b.info(3)["master_link_status"] == "up" and b.ask(3, "DBSIZE") == 0, "the replica is empty too")
    b.until(lambda: b.whole(0, 1, 2, 3), "and all is well")
    assert b.ask(0, "GET b") is None


def test_persistence_keeps_keys_and_identity_keeps_slots_over_a_kill(bench: MakeBench) -> None:
    b = bench(3, settings={"appendonly": "yes"})
    b.form(3)
    b.ok(0, "SET b kept")
    b.kill(0)
    b.start(0)
    b.until(lambda: b.state(0) == "ok", "ok again")
    assert b.text(0, "CLUSTER MYID") == b.ids[0]
    assert b.ask(0, "GET b") == b"kept"
    assert len(b.peer(0, 0).slots) == 5461


def test_a_frozen_server_answers_what_it_was_asked_when_it_goes_on(bench: MakeBench) -> None:
    b = bench(3)
    b.form(3)
    b.freeze(0)
    late = b.pipeline(0, "SET b late", timeout=0.3)
    assert isinstance(late, Silence)
    assert late.reason == "timed-out"
    b.until(lambda: b.peer(1, 0).health is Health.FAILED, "the frozen one is failed")
    b.thaw(0)
    b.until(lambda: b.state(0) == b.state(1) == "ok", "ok again")
    assert b.ask(0, "GET b") == b"late"


def test_a_primary_with_too_few_replicas_refuses_writes(bench: MakeBench) -> None:
    b = bench(4, settings={"min-replicas-to-write": "1", "min-replicas-max-lag": "2"})
    b.form(3, 1)
    b.until(lambda: b.ask(0, "SET b 1") == b"OK", "written with its replica")
    b.kill(3)
    b.until(lambda: isinstance(b.ask(0, "SET b 2"), ReplyError), "refused without")
    assert b.error(0, "SET b 2") == "NOREPLICAS Not enough good replicas to write."
    assert b.ask(0, "GET b") == b"1"


def test_giving_away_the_last_slot_by_hand_makes_a_replica(bench: MakeBench) -> None:
    b = bench(3)
    b.form(3)
    b.ok(0, f"CLUSTER SETSLOT 16383 IMPORTING {b.ids[2]}")
    b.ok(2, "CLUSTER DELSLOTSRANGE 10922 16382", f"CLUSTER SETSLOT 16383 MIGRATING {b.ids[0]}")
    b.ok(0, f"CLUSTER SETSLOT 16383 NODE {b.ids[0]}")
    assert b.peer(0, 0).epoch > 102
    b.ask(2, f"CLUSTER SETSLOT 16383 NODE {b.ids[0]}")
    b.until(lambda: b.peer(2, 2).primary_id == b.ids[0], "it follows the new owner")


def test_valkey_changes_a_slot_only_once_its_replicas_have_the_change(bench: MakeBench) -> None:
    b = bench(4, settings={"cluster-node-timeout": "15000"})
    b.form(3, 1)
    mark = f"CLUSTER SETSLOT 0 MIGRATING {b.ids[1]}"
    b.ok(0, mark, "CLUSTER SETSLOT 0 STABLE")
    b.freeze(3)
    began = b.clock.now()
    if not b.valkey:
        b.ok(0, mark)
        assert b.clock.now() - began < 1
    else:
        assert b.error(0, mark) == "NOREPLICAS Not enough good replicas to write."
        assert 1.5 < b.clock.now() - began < 4
        assert "[0->-" not in b.text(0, "CLUSTER NODES"), "it is as if it had not been asked"
        b.ok(1, "CLUSTER SETSLOT 16383 STABLE")  # one without a replica waits for nobody
    b.thaw(3)
    b.until(lambda: b.ask(0, mark) == b"OK", "the replica confirms again", 10)
    assert "[0->-" in b.text(0, "CLUSTER NODES")


def test_valkey_moves_slots_with_their_keys_in_one_step(bench: MakeBench) -> None:
    b = bench(3)
    b.form(3)
    if not b.atomic:
        assert b.error(0, "CLUSTER MIGRATESLOTS SLOTSRANGE 3000 4000 NODE x").startswith("ERR unknown subcommand")
        return
    b.ok(0, "SET b moved")
    b.ok(0, f"CLUSTER MIGRATESLOTS SLOTSRANGE 3000 4000 NODE {b.ids[1]}")
    busy = b.error(0, f"CLUSTER MIGRATESLOTS SLOTSRANGE 3500 3500 NODE {b.ids[1]}")
    assert busy == "ERR I am already migrating slot 3500."
    b.until(lambda: str(b.peer(1, 1).slots).startswith("3000-4000"), "the target owns them")
    b.until(lambda: "3000" not in str(b.peer(0, 0).slots), "the source does not")
    assert b.ask(1, "GET b") == b"moved"
    assert b.ask(0, "DBSIZE") == 0
    assert b.peer(1, 1).epoch == 103
    b.until(lambda: str(b.peer(2, 1).slots).startswith("3000-4000"), "everybody knows")
    for i, operation in ((0, b"EXPORT"), (1, b"IMPORT")):
        listed = b.ask(i, "CLUSTER GETSLOTMIGRATIONS")
        assert isinstance(listed, list)
        entry = listed[0]
        assert isinstance(entry, list)
        fields = dict(zip(entry[::2], entry[1::2], strict=True))
        assert fields[b"operation"] == operation
        assert fields[b"state"] == b"success"
        assert fields[b"slot_ranges"] == b"3000-4000"
        assert (fields[b"source_node"], fields[b"target_node"]) == (b.ids[0].encode(), b.ids[1].encode())


def test_a_silence_has_its_reason(bench: MakeBench) -> None:
    b = bench(2, password="right")
    endpoint = b.endpoints[0]
    reasons = []
    for password in ("wrong", None):
        other = b.connect(password)
        reasons.append(getattr(other.ask({endpoint: [("PING",)]}, timeout=2)[endpoint], "reason", "answers"))
    b.kill(0)
    reasons.append(getattr(b.pipeline(0, "PING"), "reason", "answers"))
    assert reasons == ["unauthorised", "unauthorised", "closed"] or reasons[2] == "refused"
    assert getattr(b.pipeline(0, "PING"), "reason", "answers") == "refused"


@pytest.mark.parametrize("section", ["server", "replication", "persistence", "keyspace", "memory"])
def test_info_has_what_is_read_of_it(bench: MakeBench, section: str) -> None:
    wanted = {
        "server": {"redis_version", "run_id", "tcp_port", "uptime_in_seconds", "process_id"},
        "replication": {"role", "connected_slaves", "master_repl_offset", "master_replid", "second_repl_offset"},
        "persistence": {"loading", "aof_enabled", "aof_rewrite_in_progress", "rdb_last_bgsave_status"},
        "keyspace": {"db0"},
        "memory": {"used_memory", "maxmemory"},
    }
    b = bench(1, settings={"cluster-require-full-coverage": "no"})
    b.ok(0, "CLUSTER ADDSLOTSRANGE 0 16383")
    b.until(lambda: b.ask(0, "SET b 1") == b"OK", "a key")
    assert wanted[section] <= set(b.info(0, section))


def test_acknowledged_writes_survive_a_manual_failover_and_a_kill_of_the_process(bench: MakeBench) -> None:
    b = bench(4)
    b.form(3, 1)
    writer = Writer(TransportClient(b.transport, b.endpoints))

    def write_for(seconds: float) -> None:
        deadline = b.clock.now() + seconds
        while b.clock.now() < deadline:
            writer.write(b.clock.now())

    write_for(0.3)
    b.ok(3, "CLUSTER FAILOVER")
    write_for(2)
    assert b.peer(3, 3).role is Role.PRIMARY
    b.until(lambda: b.whole(0, 1, 2, 3), "the cluster is whole")
    b.kill(3)
    write_for(4)
    b.start(3)
    b.until(lambda: b.whole(0, 1, 2, 3), "the cluster is whole again", 20)
    account = writer.check()
    assert len(account.acknowledged) > 100
    assert account.refused or account.indeterminate
    assert account.lost == ()
    assert account.resurrected == ()


def test_dropping_functions_parts_a_history_from_the_one_that_a_former_replica_knows(bench: MakeBench) -> None:
    b = bench(2, settings={"repl-diskless-sync-delay": "0", "cluster-require-full-coverage": "no"})
    b.ok(0, "CLUSTER ADDSLOTSRANGE 0 16383")
    b.acquaint(0, 1)
    b.until(lambda: b.state(0) == "ok", "the first serves")
    b.ok(1, f"CLUSTER REPLICATE {b.ids[0]}")
    b.until(lambda: field(b, 1, "master_link_status") == "up", "the second follows")
    b.ok(0, "SET b 1")
    b.until(lambda: field(b, 1, "slave_repl_offset") == field(b, 0, "master_repl_offset"), "and is in step")
    b.ok(1, "CLUSTER RESET SOFT")
    assert field(b, 1, "master_replid2") == field(b, 0, "master_replid")
    assert int(field(b, 1, "second_repl_offset")) == int(field(b, 0, "master_repl_offset")) + 1
    history = field(b, 0, "master_replid")
    b.ok(0, "FUNCTION FLUSH SYNC")
    assert field(b, 0, "master_replid") == history
    assert int(field(b, 0, "master_repl_offset")) >= int(field(b, 1, "second_repl_offset"))
    assert b.ask(0, "GET b") == b"1"


def field(b: Bench, i: int, name: str) -> str:
    lines = b.text(i, "INFO replication").splitlines()
    return next((line.partition(":")[2] for line in lines if line.startswith(f"{name}:")), "")

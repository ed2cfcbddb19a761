"""Slots that somebody left marked as moving, in all combinations: nothing is lost, or nothing is done."""

from __future__ import annotations

import signal
import threading
from itertools import product
from pathlib import Path

import pytest
import redis
from tests.engine.kit import Lab, assert_kept, assert_proved, fill, lab, nodes_of
from tests.engine.releases import each_release
from tests.engine.watching import Watching

from shardwright.errors import ApplyError, PlanError

pytestmark = pytest.mark.engine

SLOT = 1_584  # of the hash tag {3}, owned by the first primary
KEYS = {"{3}a": "1", "{3}b": "2", "{3}c": "3"}
SOURCE, TARGET, THIRD = 0, 1, 2


def ids(made: Lab) -> list[str]:
    return [made[n].execute_command("CLUSTER MYID") for n in range(6)]


def slot_keys(made: Lab, index: int, slot: int) -> list[str]:
    return sorted(made[index].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100))


def mark(made: Lab, slot: int, *, migrating: bool, importing: bool) -> None:
    known = ids(made)
    if importing:
        made[TARGET].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", known[SOURCE])
    if migrating:
        made[SOURCE].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", known[TARGET])


def unmark(made: Lab, slot: int, *ends: int) -> None:
    for end in ends:
        made[end].execute_command("CLUSTER", "SETSLOT", slot, "STABLE")


def put(made: Lab, index: int, key: str, value: str) -> None:
    """Write a key at a node that only imports its slot."""
    with made[index].client() as one:
        connection = one.connection
        assert connection is not None
        connection.send_command("ASKING")
        connection.read_response()
        connection.send_command("SET", key, value)
        connection.read_response()


def move(made: Lab, *keys: str) -> None:
    made[SOURCE].execute_command("MIGRATE", "127.0.0.1", made.ports[TARGET], "", 0, 5000, "KEYS", *keys)


MARKS = [pair for pair in product([True, False], repeat=2) if any(pair)]


@pytest.mark.parametrize("where", ["nowhere", "source", "both", "target"])
@pytest.mark.parametrize(("migrating", "importing"), MARKS)
def test_an_open_slot_is_closed_and_no_key_is_lost(
    tmp_path: Path, migrating: bool, importing: bool, where: str
) -> None:
    with lab(tmp_path) as made:
        made.converge()
        pairs = fill(made, 100)
        if where != "nowhere":
            for key, value in KEYS.items():
                made[SOURCE].set(key, value)
            pairs |= KEYS
        mark(made, SLOT, migrating=True, importing=True)
        moved = {"both": ["{3}a"], "target": list(KEYS)}.get(where, [])
        if moved:
            move(made, *moved)
        unmark(made, SLOT, *(end for end, stays in ((SOURCE, migrating), (TARGET, importing)) if not stays))
        assert made.deploy().healthy
        rows = {row["port"]: row for row in nodes_of(made[THIRD]).values()}
        owner = TARGET if moved or (migrating and importing) else SOURCE
        assert SLOT in rows[made.ports[owner]]["slots"]
        other = SOURCE if owner == TARGET else TARGET
        assert slot_keys(made, other, SLOT) == []
        assert slot_keys(made, owner, SLOT) == (sorted(KEYS) if where != "nowhere" else [])
        assert_kept(made, pairs)
        assert not made.converge().changed


@each_release
def test_other_servers_close_a_slot_with_keys_on_both_sides(tmp_path: Path, binary: Path) -> None:
    with lab(tmp_path, binary=binary, password="pa$$w%rd#1") as made:
        made.converge()
        for key, value in KEYS.items():
            made[SOURCE].set(key, value)
        mark(made, SLOT, migrating=True, importing=True)
        made[SOURCE].execute_command(
            "MIGRATE", "127.0.0.1", made.ports[TARGET], "", 0, 5000, "AUTH", made.password, "KEYS", "{3}a"
        )
        assert made.deploy().healthy
        assert slot_keys(made, TARGET, SLOT) == sorted(KEYS)
        assert_kept(made, KEYS)


@pytest.mark.parametrize(
    ("binary", "end"),
    [
        pytest.param(("valkey", "8.1"), SOURCE, id="valkey-8.1-source"),
        pytest.param(("valkey", "9.1"), TARGET, id="valkey-9.1-target"),
    ],
    indirect=["binary"],
)
def test_a_replica_that_stands_still_for_a_while_does_not_end_the_run(tmp_path: Path, binary: Path, end: int) -> None:
    """Valkey changes a slot only once all replicas have the change, and gives them 2 s."""
    with lab(tmp_path, binary=binary) as made:
        made.converge()
        for key, value in KEYS.items():
            made[SOURCE].set(key, value)
        mark(made, SLOT, migrating=True, importing=True)
        primary = ids(made)[end]
        replica = next(row["port"] for row in nodes_of(made[THIRD]).values() if row["primary"] == primary)
        process = made.servers[made.ports.index(replica)].process
        assert process is not None
        still: list[bool] = []

        def stand_still(commands: list[tuple[str, ...]]) -> None:
            if not still and any("SETSLOT" in command for command in commands):
                still.append(True)
                process.send_signal(signal.SIGSTOP)
                threading.Timer(3, process.send_signal, (signal.SIGCONT,)).start()

        made.converge(transport=Watching(made, before=stand_still))
        assert still
        assert slot_keys(made, TARGET, SLOT) == sorted(KEYS)
        assert_kept(made, KEYS)


def test_a_key_on_both_ends_stops_the_run_and_both_copies_stay(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        for key, value in KEYS.items():
            made[SOURCE].set(key, value)
        mark(made, SLOT, migrating=True, importing=True)
        put(made, TARGET, "{3}b", "other")
        for _ in range(2):
            with pytest.raises(ApplyError) as raised:
                made.converge()
            assert raised.value.code == "step-refused"
            assert f"slot {SLOT}" in raised.value.message
            assert "BUSYKEY" in raised.value.message
            assert raised.value.hint
        held = {key for end in (SOURCE, TARGET) for key in slot_keys(made, end, SLOT)}
        assert held == set(KEYS)
        assert "{3}b" in slot_keys(made, SOURCE, SLOT)
        assert "{3}b" in slot_keys(made, TARGET, SLOT)
        made[SOURCE].execute_command("DEL", "{3}b")
        assert made.deploy().healthy
        assert_kept(made, {**KEYS, "{3}b": "other"})


def test_a_source_that_is_not_marked_gets_no_key_while_the_move_is_finished(tmp_path: Path) -> None:
    """Only the target has a mark: keys that clients write meanwhile must not be deleted when it takes the slot over."""
    with lab(tmp_path) as made:
        made.converge()
        for key, value in KEYS.items():
            made[SOURCE].set(key, value)
        many = {f"{{3}}{n}": str(n) for n in range(20_000)}
        with made[SOURCE].pipeline(transaction=False) as batch:
            for key, value in many.items():
                batch.set(key, value)
            batch.execute()
        mark(made, SLOT, migrating=False, importing=True)
        put(made, TARGET, "{3}at-target", "x")
        acked: list[str] = []
        done = threading.Event()

        def write() -> None:
            with redis.RedisCluster(host="127.0.0.1", port=made.ports[THIRD], decode_responses=True) as everywhere:
                while not done.is_set():
                    key = f"{{3}}w{len(acked)}"
                    everywhere.set(key, "1")
                    acked.append(key)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            made.converge()
        finally:
            done.set()
            writer.join()
        assert len(acked) > 20
        assert_kept(made, {**KEYS, **many, **dict.fromkeys(acked, "1"), "{3}at-target": "x"})


def test_keys_where_the_move_does_not_explain_them_are_refused(tmp_path: Path) -> None:
    """Two nodes import the slot, and both hold keys of it."""
    with lab(tmp_path) as made:
        made.converge()
        known = ids(made)
        made[SOURCE].set("{3}a", "1")
        for end, key in ((TARGET, "{3}b"), (THIRD, "{3}c")):
            made[end].execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", known[SOURCE])
            put(made, end, key, "2")
        with pytest.raises(PlanError) as raised:
            made.converge()
        assert raised.value.code == "stray-keys"
        for index in (SOURCE, TARGET, THIRD):
            assert str(made.ports[index]) in raised.value.message
        assert [slot_keys(made, end, SLOT) for end in (SOURCE, TARGET, THIRD)] == [["{3}a"], ["{3}b"], ["{3}c"]]


def test_two_marks_of_one_slot_are_both_taken_off(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        known = ids(made)
        for end in (TARGET, THIRD):
            made[end].execute_command("CLUSTER", "SETSLOT", SLOT, "IMPORTING", known[SOURCE])
        made[SOURCE].set("{3}a", "1")
        assert made.deploy().healthy
        assert_kept(made, {"{3}a": "1"})
        assert_proved(made)


def test_slots_that_were_given_up_come_back_to_the_node_that_holds_their_keys(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        pairs = fill(made, 300)
        for n, slots in enumerate(([3443, 100], [6000], [16000, 16001])):
            made[n].execute_command("CLUSTER", "DELSLOTS", *slots)
        assert made.deploy().healthy
        assert_proved(made)
        assert_kept(made, pairs)


def test_all_slots_of_a_primary_with_keys_come_back(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        pairs = fill(made, 300)
        made[TARGET].execute_command("CLUSTER", "DELSLOTSRANGE", 5462, 10922)
        assert made.deploy().healthy
        assert_proved(made)
        assert_kept(made, pairs)


def test_slots_given_up_by_a_primary_come_back(tmp_path: Path) -> None:
    """Nobody else could take them: the others still list them as its own."""
    with lab(tmp_path) as made:
        for n, bounds in enumerate([(0, 8000), (8001, 12000), (12001, 16383)]):
            made[n].execute_command("CLUSTER", "ADDSLOTSRANGE", *bounds)
        made.converge()
        pairs = fill(made, 300)
        made[SOURCE].execute_command("CLUSTER", "DELSLOTSRANGE", 10, 20)
        assert made.deploy().healthy
        assert_kept(made, pairs)
        rows = {row["port"]: row for row in nodes_of(made[THIRD]).values()}
        assert set(range(10, 21)) <= rows[made.ports[SOURCE]]["slots"]
        assert len(rows[made.ports[SOURCE]]["slots"]) == 5462

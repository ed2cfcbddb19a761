"""What the servers say, word for word: one conversation with fake and real servers, written down and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from tests.contract.bench import Bench, Release
from tests.contract.conftest import Workshop
from tests.engine.releases import RELEASES

NOBODY = "f" * 40


def fresh(b: Bench) -> None:
    """A server that knows nobody."""
    b.say(
        0,
        "PING",
        "PING x",
        "CLUSTER NODES",
        "GET a",
        "SET a b",
        "DEL a b",
        "DBSIZE",
        "FLUSHALL",
        "FLUSHALL x",
        "DBSIZE x",
    )
    b.say(0, "CLUSTER ADDSLOTSRANGE 0 16384", "CLUSTER ADDSLOTSRANGE 5 3", "CLUSTER ADDSLOTSRANGE 0")
    b.say(0, "CLUSTER ADDSLOTSRANGE 0 10", "CLUSTER ADDSLOTSRANGE 0 10", "CLUSTER ADDSLOTSRANGE 20 22 22 23")
    b.say(
        0, "CLUSTER DELSLOTSRANGE 30 31", "CLUSTER DELSLOTSRANGE 5 10", "CLUSTER ADDSLOTS x", "CLUSTER ADDSLOTS 50 52"
    )
    b.say(0, "CLUSTER NODES", "CLUSTER SET-CONFIG-EPOCH -1", "CLUSTER SET-CONFIG-EPOCH x", "CLUSTER SET-CONFIG-EPOCH 5")
    b.say(0, "CLUSTER SET-CONFIG-EPOCH 6", "CLUSTER BUMPEPOCH", "CLUSTER NODES", "CLUSTER MEET 300.1.1.1 10")
    b.say(
        0,
        "CLUSTER MEET 127.0.0.1 x",
        "CLUSTER MEET 127.0.0.1 0",
        "CLUSTER MEET 127.0.0.1 99999",
        "CLUSTER MEET 127.0.0.1",
    )
    b.say(0, "CLUSTER MEET 127.0.0.1 9999 1x", f"CLUSTER FORGET {NOBODY}", f"CLUSTER FORGET {b.ids[0]}")
    b.say(0, "CLUSTER FORGET short", "CLUSTER FORGET", f"CLUSTER REPLICATE {NOBODY}", f"CLUSTER REPLICATE {b.ids[0]}")
    b.say(0, f"CLUSTER REPLICAS {NOBODY}", f"CLUSTER REPLICAS {b.ids[0]}", "CLUSTER FAILOVER", "CLUSTER FAILOVER BAD")
    b.say(0, f"CLUSTER SETSLOT 3 MIGRATING {NOBODY}", f"CLUSTER SETSLOT 13 MIGRATING {NOBODY}")
    b.say(0, f"CLUSTER SETSLOT 3 IMPORTING {NOBODY}", f"CLUSTER SETSLOT 13 IMPORTING {NOBODY}")
    b.say(0, f"CLUSTER SETSLOT 13 NODE {NOBODY}", "CLUSTER SETSLOT 13 STABLE", "CLUSTER SETSLOT 99999 STABLE")
    b.say(
        0, "CLUSTER SETSLOT 13 BAD", "CLUSTER SETSLOT 1", "CLUSTER COUNTKEYSINSLOT x", "CLUSTER COUNTKEYSINSLOT 16384"
    )
    b.say(
        0, "CLUSTER COUNTKEYSINSLOT 3", "CLUSTER GETKEYSINSLOT 0 -1", "CLUSTER GETKEYSINSLOT 0 10", "CLUSTER RESET WHAT"
    )
    b.say(
        0,
        "CLUSTER NONSENSE",
        "CLUSTER",
        "CLUSTER MYID x",
        "FOO bar",
        "GET",
        "READONLY",
        "READWRITE",
        "ASKING",
        "READONLY x",
    )
    b.say(0, "WAIT 0 10", "WAIT x 1", "SELECT 0", "SELECT 1", "ACL LIST", "ACL WHOAMI", "CLUSTER GETSLOTMIGRATIONS")
    b.say(
        0, f"CLUSTER MIGRATESLOTS SLOTSRANGE 0 3 NODE {NOBODY}", f"CLUSTER MIGRATESLOTS SLOTSRANGE 0 3 NODE {b.ids[0]}"
    )
    b.say(
        0, "CLUSTER CANCELSLOTMIGRATIONS", "CONFIG", "CONFIG FOO", "CONFIG GET", "CLUSTER RESET SOFT", "CLUSTER NODES"
    )


def settings(b: Bench) -> None:
    """CONFIG GET and SET."""
    b.say(0, "CONFIG GET cluster-node-timeout", "CONFIG GET nothing", "CONFIG SET nothing 1", "CONFIG SET a b c")
    b.say(
        0, "CONFIG SET cluster-node-timeout x", "CONFIG SET cluster-node-timeout -1", "CONFIG SET cluster-node-timeout"
    )
    b.say(0, "CONFIG SET cluster-node-timeout 700", "CONFIG GET cluster-node-timeout", "CONFIG SET databases 3")
    b.say(0, "CONFIG SET appendonly x", "CONFIG GET requirepass", "CONFIG SET maxmemory 1gb", "CONFIG GET maxmemory")
    b.say(0, "CONFIG SET repl-diskless-sync-delay 3", "CONFIG GET repl-diskless-sync-delay", "CONFIG GET masterauth")
    b.say(
        0,
        "CONFIG GET primaryauth",
        "CONFIG SET cluster-replica-no-failover yes",
        "CONFIG GET cluster-replica-no-failover",
    )
    b.say(0, "CONFIG GET min-replicas-to-write", "CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 3")
    b.say(0, "CONFIG GET min-replicas-max-lag")


def formed(b: Bench) -> None:
    """Three primaries and a replica: roles, redirections, refusals. `b` hashes to slot 3300, `foo` to 12182."""
    b.form(3, 1)
    for i in range(4):
        b.say(i, "CLUSTER NODES")
    b.say(
        0,
        "SET {t}a 1",
        "SET b 2",
        "GET b",
        "SET foo x",
        "EXISTS b b",
        "INCR b",
        "SET b x NX",
        "SET b x XX",
        "SET b x EX 10",
    )
    b.say(0, "SET b x EX 0", "SET b x FOO", "MGET b foo", "DEL b nope", "DBSIZE", "CLUSTER FLUSHNOTHING")
    b.until(lambda: b.info(0)["master_repl_offset"] == b.info(3)["slave_repl_offset"], "the replica has all")
    b.say(3, "GET {t}a", "GET b", "READONLY", "GET b", "SET b 3", "READWRITE", "GET b", "DEL b", "FLUSHALL")
    b.say(3, f"CLUSTER REPLICATE {b.ids[3]}", f"CLUSTER REPLICATE {b.ids[0]}", f"CLUSTER FORGET {b.ids[0]}")
    b.say(3, "CLUSTER ADDSLOTSRANGE 0 1", "CLUSTER SETSLOT 0 STABLE", f"CLUSTER REPLICAS {b.ids[3]}")
    b.say(1, f"CLUSTER REPLICATE {b.ids[0]}", f"CLUSTER REPLICATE {b.ids[3]}", "CLUSTER SET-CONFIG-EPOCH 99")
    b.say(2, "SET foo x", f"CLUSTER REPLICATE {b.ids[0]}", "CLUSTER RESET HARD", "CLUSTER COUNTKEYSINSLOT 12182")
    b.say(2, "CLUSTER GETKEYSINSLOT 12182 10", f"CLUSTER SETSLOT 12182 MIGRATING {b.ids[3]}")
    b.say(
        0, "CONFIG SET min-replicas-to-write 2", "SET b 2", "GET b", "CONFIG SET min-replicas-to-write 0", "WAIT 1 1000"
    )
    b.say(0, "WAIT 2 50", "CLUSTER DELSLOTSRANGE 3300 3300", "GET b", "SET b 1", "CLUSTER NODES")


def moving(b: Bench) -> None:
    """A slot on its way by SETSLOT and MIGRATE."""
    b.form(3)
    at0, at1 = (f"{b.endpoints[i].host} {b.endpoints[i].port}" for i in (0, 1))
    b.say(2, "SET foo x", "SET {foo}2 y", "SET {foo}4 mine")
    b.say(2, f"CLUSTER SETSLOT 12182 MIGRATING {b.ids[1]}", f"CLUSTER SETSLOT 12182 MIGRATING {b.ids[2]}")
    b.say(2, f"CLUSTER SETSLOT 12182 MIGRATING {b.ids[1]}")
    b.say(1, f"CLUSTER SETSLOT 12182 IMPORTING {b.ids[2]}", "GET foo", "CLUSTER NODES")
    b.say(2, "GET foo", "GET {foo}3", "SET {foo}3 1", "MGET foo {foo}3", "CLUSTER NODES")
    b.say(2, f"MIGRATE {at1} foo 0 1000", f"MIGRATE {at1} foo 0 1000", f"MIGRATE {at0} {{foo}}2 0 1000", "GET foo")
    b.say(
        2,
        f"CLUSTER SETSLOT 12182 NODE {b.ids[1]}",
        "MIGRATE 127.0.0.1 1 {foo}2 0 100",
        f"MIGRATE {at1} {{foo}}2 0 1000",
    )
    b.say(1, "GET foo")
    b.log.append(str(b.pipeline(1, "ASKING", "GET foo")))
    b.log.append(str(b.pipeline(1, "ASKING", "SET {foo}4 other")))
    b.say(
        2,
        f"MIGRATE {at1} {{foo}}4 0 1000",
        "GET {foo}4",
        "CLUSTER COUNTKEYSINSLOT 12182",
        f"MIGRATE {at1} {{foo}}4 0 1000 REPLACE",
    )
    b.say(1, f"CLUSTER SETSLOT 12182 NODE {b.ids[1]}", "GET foo", "GET {foo}4", "CLUSTER NODES")
    b.say(2, f"CLUSTER SETSLOT 12182 NODE {b.ids[1]}", "GET foo", "CLUSTER NODES")


def migrating(b: Bench) -> None:
    """What Valkey 9 says to slot migrations that can't be, and Redis to all of them."""
    b.form(3, 1)
    move = "CLUSTER MIGRATESLOTS SLOTSRANGE"
    b.say(
        0,
        f"{move} 0 3 NODE {b.ids[3]}",
        f"{move} 6000 6001 NODE {b.ids[1]}",
        f"{move} 5",
        f"{move} 5 3 NODE {b.ids[1]}",
    )
    b.say(
        0,
        f"{move} 5 99999 NODE {b.ids[1]}",
        f"{move} 5 6 NODE",
        f"{move} 5 6 FOO {b.ids[1]}",
        f"{move} x 6 NODE {b.ids[1]}",
    )
    b.say(
        0, f"{move} 5 10 NODE {b.ids[1]} SLOTSRANGE 9 11 NODE {b.ids[1]}", f"{move} 5 10 SLOTSRANGE 1 2 NODE {b.ids[1]}"
    )
    b.say(3, f"{move} 5 10 NODE {b.ids[1]}", "CLUSTER GETSLOTMIGRATIONS", "CLUSTER CANCELSLOTMIGRATIONS")


def passwords(b: Bench) -> None:
    """Logging in, two passwords at a time, MIGRATE to a server that wants one."""
    b.say(
        0, "ACL LIST", "ACL SETUSER default >second", "ACL SETUSER default <nope", "ACL LIST", "CONFIG GET requirepass"
    )
    for password in ("pw", "second", "wrong", None):
        other = b.connect(password)
        answer = other.ask({b.endpoints[0]: [("PING",), ("CLUSTER", "MYID")]}, timeout=2)[b.endpoints[0]]
        b.log.append(f"{password}: {getattr(answer, 'reason', 'answers')}")
        other.close()
    b.say(0, "ACL SETUSER default <pw", "CONFIG SET requirepass third", "PING", "ACL LIST")
    by_hash = hashlib.sha256(b"fourth").hexdigest()
    b.say(0, f"ACL SETUSER default #{by_hash} #{by_hash}", "ACL LIST", "AUTH default fourth", "AUTH fourth")
    b.say(0, f"ACL SETUSER default !{by_hash}", f"ACL SETUSER default !{by_hash}", "ACL LIST")
    b.say(0, "ACL SETUSER default >fifth", "CONFIG SET requirepass third", "ACL LIST")
    b.say(0, f"ACL SETUSER default resetpass #{by_hash}", "ACL LIST", "CONFIG GET requirepass")
    b.say(
        0, "CONFIG SET masteruser default", "CONFIG GET masteruser", "CONFIG SET masteruser ", "CONFIG GET masteruser"
    )


def opening(b: Bench) -> None:
    """A server without any password takes every one, if the user has a name; the first that it is given closes it."""
    b.say(0, "ACL LIST", "AUTH any", "AUTH default any", "AUTH other any", "PING")
    b.say(0, f"ACL SETUSER default #{hashlib.sha256(b'pw').hexdigest()}", "PING", "ACL LIST", "AUTH pw")
    for password in ("pw", None):
        other = b.connect(password)
        answer = other.ask({b.endpoints[0]: [("PING",)]}, timeout=2)[b.endpoints[0]]
        b.log.append(f"{password}: {getattr(answer, 'reason', 'answers')}")
        other.close()


CONVERSATIONS: list[tuple[Callable[[Bench], None], int, str | None]] = [
    (fresh, 1, None),
    (settings, 1, None),
    (formed, 4, None),
    (moving, 3, None),
    (migrating, 4, None),
    (passwords, 2, "pw"),
    (opening, 1, None),
]


@pytest.mark.engine
@pytest.mark.parametrize("release", RELEASES, ids="-".join)
@pytest.mark.parametrize(("talk", "count", "password"), CONVERSATIONS, ids=[c[0].__name__ for c in CONVERSATIONS])
def test_fake_and_real_servers_say_the_same(
    workshop: Workshop, release: Release, talk: Callable[[Bench], None], count: int, password: str | None
) -> None:
    real, fake = (workshop.make(kind, release, count, password=password) for kind in ("real", "fake"))
    for bench in (real, fake):
        talk(bench)
    assert len(real.log) >= 8
    assert "\n".join(fake.log) == "\n".join(real.log)

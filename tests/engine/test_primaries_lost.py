"""Primaries that die: one with a replica, one without, and most of them at once. Nobody is promoted or emptied by us."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.dying import Dying
from tests.engine.kit import Lab, assert_kept, eventually, fill, found, lab, nodes_of
from tests.engine.refusing import refused
from tests.engine.test_growing import SHORT, assert_proved_once_calm, formed, slots_by_port, wanted
from tests.engine.watching import Watching

from shardwright.errors import ObservationError, ShardwrightError
from shardwright.model.report import Severity

pytestmark = pytest.mark.engine


def primaries(made: Lab) -> list[int]:
    """Positions of the servers that have slots."""
    return sorted(made.ports.index(port) for port in slots_by_port(made))


def follower_of(made: Lab, primary: int) -> int:
    """Position of its replica."""
    rows = nodes_of(made[0])
    own = next(i for i, row in rows.items() if row["port"] == made.ports[primary])
    return next(made.ports.index(row["port"]) for row in rows.values() if row["primary"] == own)


def filled(made: Lab) -> dict[str, str]:
    """Keys that the replicas have, too."""
    pairs = fill(made, 2000)
    for n in primaries(made):
        made[n].execute_command("WAIT", 1, 5000)
    return pairs


def test_a_primary_dies_in_a_run_its_replica_takes_over_and_the_run_is_resumed(tmp_path: Path) -> None:
    with formed(tmp_path, 8, settings={"appendonly": "yes"}, timeout=SHORT) as made:
        pairs = filled(made)
        victim = primaries(made)[1]
        heir = follower_of(made, victim)

        def kill(commands: list[tuple[str, ...]]) -> None:
            if any({"MIGRATESLOTS", "MIGRATE"} & set(c) for c in commands):
                made.servers[victim].kill()

        made.topology = wanted(made.servers, 4, aof=True, timeout=SHORT)
        with pytest.raises(ShardwrightError) as raised:
            made.converge(transport=Watching(made, after=kill), pace=5)
        assert str(made.ports[victim]) in raised.value.message
        assert raised.value.hint
        eventually(lambda: made[heir].info("replication")["role"] == "master", "the replica leads", 60)
        error = refused(made, "nodes-silent", f"127.0.0.1:{made.ports[victim]}", kind=ObservationError, pace=10)
        assert "bring them back" in error.hint
        assert "of the primaries" not in error.message
        made.servers[victim].start()
        made.converge()
        assert_proved_once_calm(made)
        assert made[victim].info("replication")["role"] == "slave"
        assert len(slots_by_port(made)) == 4
        assert_kept(made, pairs)


def test_without_a_replica_nothing_is_changed_whatever_is_allowed_until_the_primary_is_back(tmp_path: Path) -> None:
    with lab(
        tmp_path,
        3,
        spare=1,
        settings={"appendonly": "yes"},
        topology=lambda them: wanted(them, 3, 0, aof=True, timeout=SHORT),
    ) as made:
        made.converge()
        pairs = fill(made, 500)
        before = slots_by_port(made)
        old = made[1].execute_command("CLUSTER MYID")
        made.servers[1].kill()
        eventually(lambda: "fail" in nodes_of(made[0])[old]["flags"], "it is failed", 60)
        made.topology = wanted(made.servers, 4, 0, aof=True, timeout=SHORT)
        effects = Dying(made.transport)
        for allowed in ((), ("loses-shard",)):
            with pytest.raises(ObservationError) as raised:
                made.converge(allowed=allowed, pace=10, transport=effects)
            assert raised.value.code == "nodes-silent"
            assert f"127.0.0.1:{made.ports[1]}" in raised.value.message
            assert "bring them back" in raised.value.hint
        assert effects.effects == []
        assert slots_by_port(made) == before
        errors = {(f.code, f.subject) for f in made.verify().findings if f.severity is Severity.ERROR}
        assert ("node-silent", f"h{made.ports[1]}:{made.ports[1]}") in errors
        made.servers[1].start()
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)


@pytest.mark.parametrize("lost", [False, True], ids=["they-come-back", "lost-for-good"])
def test_without_a_majority_nobody_is_promoted_by_us(tmp_path: Path, lost: bool) -> None:
    with formed(tmp_path, 8, settings={"appendonly": "yes"}, timeout=SHORT) as made:
        pairs = filled(made)
        left, *gone = primaries(made)
        heirs = [follower_of(made, n) for n in gone]
        for n in gone:
            made.servers[n].kill()
        ids = {made.ports.index(row["port"]): i for i, row in nodes_of(made[left]).items()}
        eventually(lambda: bool(found(made.verify(canary=False), "majority-lost")), "both are missed by all", 60)
        (finding,) = found(made.verify(), "majority-lost")
        assert (finding.subject, finding.severity) == ("test", Severity.ERROR)
        assert "2 of 3 primaries are gone" in finding.message
        assert all(f"127.0.0.1:{made.ports[n]}" in finding.message for n in gone)
        assert "at least 1 of them" in finding.hint
        effects = Dying(made.transport)
        with pytest.raises(ObservationError) as raised:
            made.converge(pace=10, transport=effects)
        assert raised.value.code == "nodes-silent"
        assert "2 are gone" in raised.value.message
        assert "at least 1 of the primaries must come back" in raised.value.hint
        assert effects.effects == []
        assert [made[n].info("replication")["role"] for n in heirs] == ["slave", "slave"]
        if lost:
            for n in heirs:
                made[n].execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
            eventually(
                lambda: all("fail" in nodes_of(made[left])[ids[n]]["flags"] for n in gone), "a majority says so", 60
            )
            made.servers = [s for n, s in enumerate(made.servers) if n not in gone]
            made.topology = wanted(made.servers, 3, aof=True, timeout=SHORT)
        else:
            for n in gone:
                made.servers[n].start()
        made.converge()
        assert_proved_once_calm(made)
        assert_kept(made, pairs)

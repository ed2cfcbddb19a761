"""Slot moves under a limit, with large keys, and through failovers and ends that stand still, on real servers."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from tests.engine.kit import assert_kept, eventually, fail_over, fill, nodes_of
from tests.engine.moves import (
    SHIFTED,
    assert_nothing_lost,
    assert_proved_once_calm,
    ends,
    formed,
    leaving_tag,
    moving,
    shifted,
    slots_by_port,
)
from tests.engine.releases import each_release, releases
from tests.engine.watching import Watching
from tests.engine.writing import writing

from shardwright.control import migrating
from shardwright.control.converging import converge
from shardwright.errors import ApplyError
from shardwright.model.slots import slot_of
from shardwright.testing.servers import Server

pytestmark = pytest.mark.engine


@releases("valkey-9.1", "redis-8.0")
def test_a_move_under_a_limit_takes_as_long_as_its_bytes_ask_for(tmp_path: Path, binary: Path) -> None:
    """About 3 MB move at 1 MB a second, where they take a fraction of one without a limit."""
    with formed(tmp_path, 6, binary=binary) as made:
        values = {f"k{n}": 12_000 for n in range(14_000)}
        with redis.RedisCluster("127.0.0.1", made.ports[0]) as client:
            leaving = sorted(slots_by_port(made)[ends(made)[0]])[-SHIFTED:]
            values = {key: size for key, size in values.items() if slot_of(key.encode()) in leaving}
            for key, size in values.items():
                client.set(key, b"x" * size)
        moments: list[float] = []
        watch = Watching(made, before=lambda commands: moments.append(time.monotonic()) if moving(commands) else None)
        made.topology = converge(shifted(made), replace(made.means(transport=watch), bytes_per_second=2**20)).topology
        assert moments[-1] - moments[0] > 0.6 * sum(values.values()) / 2**20
        assert_proved_once_calm(made)
        with redis.RedisCluster("127.0.0.1", made.ports[0]) as client:
            assert {key: client.strlen(key) for key in values} == values


@releases("valkey-8.1")
def test_large_keys_of_one_slot_go_one_at_a_time_among_many_small_ones(tmp_path: Path, binary: Path) -> None:
    with formed(tmp_path, 6, binary=binary) as made:
        fill(made, 3_000)
        tag = f"{{{leaving_tag(made)}}}"
        source = made[made.ports.index(ends(made)[0])]
        for n in range(8):
            source.set(f"{tag}{n}", b"x" * 1_000_000)
        batches: list[int] = []

        def note(commands: list[tuple[str, ...]]) -> None:
            batches.append(sum(tag in word for c in commands if c[0] == "MIGRATE" for word in c))

        made.topology = shifted(made)
        made.converge(transport=Watching(made, before=note))
        assert max(batches) == 1
        assert sum(batches) == 8
        assert_proved_once_calm(made)


@each_release
@pytest.mark.parametrize("end", ["source", "target"])
def test_a_failover_of_either_end_during_a_move_is_gone_round(tmp_path: Path, binary: Path, end: str) -> None:
    """What is moving then is let go, the cluster is looked at again, and the rest moves: in the same run."""
    with formed(tmp_path, 6, binary=binary) as made:
        pairs = fill(made, 6_000)
        source, target = ends(made)
        victim = source if end == "source" else target
        rows = nodes_of(made[0])
        ids = {row["port"]: i for i, row in rows.items()}
        replica = made[made.ports.index(next(r["port"] for r in rows.values() if r["primary"] == ids[victim]))]
        former = made[made.ports.index(victim)]
        asked: list[bool] = []

        def meddle(commands: list[tuple[str, ...]]) -> None:
            if moving(commands) and not asked:
                asked.append(True)
                fail_over(replica)
                # A target takes its slots back where it gets some before it has heard of its successor.
                eventually(lambda: end == "source" or former.info("replication")["role"] == "slave", "it follows")

        with writing(made.ports[2]) as told:
            made.topology = shifted(made)
            made.converge(transport=Watching(made, after=meddle))
        assert asked
        assert_proved_once_calm(made)
        assert_nothing_lost(made, told, 2)
        assert_kept(made, pairs)
        assert not made.converge().changed


@each_release
def test_a_failover_of_the_source_in_the_moment_of_handing_over_loses_nothing(tmp_path: Path, binary: Path) -> None:
    """Its successor and the target take its slots at once: Redis leaves it without slots then, and drops what it held."""
    with formed(tmp_path, 6, binary=binary) as made:
        pairs = fill(made, 6_000)
        rows = nodes_of(made[0])
        source = next(i for i, row in rows.items() if row["port"] == ends(made)[0])
        replica = made[made.ports.index(next(r["port"] for r in rows.values() if r["primary"] == source))]
        asked: list[bool] = []

        def meddle(commands: list[tuple[str, ...]]) -> None:
            # By key the slots are handed over next; the atomic migration does that by itself.
            next_is_giving = any(c[:2] == ("CLUSTER", "SETSLOT") and c[3] == "NODE" for c in commands)
            if (next_is_giving or any("MIGRATESLOTS" in c for c in commands)) and not asked:
                asked.append(replica.execute_command("CLUSTER", "FAILOVER"))

        with writing(made.ports[2]) as told:
            made.topology = shifted(made)
            made.converge(transport=Watching(made, before=meddle))
        assert asked
        assert_proved_once_calm(made)
        assert_kept(made, pairs)
        assert_nothing_lost(made, told, 2, least=20)


@releases("redis-7.0")
def test_a_key_whose_migrate_timed_out_and_was_done_all_the_same_is_moved(tmp_path: Path, binary: Path) -> None:
    """The target stands still while keys are under way, and takes them when the source waits no more."""
    with formed(tmp_path, 6, binary=binary) as made:
        pairs = fill(made, 1_000)
        frozen: list[Server] = []

        def freeze(commands: list[tuple[str, ...]]) -> None:
            if moving(commands) and not frozen:
                frozen.append(made.servers[made.ports.index(ends(made)[1])])
                process = frozen[0].process
                assert process is not None
                process.send_signal(signal.SIGSTOP)
                threading.Timer(6.5, process.send_signal, (signal.SIGCONT,)).start()

        target_keys = made[made.ports.index(ends(made)[1])].dbsize()
        with writing(made.ports[2]) as told:
            made.topology = shifted(made)
            made.converge(transport=Watching(made, before=freeze))
        assert frozen
        assert made[made.ports.index(ends(made)[1])].dbsize() > target_keys
        assert_proved_once_calm(made)
        assert_kept(made, pairs)
        assert_nothing_lost(made, told, 2, least=20)


@releases("redis-8.0")
def test_a_key_that_can_not_be_moved_in_time_is_named_and_its_slot_repaired_by_the_next_run(
    tmp_path: Path, binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target stands still for longer than any try may take."""
    with formed(tmp_path, 6, binary=binary) as made:
        key = f"{{{leaving_tag(made)}}}huge"
        source, target = (made.servers[made.ports.index(port)] for port in ends(made))
        made[made.ports.index(source.port)].set(key, b"x" * 20_000_000)
        process = target.process
        assert process is not None

        def freeze(commands: list[tuple[str, ...]]) -> None:
            if any(key in c for c in commands if c[0] == "MIGRATE"):
                process.send_signal(signal.SIGSTOP)

        def thaw(commands: list[tuple[str, ...]]) -> None:
            if any(key in c for c in commands if c[0] == "MIGRATE"):
                process.send_signal(signal.SIGCONT)

        made.topology = shifted(made)
        monkeypatch.setattr(migrating, "patience", lambda _reply: 1_000)
        monkeypatch.setattr(migrating, "MIGRATE_MS", 1_000)
        with pytest.raises(ApplyError) as raised:
            made.converge(transport=Watching(made, before=freeze, after=thaw))
        assert raised.value.code == "step-refused"
        assert key in raised.value.message
        assert "cluster-node-timeout" in raised.value.message
        made.converge()
        assert_proved_once_calm(made)
        with redis.RedisCluster("127.0.0.1", made.ports[2]) as client:
            assert client.strlen(key) == 20_000_000

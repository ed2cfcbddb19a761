"""An append-only file that ends within a command: the server drops that one, says so, and the shard is whole again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.engine.kit import assert_kept, eventually, fill, nodes_of
from tests.engine.test_growing import assert_proved_once_calm, formed, slots_by_port

pytestmark = pytest.mark.engine
CUT = 11
"""Bytes, fewer than any command has."""


@pytest.mark.parametrize("role", ["slave", "master"])
def test_the_last_command_is_dropped_and_nothing_else(tmp_path: Path, role: str) -> None:
    with formed(tmp_path, 6, settings={"appendonly": "yes"}) as made:
        pairs = fill(made, 500)
        primary = made.ports.index(min(slots_by_port(made)))
        assert made[primary].execute_command("WAIT", 1, 5000) == 1
        rows = nodes_of(made[primary])
        own = next(i for i, row in rows.items() if row["myself"])
        replica = next(made.ports.index(row["port"]) for row in rows.values() if row["primary"] == own)
        before = made[primary].dbsize()
        victim = replica if role == "slave" else primary
        server = made.servers[victim]
        server.kill()
        (file,) = (server.directory / "appendonlydir").glob("*.incr.aof")
        size = file.stat().st_size
        os.truncate(file, size - CUT)
        server.start()
        eventually(lambda: made[victim].info("persistence")["loading"] == 0, "it has loaded")
        log = (server.directory / "server.log").read_text()
        assert f"Truncating the AOF {file.name} at offset" in log
        report = made.deploy()
        assert report.healthy, report.findings
        assert_proved_once_calm(made)
        left = {made[n].dbsize() for n in (primary, replica)}
        assert left == {before if role == "slave" else before - 1}
        if role == "slave":
            assert_kept(made, pairs)

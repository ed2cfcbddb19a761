"""Rolling restarts of real servers under a client that writes and reads: a setting, another engine, and nothing lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.dying import Death
from tests.engine.kit import Lab, assert_kept, assert_proved, client, fill, lab, nodes_of
from tests.engine.releases import each_release, release_or_skip
from tests.engine.writing import Told, writing

from shardwright.control.converging import converge
from shardwright.control.run import form_and_verify
from shardwright.errors import PlanError
from shardwright.testing.servers import Server
from shardwright.testing.servers_supervisor import ServersSupervisor

pytestmark = pytest.mark.engine

KEPT = {"appendonly": "yes", "cluster-node-timeout": "5000"}


@contextmanager
def running(directory: Path, engine: Path | None = None) -> Iterator[Lab]:
    """Six servers that are proved and hold data."""
    with lab(directory, binary=engine, settings=KEPT) as made:
        live = {**dict(made.topology.live), "cluster-node-timeout": "5000", "repl-diskless-sync-delay": "0"}
        made.topology = replace(made.topology, live=tuple(live.items()), settings=(("appendonly", "yes"),))
        assert made.deploy().healthy
        yield made


class Watch:
    """Looks at each restart with redis-py's eyes: nobody leads who is stopped, and everybody else is there."""

    def __init__(self, made: Lab, deaths: int = 0) -> None:
        self.made, self.left, self.stopped = made, deaths, []  # type: ignore[var-annotated]

    def __call__(self, servers: Sequence[Server]) -> None:
        for server in servers:
            assert client(server.port).info("replication")["role"] == "slave", "a primary would be stopped"
        others = [port for port in self.made.ports if port not in {server.port for server in servers}]
        assert all(client(port).ping() for port in others), "somebody else is away"
        if self.left and len(self.stopped) == 4:
            self.left -= 1
            raise Death
        self.stopped += [server.port for server in servers]


def roll(made: Lab, supervisor: ServersSupervisor) -> bool:
    """A deploy with somebody who can restart; whether it was healthy."""
    proof = form_and_verify(made.topology, replace(made.means(), supervisor=supervisor))
    return proof.report.healthy


def lost(made: Lab, told: Told) -> list[str]:
    """Acknowledged writes that are not there."""
    assert len(told.acknowledged) > 100, "too few writes for a statement"
    assert_kept(made, told.acknowledged)
    return told.misread


@each_release
def test_a_setting_that_is_read_at_the_start(tmp_path: Path, binary: Path) -> None:
    """Killed between a failover and the restart that it was for, then run again."""
    with running(tmp_path, binary) as made:
        pairs = fill(made)
        made.topology = replace(made.topology, settings=(("appendonly", "yes"), ("tcp-backlog", "600")))
        watch = Watch(made, deaths=1)
        files = {"tcp-backlog": "600"}
        supervisor = ServersSupervisor(made.servers, settings=files, before=watch)
        runs = {port: client(port).info("server")["run_id"] for port in made.ports}
        with writing(made.ports[0]) as told:
            with pytest.raises(Death):
                roll(made, supervisor)
            assert roll(made, supervisor)
        assert sorted(watch.stopped) == made.ports
        assert all(client(port).config_get("tcp-backlog") == {"tcp-backlog": "600"} for port in made.ports)
        assert all(client(port).info("server")["run_id"] != runs[port] for port in made.ports)
        assert lost(made, told) == []
        assert_kept(made, pairs)
        assert_proved(made)
        again = converge(made.topology, replace(made.means(), supervisor=supervisor))
        assert not again.changed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(("redis", "7.0"), ("valkey", "9.1"), id="redis-7.0-to-valkey-9.1"),
        pytest.param(("redis", "7.0"), ("valkey", "8.1"), id="redis-7.0-to-valkey-8.1"),
        pytest.param(("redis", "7.0"), ("redis", "8.0"), id="redis-7.0-to-8.0"),
        pytest.param(("valkey", "8.1"), ("valkey", "9.1"), id="valkey-8.1-to-9.1"),
    ],
)
def test_an_upgrade_loses_nothing_and_is_not_taken_back(
    tmp_path: Path, old: tuple[str, str], new: tuple[str, str]
) -> None:
    before, after = release_or_skip(*old), release_or_skip(*new)
    with running(tmp_path, before) as made:
        pairs = fill(made)
        ids = set(nodes_of(made[0]))
        watch = Watch(made)
        made.topology = replace(made.topology, product=new[0], versions=new[1])
        supervisor = ServersSupervisor(made.servers, binary=after, before=watch)
        with writing(made.ports[0]) as told:
            assert roll(made, supervisor)
        assert sorted(watch.stopped) == made.ports
        for port in made.ports:
            assert client(port).info("server")[f"{new[0]}_version"].startswith(f"{new[1]}."), port
        assert set(nodes_of(made[0])) == ids, "who is who stays"
        assert lost(made, told) == []
        assert_kept(made, pairs)
        assert_proved(made)
        back = replace(made.topology, product=old[0], versions=old[1])
        with pytest.raises(PlanError) as refused:
            converge(back, replace(made.means(), supervisor=ServersSupervisor(made.servers, binary=before)))
        assert refused.value.code == ("upgrade-path" if old[0] != new[0] else "downgrades")
        assert len(watch.stopped) == 6

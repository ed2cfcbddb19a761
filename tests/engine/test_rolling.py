"""Rolling restarts of real servers under a client that writes and reads: a setting, another engine, and nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.engines import Missing, binary
from tests.engine.dying import Death
from tests.engine.kit import Lab, assert_kept, assert_proved, client, fill, lab, nodes_of
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


def test_a_setting_that_is_read_at_the_start(tmp_path: Path) -> None:
    """Killed between a failover and the restart that it was for, then run again."""
    with running(tmp_path) as made:
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


def test_from_redis_7_0_to_valkey_9_1(tmp_path: Path) -> None:
    try:
        old, new = binary("redis"), binary("valkey")
    except Missing as missing:
        pytest.skip(str(missing))
    with running(tmp_path, old) as made:
        pairs = fill(made)
        ids = set(nodes_of(made[0]))
        watch = Watch(made)
        made.topology = replace(made.topology, product="valkey", versions="9.1")
        supervisor = ServersSupervisor(made.servers, binary=new, before=watch)
        with writing(made.ports[0]) as told:
            assert roll(made, supervisor)
        assert sorted(watch.stopped) == made.ports
        assert all(re.match(r"9\.1\.", client(port).info("server")["valkey_version"]) for port in made.ports)
        assert set(nodes_of(made[0])) == ids, "who is who stays"
        assert lost(made, told) == []
        assert_kept(made, pairs)
        assert_proved(made)
        back = replace(made.topology, product="redis", versions="any")
        with pytest.raises(PlanError) as refused:
            converge(back, replace(made.means(), supervisor=ServersSupervisor(made.servers, binary=old)))
        assert refused.value.code == "upgrade-path"
        assert len(watch.stopped) == 6

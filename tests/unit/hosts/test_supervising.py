"""Restarts on hosts: how a server was started is read off the look; the script that restarts is run for real."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.hosts.test_batches import carried_out, change, sh

import shardwright
from shardwright.core.host.changes import RestartInstances
from shardwright.core.host.restarts import starts
from shardwright.core.host.services import restart_calls
from shardwright.core.host.state import HostState, parse
from shardwright.model.blueprint import Blueprint, File
from shardwright.model.spec import ServiceManager

__all__ = ["sh"]

CONTROL = """#!/bin/sh
echo "$*" >>{log}
[ "$1" != stop ] || [ ! -e {stuck} ] || {{ echo "6379 has not ended" >&2; exit 1; }}
"""
GUARD = """#!/bin/sh
[ ! -e {bad} ] || {{ echo "shardwright-guard: [data-dir-unmarked] it has lost its mark; hint: mount it" >&2; exit 78; }}
"""


def test_how_a_server_was_started_is_in_the_look(blueprint: Blueprint, running: HostState) -> None:
    instance = blueprint.instances[0]
    process = running.processes[0]
    same = replace(running, server=process.binary)
    (found,) = starts(blueprint, same).values()
    assert (found.pid, found.replaced, found.rewritten) == (process.pid, False, False)
    other = replace(running, server="/usr/bin/valkey-check-rdb", started=((instance.name, "0" * 64),))
    (seen,) = starts(blueprint, replace(other, named=((instance.name, ("port", "maxclients")),))).values()
    assert (seen.replaced, seen.rewritten, seen.named) == (True, True, {"port", "maxclients"})
    assert seen.lines["port"] == "6379"
    assert not {"requirepass", "masterauth"} & seen.lines.keys()


def test_a_look_tells_binaries_versions_memory_and_names() -> None:
    rows = [
        "engine\tValkey server v=8.0.1 sha=0\t/usr/bin/valkey-check-rdb",
        "available\t2048",
        "named\th1:6379\tport maxclients ",
        "process\t7\tredis-server\t0\t/data\t/usr/bin/redis-check-rdb (deleted)\tRedis server v=7.0.15 sha=0",
    ]
    state = parse(rows)
    assert (state.server, state.available_kib) == ("/usr/bin/valkey-check-rdb", 2048)
    assert state.named == (("h1:6379", ("port", "maxclients")),)
    assert state.processes[0].version == "Redis server v=7.0.15 sha=0"


@pytest.fixture
def site(tmp_path: Path, blueprint: Blueprint) -> Blueprint:
    """One server under a direct manager that only writes down what it is told."""
    log, stuck, bad = (tmp_path / name for name in ("log", "stuck", "bad"))
    for name, text in (("control", CONTROL), ("guard", GUARD)):
        (tmp_path / name).write_text(text.format(log=log, stuck=stuck, bad=bad))
        (tmp_path / name).chmod(0o755)
    config = tmp_path / "6379.conf"
    config.write_text("appendonly yes\nport 6379\n")
    instance = replace(blueprint.instances[0], config=str(config), log=str(tmp_path / "6379.log"))
    file = File(str(config), "appendonly yes\nport 6379\n", "", "", "0600")
    return replace(
        blueprint,
        manager=ServiceManager.DIRECT,
        instances=(instance,),
        files=(file,),
        guard=str(tmp_path / "guard"),
        control=str(tmp_path / "control"),
    )


def told(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    return log.read_text().splitlines() if log.exists() else []


def test_a_restart_stops_then_starts(sh: Path, tmp_path: Path, site: Blueprint) -> None:
    result = carried_out(sh, [change(RestartInstances(site.instances))], site)
    assert result.failure is None
    assert told(tmp_path) == ["stop 6379", "start 6379"]


def test_what_the_guard_would_refuse_is_not_stopped(sh: Path, tmp_path: Path, site: Blueprint) -> None:
    (tmp_path / "bad").touch()
    result = carried_out(sh, [change(RestartInstances(site.instances))], site)
    assert result.failure is not None
    assert (result.failure.code, result.failure.hint) == ("data-dir-unmarked", "mount it")
    assert told(tmp_path) == []


def test_a_file_that_says_another_appendonly_stops_it(sh: Path, tmp_path: Path, site: Blueprint) -> None:
    Path(site.instances[0].config).write_text('appendonly "no"\n')
    result = carried_out(sh, [change(RestartInstances(site.instances))], site)
    assert result.failure is not None
    assert result.failure.code == "restart-unsafe"
    assert told(tmp_path) == []


def test_a_server_that_does_not_end_is_not_started_again(sh: Path, tmp_path: Path, site: Blueprint) -> None:
    (tmp_path / "stuck").touch()
    result = carried_out(sh, [change(RestartInstances(site.instances))], site)
    assert result.failure is not None
    assert "has not ended" in result.failure.seen
    assert told(tmp_path) == ["stop 6379"]


def test_names_of_earlier_files_are_kept_beside_the_next(sh: Path, tmp_path: Path, site: Blueprint) -> None:
    config = Path(site.instances[0].config)
    for text in ("port 6379\nmaxclients 50\nrequirepass x\n", "port 6379\n"):
        config.write_text(text)
        result = carried_out(sh, [change(File(str(config), "port 6379\n", "", "", "0600"))], site)
        assert result.failure is None
    assert (tmp_path / "6379.named").read_text().split() == ["maxclients", "port", "requirepass"]


def test_each_manager_has_its_call(blueprint: Blueprint) -> None:
    names = {
        manager: restart_calls(replace(blueprint, manager=manager, control="c"), blueprint.instances)[-1][0]
        for manager in ServiceManager
        if manager is not ServiceManager.AUTO
    }
    assert set(names.values()) == {"restart_systemd", "restart_openrc", "restart_direct"}


SCRIPTS = sorted((Path(shardwright.__file__).parent / "core/host/scripts").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_function_of_a_host_script_is_written_twice(script: Path) -> None:
    """The shell takes the last one and says nothing. Those in branches of one `if` stand on one line each."""
    names = re.findall(r"^([a-z_]+)\(\)", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("manager", [ServiceManager.SYSTEMD, ServiceManager.OPENRC, ServiceManager.DIRECT])
def test_what_is_called_to_restart_is_there(blueprint: Blueprint, manager: ServiceManager) -> None:
    services = next(path for path in SCRIPTS if path.name == "services.sh").read_text(encoding="utf-8")
    calls = restart_calls(replace(blueprint, manager=manager), blueprint.instances)
    assert [call[0] for call in calls if f"\n{call[0]}() {{" not in services] == []

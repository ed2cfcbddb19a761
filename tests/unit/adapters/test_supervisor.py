"""The supervisor over ssh of our own: whom it restarts, with which script, and what it says when that fails."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from shardwright.adapters.environment import Environment
from shardwright.adapters.host_shell import HostShell
from shardwright.adapters.spec_file import load_with_warnings
from shardwright.adapters.ssh import SshTunnels
from shardwright.adapters.supervisor import HostsSupervisor
from shardwright.core.host.entering import CHANGE, COMPLETE, READ, Output
from shardwright.errors import ObservationError
from shardwright.model.spec import HostSpec, ServiceManager

SPEC = """\
name: tried
engine: {{product: redis, version: "7.0"}}
shards: 3
replicas: 1
spread: none
service_manager: systemd
hosts:
  - {{name: h1, address: 10.0.0.1, ports: [7000, 7001, 7002]}}
  - {{name: h2, address: 10.0.0.2, ports: [7000, 7001, 7002]{where}}}
security: {{password: {{env: PASSWORD}}}}
"""
EXE = "/usr/bin/redis-check-rdb"


def environment_in(directory: Path, where: str = "") -> Environment:
    path = directory / "cluster.yml"
    path.write_text(SPEC.format(where=where), encoding="utf-8")
    return Environment(path, load_with_warnings(path)[0])


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("PASSWORD", "0123456789abcdef0123456789abcdef")
    return environment_in(tmp_path)


class Hosts:
    """Answers as hosts do; remembers the scripts that change something."""

    def __init__(self, rows: dict[str, list[str]], answer: Output | None = None) -> None:
        self._rows, self._answer = rows, answer or Output(True, ("did\t0\t", "state"), ())
        self.restarts: dict[str, str] = {}

    def __call__(self, host: HostSpec, boot: str, script: str, seconds: float) -> Output:
        if boot == READ:
            return Output(True, tuple(self._rows.get(host.name, ())), ("the disk is on fire",))
        assert boot == CHANGE
        self.restarts[host.name] = script
        return self._answer


def look(environment: Environment, host: str, *rows: str) -> list[str]:
    """What a host with its files as wanted and one running server says."""
    made = environment.blueprints(next(h for h in environment.spec.hosts if h.name == host))[ServiceManager.SYSTEMD]
    instance = made.instances[0]
    files = [
        line
        for file in made.files
        for line in (
            f"path\t{file.path}\tregular file\t{file.mode.lstrip('0')}\t{file.owner}\t{file.group}\t0",
            f"sum\t{hashlib.sha256(file.content.encode()).hexdigest()}\t{file.path}",
        )
    ]
    unit = [f"unit\t{instance.service}\t{word}" for word in ("LoadState=loaded", "ActiveState=active", "MainPID=77")]
    base = ["uid\t0\troot", "init\tsystemd", f"engine\tRedis server v=7.0.15 sha=0\t{EXE}", "available\t4096"]
    return [*base, *files, *unit, f"process\t77\tredis-server\t0\t{instance.data}\t{EXE}\t", *rows, "end"]


def test_a_look_becomes_how_servers_were_started(environment: Environment) -> None:
    name = "h1:7000"
    rows = look(environment, "h1", f"started\t{name}\t{'0' * 64}", f"named\t{name}\tport maxclients")
    supervisor = HostsSupervisor(environment, Hosts({"h1": rows, "h2": look(environment, "h2")}))
    found = {endpoint.host: start for endpoint, start in supervisor.started().items()}
    assert (found["10.0.0.1"].rewritten, found["10.0.0.2"].rewritten) == (True, False)
    assert found["10.0.0.1"].named == {"port", "maxclients"}
    assert (found["10.0.0.1"].pid, found["10.0.0.1"].memory) == (77, 4096 * 1024)


def test_a_host_that_says_nothing_is_named(environment: Environment) -> None:
    with pytest.raises(ObservationError) as failed:
        HostsSupervisor(environment, Hosts({"h1": look(environment, "h1")})).started()
    assert failed.value.code == "look-failed"
    assert "h2 (10.0.0.2)" in failed.value.message
    assert "the disk is on fire" in failed.value.message


def test_each_host_restarts_its_own_and_a_failure_has_the_hosts_words(environment: Environment) -> None:
    rows = {name: look(environment, name) for name in ("h1", "h2")}
    hosts = Hosts(rows)
    supervisor = HostsSupervisor(environment, hosts)
    first = next(e for e in supervisor.started() if e.host == "10.0.0.1")
    assert supervisor.restart([first]) == {}
    assert list(hosts.restarts) == ["h1"]
    script = hosts.restarts["h1"]
    assert "step 0 restart_systemd 960 /var/lib/shardwright/tried/% shardwright-tried@7000.service=1B58" in script
    assert script.index("step 0 ask_guard /opt") < script.index("step 0 restart_systemd 960")
    assert script.endswith(COMPLETE)
    failing = Hosts(rows, Output(False, ("fail\t0\t[start-failed] it ended at once; hint: look",), ()))
    supervisor = HostsSupervisor(environment, failing)
    supervisor.started()
    assert supervisor.restart([first]) == {first: "[start-failed] it ended at once; hint: look"}


def test_the_look_is_real_shell(environment: Environment, tmp_path: Path) -> None:
    """On this machine, where none of these servers runs."""
    local = environment_in(tmp_path, ', connect: "@local"')
    shell = HostShell(SshTunnels(local.spec))
    far = Output(True, tuple(look(environment, "h1")), ())

    def run(host: HostSpec, boot: str, script: str, seconds: float) -> Output:
        return shell(host, boot, script, seconds) if host.name == "h2" else far

    assert {e.host for e in HostsSupervisor(local, run).started()} == {"10.0.0.1"}

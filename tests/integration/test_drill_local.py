"""Drills on this machine as a user runs them: one that ends, one that is interrupted, and one whose control machine dies."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from tests.integration.hosts_kit import CANARY, ROOT, client
from tests.integration.test_hosts_local import Local, local, read_until, wait_for

__all__ = ["local"]
pytestmark = pytest.mark.engine
FASTER = "settings: {cluster-node-timeout: 2000}"
SCRIPT = ROOT / "deploy" / "shardwright" / "core" / "host" / "scripts" / "drill.sh"


def drill_keys(made: Local) -> dict[str, int]:
    """Keys of drills on all servers, and how long they live yet."""
    found = {}
    for port in made.ports:
        one = client("127.0.0.1", port)
        found |= {key: one.ttl(key) for key in one.scan_iter("shardwright:drill:*", count=1000)}
    return found


def primaries(made: Local) -> list[int]:
    return [p for p in made.ports if client("127.0.0.1", p).info("replication")["role"] == "master"]


def contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def up(port: int) -> bool:
    """Whether somebody listens now: a client of redis-py would try again, for longer than a drill keeps a server away."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_drills_end_with_everything_as_it_was(local: Local) -> None:
    local.write(local.spec(FASTER))
    assert local.run().proved
    led, before = primaries(local), local.pids()

    refused = local.run("drill", "--data", "confirm_drill=another")
    assert refused.code == 4, refused
    assert "[drill-unconfirmed]" in refused.err
    assert f"confirm_drill={local.name}" in refused.err
    one_host = local.run("drill", "--data", f"confirm_drill={local.name}", "--data", "drill=host")
    assert one_host.code == 4, one_host
    assert "[drill-not-survivable]" in one_host.err
    assert local.pids() == before

    done = local.run("drill", "--data", f"confirm_drill={local.name}", "--data", "drill_target=shard-2")
    assert done.code == 0, done
    report = json.loads((local.directory / "reports" / "latest.json").read_text())
    codes = {finding["code"] for finding in report["findings"]}
    assert {"drill-served-again", "drill-whole-again", "drill-nothing-lost"} <= codes, report
    assert report["run"]["command"] == "drill"
    assert len(report["run"]["host_changes"]) == 2
    ledger = (local.directory / "reports" / "ledger.jsonl").read_text().splitlines()
    assert '"drill"' in ledger[-1]
    killed = [port for port, old, new in zip(local.ports, before, local.pids(), strict=True) if old != new]
    assert killed == [led[1]]
    assert primaries(local) == led, "who led leads again"
    assert drill_keys(local) == {}
    assert CANARY not in done.out + done.err
    timer = f"shardwright-drill-{os.getuid()}-{local.name}".encode()
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if timer in contents(p)], "no timer is left"


def test_an_interrupted_drill_mends_before_it_ends(local: Local) -> None:
    local.write(local.spec(FASTER))
    assert local.run().proved
    process = local.start("drill", "--data", f"confirm_drill={local.name}")
    read_until(process, "lose the server")
    wait_for(lambda: not all(map(up, local.ports)))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "[interrupted]" in err
    assert all(map(up, local.ports))
    wait_for(lambda: client("127.0.0.1", local.ports[0]).execute_command("CLUSTER INFO")["cluster_state"] == "ok")
    left = drill_keys(local)
    assert all(0 < ttl <= 3600 for ttl in left.values()), left
    assert local.run().proved


def test_a_host_mends_itself_when_nobody_is_left_to_do_it(local: Local, tmp_path: Path) -> None:
    assert local.run().proved
    port = local.ports[2]
    names = {"base": local.base, "name": local.name, "port": port}
    values = {
        "SW_VERB": "strike",
        "SW_NAME": local.name,
        "SW_KIND": "process",
        "SW_SECONDS": "6",
        "SW_PORTS": str(port),
        "SW_MATES": "",
        "SW_MANAGER": "direct",
        "SW_CONTROL": str(local.base / f"prefix/{local.name}/shardwright-service"),
        "SW_VICTIMS": "{port}|service|{base}/run/{name}/{port}/server.pid|{base}/data/{name}/{port}".format(**names),
    }
    settings = "\n".join(f"{k}=${{{k}-{shlex.quote(v)}}}" for k, v in values.items())
    (tmp_path / "script").write_text(f"{settings}\n{SCRIPT.read_text()}")
    environ = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
    words = ["sh", str(tmp_path / "script"), str(tmp_path)]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert "struck" in done.stdout, done
    wait_for(lambda: not up(port), 4)
    wait_for(lambda: up(port))
    places = (tmp_path, Path("/run"))
    wait_for(lambda: not any([*place.glob(f"shardwright-drill-*-{local.name}")] for place in places))

"""`deploy/drift.py` on this machine as a user runs it: files, servers and services compared, and mended by a deploy."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.ports import block
from tests.integration.hosts_kit import CANARY, client
from tests.integration.test_hosts_local import Local

pytestmark = pytest.mark.engine


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    with block(20) as ports:
        made = Local(tmp_path, ports[0])
        try:
            yield made
        finally:
            made.end()


def drift(local: Local, code: int) -> list[dict[str, Any]]:
    """The rows of a run that ends with `code`, as its report has them."""
    done = local.run("drift")
    assert done.code == code, done
    assert CANARY not in done.out + done.err
    text = (local.directory / "reports" / "latest.json").read_text()
    assert json.dumps(CANARY)[1:-1] not in text
    page = json.loads(text)
    assert page["run"]["command"] == "drift"
    assert not page["run"]["changed"]
    rows: list[dict[str, Any]] = page["drift"]
    return rows


def short(rows: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    return {(r["truth"], r["subject"].rpartition(":")[2], Path(r["name"]).name, r["mend"]) for r in rows}


def fingerprints(local: Local) -> dict[str, str]:
    """Of all files of ours but those that servers write themselves, by path."""
    files = [p for p in local.base.rglob("*") if p.is_file() and not p.is_relative_to(local.base / "data")]
    return {
        str(p): f"{p.stat().st_mode} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in files if p.suffix != ".log"
    }


def test_files_servers_and_services_are_compared_and_a_deploy_mends_them(local: Local) -> None:
    assert local.run().proved
    assert drift(local, 0) == []
    one, two, three, four, five, six = local.ports

    client("127.0.0.1", one).config_set("cluster-node-timeout", "1234")
    client("127.0.0.1", two).config_set("maxmemory-policy", "allkeys-lru")
    client("127.0.0.1", two).execute_command("CONFIG", "REWRITE")
    edited = local.base / f"config/{local.name}/{three}.conf"
    edited.write_text(edited.read_text().replace("cluster-node-timeout 15000", "cluster-node-timeout 999") + "hz 77\n")
    (local.base / f"config/{local.name}/{four}.conf").chmod(0o644)
    (local.base / f"config/{local.name}/{five}.conf").unlink()
    control = local.base / f"prefix/{local.name}/shardwright-service"
    subprocess.run([str(control), "stop", str(six)], check=True, capture_output=True, timeout=60)
    before = fingerprints(local)

    rows = drift(local, 1)
    assert short(rows) == {
        ("server", str(one), "cluster-node-timeout", "live"),
        ("server", str(two), "maxmemory-policy", "live"),
        ("file", str(two), f"{two}.conf", "deploy"),
        ("file", str(two), "maxmemory-policy", "deploy"),
        ("file", str(three), "cluster-node-timeout", "deploy"),
        ("file", str(three), "hz", "deploy"),
        ("file", "here", f"{four}.conf", "deploy"),
        ("file", "here", f"{five}.conf", "deploy"),
        ("service", str(six), f"shardwright-{local.name}-{six}", "deploy"),
        ("cluster", str(six), "node silent", "deploy"),
    }
    (line,) = [r for r in rows if r["name"] == "cluster-node-timeout" and r["truth"] == "file"]
    assert (line["wanted"], line["found"]) == ("15000", "999")
    assert "next start would take" in line["hint"]
    assert fingerprints(local) == before, "drift changes nothing"

    client("127.0.0.1", two).config_set("maxmemory-policy", "noeviction")
    assert local.run().code == 0
    assert drift(local, 0) == []


def test_a_password_that_was_edited_is_named_and_not_shown(local: Local) -> None:
    assert local.run().proved
    port = local.ports[0]
    edited = local.base / f"config/{local.name}/{port}.conf"
    edited.write_text(edited.read_text() + "requirepass can4ry-of-somebody-else\n")
    (row,) = drift(local, 1)
    assert (row["name"], row["wanted"], row["found"]) == ("requirepass", "the cluster's", "another value")
    for file in (local.directory / "reports").iterdir():
        assert "can4ry-of-somebody-else" not in file.read_text()


def test_after_a_rewrite_without_a_change_only_the_rewriting_is_told(local: Local) -> None:
    assert local.run().proved
    port = local.ports[0]
    client("127.0.0.1", port).execute_command("CONFIG", "REWRITE")
    assert os.stat(local.base / f"data/{local.name}/{port}/nodes.conf").st_size > 0
    (row,) = drift(local, 1)
    assert row["code"] == "drift-file-rewritten"

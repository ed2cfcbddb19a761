"""Drift of running servers, made behind our back by a plain client: found, told who mends it, and gone once mended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.engine.kit import Lab, eventually, fail_over, lab, nodes_of
from tests.engine.releases import each_release
from tests.engine.test_adopting import KEPT, PASSWORD, VARIABLE, adopt, commands_since, made_by_hand

from shardwright.cli import main
from shardwright.control.drifting import find_drift
from shardwright.model.report import Report

pytestmark = pytest.mark.engine


def drift(made: Lab) -> Report:
    return find_drift(made.topology, made.means()).report


def rows(report: Report) -> set[tuple[str, str, str, str, str]]:
    return {(d.code, d.name, d.wanted, d.found, d.mend.value) for d in report.drift or ()}


@each_release
def test_settings_changed_behind_our_back(tmp_path: Path, binary: Path) -> None:
    with lab(tmp_path, binary=binary, password=PASSWORD) as made:
        assert made.deploy().healthy
        for n in range(6):
            made[n].config_resetstat()
        clean = drift(made)
        assert rows(clean) == set()
        assert clean.healthy
        assert {name for name in commands_since(made) if name in ("set", "del", "config|set", "cluster|meet")} == set()

        made[1].config_set("cluster-node-timeout", "1234")
        made[2].config_set("maxmemory-policy", "allkeys-lru")
        made[4].config_set("masterauth", "not the cluster's password")
        report = drift(made)
        assert not report.healthy
        assert rows(report) == {
            ("drift-setting", "cluster-node-timeout", "15000", "1234", "live"),
            ("drift-setting-undeclared", "maxmemory-policy", "noeviction (the default)", "allkeys-lru", "live"),
            ("drift-replication-password", "masterauth", "the cluster's password", "another one", "live"),
        }
        where = {d.name: d.subject.rpartition(":")[2] for d in report.drift or ()}
        assert where == {
            "cluster-node-timeout": str(made.ports[1]),
            "maxmemory-policy": str(made.ports[2]),
            "masterauth": str(made.ports[4]),
        }
        assert PASSWORD not in repr(report)

        made.converge()
        assert made[1].config_get("cluster-node-timeout")["cluster-node-timeout"] == "15000"
        made[2].config_set("maxmemory-policy", "noeviction")
        made[4].config_set("masterauth", PASSWORD)
        assert rows(drift(made)) == set()


def test_a_replica_moved_by_hand_and_a_failover(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        assert made.deploy().healthy
        fail_over(made[3])
        eventually(lambda: made[0].info("replication")["role"] == "slave", "the old primary follows")
        eventually(lambda: made[0].info("replication")["master_link_status"] == "up", "linked")
        eventually(lambda: rows(drift(made)) == set(), "a failover is no drift")

        ids = {row["port"]: i for i, row in nodes_of(made[0]).items()}
        made[5].execute_command("CLUSTER", "REPLICATE", ids[made.ports[1]])
        eventually(lambda: made[5].info("replication")["master_port"] == made.ports[1], "moved")
        eventually(lambda: {r[0] for r in rows(drift(made))} == {"replica-misplaced"}, "seen by all")
        (row,) = drift(made).drift or ()
        assert row.mend.value == "live"


def test_a_server_that_is_gone(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        assert made.deploy().healthy
        made.servers[5].kill()
        report = drift(made)
        assert ("node-silent", "person") in {(d.code, d.mend.value) for d in report.drift or ()}
        assert not report.healthy


def test_the_command_line_on_an_adopted_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    with lab(tmp_path / "s", password=PASSWORD, settings={**KEPT, "maxmemory": "64mb"}) as made:
        made_by_hand(made)
        assert adopt(made, tmp_path).exit_code == 0
        words = ["drift", str(tmp_path / "taken"), "--json", "--reports", str(tmp_path / "reports")]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["drift"] == []

        made[0].config_set("maxmemory", "32mb")
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 1, done.output
        (row,) = json.loads(done.stdout)["drift"]
        assert (row["name"], row["found"], row["mend"], row["truth"]) == (
            "maxmemory",
            str(32 * 2**20),
            "live",
            "server",
        )
        kept = json.loads((tmp_path / "reports" / "latest.json").read_text())
        assert kept["drift"] == [row]
        assert kept["run"]["command"] == "drift"
        assert "maxmemory" in (tmp_path / "reports" / "latest.html").read_text()
        table = CliRunner().invoke(main, [w for w in words if w != "--json"]).output
        assert "mended by" in table
        assert str(32 * 2**20) in table

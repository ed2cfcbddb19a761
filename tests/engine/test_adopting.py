"""Clusters that somebody else made, with a cli or by hand, are adopted: nothing is touched, and nothing is to be done."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.engine.kit import Lab, client, eventually, fail_over, lab, nodes_of, shape
from tests.engine.releases import each_release

from shardwright.adapters.spec_file import load
from shardwright.cli import main
from shardwright.control.adopting import discover
from shardwright.control.run import verify_only
from shardwright.core.adopting import first_plan
from shardwright.core.fitting import fit
from shardwright.core.placement import place

pytestmark = pytest.mark.engine

PASSWORD = 'a "quoted" pass\'word #1 $HOME %d ü'
VARIABLE = "SHARDWRIGHT_TEST_ADOPT"
KEPT = {"save": "3600 1"}
READS = {"cluster|myid", "cluster|info", "cluster|nodes", "info", "config|get", "auth"}
OTHERS = {"replconf", "ping", "psync", "config|resetstat", "client|setinfo", "cluster|countkeysinslot"}
"""What the servers say to each other, what the tests' own client says."""


def cli() -> str | None:
    """A cli of this machine, whichever; they all make clusters of either product."""
    named = [p for p in os.environ.get("SHARDWRIGHT_TEST_CLI", "").split(":") if p]
    return next((p for p in [*named, shutil.which("redis-cli"), shutil.which("valkey-cli")] if p), None)


def made_by_cli(made: Lab, replicas: int = 1) -> None:
    """As most clusters are made."""
    program = cli()
    if program is None:
        pytest.skip("neither redis-cli nor valkey-cli here")
    nodes = [f"127.0.0.1:{port}" for port in made.ports]
    words = [program, "--no-auth-warning", "--cluster", "create", *nodes, "--cluster-replicas", str(replicas)]
    secret = {"REDISCLI_AUTH": made.password} if made.password else {}
    done = subprocess.run(
        [*words, "--cluster-yes"],
        env={**os.environ, **secret},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "[OK] All 16384 slots covered" in done.stdout, done.stdout + done.stderr
    settled(made, len(made.ports) // (1 + replicas))


def made_by_hand(
    made: Lab, slots: Sequence[str] = ("0 5460", "5461 10922", "10923 16383"), follows: str = "012"
) -> None:
    """Primaries first; the others follow the primary of the number in `follows`."""
    primaries = len(slots)
    for n in range(len(made.ports)):
        made[n].execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
        if n < primaries:
            made[n].execute_command("CLUSTER", "ADDSLOTSRANGE", *slots[n].split())
    for n, port in enumerate(made.ports[1:], 1):
        made[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        eventually(lambda at=n: len(nodes_of(made[at])) > 1, "the node was met")  # type: ignore[misc]
    ids = [made[n].execute_command("CLUSTER", "MYID") for n in range(len(made.ports))]
    for n in range(len(made.ports)):
        eventually(lambda at=n: set(nodes_of(made[at])) == set(ids), "every node knows all")  # type: ignore[misc]
    for n, leader in enumerate(follows, primaries):
        made[n].execute_command("CLUSTER", "REPLICATE", ids[int(leader)])
    settled(made, primaries)


def settled(made: Lab, primaries: int) -> None:
    """Every node says ok, and all have one picture with so many primaries."""

    def whole() -> bool:
        views = []
        for n in range(len(made.ports)):
            rows = nodes_of(made[n])
            views.append({i: (r["role"], r["primary"], frozenset(r["slots"])) for i, r in rows.items()})
        leads = [row for row in views[0].values() if row[0] == "master"]
        return all(view == views[0] for view in views) and len(leads) == primaries

    def linked(at: int) -> bool:
        told = made[at].info("replication")
        return told["role"] == "master" or told["master_link_status"] == "up"

    eventually(whole, "one picture", 60)
    eventually(lambda: all(map(linked, range(len(made.ports)))), "all replicas linked", 60)
    eventually(
        lambda: all(made[n].execute_command("CLUSTER INFO")["cluster_state"] == "ok" for n in range(6)), "ok", 60
    )


def adopt(made: Lab, directory: Path, *options: str, at: int = 4) -> Result:
    """The command, as a user types it."""
    words = ["adopt", f"127.0.0.1:{made.ports[at]}", "--name", "taken", "--directory", str(directory), *options]
    env = {VARIABLE: made.password} if made.password else {}
    return CliRunner().invoke(main, words + (["--password-env", VARIABLE] if made.password else []), env=env)


def assert_nothing_to_do(made: Lab, directory: Path) -> None:
    """By the written file, as every later command reads it."""
    env = {VARIABLE: made.password} if made.password else {}
    spec = load(directory / "taken" / "cluster.yml", env)
    found = discover(made.transport, made.means().clock, made.servers[0].endpoint, spec.security.password)
    plan = first_plan(spec, found.state)
    assert plan.empty, [str(step) for step in plan.steps]
    report = verify_only(fit(place(spec), found.state), made.means()).report
    assert report.healthy, report.findings
    assert (directory / "taken" / "inventory.py").is_file()


def commands_since(made: Lab) -> set[str]:
    """What each server was asked since its counters were reset, by name."""
    names: set[str] = set()
    for n in range(len(made.ports)):
        names |= {name.removeprefix("cmdstat_") for name in made[n].info("commandstats")}
    return names


@pytest.fixture(params=["open", "password"])
def password(request: pytest.FixtureRequest) -> str | None:
    return PASSWORD if request.param == "password" else None


@pytest.fixture
def quiet() -> Callable[[Lab], None]:
    def reset(made: Lab) -> None:
        for n in range(len(made.ports)):
            made[n].config_resetstat()

    return reset


@each_release
def test_what_a_cli_made_is_adopted_by_reading_alone(
    tmp_path: Path, binary: Path, password: str | None, quiet: Callable[[Lab], None]
) -> None:
    own = {**KEPT, "maxmemory": "64mb", "cluster-node-timeout": "5000"}
    with lab(tmp_path / "s", binary=binary, password=password, settings=own) as made:
        made_by_cli(made)
        before = shape(made), made[0].config_get("*")
        quiet(made)
        done = adopt(made, tmp_path)
        asked = commands_since(made)
        assert done.exit_code == 0, done.output
        assert "the plan for it is empty" in done.output
        assert asked - READS - OTHERS == set()
        assert {"cluster|nodes", "config|get", "info"} <= asked
        assert (shape(made), made[0].config_get("*")) == before
        text = (tmp_path / "taken" / "cluster.yml").read_text()
        assert PASSWORD not in text + done.output
        spec = load(tmp_path / "taken" / "cluster.yml", {VARIABLE: PASSWORD})
        product = made[0].info("server")
        version = product.get("valkey_version", product["redis_version"])
        major, minor = version.split(".")[:2]
        assert spec.engine.version == f">={major}.{minor},<{major}.{int(minor) + 1}"
        assert dict(spec.settings) == {
            "maxmemory": str(64 * 2**20),
            "cluster-node-timeout": "5000",
            "cluster-allow-replica-migration": "yes",
            "repl-diskless-sync-delay": "0",
        }
        assert (spec.persistence.aof, spec.persistence.save) == (False, ((3600, 1),))
        assert_nothing_to_do(made, tmp_path)


@each_release
def test_a_cluster_whose_primaries_failed_over_is_adopted_as_it_is(tmp_path: Path, binary: Path) -> None:
    with lab(tmp_path / "s", binary=binary, settings=KEPT) as made:
        made_by_hand(made, follows="120")
        for n in (3, 5):
            eventually(lambda at=n: made[at].info("replication")["master_link_status"] == "up", "linked")  # type: ignore[misc]
            fail_over(made[n])
        settled(made, 3)
        done = adopt(made, tmp_path)
        assert done.exit_code == 0, done.output
        assert_nothing_to_do(made, tmp_path)


def test_uneven_replicas_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with lab(tmp_path / "s", settings=KEPT) as made:
        made_by_hand(made, follows="011")
        done = adopt(made, tmp_path)
        assert done.exit_code == 4
        assert "[adopt-replicas-uneven]" in done.output
        assert f"127.0.0.1:{made.ports[2]} has 0 (none)" in done.output
        assert not (tmp_path / "taken").exists()
        ids = [made[n].execute_command("CLUSTER", "MYID") for n in range(6)]
        made[5].execute_command("CLUSTER", "REPLICATE", ids[2])
        settled(made, 3)
        assert adopt(made, tmp_path).exit_code == 0, "the way out that the message names"
        assert_nothing_to_do(made, tmp_path)


def test_uneven_slots_and_a_setting_of_one_node_are_told(tmp_path: Path) -> None:
    with lab(tmp_path / "s", settings=KEPT) as made:
        made_by_hand(made, slots=("0 6383", "6384 10922", "10923 16383"))
        made[1].config_set("maxmemory", "1000000")
        done = adopt(made, tmp_path)
        assert done.exit_code == 0, done.output
        assert "[adopt-slots-uneven]" in done.output
        assert f"127.0.0.1:{made.ports[0]} owns 6,384" in done.output
        assert f"1000000 on 127.0.0.1:{made.ports[1]}" in done.output
        assert "maxmemory" not in (tmp_path / "taken" / "cluster.yml").read_text()


def test_a_second_time_it_is_not_written_over(tmp_path: Path) -> None:
    with lab(tmp_path / "s", settings=KEPT) as made:
        made_by_hand(made)
        assert adopt(made, tmp_path).exit_code == 0
        again = adopt(made, tmp_path)
        assert again.exit_code == 2
        assert "[environment-exists]" in again.output
        assert adopt(made, tmp_path, "--force").exit_code == 0


def test_without_the_password_the_hint_names_the_option(tmp_path: Path) -> None:
    with lab(tmp_path / "s", 6, password=PASSWORD, settings=KEPT) as made:
        made.password = None
        done = adopt(made, tmp_path)
        assert done.exit_code == 3
        assert "[adopt-no-view]" in done.output
        assert "--password-env" in done.output


def test_a_password_from_a_file_and_replicas_with_another_one(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    with lab(tmp_path / "s", password=PASSWORD, settings=KEPT) as made:
        made_by_hand(made)
        client(made.ports[3], PASSWORD).config_set("masterauth", "something else, old")
        words = ["adopt", f"127.0.0.1:{made.ports[0]}", "--name", "taken", "--directory", str(tmp_path)]
        done = CliRunner().invoke(main, [*words, "--password-file", str(file)])
        assert done.exit_code == 0, done.output
        assert (
            f"1 nodes have another password for replication (masterauth) than the one given: 127.0.0.1:{made.ports[3]}"
            in (done.output)
        )
        spec = load(tmp_path / "taken" / "cluster.yml", {})
        assert spec.security.password is not None
        assert spec.security.password.reveal() == PASSWORD


def test_nobody_there_and_no_cluster_node(tmp_path: Path) -> None:
    words = ["--name", "taken", "--directory", str(tmp_path)]
    done = CliRunner().invoke(main, ["adopt", "127.0.0.1:1", *words])
    assert (done.exit_code, "[adopt-no-view]" in done.output) == (3, True), done.output
    done = CliRunner().invoke(main, ["adopt", "localhost", *words])
    assert (done.exit_code, "[adopt-address]" in done.output) == (2, True), done.output
    with lab(tmp_path / "s", 6, settings={"cluster-enabled": "no"}) as made:
        done = CliRunner().invoke(main, ["adopt", f"127.0.0.1:{made.ports[0]}", *words])
        assert "not-a-cluster-node" in done.output
        assert done.exit_code == 3

"""`init`: what is written loads, is what was asked for, and never replaces what is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml as pyyaml

from shardwright.adapters.scaffold import write_environment
from shardwright.adapters.spec_file import load
from shardwright.errors import SpecError
from shardwright.model.spec import Domain, Product

ENV = {"SHARDWRIGHT_PASSWORD": "correct horse battery staple"}
THREE_ZONES = [f"10.0.0.{n}@{'abc'[n % 3]}" for n in range(1, 7)]


def refused(directory: Path, name: str, **options: object) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        write_environment(directory, name, **options)  # type: ignore[arg-type]
    assert sorted(directory.rglob("*.new")) == []
    return [(p.code, p.path) for p in caught.value.problems]


def test_six_hosts_in_three_zones(tmp_path: Path) -> None:
    spec_file, inventory = write_environment(tmp_path, "staging-2", engine="redis", hosts=THREE_ZONES)
    assert (spec_file, inventory) == (tmp_path / "staging-2/cluster.yml", tmp_path / "staging-2/inventory.py")
    spec = load(spec_file, ENV)
    assert (spec.name, spec.engine.product, spec.spread) == ("staging-2", Product.REDIS, Domain.ZONE)
    assert [(h.name, h.address, h.zone, h.ports) for h in spec.hosts] == [
        (f"h{n}", f"10.0.0.{n}", "abc"[n % 3], (6379,)) for n in range(1, 7)
    ]
    ast.parse(inventory.read_text())
    assert "load_inventory(__file__)" in inventory.read_text()


def test_no_hosts_means_this_machine(tmp_path: Path) -> None:
    spec = load(write_environment(tmp_path / "inventories", "mine", shards=4, replicas=2)[0], {})
    assert [(h.address, h.connect, h.ports) for h in spec.hosts] == [("127.0.0.1", "@local", tuple(range(7000, 7012)))]
    assert str(spec.paths.data) == str(tmp_path / ".shardwright/mine/data")
    assert (spec.security.password, spec.user) == (None, "")


@pytest.mark.parametrize(
    ("hosts", "spread", "instances"),
    [
        (["10.0.0.1", "10.0.0.2", "10.0.0.3"], Domain.HOST, 2),
        (["a=10.0.0.1@x", "b=10.0.0.2@x", "c=10.0.0.3@y"], Domain.HOST, 2),
        (["a=10.0.0.1@x", "b=10.0.0.2@y"], Domain.ZONE, 3),
        (["10.0.0.1"], Domain.NONE, 6),
        (["h=fd00::1", "i=fd00::2", "j=fd00::3"], Domain.HOST, 2),
    ],
)
def test_few_hosts_run_several_servers_and_are_spread_as_far_as_they_go(
    tmp_path: Path, hosts: list[str], spread: Domain, instances: int
) -> None:
    spec = load(write_environment(tmp_path, "x", engine="valkey", hosts=hosts)[0], ENV)
    assert (spec.spread, {len(h.ports) for h in spec.hosts}) == (spread, {instances})


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    spec_file, inventory = write_environment(tmp_path, "x")
    inventory.unlink()
    spec_file.write_text("mine")
    assert refused(tmp_path, "x") == [("environment-exists", "")]
    assert spec_file.read_text() == "mine"
    assert not inventory.exists()
    write_environment(tmp_path, "x", force=True)
    assert load(spec_file, {}).name == "x"


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("../x", {}, "name-malformed"),
        ("a\nb", {}, "name-malformed"),
        ("x", {"shards": 2}, "too-few-shards"),
        ("x", {"engine": "keydb"}, "unknown-word"),
        ("x", {"engine": "redis\nsecurity: {open: true}"}, "unknown-word"),
        ("x", {"hosts": ["10.0.0.1", "10.0.0.1"]}, "duplicate-host-address"),
        ("x", {"hosts": ["=@"]}, "host-malformed"),
        ("x", {"hosts": ["10.0.0.1}\nuser: root #"]}, "address-not-ip"),
        ("x", {"hosts": ["127.0.0.1"]}, "address-loopback"),
    ],
)
def test_nothing_is_written_that_would_not_load(
    tmp_path: Path, name: str, options: dict[str, object], code: str
) -> None:
    assert code in [found for found, _ in refused(tmp_path, name, **options)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("zone", ["no", "0640", "1_000", "7.10", "true", "null"])
def test_names_that_yaml_reads_as_something_else_are_quoted(tmp_path: Path, zone: str) -> None:
    hosts = [f"10.0.0.{n}@{zone}{suffix}" for n, suffix in enumerate(["", "x", "y"], 1)]
    file = write_environment(tmp_path, "no", hosts=hosts, replicas=0)[0]
    assert load(file, ENV).hosts[0].zone == zone
    assert pyyaml.safe_load(file.read_text())["hosts"][0]["zone"] == zone
    assert load(file, ENV).name == "no"

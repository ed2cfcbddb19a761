"""Both ways between cluster.yml and Ansible's inventory, and the blueprint as data."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.unit.ansible.conftest import PASSWORD

from shardwright.adapters.ansible_inventory import hosts_of, read_inventory
from shardwright.adapters.scaffold import write_environment
from shardwright.adapters.spec_file import load
from shardwright.ansible import blueprints, inventory
from shardwright.errors import ApplyError, SpecError

SPEC = """\
name: cache
engine: redis
spread: zone
replicas: 1
ssh: {user: deploy, key: /keys/id, known_hosts: /keys/known_hosts}
hosts:
  - {name: a1, address: 10.0.0.1, zone: a, rack: a-r1}
  - {name: b1, address: 10.0.0.2, zone: b, connect: b1.mgmt}
  - {name: c1, address: 10.0.0.3, zone: c, ssh: {port: 2222, jump: gate, sudo: false, strict_host_key: false}}
  - {name: a2, address: 10.0.0.4, zone: a}
  - {name: b2, address: 10.0.0.5, zone: b}
  - {name: c2, address: 10.0.0.6, zone: c}
security: {password: {env: SHARDWRIGHT_TEST_PASSWORD}}
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SHARDWRIGHT_TEST_PASSWORD", PASSWORD)
    (tmp_path / "cluster.yml").write_text(SPEC, "utf-8")
    return str(tmp_path / "cluster.yml")


def test_hosts_have_their_groups_and_what_ssh_needs(cluster: str) -> None:
    found = {host.name: host for host in inventory.hosts(cluster)}
    assert list(found) == ["a1", "b1", "c1", "a2", "b2", "c2"]
    assert found["a1"].groups == ("shardwright", "zone_a", "rack_a_r1")
    one, two, three = (found[name].variables for name in ("a1", "b1", "c1"))
    assert one["ansible_host"] == "10.0.0.1"
    assert one["ansible_become"] is True
    assert one["shardwright_spec"] == cluster
    words = shlex.split(one["ansible_ssh_common_args"])
    assert "StrictHostKeyChecking=yes" in words
    assert "UserKnownHostsFile=/keys/known_hosts" in words
    assert two["ansible_host"] == "b1.mgmt"
    assert three["ansible_port"] == 2222
    assert three["ansible_become"] is False
    through = next(w for w in shlex.split(three["ansible_ssh_common_args"]) if w.startswith("ProxyCommand="))
    assert shlex.split(through.partition("=")[2])[-1] == "gate"
    assert PASSWORD not in repr(found)


def test_this_machine_needs_no_ssh(tmp_path: Path) -> None:
    spec_file = write_environment(tmp_path, "mine")[0]
    (host,) = inventory.hosts(str(spec_file))
    assert host.variables["ansible_connection"] == "local"
    assert host.variables["ansible_become"] is False


def test_the_blueprint_is_plain_data_without_secrets(cluster: str) -> None:
    data = blueprints.blueprint(cluster, "a1")
    assert [i["endpoint"]["port"] for i in data["instances"]] == [6379]
    assert data["manager"] == "systemd"
    assert {f["content"] is None for f in data["files"] if f["secret"]} == {True}
    assert any(f["content"] for f in data["files"])
    assert PASSWORD not in repr(data)


OPS = {"ansible_user": {"__ansible_unsafe": "ops"}, "ansible_port": 2222}
LISTED = {
    "_meta": {
        "hostvars": {
            "C1.example.net": {
                "ansible_host": "10.0.0.1",
                "ansible_user": {"__ansible_unsafe": "ops"},
                "ansible_port": 2222,
            },
            "c2": {
                "ansible_host": "c2.mgmt",
                "shardwright_address": "10.0.0.2",
                "ansible_user": "ops",
                "ansible_port": 2222,
            },
            "10.0.0.3": {"ansible_user": "root", "ansible_become": True},
            "nowhere": {"ansible_host": "name.only"},
        }
    },
    "all": {"children": ["ungrouped", "caches", "zone_a", "zone_b"]},
    "ungrouped": {"hosts": ["nowhere"]},
    "caches": {"hosts": ["C1.example.net"], "children": ["more"]},
    "more": {"hosts": ["c2", "10.0.0.3"]},
    "zone_a": {"hosts": ["C1.example.net"]},
    "zone_b": {"hosts": ["c2"]},
}


def test_a_group_of_an_ansible_inventory_becomes_a_cluster_yml(tmp_path: Path) -> None:
    found = hosts_of(LISTED, "caches", "inv")
    assert [(h.name, h.address, h.zone, h.connect) for h in found] == [
        ("c1.example.net", "10.0.0.1", "a", ""),
        ("c2", "10.0.0.2", "b", "c2.mgmt"),
        ("10.0.0.3", "10.0.0.3", "", ""),
    ]
    named = [*found[:2], type(found[2])("c3", "10.0.0.3", "c", ssh=found[2].ssh)]
    spec = load(write_environment(tmp_path, "x", hosts=named)[0], {"SHARDWRIGHT_PASSWORD": "long enough for that"})
    assert [h.ssh.user for h in spec.hosts] == ["ops", "ops", "root"]
    assert [h.ssh.port for h in spec.hosts] == [2222, 2222, 22]
    assert [h.connect or h.address for h in spec.hosts] == ["10.0.0.1", "c2.mgmt", "10.0.0.3"]


def test_hosts_without_an_address_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        hosts_of(LISTED, "all", "inv")
    assert caught.value.code == "ansible-address-missing"
    assert "nowhere" in str(caught.value)
    assert "shardwright_address" in str(caught.value)
    with pytest.raises(SpecError) as unknown:
        hosts_of(LISTED, "nobody", "inv")
    assert unknown.value.code == "ansible-group-unknown"
    assert "caches" in str(unknown.value)


def test_an_inventory_that_ansible_cannot_read_is_said(tmp_path: Path) -> None:
    with pytest.raises((ApplyError, SpecError)) as caught:
        read_inventory(str(tmp_path / "nothing"))
    assert caught.value.code in ("ansible-inventory-failed", "ansible-group-unknown")

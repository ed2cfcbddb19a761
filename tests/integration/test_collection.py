"""The collection as it is installed: built, installed somewhere else, and used from there by its full name."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from tests.integration.ansible_kit import BIN
from tests.integration.hosts_kit import ROOT

SPEC = """\
name: trial
engine: redis
replicas: 0
spread: none
hosts:
  - {name: a1, address: 10.0.0.1, zone: a}
  - {name: b1, address: 10.0.0.2, zone: b}
  - {name: c1, address: 10.0.0.3, zone: c}
security: {password: {env: SHARDWRIGHT_PASSWORD}}
"""
MODULES = ("look", "admit", "bring", "form", "keep", "verify")
SECRET = "can4ry-and-long-enough"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory outside of the checkout with the collection installed, and nothing of the checkout's settings."""
    place = tmp_path_factory.mktemp("installed")
    said(place, "ansible-galaxy", "collection", "build", str(ROOT / "ansible_collections/shardwright/deploy"))
    (archive,) = place.glob("shardwright-deploy-*.tar.gz")
    said(place, "ansible-galaxy", "collection", "install", "--offline", "-p", "collections", archive.name)
    (place / "cluster.yml").write_text(SPEC, "utf-8")
    (place / "hosts.shardwright.yml").write_text("plugin: shardwright.deploy.spec\n", "utf-8")
    (place / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\n", "utf-8")
    return place


def said(place: Path, program: str, *words: str, code: int = 0) -> str:
    environ = {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(place),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOME": str(place / "home"),
        "SHARDWRIGHT_PASSWORD": SECRET,
    }
    done = subprocess.run(
        [str(BIN / program), *words], cwd=place, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.stdout


def test_the_archive_has_what_is_used_and_nothing_of_the_tests(place: Path) -> None:
    with tarfile.open(next(place.glob("*.tar.gz"))) as archive:
        names = set(archive.getnames())
    assert {"MANIFEST.json", "README.md", "playbooks/site.yml", "plugins/action/form.py"} <= names
    assert {f"roles/{role}/meta/argument_specs.yml" for role in ("host", "storage", "cluster")} <= names
    assert {name for name in names if name.startswith(("extensions", "tests"))} == set()


def test_the_inventory_plugin_works_by_its_name_alone(place: Path) -> None:
    listed = json.loads(said(place, "ansible-inventory", "-i", "hosts.shardwright.yml", "--list"))
    assert listed["shardwright"]["hosts"] == ["a1", "b1", "c1"]
    assert listed["zone_b"]["hosts"] == ["b1"]


def test_every_plugin_has_its_documentation(place: Path) -> None:
    modules = json.loads(
        said(place, "ansible-doc", "-j", "-t", "module", *(f"shardwright.deploy.{n}" for n in MODULES))
    )
    assert set(modules) == {f"shardwright.deploy.{name}" for name in MODULES}
    assert all(m["doc"]["options"]["spec"]["required"] for m in modules.values())
    for kind, name in (("inventory", "spec"), ("lookup", "blueprint")):
        assert json.loads(said(place, "ansible-doc", "-j", "-t", kind, f"shardwright.deploy.{name}"))


@pytest.mark.parametrize("name", MODULES)
def test_the_documented_options_are_those_that_are_taken(name: str) -> None:
    """The action plugin has the options, the module of the same name their documentation."""
    documented = importlib.util.spec_from_file_location(
        name, ROOT / f"ansible_collections/shardwright/deploy/plugins/modules/{name}.py"
    )
    assert documented is not None
    assert documented.loader is not None
    module = importlib.util.module_from_spec(documented)
    documented.loader.exec_module(module)
    options = yaml.safe_load(module.DOCUMENTATION)["options"]
    source = (ROOT / f"ansible_collections/shardwright/deploy/plugins/action/{name}.py").read_text()
    taken = {line.split('"')[1] for line in source.splitlines() if '": {"type"' in line and "OPTIONS" not in line}
    assert taken == set(options)


def test_the_playbook_and_the_lookup_work_from_there(place: Path) -> None:
    said(place, "ansible-playbook", "-i", "hosts.shardwright.yml", "--syntax-check", "shardwright.deploy.site")
    ask = (
        "msg={{ lookup('shardwright.deploy.blueprint', shardwright_host, spec=shardwright_spec).instances[0].service }}"
    )
    told = said(place, "ansible", "-i", "hosts.shardwright.yml", "a1", "-m", "ansible.builtin.debug", "-a", ask)
    assert "shardwright-trial@6379.service" in told


OWN = """\
- hosts: shardwright
  gather_facts: false
  {order}
  roles: [shardwright.deploy.storage, shardwright.deploy.host, shardwright.deploy.cluster]
"""


@pytest.mark.parametrize("order", ["serial: 1", "strategy: free"])
def test_a_play_that_would_change_hosts_before_all_were_looked_at_is_refused(place: Path, order: str) -> None:
    (place / "own.yml").write_text(OWN.format(order=order), "utf-8")
    told = said(place, "ansible-playbook", "-i", "hosts.shardwright.yml", "own.yml", code=2)
    assert '"code": "option-refused"' in told
    assert "Look at the hosts before anything is changed" not in told


def test_a_consent_that_there_is_not_ends_the_play_before_any_host_is_entered(place: Path) -> None:
    words = ("-i", "hosts.shardwright.yml", "shardwright.deploy.site", "-e", '{"cluster_allow": ["moves-most-slot"]}')
    told = said(place, "ansible-playbook", *words, code=2)
    assert '"code": "consent-unknown"' in told
    assert "Look at the hosts before anything is changed" not in told


def test_reports_that_cannot_be_written_end_it_there_too(place: Path) -> None:
    words = ("-i", "hosts.shardwright.yml", "shardwright.deploy.site", "-e", "cluster_reports=cluster.yml/reports")
    told = said(place, "ansible-playbook", *words, code=2)
    assert '"code": "reports-not-writable"' in told
    assert "Look at the hosts before anything is changed" not in told


@pytest.mark.parametrize("playbook", ["site", "verify"])
def test_a_group_that_there_is_not_is_no_green_play_of_no_hosts(place: Path, playbook: str) -> None:
    (place / "own.ini").write_text(f"[mine]\na1 ansible_host=10.0.0.1 shardwright_spec={place}/cluster.yml\n", "utf-8")
    environ = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(place), "LC_ALL": "C.UTF-8", "SHARDWRIGHT_PASSWORD": SECRET}
    for more in ([], ["-e", "shardwright_hosts=theirs"]):
        words = [str(BIN / "ansible-playbook"), "-i", "own.ini", f"shardwright.deploy.{playbook}", *more]
        done = subprocess.run(words, cwd=place, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode not in (0, None), done.stdout
        assert "-e shardwright_hosts=GROUP" in done.stdout + done.stderr
    given = ("-i", "own.ini", f"shardwright.deploy.{playbook}", "-e", "shardwright_hosts=mine", "--list-hosts")
    assert "a1" in said(place, "ansible-playbook", *given)


def test_tags_are_the_names_of_the_roles(place: Path) -> None:
    listed = said(place, "ansible-playbook", "-i", "hosts.shardwright.yml", "--list-tags", "shardwright.deploy.site")
    assert "TASK TAGS: [always, cluster, host, storage]" in listed


def test_the_checkouts_own_inventories_are_inventories() -> None:
    environ = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": "/", "LC_ALL": "C.UTF-8", "SHARDWRIGHT_PASSWORD": SECRET}
    words = [str(BIN / "ansible-inventory"), "-i", "inventories/lab", "--list"]
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shardwright"]["hosts"] == [f"h{n}" for n in range(1, 7)]
    assert SECRET not in done.stdout + done.stderr

"""A plan that is written down, read and carried out later, by the command line on real servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.engine.kit import Lab, assert_kept, client, eventually, fail_over, fill, lab, nodes_of
from tests.engine.refusing import keep_slots

from shardwright.cli import main
from shardwright.core.planning.fingerprint import digest
from shardwright.model.slots import slot_of

pytestmark = pytest.mark.engine
PASSWORD = "a-password-that-is-in-no-plan-0123"

SPEC = """\
name: reviewed
engine: valkey
shards: {shards}
replicas: 1
spread: none
hosts:
  - {{name: here, address: 127.0.0.1, connect: "@local", ports: [{ports}]}}
security: {{password: {{env: SHARDWRIGHT_PASSWORD}}}}
persistence: {{aof: false, save: ["3600 1"]}}
"""


@dataclass
class Reviewed:
    """Eight servers, of which a cluster.yml names some shards."""

    made: Lab
    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "plan.json"

    def wants(self, shards: int) -> None:
        text = SPEC.format(shards=shards, ports=", ".join(map(str, self.made.ports)))
        (self.directory / "cluster.yml").write_text(text)

    def run(self, *words: str) -> Result:
        options = ("--reports", str(self.directory / "reports")) if words[0] == "apply" else ()
        return CliRunner().invoke(main, [*words, *options], env={"SHARDWRIGHT_PASSWORD": PASSWORD})

    def plan(self) -> dict[str, Any]:
        done = self.run("plan", str(self.directory), "--json", "--out", str(self.file))
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    def refused(self, code: str, exit_code: int, *words: str, file: Path | None = None) -> str:
        before = self.picture()
        done = self.run("apply", "--plan", str(file or self.file))
        assert done.exit_code == exit_code, done.output
        for word in (f"[{code}]", *words):
            assert word in done.stderr, done.stderr
        assert self.picture() == before
        return done.stderr

    def picture(self) -> list[object]:
        return [sorted((r["port"], r["role"], r["slots"]) for r in nodes_of(self.made[n]).values()) for n in range(8)]


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    directory = tmp_path_factory.mktemp("reviewed")
    with lab(directory, 6, spare=2, password=PASSWORD) as made:
        found = Reviewed(made, directory)
        found.wants(3)
        done = found.run("apply", str(directory))
        assert done.exit_code == 0, done.output
        yield found


def edited(file: Path, change: Callable[[dict[str, Any]], None], *, fits: bool = True) -> Path:
    """A copy of the plan after `change`, with a checksum that fits, or the old one."""
    document = json.loads(file.read_text())
    change(document)
    if fits:
        del document["checksum"]
        document["checksum"] = digest(document)
    other = file.with_name("edited.json")
    other.write_text(json.dumps(document))
    return other


def test_a_plan_is_priced_written_read_and_carried_out_once(reviewed: Reviewed) -> None:
    made = reviewed.made
    pairs = fill(made, 600)
    reviewed.wants(4)
    said = reviewed.plan()
    assert reviewed.file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in reviewed.file.read_text()
    cost = said["price"]
    owners = {slot: port for port, slots in made.primary_ports().items() for slot in slots}
    sizes = {k: client(owners[slot_of(k.encode())], PASSWORD).memory_usage(k) for k in pairs}
    before = made.primary_ports()

    done = reviewed.run("apply", str(reviewed.file))
    assert done.exit_code == 0, done.output
    after = made.primary_ports()
    gone = {slot for port, slots in before.items() for slot in slots - after.get(port, set())}
    moved = [k for k in pairs if slot_of(k.encode()) in gone]
    assert (cost["slots"], cost["keys"]) == (len(gone), len(moved))
    assert cost["slots"] == 4096
    assert abs(cost["bytes"] - sum(sizes[k] for k in moved)) <= len(moved)
    assert cost["least_in_sync_replicas"] == 1
    assert_kept(made, pairs)

    reviewed.refused("stale-plan", 4, "owned", "run plan again")
    reviewed.wants(4)
    assert reviewed.plan()["empty"]
    assert reviewed.run("apply", "--plan", str(reviewed.file)).exit_code == 0


def test_what_differs_is_named(reviewed: Reviewed) -> None:
    """A7: a failover, a setting and another cluster.yml in between."""
    made = reviewed.made
    reviewed.plan()
    replica = next(r["port"] for r in nodes_of(made[0]).values() if r["role"] == "slave")
    fail_over(client(replica, PASSWORD))

    def agreed() -> bool:
        members = [made.ports.index(r["port"]) for r in nodes_of(made[0]).values()]
        views = [{r["port"]: r["role"] for r in nodes_of(made[n]).values()} for n in members]
        return all(view == views[0] and view[replica] == "master" for view in views)

    eventually(agreed, "it leads, and all know")
    reviewed.refused("stale-plan", 4, f"127.0.0.1:{replica} was a replica and is a primary")

    reviewed.plan()
    made[1].config_set("maxmemory", "100mb")
    reviewed.refused("stale-plan", 4, f"127.0.0.1:{made.ports[1]} runs with other settings: maxmemory")
    made[1].config_set("maxmemory", "0")

    reviewed.plan()
    with (reviewed.directory / "cluster.yml").open("a") as file:
        file.write("# a remark\n")
    reviewed.refused("stale-plan", 4, "cluster.yml has changed", "nothing was contacted")


def test_a_plan_of_another_version_is_refused_with_both_named(reviewed: Reviewed) -> None:
    """A8."""
    reviewed.plan()
    older = edited(reviewed.file, lambda document: document.update(tool_version="0.0.1"))
    reviewed.refused("stale-plan", 4, "made by shardwright 0.0.1, this is ", file=older)
    newer = edited(reviewed.file, lambda document: document.update(schema=2, tool_version="9.0"))
    reviewed.refused("plan-schema", 2, "schema 2, of shardwright 9.0", file=newer)


def test_a_file_that_is_no_plan_of_this_cluster_is_refused(reviewed: Reviewed) -> None:
    reviewed.plan()
    whole = reviewed.file.read_text()
    cut = reviewed.file.with_name("cut.json")
    cut.write_text(whole[: len(whole) // 2])
    reviewed.refused("plan-damaged", 2, file=cut)
    changed = edited(reviewed.file, lambda document: document.update(fingerprint="0" * 64), fits=False)
    reviewed.refused("plan-damaged", 2, file=changed)
    reviewed.refused("plan-foreign", 2, file=reviewed.directory / "cluster.yml")
    reviewed.refused("plan-unreadable", 2, "No such file", file=reviewed.directory / "no.json")
    other = edited(reviewed.file, lambda document: document.update(cluster="payments"))
    reviewed.refused("plan-of-another-cluster", 4, "payments", "reviewed", file=other)


def test_a_plan_that_was_read_needs_its_consents_all_the_same(tmp_path: Path) -> None:
    with lab(tmp_path, 6, spare=2, password=PASSWORD) as made:
        keep_slots(made, 2)
        found = Reviewed(made, tmp_path)
        found.wants(3)
        assert [h["code"] for h in found.plan()["hazards"]] == ["resets-nonempty-node"]
        found.refused("hazard-not-allowed", 4, "--allow resets-nonempty-node")
        done = found.run("apply", "--plan", str(found.file), "--allow", "resets-nonempty-node")
        assert done.exit_code == 0, done.output

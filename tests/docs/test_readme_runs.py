"""The README is run: its commands, in their order, in a copy of the inventories; its picture of a run is compared.

Only the ports differ (7700-7705 for 7000-7005), so that a demo that is up is left alone. After a meant change of what
a run prints: SHARDWRIGHT_UPDATE_GOLDEN=1 pytest tests/docs/test_readme_runs.py puts the new output into the README.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, blocks, commands

README = ROOT / "README.md"
MAIN = "pyinfra -y inventories/local/inventory.py deploy/cluster.py"
SHOWN = "/home/you/shardwright"
NOT_RUN = {
    "scripts/demo": "makes .venv and runs MAIN; MAIN is run here",
    "scripts/test": "runs this very test",
    "export SHARDWRIGHT_PASSWORD=...": "only for the hosts below",
    "pyinfra --dry inventories/cache/inventory.py deploy/cluster.py": "needs those hosts",
    "pyinfra -y inventories/cache/inventory.py deploy/cluster.py": "needs those hosts",
    "ansible-playbook -i inventories/cache roles/site.yml --check --diff": "needs those hosts",
    "ansible-playbook -i inventories/cache roles/site.yml": "needs those hosts",
    ".venv/bin/pyinfra -y inventories/staging/inventory.py deploy/cluster.py": "needs those hosts",
}


class Checkout:
    """A copy of what the README's commands use."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        shutil.copytree(ROOT / "inventories", directory / "inventories", ignore=shutil.ignore_patterns("__pycache__"))
        (directory / "deploy").mkdir()
        for script in (ROOT / "deploy").glob("*.py"):
            shutil.copy(script, directory / "deploy")
        (directory / ".venv").symlink_to(sys.prefix)
        spec = directory / "inventories" / "local" / "cluster.yml"
        spec.write_text(moved(spec.read_text()))

    def run(self, *lines: str) -> subprocess.CompletedProcess[str]:
        """Lines of the README in one shell; both outputs in one, as a terminal shows them."""
        script = "set -e\n" + moved("\n".join([". .venv/bin/activate", *lines]))
        env = {k: v for k, v in os.environ.items() if k in ("HOME", "PATH", "LANG")}
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env={**env, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )


def moved(text: str) -> str:
    """With the test's ports in place of the README's."""
    return re.sub(r"\b700([0-5])\b", r"770\1", text)


def as_shown(text: str, directory: Path) -> str:
    """With the README's ports and path in place of the test's."""
    text = re.sub(r"\b770([0-5])\b", r"700\1", text).replace(str(directory), SHOWN)
    return "".join(f"{line.rstrip()}\n" for line in text.strip().splitlines())


def lasting(text: str) -> list[str]:
    """What is the same in every run: no durations, counts of steps or hashes; of the progress, only the ends of phases."""
    kept = [line for line in text.splitlines() if not line.startswith("[") or line.endswith(": done")]
    return [re.sub(r"\d+\.\d s|\d+ cluster steps|-[0-9a-f]{8}\b", "...", line) for line in kept]


def listening() -> list[int]:
    found = []
    for port in range(7700, 7706):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    with (Path(tempfile.gettempdir()) / f"shardwright-test-readme-{os.getuid()}").open("w") as file:
        fcntl.flock(
            file, fcntl.LOCK_EX
        )  # another run of these tests has the same ports; the test's timeout is the limit
        assert listening() == []
        made = Checkout(tmp_path / "shardwright")
        yield made
        done = made.run("pyinfra -y inventories/local/inventory.py deploy/remove.py --data confirm_data=local")
        assert done.returncode == 0, done.stdout
        assert listening() == []


def local_commands() -> list[str]:
    """The README's block about the cluster on this machine."""
    (found,) = [b for b in blocks(README.read_text(), "sh") if "deploy/remove.py" in b]
    return commands(f"```sh\n{found}```")


def test_every_command_is_run_or_known_not_to_be() -> None:
    said = commands(README.read_text())
    init = [c for c in said if c.startswith("shardwright init")]
    assert len(init) == 1
    assert sorted(said) == sorted([*NOT_RUN, *local_commands(), *init])


def test_the_demo_says_what_the_readme_says() -> None:
    script = (ROOT / "scripts" / "demo").read_text().replace("$env", "inventories/local")
    said = commands(
        "```sh\n" + "\n".join(line[4:] for line in script.splitlines() if line.startswith("    ")) + "\n```"
    )
    ours = [line for line in said if re.match(r"\.|pyinfra|shardwright|python", line)]
    assert ours == [line for line in local_commands() if line != MAIN]


@pytest.mark.engine
def test_a_run_prints_what_the_readme_shows(checkout: Checkout) -> None:
    text = README.read_text()
    assert f"`{MAIN}`" in text
    before = text.index("<!-- run: cluster -->")
    (shown,) = blocks(text[before : text.index("\n## ", before)], "text")
    done = checkout.run(MAIN)
    assert done.returncode == 0, done.stdout
    printed = as_shown(done.stdout, checkout.directory)
    if os.environ.get("SHARDWRIGHT_UPDATE_GOLDEN") == "1":
        README.write_text(text.replace(f"```text\n{shown}```", f"```text\n{printed}```", 1))
        return
    assert lasting(printed) == lasting(shown)


@pytest.mark.engine
def test_the_commands_work_in_their_order(checkout: Checkout) -> None:
    assert checkout.run(MAIN).returncode == 0
    outputs = {}
    for command in local_commands():
        done = checkout.run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        outputs[command] = done.stdout
        if command.endswith("deploy/remove.py"):
            assert listening() == []
            data = checkout.directory / ".shardwright" / "local" / "data" / "local"
            assert len(list(data.glob("*/appendonlydir/*"))) >= 6
    assert "nothing was changed" in outputs[MAIN]
    (report,) = [out for command, out in outputs.items() if command.endswith("--json")]
    assert json.loads(report[report.index("{\n") :])["verdict"] == "proved"
    (set_one,) = [out for command, out in outputs.items() if command.startswith("python -c")]
    assert set_one.strip() == "True"
    left = [p for p in (checkout.directory / ".shardwright").rglob("*") if p.is_file()]
    assert left == []


def test_init_writes_an_environment_that_loads(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "shardwright")
    (init,) = [c for c in commands(README.read_text()) if c.startswith("shardwright init")]
    done = checkout.run(init)
    assert done.returncode == 0, done.stdout
    load = (
        "from pathlib import Path; from shardwright.adapters.spec_file import load; "
        "spec = load(Path('inventories/cache/cluster.yml')); "
        "print(spec.engine.product.value, spec.spread.value, len(spec.hosts))"
    )
    done = checkout.run("export SHARDWRIGHT_PASSWORD=hTq0-Zr7w.correct-horse", f'python -c "{load}"')
    assert done.stdout.split() == ["valkey", "zone", "6"], done.stdout

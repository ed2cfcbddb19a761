"""What a run ends with that was given no inventory of ours, or a key that is not there: pyinfra itself, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def pyinfra(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyinfra", *words],
        cwd=ROOT,
        env=os.environ | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("script", ["cluster", "verify", "remove", "drift"])
def test_a_mistyped_inventory_is_no_success(script: str) -> None:
    done = pyinfra("-y", "inventories/locl/inventory.py", f"deploy/{script}.py")
    assert done.returncode == 2
    assert "[inventory-not-ours]" in done.stderr
    assert "inventories/locl/inventory.py: no such file" in done.stderr
    assert "hint:   local is meant?" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_host_of_pyinfras_own_is_no_inventory_of_ours() -> None:
    done = pyinfra("-y", "@local", "deploy/cluster.py")
    assert done.returncode == 2
    assert "wanted: inventories/NAME/inventory.py, NAME one of lab, local, staging" in done.stderr


def test_pyinfras_own_commands_are_left_alone() -> None:
    done = pyinfra("-y", "@local", "exec", "--", "true")
    assert done.returncode == 0, done.stderr


def test_a_key_that_is_not_there_ends_the_run_before_any_host_is_contacted(tmp_path: Path) -> None:
    hosts = "".join(f"  - {{name: h{n}, address: 198.51.100.{n}}}\n" for n in range(1, 7))
    (tmp_path / "cluster.yml").write_text(
        f"name: c\nengine: valkey\nsecurity: {{open: true}}\nssh: {{key: none/id}}\nhosts:\n{hosts}", encoding="utf-8"
    )
    (tmp_path / "inventory.py").write_text((ROOT / "inventories/local/inventory.py").read_text(), encoding="utf-8")
    done = pyinfra("--dry", str(tmp_path / "inventory.py"), "deploy/cluster.py")
    assert done.returncode == 2
    assert f"{tmp_path}/cluster.yml:4: ssh.key [ssh-key-missing]" in done.stderr
    assert f"no file {tmp_path}/none/id" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "Connecting" not in done.stdout + done.stderr

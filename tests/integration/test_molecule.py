"""Every role's molecule scenario: a fresh host of the lab, the role, the role again, and what the host says of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.hosts_kit import ROOT
from tests.lab import Lab

COLLECTION = ROOT / "ansible_collections" / "shardwright" / "deploy"
ROLES = sorted(p.name for p in (COLLECTION / "roles").iterdir() if p.is_dir())

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.mark.parametrize("role", ROLES)
def test_scenario(role: str, tmp_path: Path) -> None:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    bin_ = Path(sys.executable).parent
    environ = os.environ | {
        "LC_ALL": "C.UTF-8",
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "NO_COLOR": "1",
    }
    environ.pop("SHARDWRIGHT_LAB", None)
    done = subprocess.run(
        [str(bin_ / "molecule"), "test", "-s", role],
        cwd=COLLECTION,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    # A sequence that was cut short would be green as well.
    for step in ("create", "prepare", "converge", "idempotence", "verify", "destroy"):
        assert f"{role} > {step}: Executed: Successful" in said, said

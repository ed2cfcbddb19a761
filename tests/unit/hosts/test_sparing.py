"""What pyinfra is spared changes nothing but the time: asked in processes of their own, as pyinfra changes its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ORDERS = """
from types import SimpleNamespace
from pyinfra.api import arguments, util
from shardwright.hosts import sparing

state = SimpleNamespace(current_deploy_filename=__file__, current_op_file_number=0)

def inner():
    return (
        util.get_operation_order_from_stack(state)
    )

def both():
    found = []
    for before in (lambda: None, sparing.spare):
        before()
        found.append((inner(), list(arguments.all_global_arguments())))
    return found

full, spared = both()
assert full == spared, (full, spared)
assert len(full[0]) == 3, full
assert full[1], full
"""
LOADED = "import sys; sys.dont_write_bytecode = True; import shardwright.hosts; import shardwright.core.placement"


def python(*words: str, **env: str) -> None:
    given = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | env
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, check=False, env=given)
    assert done.returncode == 0, done.stderr


def test_operations_keep_their_order_and_arguments(tmp_path: Path) -> None:
    script = tmp_path / "deploy.py"
    script.write_text(ORDERS, encoding="utf-8")
    python(str(script))


@pytest.mark.parametrize(("options", "kept"), [((), True), (("-B",), False)])
def test_our_bytecode_is_kept_unless_the_user_wants_none(options: tuple[str, ...], kept: bool, tmp_path: Path) -> None:
    python(*options, "-c", LOADED, PYTHONPYCACHEPREFIX=str(tmp_path))
    assert any(tmp_path.rglob("placement.*.pyc")) is kept

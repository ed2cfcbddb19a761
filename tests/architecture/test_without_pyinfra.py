"""The package works where pyinfra is not: everything outside `hosts` imports in a Python that can't find it."""

from __future__ import annotations

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyinfra", "pyinfra_cli", "gevent"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import shardwright

def walk(package):
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if found.name == "shardwright.hosts":
            continue
        module = importlib.import_module(found.name)
        print(found.name)
        if found.ispkg:
            walk(module)

walk(shardwright)
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_everything_but_hosts_imports_without_pyinfra() -> None:
    done = python(IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert {"shardwright.cli", "shardwright.core.placement", "shardwright.adapters.resp"} <= set(done.stdout.split())


def test_the_package_itself_loads_nothing_else() -> None:
    done = python("import sys, shardwright; print([m for m in sys.modules if m.startswith('shardwright.')])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr

"""Every file that lands on a host, word for word, for one host of each kind.

The files under `blueprint/` may change whenever a template changes on purpose: look at the difference, and then

    SHARDWRIGHT_UPDATE_GOLDEN=1 python -m pytest tests/golden/test_blueprint.py
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.golden.specs import SPECS, blueprint_of

from shardwright.model.blueprint import Blueprint, PackageSource

GOLDEN = Path(__file__).parent / "blueprint"


def summary(found: Blueprint) -> str:
    """All that is not a file's content, one fact a line."""
    source = found.engine.source
    lines = [
        f"cluster {found.cluster} on {found.host}, manager {found.manager}, user {found.user.name if found.user else '-'}",
        f"engine {found.engine.product} {found.engine.versions} {found.engine.server} notify={found.engine.notify}",
        f"guard {found.guard}",
        f"control {found.control or '-'}",
    ]
    if isinstance(source, PackageSource):
        lines += [f"packages {family}: {' '.join(names)}" for family, names in source.packages]
        lines += [f"suite {source.suite}", f"masked {' '.join(found.engine.masked_units)}"]
    else:
        lines += [f"bundle {source.archive} {source.sha256}", f"target {source.target}", f"current {source.current}"]
    lines += [f"kernel {k.path} {'>=' if k.at_least else '='} {k.value}" for k in found.kernel]
    lines += [f"mount {m.source} {m.target} {m.fstype} {m.options}" for m in found.mounts]
    lines += [f"directory {d.path} {d.owner or '-'}:{d.group or '-'} {d.mode}" for d in found.directories]
    for f in found.files:
        lines.append(f"file {f.path} {f.owner or '-'}:{f.group or '-'} {f.mode}{' secret' if f.secret else ''}")
    for i in found.instances:
        lines += [f"instance {i.name} {i.endpoint} bus {i.endpoint.bus_port} service {i.service}"]
        lines += [f"  {name} {getattr(i, name) or '-'}" for name in ("config", "data", "pidfile", "log", "started")]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", SPECS)
def test_every_file_is_as_it_was(name: str) -> None:
    found = blueprint_of(SPECS[name]())
    texts = {"SUMMARY": summary(found)} | {f.path.lstrip("/"): f.content for f in found.files}
    root = GOLDEN / name
    if os.environ.get("SHARDWRIGHT_UPDATE_GOLDEN"):
        shutil.rmtree(root, ignore_errors=True)
        for path, text in texts.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, "utf-8")
    kept = {str(p.relative_to(root)): p.read_text("utf-8") for p in root.rglob("*") if p.is_file()}
    assert kept.keys() == texts.keys()
    for path, text in texts.items():
        assert text == kept[path], f"{path} is not what it was; if that is meant: SHARDWRIGHT_UPDATE_GOLDEN=1"

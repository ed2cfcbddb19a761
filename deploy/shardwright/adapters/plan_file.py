"""Plans as files: one JSON document, readable by its owner alone, written whole or not at all.

Holds no secret, but the layout of a cluster is nobody else's business. `checksum` is of everything else in the file: it
finds a file that was cut, damaged or edited in passing; it is no signature, and whoever can write the file can make it fit.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.explaining.plan_text import plan_json
from ..core.planning.fingerprint import Basis, digest
from ..core.planning.staleness import refuse_other
from ..errors import ApplyError, Problem, SpecError
from ..model.plan import Plan
from ..model.price import Price
from ..model.saved_plan import SavedPlan
from ..model.spec import ClusterSpec
from . import run_context
from .regular_files import read_regular

KIND = "shardwright-plan"
SCHEMA = 1
MOST_BYTES = 256 << 20


def write_plan(path: Path, spec_path: Path, cluster: str, made: Plan, price: Price, basis: Basis) -> None:
    """Write the plan, with mode 0600.

    Args:
        path: of the file; what is there is replaced.
        spec_path: of the cluster.yml.
        cluster: its name.
        made: the plan.
        price: what it costs.
        basis: what it was made from.

    Raises:
        ApplyError: ``plan-not-writable``.
    """
    document: dict[str, Any] = {
        "kind": KIND,
        "cluster": cluster,
        "spec": {"path": str(spec_path), "sha256": run_context.spec_sha256(spec_path)},
        "tool_version": run_context.tool_version(),
        "made": run_context.started(run_context.now()),
        "by": run_context.actor(),
        **plan_json(made, price),
        "basis": basis,
    }
    document["checksum"] = digest(document)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise ApplyError(
            "plan-not-writable",
            f"can't write {path}: {error.strerror or error}",
            hint="free space there, or name another file with --out",
        ) from error


def is_plan(path: Path) -> bool:
    """Whether the file says that it is a plan of ours, whole or not."""
    try:
        raw, _ = read_regular(path, MOST_BYTES)
    except (OSError, ValueError):
        return False
    return raw.lstrip().startswith(b"{") and f'"{KIND}"'.encode() in raw[:200]


def read_plan(path: Path) -> SavedPlan:
    """The plan in the file.

    Raises:
        SpecError: ``plan-unreadable``, ``plan-foreign``, ``plan-damaged``, ``plan-schema``.
    """
    try:
        raw, _ = read_regular(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refused(path, "plan-unreadable", reason, "a file that plan --out wrote") from error
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        foreign = b'"shardwright-plan"' not in raw[:200]
        code, found = ("plan-foreign", "no JSON") if foreign else ("plan-damaged", f"JSON that ends early: {error}")
        raise _refused(path, code, found, "a file that plan --out wrote") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise _refused(path, "plan-foreign", "JSON that is no plan of shardwright", "a file that plan --out wrote")
    if document.get("schema") != SCHEMA:
        found = f"schema {document.get('schema')}, of shardwright {document.get('tool_version')}"
        raise _refused(path, "plan-schema", found, f"schema {SCHEMA}, of shardwright {run_context.tool_version()}")
    if document.pop("checksum", "") != digest(document):
        raise _refused(
            path, "plan-damaged", "content that its checksum does not fit", "the file as plan --out wrote it"
        )
    try:
        return _saved(document)
    except (KeyError, TypeError) as error:
        raise _refused(path, "plan-damaged", f"no {error}", "the file as plan --out wrote it") from error


def fitting_plan(path: Path, spec_path: Path, spec: ClusterSpec) -> SavedPlan:
    """The plan in the file, if it was made by this version from this cluster.yml; before anything is contacted.

    Raises:
        SpecError: as `read_plan`.
        PlanError: ``plan-of-another-cluster``, ``stale-plan``.
    """
    saved = read_plan(path)
    sha256, version = run_context.spec_sha256(spec_path), run_context.tool_version()
    refuse_other(saved, cluster=spec.name, spec_sha256=sha256, tool_version=version)
    return saved


def _saved(document: Mapping[str, Any]) -> SavedPlan:
    return SavedPlan(
        cluster=str(document["cluster"]),
        spec_path=str(document["spec"]["path"]),
        spec_sha256=str(document["spec"]["sha256"]),
        tool_version=str(document["tool_version"]),
        made=str(document["made"]),
        fingerprint=str(document["fingerprint"]),
        basis=dict(document["basis"]),
        steps=tuple(str(step["text"]) for phase in document["phases"] for step in phase["steps"]),
    )


def _refused(path: Path, code: str, found: str, wanted: str) -> SpecError:
    hint = "make it again: shardwright plan ENVIRONMENT --out FILE"
    return SpecError([Problem(code, "", found, wanted, hint)], file=str(path))


def _write(path: Path, text: str) -> None:
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise

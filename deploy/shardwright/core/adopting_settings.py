"""The settings of a running cluster as a spec has them: what differs from the engine's defaults, and persistence.

Part of `adopting`. A setting that differs between nodes is written where the plan would compare it anyway (most nodes
decide) and left out where it would not: a value that nobody wished for everywhere must not become a wish.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.report import Finding, Severity
from ..model.spec import Persistence
from ..model.state import NodeState
from .placement import OWN_DEFAULTS
from .running_settings import FORMED, undeclared

_KEPT = ("appendonly", "appendfsync", "save")


@dataclass(frozen=True, slots=True)
class AdoptedSettings:
    """What goes under `settings` and `persistence`, and what is to be known about them."""

    settings: tuple[tuple[str, str], ...]
    persistence: Persistence
    findings: tuple[Finding, ...]


def adopted_settings(nodes: Sequence[NodeState]) -> AdoptedSettings:
    """The settings of `nodes`, of which there is at least one."""
    changed = {directive.name for node in nodes for directive, _ in undeclared(node.view)}
    written: dict[str, str] = {}
    findings: list[Finding] = []
    for name in sorted({*changed, *_KEPT, *OWN_DEFAULTS}):
        values = _values(name, nodes)
        value = max(values, key=lambda v: (len(values[v]), v))
        uniform = len(values) == 1
        if uniform or name in FORMED or name in _KEPT or name in OWN_DEFAULTS:
            written[name] = value
        if not uniform:
            findings.append(_differing(name, values, written.get(name)))
    kept = Persistence(
        aof=written.pop("appendonly") == "yes",
        fsync=written.pop("appendfsync"),
        save=tuple(_points(written.pop("save"))),
    )
    findings += _users(nodes)
    return AdoptedSettings(tuple(sorted(written.items())), kept, tuple(findings))


def _values(name: str, nodes: Sequence[NodeState]) -> dict[str, list[str]]:
    """Nodes by the value that they have."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node.view.settings.get(name, ""), []).append(str(node.endpoint))
    return found


def _differing(name: str, values: dict[str, list[str]], written: str | None) -> Finding:
    each = "; ".join(f"{value or 'empty'} on {', '.join(where[:6])}" for value, where in values.items())
    if written is None:
        done = "it is not written, and nothing changes it until you write it under settings"
    else:
        done = f"{written or 'empty'} is written, as most have it; the first apply sets it on the others"
    return Finding(
        "adopt-setting-differs", Severity.WARNING, name, f"{name} is {each}: {done}", "decide which one is meant"
    )


def _points(save: str) -> Iterator[tuple[int, int]]:
    words = [int(word) for word in save.split() if word.isdigit()]
    yield from zip(words[::2], words[1::2], strict=False)


def _users(nodes: Sequence[NodeState]) -> Iterator[Finding]:
    files = Counter(node.view.settings.get("aclfile", "") for node in nodes)
    if any(files):
        yield Finding(
            "adopt-users",
            Severity.WARNING,
            "aclfile",
            f"the servers have users of their own ({', '.join(sorted(filter(None, files)))}), which a spec does not hold",
            "they stay as they are on the running servers; keep the file for hosts that are made anew",
        )

"""Whether a plan that was read before still fits, and what differs. Pure; a saved plan is `model.saved_plan`.

Refused is any difference that the plan was made on, whether it would change a step or not: who has read a plan has read it
for one picture. Every step must stand in the file, too, though equal pictures give equal plans: a file can be edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import PlanError
from ...model.plan import Plan
from ...model.saved_plan import SavedPlan
from .fingerprint import Basis

SHOWN = 6
CUT = 60
_HINT = "run plan again and read it"


def refuse_other(saved: SavedPlan, *, cluster: str, spec_sha256: str, tool_version: str) -> None:
    """Refuse a plan that was not made by this version, from this cluster.yml, for this cluster.

    Raises:
        PlanError: ``plan-of-another-cluster``, ``stale-plan``.
    """
    if saved.cluster != cluster:
        raise PlanError(
            "plan-of-another-cluster",
            f"the plan is for the cluster {saved.cluster}, and cluster.yml describes {cluster}; nothing was contacted",
            hint=f"give the environment that it was made for ({saved.spec_path}), or a plan of this one",
        )
    different = []
    if saved.spec_sha256 != spec_sha256:
        different.append(f"cluster.yml has changed: sha256 {saved.spec_sha256[:12]} then, {spec_sha256[:12]} now")
    if saved.tool_version != tool_version:
        different.append(f"made by shardwright {saved.tool_version}, this is {tool_version}")
    if different:
        raise PlanError(
            "stale-plan",
            f"the plan of {saved.made} is stale; nothing was contacted:\n" + "\n".join(f"- {d}" for d in different),
            hint=_HINT,
        )


def refuse_stale(saved: SavedPlan, now: Basis, made: Plan) -> None:
    """Refuse a plan that is not `made`, the one of now, which was made from `now`.

    Raises:
        PlanError: ``stale-plan``, naming what differs.
    """
    read = frozenset(saved.steps)
    if saved.fingerprint == made.fingerprint and all(str(step) in read for step in made.steps):
        return
    found = [*differences(saved.basis, now)] or ["the file has not all steps that are to be done"]
    lines = [f"- {line}" for line in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"- and {len(found) - SHOWN} more")
    raise PlanError(
        "stale-plan",
        f"the cluster is not what the plan was made for (fingerprint {made.fingerprint[:12]}, wanted "
        f"{saved.fingerprint[:12]}), so nothing was changed:\n" + "\n".join(lines),
        hint=_HINT,
    )


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two bases, in words, the nodes first."""
    before, after = then.get("nodes", {}), now.get("nodes", {})
    for endpoint in sorted(before.keys() | after.keys()):
        if endpoint not in after:
            yield f"{endpoint} gave a view then and gives none now"
        elif endpoint not in before:
            yield f"{endpoint} gives a view now and gave none then"
        else:
            yield from (f"{endpoint} {words}" for words in _of_node(before[endpoint], after[endpoint]))
    for what, words in (("strangers", "the node {}, which cluster.yml does not name,"), ("open_slots", "slot {}")):
        was, found = then.get(what, {}), now.get(what, {})
        for name in sorted(was.keys() | found.keys()):
            if was.get(name) != found.get(name):
                change = "is there now" if name not in was else "was there then" if name not in found else "has changed"
                yield f"{words.format(name[:8])} {change.replace('there', 'open') if what == 'open_slots' else change}"
    wanted, wants = then.get("wanted", {}), now.get("wanted", {})
    yield from (
        f"other {name} are wanted" for name in sorted(wanted.keys() | wants.keys()) if _unlike(wanted, wants, name)
    )


def _of_node(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if _unlike(then, now, "id"):
        yield f"is another node: {str(then.get('id'))[:8]} then, {str(now['id'])[:8]} now"
    if _unlike(then, now, "runs"):
        yield f"ran {then.get('runs')} and runs {now['runs']}"
    if _unlike(then, now, "role"):
        yield f"was a {then.get('role')} and is a {now['role']}"
    elif _unlike(then, now, "primary"):
        yield f"replicates {str(now['primary'])[:8]} and replicated {str(then.get('primary'))[:8]}"
    if _unlike(then, now, "slots"):
        yield f"owned {_cut(then.get('slots'))} and owns {_cut(now['slots'])}"
    if _unlike(then, now, "holds_keys"):
        yield "holds keys now and held none" if now["holds_keys"] else "held keys and holds none now"
    if _unlike(then, now, "knows") or _unlike(then, now, "misplaced"):
        yield "knows other nodes, or at other addresses"
    if _unlike(then, now, "stray"):
        yield "holds keys of other slots without an owner"
    was, runs = then.get("settings", {}), now["settings"]
    names = [name for name in sorted(was.keys() | runs.keys()) if _unlike(was, runs, name)]
    if names:
        yield f"runs with other settings: {', '.join(names)}"


def _unlike(then: Mapping[str, Any], now: Mapping[str, Any], name: str) -> bool:
    return bool(then.get(name) != now.get(name))


def _cut(slots: object) -> str:
    text = str(slots) or "no slots"
    return text if len(text) <= CUT else f"{text[:CUT]}..."

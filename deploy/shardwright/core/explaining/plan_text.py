"""A plan as text and as data: what will be done, phase by phase, and what is dangerous about it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...model.plan import AddSlots, Configure, Plan, Reset, Step

FOLDED = 4
"""Steps of one kind in a phase that are listed one by one; more are counted."""


def plan_text(plan: Plan, *, full: bool = False) -> str:
    """The plan for people.

    Args:
        plan: to be shown.
        full: list every step, however many there are.
    """
    if plan.empty:
        return "nothing to do: the cluster is what cluster.yml says\n"
    lines = [f"plan {plan.fingerprint[:12]}: {len(plan.phases)} phases, {len(plan.steps)} steps"]
    for number, phase in enumerate(plan.phases, 1):
        lines.append(f"  {number}. {phase.name} (until {phase.until.value}, at most {phase.limit:.0f} s)")
        lines += [f"     - {line}" for line in _steps(phase.steps, full)]
    lines += [f"  ! {hazard.code}: {hazard.message}" for hazard in plan.hazards]
    return "\n".join(lines) + "\n"


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as data, with every step."""
    return {
        "schema": 1,
        "fingerprint": plan.fingerprint,
        "empty": plan.empty,
        "phases": [
            {
                "name": phase.name,
                "until": phase.until.value,
                "limit_seconds": phase.limit,
                "steps": [
                    {"kind": type(step).__name__, "node": str(step.node), "text": str(step)} for step in phase.steps
                ],
            }
            for phase in plan.phases
        ],
        "hazards": [{"code": h.code, "subject": h.subject, "message": h.message} for h in plan.hazards],
    }


def _steps(steps: tuple[Step, ...], full: bool) -> list[str]:
    counts = Counter(_kind(step) for step in steps)
    shown = [str(step) for step in steps if full or counts[_kind(step)] <= FOLDED or isinstance(step, AddSlots | Reset)]
    folded = [f"{kind} ({count} nodes or pairs)" for kind, count in counts.items() if not full and count > FOLDED]
    always = {_kind(step) for step in steps if isinstance(step, AddSlots | Reset)}
    return shown + [line for line in folded if line.rsplit(" (", 1)[0] not in always]


def _kind(step: Step) -> str:
    if isinstance(step, Configure):
        return f"set {step.setting} {step.value}" + (" for a while" if step.temporary else "")
    return {
        "SetEpoch": "number",
        "AddSlots": "assign slots",
        "Meet": "introduce",
        "Replicate": "make a replica",
        "Failover": "fail over",
        "Forget": "forget",
        "CloseSlot": "close a slot",
        "FinishSlot": "finish moving a slot",
        "MigrateSlots": "move slots",
        "Reset": "reset",
        "Restart": "restart",
        "AdmitPassword": "admit the password",
        "UsePassword": "replicate with the password",
        "RetirePassword": "refuse what is no longer to be taken",
    }[type(step).__name__]

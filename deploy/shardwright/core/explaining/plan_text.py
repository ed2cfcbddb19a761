"""A plan as text and as data: what will be done, phase by phase, what it costs, and what is dangerous about it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ...model.plan import AddSlots, Configure, Plan, Reset, Step
from ...model.price import PhasePrice, Price
from ..report_text import count, duration, size

HOW = (
    "keys are counted; bytes and times are estimates: bytes by MEMORY USAGE of each key where a source moves 1,000 or "
    "fewer, else by its memory per key; times by rates measured on loopback"
)
"""How a price is measured, for whoever reads it."""
FOLDED = 4
"""Steps of one kind in a phase that are listed one by one; more are counted."""


def plan_text(plan: Plan, price: Price | None = None, *, full: bool = False) -> str:
    """The plan for people.

    Args:
        plan: to be shown.
        price: what it costs, where that was measured.
        full: list every step, however many there are.
    """
    if plan.empty:
        return "nothing to do: the cluster is what cluster.yml says\n"
    lines = [f"plan {plan.fingerprint[:12]}: {count(len(plan.phases), 'phase')}, {count(len(plan.steps), 'step')}"]
    for number, phase in enumerate(plan.phases, 1):
        lines.append(f"  {number}. {phase.name} (until {phase.until.value}, at most {phase.limit:.0f} s)")
        lines += [f"     - {line}" for line in _steps(phase.steps, full)]
        lines += [f"     = {cost_text(price.phases[number - 1])}"] if price is not None else []
    lines += price_lines(price) if price is not None else []
    lines += [f"  ! {hazard.code}: {hazard.message}" for hazard in plan.hazards]
    return "\n".join(lines) + "\n"


def price_lines(price: Price) -> list[str]:
    """What the whole plan costs, how that was measured, and what could not be."""
    total = price.total
    how = [f"  ({HOW})"] if total.slots or total.copies else []
    return [f"  price: {cost_text(total)}", *how, *(f"  not counted: {gap}" for gap in price.gaps)]


def cost_text(price: PhasePrice) -> str:
    """One price in a line: what moves, who is replaced or emptied, the fewest copies meanwhile, the time."""
    parts = []
    if price.slots:
        parts += [f"{count(price.slots, 'slot')} with {_keys(price.keys)} ({_bytes(price.bytes)}) move"]
    if price.copies:
        parts += [f"{count(price.copies, 'full copy', 'full copies')} ({_bytes(price.copied)})"]
    for number, noun in ((price.failovers, "failover"), (price.restarts, "restart"), (price.resets, "reset")):
        parts += [count(number, noun)] if number else []
    if price.in_sync is not None:
        parts += [f"at least {count(price.in_sync, 'replica')} in sync"]
    return ", ".join([*parts, f"about {duration(price.seconds)}"])


def price_json(price: PhasePrice) -> dict[str, Any]:
    """One price as data; null where it could not be counted."""
    return {
        "slots": price.slots,
        "keys": price.keys,
        "bytes": price.bytes,
        "full_copies": price.copies,
        "copied_bytes": price.copied,
        "failovers": price.failovers,
        "restarts": price.restarts,
        "resets": price.resets,
        "least_in_sync_replicas": price.in_sync,
        "seconds": price.seconds,
    }


def _keys(number: int | None) -> str:
    return "an unknown number of keys" if number is None else count(number, "key")


def _bytes(number: int | None) -> str:
    return "of unknown size" if number is None else f"about {size(number)}" if number else "0 B"


def plan_json(plan: Plan, price: Price | None = None) -> dict[str, Any]:
    """The plan as data, with every step, and with its price where that was measured."""
    prices: list[PhasePrice | None] = [*price.phases] if price is not None else [None] * len(plan.phases)
    total = {"price": {**price_json(price.total), "gaps": [*price.gaps], "how": HOW}} if price is not None else {}
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
                **({"price": price_json(cost)} if cost is not None else {}),
            }
            for phase, cost in zip(plan.phases, prices, strict=True)
        ],
        "hazards": [{"code": h.code, "subject": h.subject, "message": h.message} for h in plan.hazards],
        **total,
    }


def _steps(steps: tuple[Step, ...], full: bool) -> list[str]:
    counts = Counter(_kind(step) for step in steps)
    shown = [str(step) for step in steps if full or counts[_kind(step)] <= FOLDED or isinstance(step, AddSlots | Reset)]
    folded = [_folded(kind, [s for s in steps if _kind(s) == kind]) for kind in _many(counts, full)]
    always = {_kind(step) for step in steps if isinstance(step, AddSlots | Reset)}
    return shown + [line for line in folded if line.rsplit(" (", 1)[0] not in always]


def _many(counts: Counter[str], full: bool) -> list[str]:
    return [kind for kind, number in counts.items() if not full and number > FOLDED]


def _folded(kind: str, steps: list[Step]) -> str:
    """Many steps of a kind as one line: ``forget (12 steps on 6 nodes)``."""
    nodes = count(len({step.node for step in steps}), "node")
    return f"{kind} ({nodes})" if nodes.startswith(f"{len(steps)} ") else f"{kind} ({len(steps)} steps on {nodes})"


def _kind(step: Step) -> str:
    if isinstance(step, Configure):
        return f"set {step.setting} {step.value}" + (" for a while" if step.temporary else "")
    return {
        "SetEpoch": "number",
        "AddSlots": "assign slots",
        "Meet": "introduce",
        "Replicate": "make a replica",
        "Part": "take a full copy",
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

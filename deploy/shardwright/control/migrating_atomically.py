"""Carries out slot moves by the servers' own atomic migration: the source streams a snapshot and the changes since, and
hands all slots over in one step; a migration that breaks leaves everything with the source.

Knows nothing of single keys. The servers have no limit on what a migration sends; where one is asked for, slots go in small
windows, each at full speed, with rests between. A migration goes on when whoever asked for it is gone, so one that is found
running is waited for, and nothing new is begun beside it: what it moved is seen by the next look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import MigrateSlots
from ..model.progress import Moment, Progress, ProgressEvent
from ..model.slots import SlotSet
from ..model.wire import Answer, Command, ReplyError
from ..ports import Clock, Transport
from .key_sizes import KeySizes
from .pacing import Pace

LIMIT = 3600.0
"""Seconds after which a migration is cancelled."""
TIMEOUT = 30.0
"""Seconds for one exchange."""
WINDOW = 2.0
"""Seconds of the limit that the migrations of one round send, all sources together."""
_ENDS = frozenset({"success", "failed", "cancelled"})
_ASK: Command = ("CLUSTER", "GETSLOTMIGRATIONS")


def migrate_atomically(
    steps: Sequence[MigrateSlots], transport: Transport, clock: Clock, progress: Progress, pace: Pace
) -> dict[MigrateSlots, str]:
    """Carry out all steps; gives those that failed and why."""
    if not steps:
        return {}
    if _await_running({step.node for step in steps}, transport, clock, progress):
        return dict.fromkeys(steps, "slots were still moving since an earlier run; they have moved now")
    if not pace.limited:
        return _at_once(steps, transport, clock, progress)
    return _in_windows(steps, transport, clock, progress, pace)


def _in_windows(
    steps: Sequence[MigrateSlots], transport: Transport, clock: Clock, progress: Progress, pace: Pace
) -> dict[MigrateSlots, str]:
    """A window of each source at a time; a step of which one fails goes no further, and what had moved stays moved."""
    queues: dict[Endpoint, list[MigrateSlots]] = {}
    for step in steps:
        queues.setdefault(step.node, []).append(step)
    rows = {node: iter([*_windows(own, pace.share(WINDOW, len(queues)), transport)]) for node, own in queues.items()}
    failed: dict[MigrateSlots, str] = {}
    done, total = 0, sum(len(step.slots) for step in steps)
    while rows:
        now = {node: row for node, windows in rows.items() if (row := next(windows, None)) is not None}
        rows = {node: windows for node, windows in rows.items() if node in now}
        going = {node: row for node, row in now.items() if row[0] not in failed}
        pace.begin()
        ended = _at_once([window for _, window, _ in going.values()], transport, clock, lambda _event: None)
        failed |= {step: ended[window] for step, window, _ in going.values() if window in ended}
        done += sum(len(window.slots) for _, window, _ in going.values() if window not in ended)
        progress(ProgressEvent(Moment.WAITING, "move slots", "atomic migration, at the pace asked for", done, total))
        pace.spend(sum(size for _, _, size in going.values()))
    return failed


def _windows(
    steps: Sequence[MigrateSlots], room: float, transport: Transport
) -> Iterator[tuple[MigrateSlots, MigrateSlots, float]]:
    """Parts of the steps of one source of about `room` bytes, at least a slot each: (step, its part, bytes)."""
    for step in steps:
        counts: list[Command] = [("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in step.slots]
        answer = transport.ask({step.node: [("INFO", "memory"), ("DBSIZE",), *counts]}, timeout=TIMEOUT)[step.node]
        sizes, keys = KeySizes(), {}
        if not isinstance(answer, Silence):
            sizes.learn_mean(answer[0], answer[1])
            keys = {s: n for s, n in zip(step.slots, answer[2:], strict=False) if isinstance(n, int)}
        part, size = SlotSet(), 0.0
        for slot in step.slots:
            more = keys.get(slot, 0) * sizes.mean
            if part and size + more > room:
                yield step, replace(step, slots=part), size
                part, size = SlotSet(), 0.0
            part, size = part | SlotSet.of(slot), size + more
        yield step, replace(step, slots=part), size


def _at_once(
    steps: Sequence[MigrateSlots], transport: Transport, clock: Clock, progress: Progress
) -> dict[MigrateSlots, str]:
    """Start all steps at once and wait for them; gives those that failed and why. Each source queues its own."""
    by_source: dict[Endpoint, list[MigrateSlots]] = {}
    for step in steps:
        by_source.setdefault(step.node, []).append(step)
    answers = transport.ask({n: [_start(s) for s in own] for n, own in by_source.items()}, timeout=TIMEOUT)
    failed: dict[MigrateSlots, str] = {}
    for node, own in by_source.items():
        failed |= _refused(own, answers[node])
    return failed | _await_ends([s for s in steps if s not in failed], transport, clock, progress)


def _await_ends(
    steps: Sequence[MigrateSlots], transport: Transport, clock: Clock, progress: Progress
) -> dict[MigrateSlots, str]:
    failed: dict[MigrateSlots, str] = {}
    running, total = list(steps), sum(len(s.slots) for s in steps)
    began, pause = clock.now(), 0.02
    while running and clock.now() - began < LIMIT:
        answers = transport.ask({s.node: [_ASK] for s in running}, timeout=TIMEOUT)
        for step in list(running):
            state, message = _state(step, answers[step.node])
            if state in _ENDS:
                running.remove(step)
                if state != "success":
                    failed[step] = f"{state}: {message or 'no reason given'}"
        left = sum(len(s.slots) for s in running)
        progress(ProgressEvent(Moment.WAITING, "move slots", "atomic migration", total - left, total))
        if running:
            clock.sleep(pause)
            pause = min(pause * 1.5, 0.5)
    for step in running:
        transport.ask({step.node: [("CLUSTER", "CANCELSLOTMIGRATIONS")]}, timeout=TIMEOUT)
        failed[step] = f"not done after {LIMIT:.0f} s; cancelled, the source keeps the slots"
    return failed


def _await_running(nodes: Iterable[Endpoint], transport: Transport, clock: Clock, progress: Progress) -> bool:
    """Wait until no source migrates slots any more; gives whether one did."""
    asked = {node: [_ASK] for node in nodes}
    began, met = clock.now(), False
    while clock.now() - began < LIMIT:
        answers = transport.ask(asked, timeout=TIMEOUT)
        busy = [node for node, answer in answers.items() if any(_moving(job) for job in _jobs(answer))]
        if not busy:
            return met
        met = True
        progress(ProgressEvent(Moment.WAITING, "move slots", f"{busy[0]} still moves slots since an earlier run"))
        clock.sleep(0.2)
    return True


def _moving(job: Mapping[str, str]) -> bool:
    return job.get("operation", "").upper() == "EXPORT" and job.get("state") not in _ENDS


def _start(step: MigrateSlots) -> Command:
    bounds = [bound for r in step.slots.ranges() for bound in (r.first, r.last)]
    return ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *bounds, "NODE", step.target_id)


def _refused(steps: Sequence[MigrateSlots], answer: Answer) -> Mapping[MigrateSlots, str]:
    if isinstance(answer, Silence):
        return dict.fromkeys(steps, f"{answer.endpoint}: {answer.detail}")
    pairs = zip(steps, answer, strict=False)
    return {step: reply.message for step, reply in pairs if isinstance(reply, ReplyError)}


def _state(step: MigrateSlots, answer: Answer) -> tuple[str, str]:
    """State and message of the newest migration of exactly these slots to this target; empty while it is not listed."""
    if isinstance(answer, Silence):
        return "failed", f"{answer.endpoint}: {answer.detail}"
    for job in _jobs(answer):
        slots = SlotSet.parse(job.get("slot_ranges", "").replace(" ", ","))
        if job.get("target_node") == step.target_id and slots == step.slots:
            return job.get("state", ""), job.get("message", "").strip()
    return "", ""


def _jobs(answer: Answer) -> list[dict[str, str]]:
    """The listed migrations, newest first, as the servers give them: a flat list of names and values for each."""
    rows = answer[0] if not isinstance(answer, Silence) and answer else None
    lists = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    words = [[w.decode("utf-8", "replace") if isinstance(w, bytes) else str(w) for w in row] for row in lists]
    return [dict(zip(row[::2], row[1::2], strict=False)) for row in words]

"""Carries out `MigrateSlots`: moves slots with their keys between two live primaries, several pairs at once.

Two ways, chosen by the plan. *Atomic*: the source streams a snapshot and the changes since, and hands all slots over in one
step; a broken migration leaves everything with the source. *By key*: a window of slots is marked on both ends, keys go by
MIGRATE, and each slot changes hands when its source holds nothing of it.

By key, a kill leaves at most one window of open slots for each source, which the next plan closes without losing a key. A
pipeline of MIGRATEs is executed in one go, and nobody else is served by the source meanwhile: so how many keys go in one is
steered by how long the last one took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import MigrateSlots
from ..model.progress import Moment, Progress, ProgressEvent
from ..model.secret import Secret
from ..model.slots import SlotSet
from ..model.wire import Answer, Command, Reply, ReplyError
from ..ports import Clock, Transport

WINDOW = 64
"""Slots of one source that are open at a time."""
AIM = 0.010
"""Seconds that one pipeline of MIGRATEs should keep a source busy."""
LISTED_KEYS = 1_000
"""Keys of one slot that are asked for at a time."""
MOST_KEYS = 2_000
"""Keys that one pipeline carries at the most."""
TIMEOUT = 60.0
"""Seconds for one exchange; a key that takes longer is named."""
ATOMIC_LIMIT = 3600.0
"""Seconds after which an atomic migration is cancelled."""
_RUNNING_ENDS = frozenset({b"success", b"failed", b"cancelled"})


def migrate(
    steps: Sequence[MigrateSlots],
    transport: Transport,
    clock: Clock,
    password: Secret | None,
    progress: Progress,
    *,
    bytes_per_second: float | None = None,
) -> dict[MigrateSlots, str]:
    """Carry out all steps; gives those that failed and why. What had moved stays moved.

    Args:
        steps: no slot in two of them.
        transport: to all ends.
        clock: for waits.
        password: that the sources log in with at the targets.
        progress: hears how many slots have moved.
        bytes_per_second: limit for each source, by key only; none: as fast as `AIM` lets it.
    """
    failed = _atomic([s for s in steps if s.atomic], transport, clock, progress)
    by_source: dict[Endpoint, list[MigrateSlots]] = {}
    for step in steps:
        if not step.atomic:
            by_source.setdefault(step.node, []).append(step)
    lanes = [_Lane(moves, password, bytes_per_second) for moves in by_source.values()]
    total = sum(len(step.slots) for moves in by_source.values() for step in moves)
    while active := [lane for lane in lanes if not lane.finished]:
        _exchange(active, transport, clock)
        done = sum(lane.moved for lane in lanes)
        progress(ProgressEvent(Moment.WAITING, "move slots", f"{sum(lane.keys for lane in lanes):,} keys", done, total))
    return failed | {step: why for lane in lanes for step, why in lane.failed.items()}


def _exchange(lanes: Sequence[_Lane], transport: Transport, clock: Clock) -> None:
    """One round of all lanes: each names one node and a pipeline for it. Lanes that need the same node wait for a turn."""
    turn: dict[Endpoint, _Lane] = {}
    requests: dict[Endpoint, list[Command]] = {}
    for lane in lanes:
        node, batch = lane.next()
        if node not in turn:
            turn[node] = lane
            requests[node] = batch
    started = clock.now()
    answers = transport.ask(requests, timeout=TIMEOUT)
    seconds = clock.now() - started
    for node, lane in turn.items():
        lane.take(answers[node], seconds)
    pause = max((lane.owed(seconds) for lane in turn.values()), default=0.0)
    if pause > 0:
        clock.sleep(pause)


@dataclass
class _Lane:
    """The moves of one source, in turn: a small machine that says what to send next and takes in what came back."""

    moves: list[MigrateSlots]
    password: Secret | None
    bytes_per_second: float | None
    failed: dict[MigrateSlots, str] = field(default_factory=dict)
    moved: int = 0
    keys: int = 0
    _window: list[int] = field(default_factory=list)
    _left: SlotSet = field(default_factory=SlotSet)
    _stage: str = "open"
    _batch: int = 20
    _held: list[list[bytes]] = field(default_factory=list)
    _sent: int = 0
    _bytes_per_key: float = 1000.0

    def __post_init__(self) -> None:
        self._left = self.moves[0].slots

    @property
    def finished(self) -> bool:
        """Whether no move is left."""
        return not self.moves

    def next(self) -> tuple[Endpoint, list[Command]]:
        """The node to speak to and the commands for it."""
        step = self.moves[0]
        if self._stage == "open":
            self._window = [*self._left.take(WINDOW)]
            return step.target, [("CLUSTER", "SETSLOT", slot, "IMPORTING", step.node_id) for slot in self._window]
        if self._stage == "mark":
            mark: list[Command] = [("CLUSTER", "SETSLOT", slot, "MIGRATING", step.target_id) for slot in self._window]
            return step.node, [*mark, ("INFO", "memory", "keyspace"), *self._list_keys()]
        if self._stage == "keys":
            return step.node, self._migrations()
        if self._stage == "list":
            return step.node, self._list_keys()
        node = step.target if self._stage == "take" else step.node
        return node, [("CLUSTER", "SETSLOT", slot, "NODE", step.target_id) for slot in self._window]

    def take(self, answer: Answer, seconds: float) -> None:
        """Go on from what the node answered."""
        if isinstance(answer, Silence):
            return self._fail(f"{answer.endpoint}: {answer.detail}")
        wrong = next((reply.message for reply in answer if isinstance(reply, ReplyError)), None)
        if wrong is not None:
            return self._fail(wrong)
        if self._stage == "open":
            self._stage = "mark"
        elif self._stage == "mark":
            self._bytes_per_key = _bytes_per_key(answer[len(self._window)]) or self._bytes_per_key
            self._take_keys(answer[len(self._window) + 1 :])
        elif self._stage == "keys":
            self.keys += self._sent
            self._steer(seconds)
            self._stage = "keys" if self._held else "list"
        elif self._stage == "list":
            self._take_keys(answer)
        elif self._stage == "take":
            self._stage = "give"
        else:
            self._close_window()
        return None

    def owed(self, seconds: float) -> float:
        """Seconds to rest so that the limit on bytes holds."""
        if not self.bytes_per_second or not self._sent:
            return 0.0
        rest = self._sent * self._bytes_per_key / self.bytes_per_second - seconds
        self._sent = 0
        return max(0.0, rest)

    def _list_keys(self) -> list[Command]:
        """A slot that is marked gets no new keys at its source, so what is listed once is all, up to the limit."""
        return [("CLUSTER", "GETKEYSINSLOT", slot, LISTED_KEYS) for slot in self._window]

    def _take_keys(self, replies: Sequence[Reply]) -> None:
        self._held = [[k for k in reply if isinstance(k, bytes)] for reply in replies if isinstance(reply, list)]
        self._held = [keys for keys in self._held if keys]
        self._stage = "keys" if self._held else "take"

    def _migrations(self) -> list[Command]:
        """As many keys as fit into one pipeline, taken off what is held; a MIGRATE names keys of one slot only."""
        step = self.moves[0]
        auth: tuple[str | Secret, ...] = ("AUTH", self.password) if self.password else ()
        head = ("MIGRATE", step.target_address, step.target.port, "", 0, int(TIMEOUT * 1000) // 2, *auth, "KEYS")
        chosen: list[Command] = []
        self._sent = 0
        while self._held and self._sent < self._batch:
            keys = self._held[-1]
            part = keys[: self._batch - self._sent]
            del keys[: len(part)]
            if not keys:
                self._held.pop()
            chosen.append((*head, *part))
            self._sent += len(part)
        return chosen

    def _steer(self, seconds: float) -> None:
        factor = min(2.0, max(0.25, AIM / max(seconds, 1e-4)))
        self._batch = max(1, min(MOST_KEYS, round(self._batch * factor)))

    def _close_window(self) -> None:
        self._left -= SlotSet.of(*self._window)
        self.moved += len(self._window)
        self._stage = "open"
        if not self._left:
            self._advance()

    def _fail(self, why: str) -> None:
        self.failed[self.moves[0]] = why
        self._stage = "open"
        self._advance()

    def _advance(self) -> None:
        self.moves.pop(0)
        if self.moves:
            self._left = self.moves[0].slots


def _bytes_per_key(info: Reply) -> float:
    """Memory of the data set divided by its keys, from INFO's memory and keyspace sections; 0 where it holds none."""
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    keys = fields.get("db0", "keys=0").partition("keys=")[2].partition(",")[0]
    count = int(keys) if keys.isdigit() else 0
    dataset = fields.get("used_memory_dataset", "0")
    return int(dataset) / count if count and dataset.isdigit() else 0.0


def _atomic(
    steps: Sequence[MigrateSlots], transport: Transport, clock: Clock, progress: Progress
) -> dict[MigrateSlots, str]:
    """All atomic migrations at once; each source queues its own."""
    failed: dict[MigrateSlots, str] = {}
    requests: dict[Endpoint, list[MigrateSlots]] = {}
    for step in steps:
        requests.setdefault(step.node, []).append(step)
    answers = transport.ask({n: [_start(s) for s in own] for n, own in requests.items()}, timeout=TIMEOUT)
    for node, own in requests.items():
        failed |= _refused(own, answers[node])
    running = [step for step in steps if step not in failed]
    began, total = clock.now(), sum(len(s.slots) for s in steps)
    pause = 0.02
    while running and clock.now() - began < ATOMIC_LIMIT:
        asked: Command = ("CLUSTER", "GETSLOTMIGRATIONS")
        answers = transport.ask({step.node: [asked] for step in running}, timeout=TIMEOUT)
        for step in list(running):
            state, message = _state(step, answers[step.node])
            if state in _RUNNING_ENDS:
                running.remove(step)
                if state != b"success":
                    failed[step] = f"{state.decode()}: {message}"
        left = sum(len(s.slots) for s in running)
        progress(ProgressEvent(Moment.WAITING, "move slots", "atomic migration", total - left, total))
        if running:
            clock.sleep(pause)
            pause = min(pause * 1.5, 0.5)
    for step in running:
        transport.ask({step.node: [("CLUSTER", "CANCELSLOTMIGRATIONS")]}, timeout=TIMEOUT)
        failed[step] = f"not done after {ATOMIC_LIMIT:.0f} s; cancelled, the source keeps the slots"
    return failed


def _start(step: MigrateSlots) -> Command:
    bounds = [bound for r in step.slots.ranges() for bound in (r.first, r.last)]
    return ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *bounds, "NODE", step.target_id)


def _refused(steps: Sequence[MigrateSlots], answer: Answer) -> Mapping[MigrateSlots, str]:
    if isinstance(answer, Silence):
        return dict.fromkeys(steps, f"{answer.endpoint}: {answer.detail}")
    pairs = zip(steps, answer, strict=False)
    return {step: reply.message for step, reply in pairs if isinstance(reply, ReplyError)}


def _state(step: MigrateSlots, answer: Answer) -> tuple[bytes, str]:
    """State and message of the newest migration of exactly these slots to this target; empty while it is not listed."""
    jobs = answer[0] if not isinstance(answer, Silence) else None
    for job in jobs if isinstance(jobs, list) else []:
        if not isinstance(job, list):
            continue
        fields = dict(zip(job[::2], job[1::2], strict=False))
        ranges = fields.get(b"slot_ranges")
        text = ranges.decode().replace(" ", ",") if isinstance(ranges, bytes) else ""
        if fields.get(b"target_node") == step.target_id.encode() and SlotSet.parse(text) == step.slots:
            state, message = fields.get(b"state"), fields.get(b"message")
            return (
                state if isinstance(state, bytes) else b"",
                message.decode("utf-8", "replace").strip() if isinstance(message, bytes) else "",
            )
    return b"", ""

"""Carries out slot moves by key: marks a window of slots on both ends, sends their keys by MIGRATE, hands the slots over.

Knows nothing of why slots move. All sources work at once, each with one pipeline a round, so that a few threads of the
transport are enough and a simulated clock sees one thing at a time.

A pipeline of MIGRATEs is executed in one go and nobody else is served by the source meanwhile: so a pipeline carries about
`AIM_BYTES` by the sizes of keys (`key_sizes`), fewer after one that took long. MIGRATE does not say REPLACE: a key that is
on both ends stops its slot, unless both have one value (`single_keys`). The target takes a slot first: it then owns it by
the newer epoch, and a kill between the two leaves no slot without an owner. A kill leaves at most one window of open slots
for each source; the next plan closes them.
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
from ..ports import Clock, Transport, Unordered
from .key_sizes import KeySizes
from .migrating_atomically import migrate_atomically
from .pacing import BURST, Pace
from .single_keys import ASK_TIMEOUT, MIGRATE_MS, of_one_key, on_both_ends, patience, same_value, shown, too_slow

WINDOW = 128
"""Slots of one source that are open at a time."""
AIM_BYTES = 512 * 1024
"""Bytes that one pipeline of MIGRATEs should carry."""
MOST_KEYS = 2_000
"""Keys that one pipeline carries at the most."""
LISTED = 125
"""Keys of one slot that are asked for at a time: with a full window, 16,000 names are held for each source."""
SLOW = 0.25
"""Seconds after which an exchange counts as too long: the next ones carry a quarter of the keys."""
RECOVERY = 1.1
"""Factor by which the number of keys grows again with each exchange that was fast."""
TIMEOUT = 90.0
"""Seconds for one exchange."""
_FACTS: tuple[Command, ...] = (("INFO", "memory"), ("DBSIZE",), ASK_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a move ended early. `final`: doing the same again would fail the same way (a key that is on both ends)."""

    message: str
    final: bool = False


def migrate(
    steps: Sequence[MigrateSlots],
    transport: Transport,
    clock: Clock,
    password: Secret | None,
    progress: Progress,
    *,
    primaries: Sequence[Endpoint] = (),
    bytes_per_second: float | None = None,
) -> dict[MigrateSlots, Failure]:
    """Carry out all steps; gives those that failed and why. What had moved stays moved.

    Args:
        steps: no slot in two of them.
        transport: to all ends.
        clock: for waits.
        password: that the sources log in with at the targets.
        progress: hears how many slots have moved.
        primaries: whom to tell at once who owns a slot now, so that clients are not sent round; best effort.
        bytes_per_second: limit for all sources together; none: as fast as it goes.
    """
    pace = Pace(clock, bytes_per_second)
    atomic = [step for step in steps if step.atomic]
    failed = {step: Failure(why) for step, why in migrate_atomically(atomic, transport, clock, progress, pace).items()}
    by_source: dict[Endpoint, list[MigrateSlots]] = {}
    for step in steps:
        if not step.atomic:
            by_source.setdefault(step.node, []).append(step)
    aim = min(AIM_BYTES, pace.share(BURST, len(by_source)))
    lanes = [_Lane(moves, tuple(primaries), password, aim) for moves in by_source.values()]
    total = sum(len(step.slots) for moves in by_source.values() for step in moves)
    while active := [lane for lane in lanes if not lane.finished]:
        _exchange(active, transport, clock, pace)
        done = sum(lane.moved for lane in lanes)
        progress(ProgressEvent(Moment.WAITING, "move slots", f"{sum(lane.keys for lane in lanes):,} keys", done, total))
    return failed | {step: why for lane in lanes for step, why in lane.failed.items()}


def _exchange(lanes: Sequence[_Lane], transport: Transport, clock: Clock, pace: Pace) -> None:
    """One round of all lanes: what several have for one node goes in one request, and each gets its part of the answer."""
    requests: dict[Endpoint, Sequence[Command]] = {}
    parts: list[list[tuple[Endpoint, int, int]]] = []
    for lane in lanes:
        part = []
        for node, batch in lane.next().items():
            before = requests.get(node, Unordered())
            part.append((node, len(before), len(before) + len(batch)))
            free = isinstance(before, Unordered) and isinstance(batch, Unordered)
            requests[node] = Unordered((*before, *batch)) if free else (*before, *batch)
        parts.append(part)
    pace.begin()
    started = clock.now()
    answers = transport.ask(requests, timeout=TIMEOUT)
    seconds = clock.now() - started
    for lane, part in zip(lanes, parts, strict=True):
        lane.take([_cut(answers[node], first, last) for node, first, last in part], seconds)
    pace.spend(sum(lane.sent() for lane in lanes))


def _cut(answer: Answer, first: int, last: int) -> Answer:
    return answer if isinstance(answer, Silence) else answer[first:last]


@dataclass
class _Lane:
    """The moves of one source, in turn: a small machine that says what to send next and takes in what came back.

    Stages of a window: ``open`` (target), ``mark`` and ``facts`` (source, which then lists keys), ``sizes``, ``closer``,
    ``keys`` and ``list`` until the source holds nothing, ``take`` (target), ``give`` (source and all who should know); and
    ``compare`` where a key is on both ends.
    """

    moves: list[MigrateSlots]
    primaries: tuple[Endpoint, ...]
    password: Secret | None
    aim: float
    failed: dict[MigrateSlots, Failure] = field(default_factory=dict)
    moved: int = 0
    keys: int = 0
    _left: SlotSet = field(default_factory=SlotSet)
    _window: list[int] = field(default_factory=list)
    _stage: str = "open"
    _held: dict[int, list[bytes]] = field(default_factory=dict)
    _sent: list[tuple[int, list[bytes]]] = field(default_factory=list)
    _sizes: KeySizes = field(default_factory=KeySizes)
    _careful: set[int] = field(default_factory=set)
    _same: set[bytes] = field(default_factory=set)
    _doubt: tuple[int, bytes] = (0, b"")
    _stuck: dict[int, str] = field(default_factory=dict)
    _ease: float = 1.0
    _patience: int = MIGRATE_MS
    _bytes: float = 0.0

    def __post_init__(self) -> None:
        self._left = self.moves[0].slots

    @property
    def finished(self) -> bool:
        """Whether no move is left."""
        return not self.moves

    def next(self) -> dict[Endpoint, Sequence[Command]]:
        """The nodes to speak to and the commands for each."""
        step = self.moves[0]
        if self._stage == "open":
            self._window = [*self._left.take(WINDOW)]
            return {step.target: _set_slots(self._window, "IMPORTING", step.node_id)}
        if self._stage == "mark":
            return {step.node: _set_slots(self._window, "MIGRATING", step.target_id)}
        if self._stage == "facts":
            return {step.node: [*_FACTS, *self._list_keys()]}
        if self._stage == "sizes":
            return {step.node: self._sizes.sample(self._held)}
        if self._stage == "closer":
            return {step.node: self._sizes.look_closely(self._held)}
        if self._stage == "compare":
            dump: Command = ("DUMP", self._doubt[1])
            return {step.node: [dump], step.target: [("ASKING",), dump]}
        if self._stage == "keys":
            return {step.node: self._migrations()}
        if self._stage == "list":
            return {step.node: self._list_keys()}
        hand_over = _set_slots(self._window, "NODE", step.target_id)
        if self._stage == "take":
            return {step.target: hand_over}
        others = [e for e in self.primaries if e not in (step.node, step.target)]
        return dict.fromkeys([step.node, *others], hand_over)

    def take(self, answers: Sequence[Answer], seconds: float) -> None:
        """Go on from what the nodes answered; the first one is an end of the move."""
        answer = answers[0]
        if self._stage == "give":
            return self._close_window()
        if isinstance(answer, Silence):
            return self._fail(Failure(f"{answer.endpoint}: {answer.detail}"))
        if self._stage == "keys":
            return self._take_migrations(answer, seconds)
        if self._stage == "compare":
            return self._take_comparison(answer, answers[1])
        if self._stage in ("sizes", "closer"):
            return self._take_sizes(answer)
        wrong = next((reply.message for reply in answer if isinstance(reply, ReplyError)), None)
        if wrong is not None:
            return self._fail(Failure(wrong))
        if self._stage == "open":
            self._stage = "mark"
        elif self._stage == "mark":
            self._stage = "facts"
        elif self._stage == "facts":
            self._sizes.learn_mean(answer[0], answer[1])
            self._patience = patience(answer[2])
            self._take_keys(answer[len(_FACTS) :])
        elif self._stage == "list":
            self._take_keys(answer)
        else:
            self._stage = "give"
        return None

    def sent(self) -> float:
        """Bytes that went since this was last asked."""
        size, self._bytes = self._bytes, 0.0
        return size

    def _list_keys(self) -> list[Command]:
        """A slot that is marked gets no new keys at its source, so it is empty once nothing is listed."""
        return [("CLUSTER", "GETKEYSINSLOT", slot, LISTED) for slot in self._window]

    def _take_keys(self, replies: Sequence[Reply]) -> None:
        listed = zip(self._window, replies, strict=False)
        names = {slot: [k for k in reply if isinstance(k, bytes)] for slot, reply in listed if isinstance(reply, list)}
        self._held = {slot: keys for slot, keys in names.items() if keys}
        self._stage = "sizes" if self._held else "take"

    def _take_sizes(self, replies: Sequence[Reply]) -> None:
        self._sizes.learn(replies)
        closer = self._stage == "sizes" and self._sizes.look_closely(self._held)
        self._stage = "closer" if closer else "keys"

    def _migrations(self) -> list[Command]:
        """As many keys as fit into one pipeline, taken off what is held; a MIGRATE names keys of one slot only."""
        step = self.moves[0]
        auth: tuple[str | Secret, ...] = ("AUTH2", "default", self.password) if self.password else ()
        room = MOST_KEYS
        left = self._ease * self.aim
        chosen: list[Command] = []
        self._sent = []
        while self._held and room > 0 and (left > 0 or not chosen):
            slot, keys = next(iter(self._held.items()))
            careful = slot in self._careful
            part = [keys.pop(0)]
            left -= self._sizes.of(part[0])
            while keys and not careful and len(part) < room and left >= self._sizes.of(keys[0]):
                left -= self._sizes.of(keys[0])
                part.append(keys.pop(0))
            if not keys:
                del self._held[slot]
            limit = self._patience if careful else MIGRATE_MS
            again = ("REPLACE",) if part[0] in self._same else ()
            head = ("MIGRATE", step.target_address, step.target.port, "", 0, limit, *again, *auth, "KEYS")
            chosen.append((*head, *part))
            self._sent.append((slot, part))
            room -= len(part)
            if careful:
                break
        return chosen

    def _take_migrations(self, replies: Sequence[Reply], seconds: float) -> None:
        """A slot whose MIGRATE failed is listed again and sent key by key; one that fails then is left open, by name."""
        for (slot, names), reply in zip(self._sent, replies, strict=False):
            if not isinstance(reply, ReplyError):
                self.keys += len(names)
                self._bytes += sum(self._sizes.of(name) for name in names)
                continue
            self._held.pop(slot, None)
            if not of_one_key(reply.message):
                return self._fail(Failure(f"slot {slot}: {reply.message}"))
            if slot in self._careful and on_both_ends(reply.message):
                self._doubt, self._stage = (slot, names[0]), "compare"
                return None
            if slot in self._careful:
                self._give_up(slot, too_slow(names[0], self._patience, reply.message))
            self._careful.add(slot)
        self._ease = max(self._ease / 4, 1e-3) if seconds > SLOW else min(1.0, self._ease * RECOVERY)
        self._stage = "keys" if self._held else "list"
        return None if self._window else self._close_window()

    def _take_comparison(self, ours: Sequence[Reply], theirs: Answer) -> None:
        """Of one key that is on both ends; then the window is listed again, with its slot or without."""
        slot, key = self._doubt
        if isinstance(theirs, Silence):
            return self._fail(Failure(f"{theirs.endpoint}: {theirs.detail}"))
        if same_value(ours[0], theirs[-1]):
            self._same.add(key)
        else:
            ends = f"{self.moves[0].node} and {self.moves[0].target}"
            reason = f"is on both {ends}, with different values: compare the two, and delete the wrong one"
            self._give_up(slot, f"{shown(key)} {reason}")
        self._held = {}
        self._stage = "list"
        return None if self._window else self._close_window()

    def _give_up(self, slot: int, key_and_reason: str) -> None:
        self._stuck[slot] = f"slot {slot} stays open: its key {key_and_reason}"
        self._window.remove(slot)
        self._left -= SlotSet.of(slot)

    def _close_window(self) -> None:
        """Go on with the next window. What the source answered is not judged: it may have learned of it by the bus, or,
        having given its last slot away, have become a replica; the plan's next look is the proof."""
        self._left -= SlotSet.of(*self._window)
        self.moved += len(self._window)
        self._stage = "open"
        if not self._left:
            if self._stuck:
                self.failed[self.moves[0]] = Failure("; ".join([*self._stuck.values()][:3]), final=True)
            self._advance()

    def _fail(self, why: Failure) -> None:
        self.failed[self.moves[0]] = why
        self._advance()

    def _advance(self) -> None:
        self.moves.pop(0)
        self._stage, self._held, self._sent = "open", {}, []
        self._careful, self._same, self._stuck = set(), set(), {}
        if self.moves:
            self._left = self.moves[0].slots


def _set_slots(slots: Sequence[int], what: str, node_id: str) -> Unordered:
    """Valkey holds each back until its replicas have it: as unordered ones they wait together."""
    return Unordered(("CLUSTER", "SETSLOT", slot, what, node_id) for slot in slots)


def failures_of(failed: Mapping[MigrateSlots, Failure]) -> str:
    """The failures as lines for people."""
    return "\n".join(f"- {step}: {why.message}" for step, why in list(failed.items())[:6])

"""The 16,384 slots as a picture: geometry only, in units of one slot. Knows neither colours nor SVG's elements.

The picture is a square of 128 rows of 128 slots, in reading order. A strip would be simpler, but on a phone a strip has
40 slots to a pixel, and the one slot without an owner is what the picture is for: in the square it has three pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..model.report import Report
from ..model.slots import SLOT_COUNT, SlotRange, SlotSet
from .report_text import unowned

SIDE = 128
HUES = 8
_LABEL_ROWS = 7
_HATCHED = 2 * SIDE
_RINGED = 8
_MOST_RINGS = 64


@dataclass(frozen=True, slots=True)
class Region:
    """The slots of one shard: `hue` is 0-7, `path` SVG path data; `label_y` the middle of its largest block of full
    rows, None where that is too low to write in."""

    name: str
    hue: int
    slots: SlotSet
    path: str
    label_y: float | None


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle round a few slots that would be overlooked otherwise."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class SlotMap:
    """All that is drawn.

    Attributes:
        regions: the shards that have slots.
        unowned: slots without an owner.
        disputed: slots that more than one shard owns.
        marked_rows: (first row, number of rows) of the runs of rows that hold an unowned or disputed slot.
        rings: round the short runs of such slots; none where there are too many for a ring to help.
        borders: SVG path data of the lines between neighbours of different shards, between long ranges only.
    """

    regions: tuple[Region, ...]
    unowned: SlotSet
    disputed: SlotSet
    marked_rows: tuple[tuple[int, int], ...]
    rings: tuple[Ring, ...]
    borders: str


def slot_map(report: Report) -> SlotMap:
    """The picture of a report's shards."""
    seen, disputed = SlotSet(), SlotSet()
    for shard in report.shards:
        disputed |= seen & shard.slots
        seen |= shard.slots
    holes = unowned(report)
    rows = sorted({row for r in (holes | disputed).ranges() for row in range(r.first // SIDE, r.last // SIDE + 1)})
    areas = [shard.slots - disputed for shard in report.shards]
    return SlotMap(
        regions=tuple(_region(s.name, n % HUES, s.slots) for n, s in enumerate(report.shards) if s.slots),
        unowned=holes,
        disputed=disputed,
        marked_rows=_runs(rows),
        rings=_rings(holes) + _rings(disputed),
        borders=_borders(areas),
    )


def path(slots: SlotSet) -> str:
    """SVG path data that covers exactly these slots: each range is a head, full rows and a tail."""
    return "".join(_rectangles(r) for r in slots.ranges())


def wide(slots: SlotSet) -> SlotSet:
    """The ranges that are large enough to be hatched; a hatched single slot would be half as visible as a plain one."""
    return SlotSet.from_ranges(r for r in slots.ranges() if len(r) >= _HATCHED)


def _rectangles(r: SlotRange) -> str:
    (top, left), (bottom, right) = divmod(r.first, SIDE), divmod(r.last, SIDE)
    if top == bottom:
        return _rectangle(left, top, right - left + 1, 1)
    head = _rectangle(left, top, SIDE - left, 1) if left else ""
    tail = _rectangle(0, bottom, right + 1, 1) if right < SIDE - 1 else ""
    first, last = top + bool(head), bottom - bool(tail)
    full = _rectangle(0, first, SIDE, last - first + 1) if last >= first else ""
    return head + full + tail


def _rectangle(x: int, y: int, width: int, height: int) -> str:
    return f"M{x} {y}h{width}v{height}h-{width}z"


def _region(name: str, hue: int, slots: SlotSet) -> Region:
    blocks = [(-(-r.first // SIDE), (r.last + 1) // SIDE) for r in slots.ranges()]
    top, bottom = max(blocks, key=lambda b: b[1] - b[0])
    label_y = (top + bottom) / 2 if bottom - top >= _LABEL_ROWS else None
    return Region(name, hue, slots, path(slots), label_y)


def _rings(slots: SlotSet) -> tuple[Ring, ...]:
    short = [r for r in slots.ranges() if len(r) <= _RINGED and r.first // SIDE == r.last // SIDE]
    if len(short) > _MOST_RINGS:
        return ()
    middles = [((r.first % SIDE) + len(r) / 2, r.first // SIDE + 0.5, len(r) / 2) for r in short]
    return tuple(Ring(x, y, half + 2) for x, y, half in middles)


def _runs(rows: list[int]) -> tuple[tuple[int, int], ...]:
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and sum(runs[-1]) == row:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((row, 1))
    return tuple(runs)


def _borders(areas: list[SlotSet]) -> str:
    """The edges between long ranges of different shards, horizontal ones merged along their row."""
    owner = [0] * SLOT_COUNT
    for number, area in enumerate(areas, 1):
        for r in (r for r in area.ranges() if len(r) >= SIDE // 2):
            owner[r.first : r.last + 1] = [number] * len(r)

    def edge(slot: int, other: int) -> bool:
        return owner[slot] != owner[other] and owner[slot] > 0 < owner[other]

    cells = ((x, y, y * SIDE + x) for y in range(SIDE) for x in range(1, SIDE))
    pieces = [f"M{x} {y}v1" for x, y, slot in cells if edge(slot, slot - 1)]
    for y in range(1, SIDE):
        differs = [x for x in range(SIDE) if edge(y * SIDE + x, (y - 1) * SIDE + x)]
        pieces += [f"M{x} {y}h{width}" for x, width in _runs(differs)]
    return "".join(pieces)

"""The geometry of the slot map, checked by painting the paths back onto a square of cells."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from shardwright.core.report_slotmap import SIDE, path, slot_map
from shardwright.model.slots import SLOT_COUNT, SlotRange, SlotSet
from shardwright.testing import sample_reports as samples


def painted(data: str) -> list[int]:
    """How often each slot's cell is covered."""
    cells = [0] * SLOT_COUNT
    rectangles = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", data)
    assert "".join(f"M{a} {b}h{c}v{d}h-{e}z" for a, b, c, d, e in rectangles) == data
    for x, y, width, height, back in (tuple(map(int, r)) for r in rectangles):
        assert width == back
        for row in range(y, y + height):
            for column in range(x, x + width):
                cells[row * SIDE + column] += 1
    return cells


def some_sets() -> list[SlotSet]:
    chance = random.Random(7)
    bounds = [sorted(chance.sample(range(SLOT_COUNT), 2)) for _ in range(40)]
    return [
        SlotSet(),
        SlotSet.parse("0-16383"),
        SlotSet.of(0, 127, 128, 16383),
        SlotSet.parse("100-150,200-300,1000-1400"),
        SlotSet.of(*range(0, SLOT_COUNT, 2)),
        *(SlotSet.from_ranges([SlotRange(a, b)]) for a, b in bounds),
    ]


@pytest.mark.parametrize("slots", some_sets(), ids=lambda s: str(s)[:20])
def test_a_path_covers_its_slots_once_and_no_other(slots: SlotSet) -> None:
    assert painted(path(slots)) == [int(n in slots) for n in range(SLOT_COUNT)]


def test_a_healthy_map_has_no_hole_and_every_shard_is_labelled() -> None:
    drawn = slot_map(samples.healthy())
    assert not drawn.unowned
    assert not drawn.disputed
    assert (drawn.marked_rows, drawn.rings) == ((), ())
    assert [region.hue for region in drawn.regions] == [0, 1, 2]
    assert all(region.label_y is not None for region in drawn.regions)


def test_holes_and_disputes_are_marked_where_they_are() -> None:
    drawn = slot_map(samples.broken())
    assert str(drawn.unowned) == "6000,7000-7001,12000-12999"
    assert str(drawn.disputed) == "100"
    rows = {row for first, count in drawn.marked_rows for row in range(first, first + count)}
    assert rows == {n // SIDE for n in (100, 6000, 7000, *range(12000, 13000))}
    assert {(int(r.x), int(r.y)) for r in drawn.rings} == {(n % SIDE, n // SIDE) for n in (100, 6000, 7001)}


def test_the_line_between_two_shards_follows_the_step_between_them() -> None:
    borders = slot_map(samples.healthy()).borders
    row, column = divmod(5461, SIDE)
    assert f"M{column} {row}h{SIDE - column}" in borders
    assert f"M{column} {row}v1" in borders
    assert f"M0 {row + 1}h{column}" in borders


def test_neighbouring_shards_never_share_a_hue() -> None:
    drawn = slot_map(samples.large(40))
    hues = [region.hue for region in drawn.regions]
    assert all(a != b for a, b in itertools.pairwise(hues))

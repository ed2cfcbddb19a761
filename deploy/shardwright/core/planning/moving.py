"""Which slots move from whom to whom so that every shard holds its quota: the least that is possible, in a fixed order.

Quotas and not ranges: to grow from three shards to four moves a quarter of the slots, where equal contiguous ranges would
move half. Donors are matched with recipients in the order of the shards, and each donor gives its highest slots first. So
after any part of the moves is done, matching again gives the rest of the same list: who gives to whom depends only on the
order and on how much each still has to give, and a donor's slots leave from one end. "Take from the most loaded" would not
have that property.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...model.endpoint import Endpoint
from ...model.slots import SlotRange, SlotSet

Move = tuple[Endpoint, Endpoint, SlotSet]
"""Source, target, slots."""


def moves(
    order: Sequence[Endpoint], owned: Mapping[Endpoint, SlotSet], quotas: Mapping[Endpoint, int]
) -> tuple[Move, ...]:
    """The moves after which each primary owns as many slots as its quota.

    Args:
        order: all primaries, those that must give everything away (quota 0) included, in the order of the shards.
        owned: what each owns now; missing is nothing.
        quotas: how many each should own; missing is 0. Together as many as are owned.

    Returns:
        At most one move for each pair, in the order of the donors and then of the recipients.
    """
    surplus = {e: len(owned.get(e, SlotSet())) - quotas.get(e, 0) for e in order}
    wants = {e: -count for e, count in surplus.items() if count < 0}
    found: list[Move] = []
    for donor in order:
        left = owned.get(donor, SlotSet())
        give = surplus[donor]
        for recipient in [e for e in order if wants.get(e, 0) > 0]:
            if give <= 0:
                break
            part = highest(left, min(give, wants[recipient]))
            found.append((donor, recipient, part))
            left -= part
            give -= len(part)
            wants[recipient] -= len(part)
    return tuple(found)


def highest(slots: SlotSet, count: int) -> SlotSet:
    """The `count` highest slots; all where there are fewer."""
    left: list[SlotRange] = []
    for r in reversed(slots.ranges()):
        if count <= 0:
            break
        size = min(count, len(r))
        left.append(SlotRange(r.last - size + 1, r.last))
        count -= size
    return SlotSet.from_ranges(left)

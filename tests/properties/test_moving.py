"""Moving slots to quotas: the least number, the right counts, and the tail property."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shardwright.core.planning.moving import moves
from shardwright.model.endpoint import Endpoint
from shardwright.model.slots import ALL_SLOTS, SLOT_COUNT, SlotSet


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[Endpoint], dict[Endpoint, SlotSet], dict[Endpoint, int]]:
    """Owners of all slots in some pieces, and quotas over them and some newcomers."""
    count = draw(st.integers(2, 8))
    order = [Endpoint("127.0.0.1", 7000 + n, 17000 + n) for n in range(count)]
    holders = draw(st.integers(1, count))
    cuts = sorted(draw(st.lists(st.integers(0, SLOT_COUNT), min_size=2, max_size=12)))
    owned = {e: SlotSet() for e in order}
    for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, SLOT_COUNT], strict=True)):
        if first < last:
            owned[order[number % holders]] |= SlotSet.parse(f"{first}-{last - 1}")
    stay = draw(st.integers(1, count))
    base, extra = divmod(SLOT_COUNT, stay)
    quotas = {e: base + (n < extra) for n, e in enumerate(draw(st.permutations(order))[:stay])}
    return order, owned, quotas


@given(clusters())
def test_everyone_ends_with_its_quota_and_no_slot_is_lost_or_doubled(cluster) -> None:
    order, owned, quotas = cluster
    after = dict(owned)
    for source, target, slots in moves(order, owned, quotas):
        assert not slots - after[source]
        after[source] -= slots
        after[target] |= slots
    assert {e: len(s) for e, s in after.items()} == {e: quotas.get(e, 0) for e in order}
    union = SlotSet()
    for slots in after.values():
        union |= slots
    assert union == ALL_SLOTS


@given(clusters())
def test_no_more_slots_move_than_the_surplus(cluster) -> None:
    order, owned, quotas = cluster
    surplus = sum(max(0, len(owned[e]) - quotas.get(e, 0)) for e in order)
    assert sum(len(slots) for _, _, slots in moves(order, owned, quotas)) == surplus


@given(clusters(), st.data())
def test_after_a_part_of_the_moves_the_rest_is_what_was_printed(cluster, data) -> None:
    order, owned, quotas = cluster
    printed = moves(order, owned, quotas)
    done = data.draw(st.integers(0, len(printed)))
    for source, target, slots in printed[:done]:
        owned[source] -= slots
        owned[target] |= slots
    assert moves(order, owned, quotas) == printed[done:]

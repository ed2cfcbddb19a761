"""What `plan` refuses or calls dangerous, on captured states with one thing changed: code, subject, remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.core.captured import VERSIONS, nodes, observation, topology

from shardwright.core.consolidation import consolidate
from shardwright.core.planning import plan, require_consent, unsettled
from shardwright.errors import ObservationError, PlanError
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.observation import Health, Observation, PeerView, Role
from shardwright.model.plan import CloseSlot, Failover, FinishSlot, Forget, MigrateSlots, Part, Plan, Replicate
from shardwright.model.slots import SlotSet
from shardwright.model.topology import Shard, Topology

VERSION = VERSIONS[-1]
GHOST = NodeId("e" * 40)


def seen() -> Observation:
    return observation(VERSION, "formed")


def at(index: int) -> Endpoint:
    return nodes(VERSION, "formed")[index].endpoint


def planned(observed: Observation, wanted: Topology | None = None) -> Plan:
    return plan(wanted or topology(VERSION), consolidate(observed))


def regrouped(first: tuple[int, int], second: tuple[int, int]) -> Topology:
    """The first two shards with other members, by place."""
    wanted = topology(VERSION)
    by_endpoint = {node.endpoint: node for node in wanted.nodes}
    one, two, three = wanted.shards
    members = [tuple(by_endpoint[at(n)] for n in pair) for pair in (first, second)]
    shards = (Shard(one.name, members[0], one.quota), Shard(two.name, members[1], two.quota), three)
    return replace(wanted, shards=shards)


def everywhere(line: PeerView) -> Observation:
    """All nodes list one more."""
    observed = seen()
    return Observation({e: replace(v, peers=(*v.peers, line)) for e, v in observed.views.items()}, {})


def ghost(**fields: object) -> PeerView:
    base = next(p for p in seen().views[at(0)].peers if p.role is Role.REPLICA)
    return replace(base, id=GHOST, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_to_be_done_on_a_formed_cluster(version: str) -> None:
    made = plan(topology(version), consolidate(observation(version, "formed")))
    assert made.empty
    assert not made.hazards


@pytest.mark.parametrize("version", VERSIONS)
def test_a_silent_node_is_named_with_its_zone_and_reason(version: str) -> None:
    with pytest.raises(ObservationError) as raised:
        plan(topology(version), consolidate(observation(version, "broken")))
    assert raised.value.code == "nodes-silent"
    assert f"h5:{nodes(version, 'broken')[5].endpoint.port}" in raised.value.message
    assert "zone a" in raised.value.message
    assert "refused" in raised.value.message
    assert raised.value.hint


def test_taking_a_last_replica_away_is_a_hazard_of_each_that_leaves() -> None:
    made = planned(seen(), regrouped((0, 4), (1, 3)))
    assert {h.code for h in made.hazards} == {"drops-last-replica"}
    assert {h.subject for h in made.hazards} == {str(at(3)), str(at(4))}
    with pytest.raises(PlanError) as raised:
        require_consent(made, ["loses-shard"])
    assert raised.value.code == "hazard-not-allowed"
    assert "--allow drops-last-replica" in raised.value.hint
    require_consent(made, ["drops-last-replica"])


@pytest.mark.parametrize(
    ("address", "health"),
    [("", Health.OK), ("", Health.FAILED), ("127.0.0.1", Health.FAILED), ("127.0.0.1", Health.OK)],
)
def test_an_identity_in_whose_place_another_answers_is_forgotten_by_all(address: str, health: Health) -> None:
    made = planned(everywhere(ghost(address=address, port=at(3).port if address else 0, health=health)))
    assert {(s.node, s.id) for s in made.steps if isinstance(s, Forget)} == {(at(n), GHOST) for n in range(6)}
    assert [phase.name for phase in made.phases] == ["forget"]


def test_an_owner_that_is_still_taken_for_alive_in_our_place_is_waited_for() -> None:
    line = ghost(port=at(3).port, health=Health.OK, role=Role.PRIMARY, primary_id=None, slots=SlotSet.of(5))
    with pytest.raises(PlanError) as raised:
        planned(everywhere(line))
    assert raised.value.code == "nodes-disagree"
    assert GHOST[:8] in raised.value.message
    assert "wait" in raised.value.hint


def test_a_living_stranger_is_another_cluster() -> None:
    with pytest.raises(PlanError) as raised:
        planned(everywhere(ghost(address="10.9.9.9", port=1, health=Health.OK)))
    assert raised.value.code == "belongs-to-another-cluster"
    assert "10.9.9.9:1" in raised.value.message
    assert raised.value.hint


def opened(counts: dict[int, int], migrating: int | None, importing: tuple[int, ...]) -> Observation:
    """Slot 5, owned by the first primary, marked as moving to the second, with keys counted where told."""
    observed = seen()
    views = dict(observed.views)
    ids = {n: views[at(n)].id for n in range(6)}
    for n in range(3):
        mine = views[at(n)].myself
        mine = replace(mine, migrating=((5, ids[1]),) if n == migrating else ())
        mine = replace(mine, importing=((5, ids[0]),) if n in importing else ())
        stray = {5: counts[n]} if counts.get(n) else {}
        views[at(n)] = replace(views[at(n)], myself=mine, stray=stray)
    return Observation(views, {})


def test_an_open_slot_that_nothing_left_is_closed_on_all_that_mark_it() -> None:
    for migrating, importing in ((None, (1, 2)), (0, (2,)), (0, ())):
        marked = {n for n in (migrating, *importing) if n is not None}
        assert set(planned(opened({0: 3}, migrating, importing)).steps) == {CloseSlot(at(n), 5) for n in marked}


def test_a_move_that_is_under_way_is_finished_since_new_keys_go_to_its_target_at_any_moment() -> None:
    made = planned(opened({0: 3}, 0, (1, 2)))
    (finish,) = [step for step in made.steps if isinstance(step, FinishSlot)]
    assert (finish.node, finish.slot, finish.target) == (at(0), 5, at(1))
    assert [step for step in made.steps if step != finish] == [CloseSlot(at(2), 5)]


def test_an_open_slot_of_which_keys_have_moved_is_finished_towards_them() -> None:
    for migrating, importing in ((0, (1,)), (None, (1,)), (0, ())):
        (step,) = planned(opened({0: 3, 1: 1}, migrating, importing)).steps
        assert isinstance(step, FinishSlot)
        assert (step.node, step.slot, step.target) == (at(0), 5, at(1))
        assert step.node_id == seen().views[at(0)].id


def failed_over(observed: Observation, old: Endpoint) -> tuple[Observation, Endpoint]:
    """The same after a failover of `old`, with its marks lost, as Redis does; and who leads now."""
    was = observed.views[old]
    new = next(e for e, v in observed.views.items() if v.myself.primary_id == was.id)
    heir = observed.views[new].id
    parts = {
        was.id: {"role": Role.REPLICA, "primary_id": heir, "slots": SlotSet(), "migrating": (), "importing": ()},
        heir: {"role": Role.PRIMARY, "primary_id": None, "slots": was.myself.slots},
    }
    views = {}
    for endpoint, view in observed.views.items():
        peers = tuple(replace(p, **parts.get(p.id, {})) for p in view.peers)
        views[endpoint] = replace(view, myself=replace(view.myself, **parts.get(view.id, {})), peers=peers)
    views[new] = replace(views[new], stray=was.stray)
    views[old] = replace(views[old], stray={})
    return Observation(views, {}), new


def of_slots(made: Plan) -> list[FinishSlot | CloseSlot]:
    return [step for step in made.steps if isinstance(step, FinishSlot | CloseSlot)]


def test_a_move_whose_target_was_failed_over_is_finished_towards_who_leads_there_now() -> None:
    """Its keys came with the replication, its mark did not; the source still names the target that was."""
    observed, new = failed_over(opened({0: 3, 1: 1}, 0, (1,)), at(1))
    (step,) = of_slots(planned(observed))
    assert isinstance(step, FinishSlot)
    assert (step.node, step.slot, step.target) == (at(0), 5, new)
    assert step.target_id == observed.views[new].id


def test_a_move_whose_source_was_failed_over_is_finished_from_who_leads_there_now() -> None:
    observed, new = failed_over(opened({0: 3, 1: 1}, 0, (1,)), at(0))
    (step,) = of_slots(planned(observed))
    assert isinstance(step, FinishSlot)
    assert (step.node, step.slot, step.target) == (new, 5, at(1))


def test_marks_of_a_move_whose_target_was_failed_over_come_off_where_nothing_had_moved() -> None:
    observed, _ = failed_over(opened({0: 3}, 0, (1,)), at(1))
    assert of_slots(planned(observed)) == [CloseSlot(at(0), 5)]


def test_keys_at_an_end_that_the_move_does_not_name_stop_the_plan() -> None:
    for counts, importing in (({0: 1, 1: 1, 2: 1}, (1, 2)), ({0: 1, 2: 1}, (1,))):
        with pytest.raises(PlanError) as raised:
            planned(opened(counts, 0, importing))
        assert raised.value.code == "stray-keys"
        assert "slot 5" in raised.value.message
        assert all(str(at(n)) in raised.value.message for n in counts)
        assert raised.value.hint


def test_a_slot_that_its_owner_gave_up_goes_back_to_it() -> None:
    observed = seen()
    mine = observed.views[at(1)].myself
    views = {
        **observed.views,
        at(1): replace(observed.views[at(1)], myself=replace(mine, slots=mine.slots - SlotSet.of(6000))),
    }
    made = planned(Observation(views, {}))
    assert str(made.steps[0]) == f"assign 1 slots (6000) to {at(1)}"


def just_taken_over() -> Observation:
    """The second primary is gone, a new node answers in its place, its replica leads already and only it knows of that."""
    observed = seen()
    place, lost = next((e, v) for e, v in observed.views.items() if v.myself.role is Role.PRIMARY)
    replica = next(e for e, v in observed.views.items() if v.myself.primary_id == lost.id)
    views = {}
    for endpoint, view in observed.views.items():
        peers = tuple(replace(p, health=Health.FAILED) if p.id == lost.id else p for p in view.peers)
        views[endpoint] = replace(view, peers=peers)
    heir = views[replica]
    peers = tuple(replace(p, slots=SlotSet()) if p.id == lost.id else p for p in heir.peers)
    myself = replace(heir.myself, role=Role.PRIMARY, primary_id=None, slots=lost.myself.slots, epoch=99)
    views[replica] = replace(heir, myself=myself, peers=peers)
    views[place] = replace(lost, id=GHOST, myself=replace(lost.myself, id=GHOST, slots=SlotSet()), peers=(), keys=0)
    return Observation(views, {})


def test_a_shard_whose_replica_took_over_a_moment_ago_is_not_lost() -> None:
    observed = just_taken_over()
    assert "took over" in unsettled(consolidate(observed))
    with pytest.raises(PlanError) as raised:
        planned(observed)
    assert raised.value.code == "nodes-disagree"
    assert "took over" in raised.value.message
    assert "wait a node timeout" in raised.value.hint


def left_behind(offset: int) -> Observation:
    """A replica is a primary of its own without keys now, whose history its former primary had until offset 1,000."""
    observed = seen()
    index = next(n for n in range(6) if observed.views[at(n)].myself.role is Role.REPLICA)
    lead = next(v for v in observed.views.values() if v.id == observed.views[at(index)].myself.primary_id)
    mine = replace(observed.views[at(index)].myself, role=Role.PRIMARY, primary_id=None)
    views = {
        e: replace(v, peers=tuple(replace(mine, id=p.id) if p.id == mine.id else p for p in v.peers))
        for e, v in observed.views.items()
    }
    alone = replace(views[at(index)], myself=mine, keys=0, offset=offset, history="a" * 40, primary_link_up=True)
    led = replace(views[lead.endpoint], keys=5, history="b" * 40, former_history="a" * 40, former_until=1_001)
    return Observation({**views, at(index): alone, lead.endpoint: led}, {})


@pytest.mark.parametrize(("offset", "phases"), [(1_000, ["part histories", "replicate"]), (1_001, ["replicate"])])
def test_who_would_go_on_in_a_history_without_its_keys_takes_a_full_copy(offset: int, phases: list[str]) -> None:
    made = planned(left_behind(offset))
    assert [phase.name for phase in made.phases] == phases
    parted = [(s.node, s.primary) for s in made.steps if isinstance(s, Part)]
    assert parted == [(s.node, s.primary) for s in made.steps if isinstance(s, Replicate)][: len(parted)]


@pytest.mark.parametrize(("keys", "refused"), [(499, True), (500, False)])
def test_no_failover_to_a_replica_that_lacks_its_primarys_keys(keys: int, refused: bool) -> None:
    observed, wanted = seen(), topology(VERSION)
    primaries = [n for n in range(6) if observed.views[at(n)].myself.slots]
    views = {e: replace(v, keys=1_000 if v.myself.slots else keys) for e, v in observed.views.items()}
    same = [replace(node, zone="a" if node.endpoint in map(at, primaries) else "b") for node in wanted.nodes]
    zones = {node.endpoint: node for node in same}
    shards = tuple(replace(s, members=tuple(zones[m.endpoint] for m in s.members)) for s in wanted.shards)
    spread = replace(wanted, shards=shards, even_primaries=True)
    state = consolidate(Observation(views, {}))
    if not refused:
        assert any(isinstance(s, Failover) for s in plan(spread, state).steps)
        return
    with pytest.raises(PlanError) as raised:
        plan(spread, state)
    assert raised.value.code == "replica-lacks-keys"
    assert "499 of its 1,000 keys" in raised.value.message
    assert "CLUSTER RESET HARD" in raised.value.hint


def test_a_shard_is_led_by_who_owns_most_of_it() -> None:
    """A replica took over, and the former primary got slots of a move in that moment."""
    observed = seen()
    few = SlotSet.of(*range(10))
    rest = observed.views[at(0)].myself.slots - few
    views = {}
    for e, view in observed.views.items():
        lines = {p.id: p for p in (view.myself, *view.peers)}
        one, two = observed.views[at(0)].id, observed.views[at(3)].id
        lines[one] = replace(lines[one], slots=few)
        lines[two] = replace(lines[two], role=Role.PRIMARY, primary_id=None, slots=rest)
        peers = tuple(line for i, line in lines.items() if i != view.id)
        views[e] = replace(view, myself=lines[view.id], peers=peers)
    shard = topology(VERSION).shard_of(at(0))
    assert at(3) in [member.endpoint for member in shard.members]
    made = planned(Observation(views, {}))
    moved = [(s.node, s.target, len(s.slots)) for s in made.steps if isinstance(s, MigrateSlots)]
    assert moved == [(at(0), at(3), 10)]

"""What `plan` promises, from any half-done start: it ends, what is printed is what happens, and nothing is lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.properties.planning_model import World

from shardwright.core.consolidation import consolidate
from shardwright.core.planning import plan
from shardwright.core.verification import verify
from shardwright.errors import PlanError
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.observation import Health, Observation, Role, Silence
from shardwright.model.plan import AddSlots, FinishSlot, MigrateSlots, Plan, Step
from shardwright.model.report import Severity
from shardwright.model.slots import SLOT_COUNT, SlotRange, SlotSet
from shardwright.model.topology import Node, Shard, Topology

ROUNDS = 12


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    shards, replicas = draw(st.integers(3, 5)), draw(st.integers(0, 2))
    count = shards * (1 + replicas)
    nodes = [Node(Endpoint("10.0.0.1", 7000 + n, 17000 + n), f"h{n}") for n in range(count)]
    members = [tuple(nodes[n::shards]) for n in range(shards)]
    quotas = [SLOT_COUNT // shards + (n < SLOT_COUNT % shards) for n in range(shards)]
    return Topology("t", tuple(Shard(f"s{n}", m, quotas[n]) for n, m in enumerate(members)))


@st.composite
def starts(draw: st.DrawFn) -> tuple[Topology, World]:
    """A world that forming has reached in part, in an order that need not be ours, with data or without."""
    topology = draw(topologies())
    world = World.fresh(topology)
    start = 0
    leads: list[Endpoint] = []
    for shard in topology.shards:
        lead = draw(st.sampled_from(shard.members)).endpoint
        leads.append(lead)
        first, last = sorted((draw(st.integers(0, shard.quota)), draw(st.integers(0, shard.quota))))
        span = draw(st.sampled_from([(0, shard.quota), (0, 0), (first, last)]))
        if span[0] < span[1]:
            world.servers[lead].slots = SlotSet.from_ranges([SlotRange(start + span[0], start + span[1] - 1)])
        start += shard.quota
    everyone = [node.endpoint for node in topology.nodes]
    pairs = st.tuples(st.sampled_from(everyone), st.sampled_from(everyone))
    whole = draw(st.booleans())
    for one, other in [*((e, everyone[0]) for e in everyone if whole), *draw(st.lists(pairs, max_size=6))]:
        if one != other:
            world.connect(one, other)
    world.gossip()
    for number, server in enumerate(world.servers.values(), start=1):
        if server.knows or draw(st.booleans()):
            server.epoch = number
        if draw(st.integers(0, 4)) == 0:
            server.settings |= {"cluster-node-timeout": "2000", "cluster-replica-no-failover": "yes"}
    with_data(draw, world, leads)
    for shard, lead in zip(topology.shards, leads, strict=True):
        for member in shard.members:
            primary = world.servers[draw(st.sampled_from([lead, lead, lead, *leads]))]
            replica = world.servers[member.endpoint]
            if member.endpoint != lead and primary.id in replica.knows and draw(st.integers(0, 3)):
                replica.role, replica.primary, replica.keys = Role.REPLICA, primary.id, dict(primary.keys)
    return topology, world


def with_data(draw: st.DrawFn, world: World, leads: list[Endpoint]) -> None:
    """Keys in some slots of one connected set, and slots that somebody began to move."""
    owners = [world.servers[e] for e in leads if world.servers[e].slots and world.servers[e].knows]
    if not owners or draw(st.booleans()):
        return
    together = [s for s in owners if s is owners[0] or s.id in owners[0].knows]
    for server in together:
        for slot in draw(st.lists(st.sampled_from([*server.slots.take(50)]), max_size=3)):
            server.keys[slot] = draw(st.integers(1, 9))
    if len(together) < 2:
        return
    source, target = together[0], together[1]
    for slot in draw(st.lists(st.sampled_from([*source.slots.take(5)]), max_size=2, unique=True)):
        marks = draw(st.sampled_from(["migrating", "importing", "both"]))
        if marks != "importing":
            source.migrating[slot] = target.id
        if marks != "migrating":
            target.importing[slot] = source.id
            if draw(st.booleans()):
                target.keys[slot] = draw(st.integers(1, 9))


def planned(topology: Topology, world: World) -> Plan:
    """The plan, where nothing is refused and nothing needs a consent."""
    made = None
    with suppress(PlanError):
        made = plan(topology, world.state())
    assume(made is not None and not made.hazards)
    assert made is not None
    return made


def steps_of(made: Plan) -> list[tuple[str, frozenset[Step]]]:
    """The phases that do something; steps of one have no order. Those without steps only wait; gossip is instant here."""
    return [(phase.name, frozenset(phase.steps)) for phase in made.phases if phase.steps]


@given(starts())
def test_one_state_has_one_plan(start: tuple[Topology, World]) -> None:
    topology, world = start
    assert planned(topology, world) == plan(topology, world.state())


@given(starts())
@settings(max_examples=60)
def test_it_ends_in_the_topology_and_a_second_run_has_nothing_to_do(start: tuple[Topology, World]) -> None:
    """Each step is checked on the way: no served slot loses its owner, and no key is lost."""
    topology, world = start
    for _ in range(ROUNDS):
        made = planned(topology, world)
        if made.empty:
            break
        world = world.run(made.phases[0].steps)
    else:
        raise AssertionError(f"not done after {ROUNDS} phases: {made.phases[0]}")
    report = verify(topology, world.state())
    assert report.healthy, report.findings
    assert report.slots_served == SLOT_COUNT
    for shard in topology.shards:
        owned = [world.servers[node.endpoint].slots for node in shard.members]
        assert sum(map(bool, owned)) == 1
        assert abs(sum(map(len, owned)) - shard.quota) <= shard.quota * 0.1
    assert all(server.settings == dict(topology.live) for server in world.servers.values())


@given(starts())
@settings(max_examples=60)
def test_what_is_printed_is_what_happens(start: tuple[Topology, World]) -> None:
    topology, world = start
    printed = planned(topology, world)
    while printed.phases:
        world = world.run(printed.phases[0].steps)
        rest = planned(topology, world)
        assert steps_of(rest) == steps_of(printed)[bool(printed.phases[0].steps) :]
        printed = rest


@given(starts(), st.randoms(use_true_random=False))
def test_the_order_of_the_steps_of_a_phase_does_not_matter(start: tuple[Topology, World], chance: object) -> None:
    topology, world = start
    made = planned(topology, world)
    for phase in made.phases:
        shuffled = list(phase.steps)
        chance.shuffle(shuffled)  # type: ignore[attr-defined]
        after = world.run(phase.steps)
        assert world.run(shuffled).observation() == after.observation()
        world = after


@given(starts(), st.data())
def test_killed_after_any_steps_of_any_phase_it_still_ends_there(
    start: tuple[Topology, World], data: st.DataObject
) -> None:
    topology, world = start
    for phase in planned(topology, world).phases:
        done = data.draw(st.integers(0, len(phase.steps)))
        world = world.run(data.draw(st.permutations(phase.steps))[:done])
    for _ in range(ROUNDS):
        made = planned(topology, world)
        if made.empty:
            return
        world = world.run(made.phases[0].steps)
    raise AssertionError(f"not done after {ROUNDS} phases: {made.phases[0]}")


@given(topologies())
def test_fresh_servers_get_contiguous_quotas(topology: Topology) -> None:
    made = plan(topology, World.fresh(topology).state())
    given_out = {step.node: step.slots for step in made.steps if isinstance(step, AddSlots)}
    for shard in topology.shards:
        slots = given_out[shard.primary.endpoint]
        assert len(slots) == shard.quota
        assert len(slots.ranges()) == 1
    assert not [s for s in made.steps if isinstance(s, (MigrateSlots, FinishSlot))]


def formed(topology: Topology) -> Observation:
    world = World.fresh(topology)
    for _ in range(ROUNDS):
        made = plan(topology, world.state())
        if made.empty:
            return world.observation()
        world = world.run(made.phases[0].steps)
    raise AssertionError("not formed")


DEFECTS = [
    "silent",
    "slot",
    "dispute",
    "unknown",
    "link",
    "address",
    "role",
    "replication",
    "setting",
    "stranger",
    "open",
]


@given(topologies(), st.sampled_from(DEFECTS), st.data())
@settings(max_examples=100)
def test_any_one_defect_of_a_healthy_cluster_is_an_error(topology: Topology, defect: str, data: st.DataObject) -> None:
    observed = formed(topology)
    assert verify(topology, consolidate(observed)).healthy
    endpoint = data.draw(st.sampled_from(sorted(observed.views)))
    view = observed.views[endpoint]
    other = data.draw(st.sampled_from([v for e, v in sorted(observed.views.items()) if e != endpoint]))
    mine, peers = view.myself, view.peers
    silences = {}

    def peer(**fields: object) -> tuple[object, ...]:
        return tuple(replace(p, **fields) if p.id == other.id else p for p in peers)  # type: ignore[arg-type]

    changed = {
        "slot": lambda: replace(view, myself=replace(mine, slots=mine.slots - mine.slots.take(1))),
        "dispute": lambda: replace(view, myself=replace(mine, slots=mine.slots | other.myself.slots.take(1))),
        "unknown": lambda: replace(view, peers=tuple(p for p in peers if p.id != other.id)),
        "link": lambda: replace(view, peers=peer(linked=False)),
        "address": lambda: replace(view, peers=peer(port=1)),
        "role": lambda: replace(view, myself=replace(mine, role=Role.REPLICA, primary_id=other.id, slots=SlotSet())),
        "replication": lambda: replace(view, primary_link_up=False),
        "setting": lambda: replace(view, settings={**view.settings, "cluster-node-timeout": "1"}),
        "stranger": lambda: replace(view, peers=(*peers, replace(peers[0], id=NodeId("f" * 40), health=Health.OK))),
        "open": lambda: replace(view, myself=replace(mine, importing=((5, other.id),))),
    }
    views = dict(observed.views)
    if defect == "silent":
        del views[endpoint]
        silences = {endpoint: Silence(endpoint, "refused", "nothing listens")}
    else:
        assume(defect != "slot" or mine.slots)
        assume(defect != "dispute" or (other.myself.slots and other.id != view.id))
        assume(defect not in {"replication"} or mine.role is Role.REPLICA)
        assume(defect != "role" or (mine.primary_id or view.id) != other.id)
        assume(defect != "open" or mine.role is Role.PRIMARY)
        views[endpoint] = changed[defect]()
    report = verify(topology, consolidate(Observation(views, silences)))
    assert not report.healthy
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    assert all(f.code and f.subject and f.message for f in errors)

"""What a plan of a rolling restart promises: it ends, what is printed is what happens, it can be interrupted.

`World.run` holds the rest: never two members of a shard down, never a primary that has a replica, never the last copy in
step, one host at a time.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.properties.planning_model import Server, World
from tests.properties.test_planning import steps_of

from shardwright.core.planning import plan
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.observation import Role
from shardwright.model.plan import Failover, Plan, Restart, Step, Until
from shardwright.model.slots import SLOT_COUNT, SlotRange, SlotSet
from shardwright.model.topology import Node, Shard, Topology

ROUNDS = 60


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Topology, World]:
    """A cluster that is whole, with data, led by anybody, of whose servers some are outdated; some old ones lag."""
    shards, replicas, hosts = draw(st.integers(3, 5)), draw(st.integers(0, 2)), draw(st.integers(3, 6))
    nodes = [
        Node(Endpoint(f"10.0.0.{n % hosts}", 7000 + n, 17000 + n), f"h{n % hosts}", zone=f"z{n % hosts % 3}")
        for n in range(shards * (1 + replicas))
    ]
    base, extra = divmod(SLOT_COUNT, shards)
    topology = Topology(
        "t", tuple(Shard(f"s{n}", tuple(nodes[n::shards]), base + (n < extra)) for n in range(shards)), spread="none"
    )
    world = World.fresh(topology)
    world.hosts = {node.endpoint: node.host for node in topology.nodes}
    start = 0
    for shard in topology.shards:
        lead = world.servers[draw(st.sampled_from(shard.members)).endpoint]
        lead.slots = SlotSet.from_ranges([SlotRange(start, start + shard.quota - 1)])
        lead.keys = {start: 3}
        start += shard.quota
        for member in shard.members:
            server = world.servers[member.endpoint]
            if server is not lead:
                server.role, server.primary, server.keys = Role.REPLICA, lead.id, dict(lead.keys)
    for number, server in enumerate(world.servers.values(), start=1):
        world.connect(server.endpoint, nodes[0].endpoint) if server.endpoint != nodes[0].endpoint else None
        server.epoch = number
        server.outdated = draw(st.booleans())
        server.linked = server.role is Role.PRIMARY or not server.outdated or draw(st.integers(0, 3)) > 0
    world.gossip()
    return topology, world


def planned(topology: Topology, world: World) -> Plan:
    made = plan(topology, world.state())
    assert {hazard.code for hazard in made.hazards} <= {"restarts-without-replica", "restart-loses-keys"}
    return made


def finished(topology: Topology, world: World) -> World:
    for _ in range(ROUNDS):
        made = planned(topology, world)
        if made.empty:
            return world
        world = world.run(made.phases[0].steps)
    raise AssertionError(f"not done after {ROUNDS} phases")


@given(scenes())
@settings(max_examples=80, deadline=None)
def test_it_ends_with_nobody_outdated_and_what_is_printed_is_what_happens(scene: tuple[Topology, World]) -> None:
    topology, world = scene
    printed = planned(topology, world)
    everything = list(printed.steps)
    while printed.phases:
        world = world.run(printed.phases[0].steps)
        rest = planned(topology, world)
        assert steps_of(rest) == steps_of(printed)[bool(printed.phases[0].steps) :]
        printed = rest
    assert not any(server.outdated for server in world.servers.values())
    old = [step.node for step in everything if isinstance(step, Restart)]
    assert sorted(old) == sorted(e for e, s in scene[1].servers.items() if s.outdated)


@given(scenes(), st.data())
@settings(max_examples=60, deadline=None)
def test_killed_after_any_steps_of_any_phase_it_still_ends(scene: tuple[Topology, World], data: st.DataObject) -> None:
    topology, world = scene
    for phase in planned(topology, world).phases:
        if not data.draw(st.booleans()):
            break
        world = world.run(phase.steps)
    made = planned(topology, world)
    if not made.empty:
        steps = list(made.phases[0].steps)
        world = world.run(steps[: data.draw(st.integers(0, len(steps)))])
    assert not any(server.outdated for server in finished(topology, world).servers.values())


@given(scenes(), st.data())
@settings(max_examples=40, deadline=None)
def test_a_failover_between_two_phases_changes_the_rest_and_nothing_else(
    scene: tuple[Topology, World], data: st.DataObject
) -> None:
    topology, world = scene
    for _ in range(data.draw(st.integers(0, 4))):
        made = planned(topology, world)
        if made.empty:
            break
        world = world.run(made.phases[0].steps)
    replicas = [s for s in world.servers.values() if s.role is Role.REPLICA and s.linked and not s.outdated]
    if replicas:
        heir = data.draw(st.sampled_from(replicas))
        world = world.run([_failover(world, heir.endpoint)])
    assert not any(server.outdated for server in finished(topology, world).servers.values())


def _failover(world: World, heir: Endpoint) -> Step:
    return Failover(heir, world.by_id(world.servers[heir].primary).endpoint)


@given(scenes(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_who_stands_alone_is_restarted_before_it_is_grown_into(scene: tuple[Topology, World], more: int) -> None:
    """A spare may run with another bus port, or be of a version that can follow nobody: nothing may hang on it."""
    topology, world = scene
    size = len(topology.shards[0].members)
    fresh = [Node(Endpoint("10.0.1.1", 8000 + n, 18000 + n), "new", zone="new") for n in range(more * size)]
    for number, node in enumerate(fresh):
        world.servers[node.endpoint] = Server(node.endpoint, NodeId(f"{0xBEEF + number:040x}"), outdated=True)
        world.hosts[node.endpoint] = node.host
    shards = len(topology.shards) + more
    teams = [*(s.members for s in topology.shards), *(tuple(fresh[n * size :][:size]) for n in range(more))]
    base, extra = divmod(SLOT_COUNT, shards)
    grown = replace(topology, shards=tuple(Shard(f"s{n}", t, base + (n < extra)) for n, t in enumerate(teams)))
    made = plan(grown, world.state())
    first = next(phase for phase in made.phases if phase.steps)
    assert {step.node for step in first.steps} == {node.endpoint for node in fresh}
    assert all(isinstance(step, Restart) for step in first.steps)
    assert first.until is Until.STARTED
    again = [s.node for p in made.phases if p is not first for s in p.steps if isinstance(s, Restart)]
    assert not {node.endpoint for node in fresh} & set(again)
    world = world.run(first.steps)
    assert steps_of(plan(grown, world.state())) == steps_of(made)[1:]

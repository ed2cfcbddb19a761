"""Plans that grow, shrink and empty hosts: they end, are what was printed, move the least, and lose nothing on the way."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.properties.planning_model import Server, World

from shardwright.core.consolidation import consolidate
from shardwright.core.fitting import fit
from shardwright.core.placement import place
from shardwright.core.planning import plan
from shardwright.core.verification import verify
from shardwright.errors import PlanError
from shardwright.model.endpoint import NodeId
from shardwright.model.observation import NodeView, Role
from shardwright.model.plan import Forget, MigrateSlots, Plan, Reset, Step
from shardwright.model.slots import SLOT_COUNT
from shardwright.model.spec import ClusterSpec, EngineChoice, HostSpec, Product
from shardwright.model.state import ClusterState
from shardwright.model.topology import Topology

ROUNDS = 16


@dataclass
class LaterWorld(World):
    """A world in which nodes are dismissed too. `ghosts` are identities that a reset left behind.

    With `docile`, a primary that gave its last slot away follows whoever took it, as servers do by default.
    """

    ghosts: dict[NodeId, Server] = field(default_factory=dict)
    docile: bool = False

    def by_id(self, node_id: NodeId | None) -> Server:
        return self.ghosts[node_id] if node_id in self.ghosts else super().by_id(node_id)

    def apply(self, step: Step) -> None:
        if isinstance(step, Forget):
            gone = self.by_id(step.id)
            assert not gone.slots
            self.servers[step.node].knows.discard(step.id)
        elif isinstance(step, Reset):
            self._reset(self.servers[step.node])
        else:
            super().apply(step)
            if isinstance(step, MigrateSlots) and self.docile and not self.servers[step.node].slots:
                source = self.servers[step.node]
                for server in self.servers.values():
                    if server is source or server.primary == source.id:
                        self._replicate(server, self.servers[step.target])

    def _reset(self, node: Server) -> None:
        assert not node.slots, "an owner was reset"
        assert node.role is Role.REPLICA or not node.keys, "keys were dropped"
        self.ghosts[node.id] = replace(node, knows=set(), keys={})
        fresh = NodeId(f"{0xFFFF + len(self.ghosts):040x}")
        self.servers[node.endpoint] = Server(node.endpoint, fresh, settings=node.settings)

    def _view(self, server: Server) -> NodeView:
        return replace(super()._view(server), cluster_ok=True)

    def seen(self, topology: Topology) -> ClusterState:
        return consolidate(self.observation(), [node.endpoint for node in topology.spares])


@st.composite
def specs(draw: st.DrawFn, hosts: int) -> ClusterSpec:
    leaving = draw(st.sets(st.integers(0, hosts - 1), max_size=hosts - 3))
    staying = hosts - len(leaving)
    replicas = draw(st.integers(0, min(2, staying // 3 - 1)))
    shards = draw(st.integers(3, staying // (1 + replicas)))
    return spec(hosts, shards, replicas, leaving)


def spec(hosts: int, shards: int, replicas: int, leaving: Collection[int]) -> ClusterSpec:
    found = tuple(
        HostSpec(f"h{n}", f"10.0.0.{n + 1}", (6379,), zone="abc"[n % 3], leaving=n in leaving) for n in range(hosts)
    )
    return ClusterSpec("later", EngineChoice(Product.VALKEY), shards, replicas, found)


@st.composite
def changes(draw: st.DrawFn) -> tuple[LaterWorld, Topology]:
    """A formed cluster with some keys, and what it is to become."""
    hosts = draw(st.integers(6, 10))
    first, second = (placed(draw(specs(hosts))) for _ in range(2))
    world = formed(first, docile=draw(st.booleans()))
    for slot in draw(st.lists(st.integers(0, SLOT_COUNT - 1), max_size=8)):
        owner = next(s for s in world.servers.values() if slot in s.slots)
        for server in world.servers.values():
            if server is owner or server.primary == owner.id:
                server.keys[slot] = 3
    return world, second


def placed(wanted: ClusterSpec) -> Topology:
    return replace(place(wanted), settings=())


def formed(topology: Topology, *, docile: bool = False) -> LaterWorld:
    ids = {n.endpoint: NodeId(f"{k:040x}") for k, n in enumerate((*topology.nodes, *topology.spares), start=1)}
    world, _ = carried_out(LaterWorld({e: Server(e, i) for e, i in ids.items()}, docile=docile), topology)
    return world


def planned(topology: Topology, world: LaterWorld) -> tuple[Topology, Plan]:
    fitted = fit(topology, world.seen(topology))
    state = world.seen(fitted)
    try:
        return fitted, plan(fitted, state)
    except PlanError as error:
        raise AssertionError(str(error)) from error


def carried_out(world: LaterWorld, topology: Topology) -> tuple[LaterWorld, list[Step]]:
    steps: list[Step] = []
    for _ in range(ROUNDS):
        _, made = planned(topology, world)
        if made.empty:
            return world, steps
        steps += made.phases[0].steps
        world = world.run(made.phases[0].steps)
    raise AssertionError(f"not done after {ROUNDS} phases: {made.phases[0]}")


def steps_of(made: Plan) -> list[tuple[str, frozenset[str]]]:
    """The phases that do something; those without steps only wait, and what is known is known at once here.

    Handing primaries over is left out: it is planned only once the replicas that could lead are linked.
    """
    doing = [phase for phase in made.phases if phase.steps and phase.name != "hand over"]
    return [(phase.name, frozenset(map(str, phase.steps))) for phase in doing]


@given(changes())
@settings(max_examples=80)
def test_it_ends_in_what_is_wanted_and_spares_are_alone(change: tuple[LaterWorld, Topology]) -> None:
    """No served slot loses its owner and no key is lost on the way: the world asserts that at each step."""
    world, wanted = change
    after, _ = carried_out(world, wanted)
    fitted, made = planned(wanted, after)
    assert made.empty
    assert verify(fitted, after.seen(fitted)).healthy
    members = {after.servers[n.endpoint].id for n in fitted.nodes}
    for node in fitted.nodes:
        server = after.servers[node.endpoint]
        assert server.knows == members - {server.id}
    for spare in fitted.spares:
        server = after.servers[spare.endpoint]
        assert (server.knows, server.keys, len(server.slots)) == (set(), {}, 0)
    assert not any(node.leaving for node in fitted.nodes)
    assert len({n.host for s in fitted.shards for n in s.members}) == len(fitted.nodes)


@given(changes())
@settings(max_examples=80)
def test_no_more_slots_move_than_quotas_and_leavers_ask_for(change: tuple[LaterWorld, Topology]) -> None:
    world, wanted = change
    owners = {e: len(s.slots) for e, s in world.servers.items() if s.slots}
    leaving = {n.endpoint for n in wanted.spares if n.leaving}
    _, steps = carried_out(world, wanted)
    moved = sum(len(step.slots) for step in steps if isinstance(step, MigrateSlots))
    staying = sorted((count for e, count in owners.items() if e not in leaving), reverse=True)[: len(wanted.shards)]
    quota = SLOT_COUNT // len(wanted.shards)
    least = SLOT_COUNT - sum(min(count, quota + 1) for count in staying)
    assert moved <= least + len(wanted.shards)
    if len(staying) == len(wanted.shards) == len(owners):
        assert moved == 0


@given(changes())
@settings(max_examples=80)
def test_what_is_printed_is_what_happens(change: tuple[LaterWorld, Topology]) -> None:
    """But for a plan that begins with a reset, which says so by ending there."""
    world, wanted = change
    world.docile = False
    _, printed = planned(wanted, world)
    assume(not printed.phases or printed.phases[0].name != "reset")
    assert_the_rest_is_as_printed(world, wanted, printed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (spec(8, 3, 1, {0, 1}), spec(8, 3, 1, {4})),
        (spec(9, 3, 1, {6, 7}), spec(9, 3, 1, {0, 4})),
        (spec(10, 3, 2, {1}), spec(10, 3, 1, {4, 7})),
        (spec(10, 4, 1, {0, 2}), spec(10, 4, 1, {5})),
        (spec(10, 3, 1, {0, 2}), spec(10, 3, 1, {5})),
    ],
)
def test_who_is_to_lead_keeps_its_shard_once_it_has_slots(before: ClusterSpec, after: ClusterSpec) -> None:
    """A host leaves, an idle node leads in its place, and its replica comes from the shard that it is placed in: once slots
    had moved, shards were matched with leaders anew, and other nodes than those that were printed became its replicas."""
    world, wanted = formed(placed(before)), placed(after)
    _, printed = planned(wanted, world)
    assert any(phase.name == "move slots" for phase in printed.phases)
    assert_the_rest_is_as_printed(world, wanted, printed)


@pytest.mark.parametrize("replicas", [0, 1])
def test_all_hosts_are_replaced_at_once(replicas: int) -> None:
    """Nobody in the cluster that is drained keeps a place, so nobody there is met for the sake of a shard."""
    half = 3 * (1 + replicas)
    world = formed(placed(spec(2 * half, 3, replicas, range(half, 2 * half))))
    world, steps = carried_out(world, placed(spec(2 * half, 3, replicas, range(half))))
    assert {server.endpoint.host for server in world.servers.values() if server.slots} == {
        f"10.0.0.{half + 1 + n * (1 + replicas)}" for n in range(3)
    }
    assert sum(len(step.slots) for step in steps if isinstance(step, MigrateSlots)) == SLOT_COUNT


def assert_the_rest_is_as_printed(world: LaterWorld, wanted: Topology, printed: Plan) -> None:
    while steps_of(printed):
        world = world.run(printed.phases[0].steps)
        _, rest = planned(wanted, world)
        assert steps_of(rest) == steps_of(printed)[bool(printed.phases[0].steps) :]
        printed = rest


@given(changes(), st.data())
@settings(max_examples=80)
def test_stopped_after_any_steps_it_still_ends_there(change: tuple[LaterWorld, Topology], data: st.DataObject) -> None:
    world, wanted = change
    _, made = planned(wanted, world)
    for phase in made.phases[:1]:
        done = data.draw(st.integers(0, len(phase.steps)))
        world = world.run(data.draw(st.permutations(phase.steps))[:done])
    after, _ = carried_out(world, wanted)
    fitted, _ = planned(wanted, after)
    assert verify(fitted, after.seen(fitted)).healthy


def test_a_target_without_room_is_refused() -> None:
    hosts = tuple(HostSpec(f"h{n}", f"10.0.0.{n + 1}", (6379,)) for n in range(8))
    three, four = (placed(ClusterSpec("later", EngineChoice(Product.VALKEY), n, 1, hosts)) for n in (3, 4))
    world = formed(three)
    for server in world.servers.values():
        if server.slots:
            server.keys[next(iter(server.slots))] = 10
    state = world.seen(four)
    fitted = fit(four, state)
    used = {
        e: replace(n, view=replace(n.view, memory_used=3_000, settings={**n.view.settings, "maxmemory": "4000"}))
        for e, n in state.nodes.items()
    }
    assert plan(fitted, state).steps
    with pytest.raises(PlanError) as raised:
        plan(fitted, replace(state, nodes=used))
    assert raised.value.code == "target-lacks-memory"

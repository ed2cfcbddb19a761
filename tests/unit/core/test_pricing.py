"""What a plan costs, on servers in memory: counted by the test from the servers' own stores."""

from __future__ import annotations

from dataclasses import replace

from shardwright.control.converging import Means, converge
from shardwright.control.observing import look_fitted
from shardwright.control.pricing import price_plan
from shardwright.core.explaining.plan_text import plan_json, plan_text
from shardwright.core.planning import plan
from shardwright.core.pricing import price
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.plan import Configure, Failover, Forget, Phase, Plan, Replicate, Until
from shardwright.model.price import Price
from shardwright.model.slots import slot_of
from shardwright.model.state import ClusterState
from shardwright.model.topology import Topology
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.strategies import topology


def formed(wanted: Topology, keys: int = 0) -> FakeCluster:
    cluster = FakeCluster.of(wanted)
    converge(wanted, Means(cluster.transport(), cluster.clock, cluster.prober()))
    for n in range(keys):
        name = f"key-{n}".encode()
        for server in cluster.servers:
            lead = server if not server.myself.replica else cluster[0]
            if lead.owned >> slot_of(name) & 1:
                lead.store.put(name, b"x" * 100)
    return cluster


def with_a_fourth_shard(wanted: Topology) -> Topology:
    """Three shards that hold all slots, and a fourth that is to get its quarter."""
    larger = topology(4, 1)
    return replace(larger, shards=(*(replace(s, quota=4096) for s in wanted.shards), larger.shards[3]))


def priced(wanted: Topology, cluster: FakeCluster) -> tuple[Plan, Price, ClusterState]:
    transport = cluster.transport()
    fitted, state = look_fitted(wanted, transport)
    made = plan(fitted, state)
    return made, price_plan(made, state, transport), state


def test_what_a_growth_moves_is_counted_slot_by_slot() -> None:
    wanted = with_a_fourth_shard(topology(3, 1))
    cluster = formed(topology(3, 1), keys=500)
    for node in wanted.shards[3].members:
        cluster.add(node.endpoint)
    made, cost, _ = priced(wanted, cluster)
    moved = [phase for phase in made.phases if phase.until is Until.MOVED]
    slots = {slot for phase in moved for step in phase.steps for slot in step.slots}  # type: ignore[union-attr]
    assert len(slots) == 4096
    assert cost.total.slots == 4096
    assert cost.total.keys == sum(slot_of(f"key-{n}".encode()) in slots for n in range(500))
    assert cost.total.failovers == cost.total.restarts == cost.total.resets == 0
    assert cost.gaps == ()


def test_a_fresh_cluster_moves_and_copies_nothing() -> None:
    wanted = topology(3, 1)
    made, cost, _ = priced(wanted, FakeCluster.of(wanted))
    total = cost.total
    assert (total.slots, total.keys, total.bytes, total.copies, total.in_sync) == (0, 0, 0, 0, None)
    assert total.seconds > 0
    assert len(cost.phases) == len(made.phases)
    assert "in sync" not in plan_text(made, cost)


def test_what_can_not_be_counted_is_unknown_and_said() -> None:
    wanted = with_a_fourth_shard(topology(3, 1))
    cluster = formed(topology(3, 1), keys=100)
    for node in wanted.shards[3].members:
        cluster.add(node.endpoint)
    transport = cluster.transport()
    fitted, state = look_fitted(wanted, transport)
    made = plan(fitted, state)
    silent = wanted.shards[1].primary.endpoint
    cluster.freeze(cluster[silent])
    cost = price_plan(made, state, transport)
    assert cost.total.keys is None
    assert cost.total.slots == 4096
    assert [gap for gap in cost.gaps if str(silent) in gap]
    assert plan_json(made, cost)["price"]["keys"] is None
    assert "unknown number of keys" in plan_text(made, cost)


def test_the_fewest_copies_on_the_way_are_those_of_the_poorest_shard_with_keys() -> None:
    """A failover, and a replica that changes sides, take a copy from their shard while they last."""
    wanted = topology(3, 2)
    cluster = formed(wanted, keys=300)
    _, state = look_fitted(wanted, cluster.transport())
    one, two = wanted.shards[0], wanted.shards[1]
    lead, first, second = (n.endpoint for n in one.members)
    other = two.members[0].endpoint

    def least(*steps: Failover | Replicate) -> int | None:
        phases = tuple(Phase("p", (step,), Until.LED, 1.0) for step in steps)
        return price(Plan(phases, (), ""), state, {}).total.in_sync

    moves = Replicate(first, other, state.nodes[other].id)
    assert least() is None
    assert least(Failover(first, lead)) == 1
    assert least(moves) == 1
    assert least(moves, Failover(second, lead)) == 0
    assert least(Failover(first, lead), Failover(lead, first)) == 1


def test_many_steps_of_a_kind_are_one_line_with_their_nodes() -> None:
    nodes = [Endpoint("10.0.0.1", 6379 + n, 16379 + n) for n in range(6)]
    configured = [Configure(node, "hz", "20") for node in nodes]
    forgotten = [Forget(node, NodeId(c * 40)) for node in nodes for c in "ab"]
    settle = Phase("settle", tuple(configured), Until.CONFIGURED, 30.0)
    text = plan_text(Plan((settle, Phase("forget", tuple(forgotten), Until.FORGOTTEN, 30.0)), (), "f" * 64))
    assert text.startswith(f"plan {'f' * 12}: 2 phases, 18 steps\n")
    assert "- set hz 20 (6 nodes)\n" in text
    assert "- forget (12 steps on 6 nodes)\n" in text

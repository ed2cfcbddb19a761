"""A small pure world for properties of `plan`: what servers are, how a step changes them, and what each of them says.

Gossip is instant: after a phase all nodes that are connected know each other and agree. It is no simulator of servers; it
only says what each step is *for*, so that the plan can be held to its promises. A step that a server would refuse, or that
would lose something, is an assertion here.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from shardwright.core.consolidation import consolidate
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.observation import Health, NodeView, Observation, PeerView, Role
from shardwright.model.plan import (
    AddSlots,
    CloseSlot,
    Configure,
    Failover,
    FinishSlot,
    Forget,
    Meet,
    MigrateSlots,
    Replicate,
    Reset,
    Restart,
    SetEpoch,
    Step,
)
from shardwright.model.slots import SlotSet
from shardwright.model.state import ClusterState
from shardwright.model.topology import Topology

DEFAULTS = {"cluster-node-timeout": "15000", "cluster-replica-no-failover": "no", "repl-diskless-sync-delay": "5"}


@dataclass
class Server:
    """One server. `keys` counts keys by slot."""

    endpoint: Endpoint
    id: NodeId
    role: Role = Role.PRIMARY
    primary: NodeId | None = None
    slots: SlotSet = SlotSet()
    epoch: int = 0
    knows: set[NodeId] = field(default_factory=set)
    settings: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    keys: dict[int, int] = field(default_factory=dict)
    migrating: dict[int, NodeId] = field(default_factory=dict)
    importing: dict[int, NodeId] = field(default_factory=dict)
    outdated: bool = False
    linked: bool = True


@dataclass
class World:
    """All servers by endpoint. `hosts` says where they stand, where that matters."""

    servers: dict[Endpoint, Server]
    hosts: dict[Endpoint, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, topology: Topology) -> World:
        return cls({n.endpoint: Server(n.endpoint, NodeId(f"{k:040x}")) for k, n in enumerate(topology.nodes, start=1)})

    def copy(self) -> World:
        return copy.deepcopy(self)

    def by_id(self, node_id: NodeId | None) -> Server:
        return next(s for s in self.servers.values() if s.id == node_id)

    def connect(self, one: Endpoint, other: Endpoint) -> None:
        a, b = self.servers[one], self.servers[other]
        a.knows.add(b.id)
        b.knows.add(a.id)

    def gossip(self) -> None:
        """Everyone gets to know whoever is connected to it."""
        for server in self.servers.values():
            reached, ahead = {server.id}, [server.id]
            while ahead:
                for node_id in self.by_id(ahead.pop()).knows - reached:
                    reached.add(node_id)
                    ahead.append(node_id)
            server.knows = reached - {server.id}

    def covered(self) -> SlotSet:
        found = SlotSet()
        for server in self.servers.values():
            assert not found & server.slots, "a slot with two owners"
            found |= server.slots
        return found

    def keys(self) -> dict[int, int]:
        """Keys of all primaries by slot."""
        total: dict[int, int] = {}
        for server in self.servers.values():
            if server.role is Role.PRIMARY:
                for slot, count in server.keys.items():
                    total[slot] = total.get(slot, 0) + count
        return {slot: count for slot, count in total.items() if count}

    def run(self, steps: Iterable[Step]) -> World:
        """The world after a phase of these steps."""
        after = self.copy()
        steps = list(steps)
        self._down_at_once([self.servers[step.node] for step in steps if isinstance(step, Restart)])
        for step in steps:
            after.apply(step)
        after.gossip()
        return after

    def apply(self, step: Step) -> None:
        """What one step does."""
        served, keys = self.covered(), self.keys()
        node = self.servers[step.node]
        match step:
            case Configure(setting=name, value=value):
                node.settings[name] = value
            case SetEpoch(epoch=epoch):
                assert not node.knows
                assert not node.epoch
                node.epoch = epoch
            case AddSlots(slots=slots):
                assert node.role is Role.PRIMARY
                assert not slots & served, "slots that have an owner"
                assert all(node.keys.get(s) for s, n in keys.items() if s in slots and n), "keys of them lie elsewhere"
                node.slots |= slots
            case Meet(peer=peer):
                assert step.node != peer
                self.connect(step.node, peer)
            case Replicate(primary_id=primary_id):
                self._replicate(node, self.by_id(primary_id))
            case Failover():
                self._fail_over(node)
            case CloseSlot(slot=slot):
                node.migrating.pop(slot, None)
                node.importing.pop(slot, None)
            case FinishSlot(slot=slot, target=target):
                self._move(node, self.servers[target], SlotSet.of(slot))
            case MigrateSlots(slots=slots, target=target):
                assert not slots - node.slots
                self._move(node, self.servers[target], slots)
            case Restart():
                node.outdated, node.linked = False, True
            case Reset() | Forget():
                raise AssertionError(f"nothing here is to be given up: {step}")
        assert not served - self.covered(), f"a served slot lost its owner by: {step}"
        assert self.keys() == keys, f"keys were lost by: {step}"

    def _down_at_once(self, down: list[Server]) -> None:
        """What must hold of servers that are away at one time; of those that are alone and hold nothing, nothing."""
        down = [server for server in down if server.knows or server.slots or server.keys]
        shards = [server.primary or server.id for server in down]
        assert len(set(shards)) == len(shards), "two members of a shard are down at once"
        assert len({self.hosts.get(server.endpoint, "") for server in down}) < 2, (
            "servers of two hosts are down at once"
        )
        assert sum(server.role is Role.PRIMARY for server in down) < 2, "two primaries are down at once"
        for server in down:
            mates = [s for s in self.servers.values() if s.primary == (server.primary or server.id) and s is not server]
            assert server.role is Role.REPLICA or not mates, "a primary that has replicas is restarted"
            assert not mates or not server.linked or any(s.linked for s in mates), "the last copy in step is restarted"

    def _replicate(self, node: Server, primary: Server) -> None:
        assert not node.slots
        assert node.role is Role.REPLICA or not node.keys, "a primary with keys would lose them"
        assert primary.role is Role.PRIMARY
        node.role, node.primary, node.keys = Role.REPLICA, primary.id, dict(primary.keys)
        node.migrating, node.importing = {}, {}

    def _fail_over(self, node: Server) -> None:
        old = self.by_id(node.primary)
        assert node.linked, "to a replica that is not in step"
        assert not node.outdated or not old.outdated, "handed over to one that is yet to be restarted"
        node.role, node.primary, node.slots, node.keys = Role.PRIMARY, None, old.slots, dict(old.keys)
        old.slots = SlotSet()
        for server in self.servers.values():
            if server is old or server.primary == old.id:
                server.role, server.primary = Role.REPLICA, node.id

    @staticmethod
    def _move(source: Server, target: Server, slots: SlotSet) -> None:
        assert target.role is Role.PRIMARY
        for slot in slots:
            count = source.keys.pop(slot, 0)
            if count:
                target.keys[slot] = target.keys.get(slot, 0) + count
            for end in (source, target):
                end.migrating.pop(slot, None)
                end.importing.pop(slot, None)
        source.slots -= slots
        target.slots |= slots

    def observation(self) -> Observation:
        """What each server says, as if asked at one moment."""
        return Observation({e: self._view(s) for e, s in self.servers.items()}, {})

    def state(self) -> ClusterState:
        state = consolidate(self.observation())
        return replace(state, outdated={e: ("it is old",) for e, s in self.servers.items() if s.outdated})

    def _view(self, server: Server) -> NodeView:
        asked = self.copy_of_doubtful()
        ok = len(server.knows) == len(self.servers) - 1 and len(self.covered()) == 16_384
        primary = self.by_id(server.primary) if server.primary else server
        return NodeView(
            endpoint=server.endpoint,
            address=server.endpoint.host,
            id=server.id,
            myself=self._line(server, own=True),
            peers=tuple(self._line(self.by_id(i)) for i in sorted(server.knows)),
            product="valkey",
            version="9.1.2",
            cluster_ok=ok,
            keys=sum(server.keys.values()),
            offset=7,
            primary_link_up=primary is server or (server.linked and primary.id in server.knows),
            syncing=False,
            loading=False,
            replicas_linked=0,
            memory_used=1,
            aof_enabled=False,
            aof_rewriting=False,
            settings=dict(server.settings),
            stray={s: n for s, n in server.keys.items() if s in asked and n} if server.role is Role.PRIMARY else {},
        )

    def copy_of_doubtful(self) -> SlotSet:
        """Slots of which keys are counted: open ones, and those without an owner."""
        open_slots = [s for server in self.servers.values() for s in (*server.migrating, *server.importing)]
        return (SlotSet((1 << 16_384) - 1) - self.covered()) | SlotSet.of(*open_slots)

    def _line(self, server: Server, *, own: bool = False) -> PeerView:
        return PeerView(
            id=server.id,
            address=server.endpoint.host,
            port=server.endpoint.port,
            bus_port=server.endpoint.bus_port,
            role=server.role,
            primary_id=server.primary,
            health=Health.OK,
            handshake=False,
            linked=True,
            epoch=server.epoch,
            slots=server.slots,
            migrating=tuple(server.migrating.items()) if own else (),
            importing=tuple(server.importing.items()) if own else (),
        )

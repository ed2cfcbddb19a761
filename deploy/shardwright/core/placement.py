"""`place`: from what the operator wrote to which server belongs to which shard, and who should be its primary.

Pure and deterministic; knows nothing of what runs. Two questions are answered one after the other, because only the first
costs data when its answer changes: *who shares a shard* (`members`) and *who leads it* (`leaders`). The second is free, as a
failover is not drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shardwright.errors import Problem, SpecError
from shardwright.model.endpoint import Endpoint
from shardwright.model.slots import SLOT_COUNT
from shardwright.model.spec import ClusterSpec, HostSpec, Product
from shardwright.model.topology import Node, Shard, Topology

from .leaders import lead
from .members import teams

LIVE_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "cluster-node-timeout": "15000",
        "cluster-replica-no-failover": "no",
        "repl-diskless-sync-delay": "5",
    }
)
OWN_DEFAULTS: Mapping[str, str] = MappingProxyType({"cluster-allow-replica-migration": "no"})
"""Where we wish for another value than the servers' own: replicas that move by themselves undo the placement."""
_ALIASES = {"cluster-slave-no-failover": "cluster-replica-no-failover"}

Settings = tuple[tuple[str, str], ...]


def place(spec: ClusterSpec) -> Topology:
    """The topology that `spec` means: members, preferred primaries and quotas of every shard.

    Members of a shard stand in different zones if there is room for that in all shards, else racks, else hosts, and never
    share `spec.spread`; a spec that `load` would refuse for lack of room gets the best that is possible. Instances that
    are not needed are spares, the last ones of the fullest hosts first, and so are all of a host that is leaving.

    Raises:
        SpecError: ``not-enough-instances``, for a spec that was not made by `load`.
    """
    staying = [host for host in spec.hosts if not host.leaving]
    have = sum(len(host.ports) for host in staying)
    if have < spec.nodes_wanted:
        raise SpecError([Problem("not-enough-instances", "hosts", str(have), str(spec.nodes_wanted), "add hosts")])
    led = lead(teams(staying, spec.shards, 1 + spec.replicas))
    base, extra = divmod(SLOT_COUNT, spec.shards)
    shards = tuple(
        Shard(f"shard-{n}", tuple(_node(spec, host, port) for host, port in team), base + (n <= extra))
        for n, team in enumerate(led, 1)
    )
    live, settings = _settings(spec)
    product = Product.VALKEY if spec.engine.product is Product.BUNDLED else spec.engine.product
    placed = {node.endpoint for shard in shards for node in shard.members}
    everyone = (_node(spec, host, port) for host in spec.hosts for port in host.ports)
    spares = tuple(node for node in everyone if node.endpoint not in placed)
    return Topology(spec.name, shards, live, settings, product.value, spec.engine.version, spec.spread.value, spares)


def _node(spec: ClusterSpec, host: HostSpec, port: int) -> Node:
    return Node(Endpoint(host.address, port, port + spec.bus_offset), host.name, host.zone, host.rack, host.leaving)


def _settings(spec: ClusterSpec) -> tuple[Settings, Settings]:
    """The settings that forming touches for a while, and all others; persistence in the servers' own words."""
    given = {_ALIASES.get(name, name): value for name, value in spec.settings}
    live = tuple((name, given.pop(name, default)) for name, default in LIVE_DEFAULTS.items())
    kept = spec.persistence
    given = {**OWN_DEFAULTS, **given}
    given |= {
        "appendonly": "yes" if kept.aof else "no",
        "appendfsync": kept.fsync,
        "save": " ".join(f"{seconds} {changes}" for seconds, changes in kept.save),
    }
    return live, tuple(sorted(given.items()))

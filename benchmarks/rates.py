"""Measures the rates by which a plan's time is estimated (`shardwright.core.rates`), on servers of this machine.

    python -m benchmarks.rates [--server PATH] [--rounds 3]

A quarter of three primaries' slots moves to a fourth: empty, with many small keys, with few large ones; key by key, and
atomically where the servers can; of each source, since they work at once. Then a replica joins a primary of nothing and of
200 MB, leads in its place, and the primary is started empty and follows. Medians.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shardwright.adapters.clock import RealClock
from shardwright.adapters.resp import RespTransport
from shardwright.control.converging import Means, converge
from shardwright.control.observing import look
from shardwright.core.planning import resharding
from shardwright.model.topology import Shard, Topology
from shardwright.testing.servers import Servers

from .common import Spread, load, table
from .moving import converge_without_slots, fill, wanted

SHARE = 16_384 / 4 / 3
"""Slots that each source gives."""
SMALL = (120_000, 0)
LARGE = (0, 240)
COPIED = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, help="server binary; the bundled Valkey without it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_460)
    parser.add_argument("--without-moves", action="store_true", help="replicas, failovers and starts alone")
    options = parser.parse_args()
    redis = "redis" in str(options.server or "")
    found: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for way in () if options.without_moves else ("by key",) if redis else ("by key", "atomic"):
            empty, small, large = (moving_seconds(options, way, what) for what in ((0, 0), SMALL, LARGE))
            found.setdefault(f"{way}: slots/s", []).append(SHARE / empty)
            found.setdefault(f"{way}: keys/s", []).append(SMALL[0] / 12 / max(small - empty, 1e-3))
            found.setdefault(f"{way}: MB/s", []).append(LARGE[1] / 12 / max(large - empty, 1e-3))
        for megabytes in (0, COPIED):
            for name, value in replica_seconds(options, megabytes).items():
                found.setdefault(f"{megabytes} MB: {name}", []).append(value)
        print({name: round(values[-1], 2) for name, values in found.items()}, f"load {load()}", flush=True)
    print(table(["what", "median"], [[name, Spread.of(v).text(2)] for name, v in found.items()]))


def moving_seconds(options: argparse.Namespace, way: str, keys: tuple[int, int]) -> float:
    """Seconds in which a quarter moves."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Servers(Path(directory), range(options.port, options.port + 4), binary=options.server) as servers,
    ):
        transport = RespTransport()
        means = Means(transport, RealClock())
        converge(wanted(servers, 3), means)
        converge_without_slots(servers, transport)
        fill(servers, transport, *keys)
        can = resharding._can_atomic
        if way == "by key":
            resharding._can_atomic = lambda _node: False
        try:
            return seconds_of(lambda: converge(wanted(servers, 4), means))
        finally:
            resharding._can_atomic = can
            transport.close()


def replica_seconds(options: argparse.Namespace, megabytes: int) -> dict[str, float]:
    """What a new replica, a failover, and an empty start with a whole copy take, with so many MB in the shard."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Servers(Path(directory), range(options.port, options.port + 4), binary=options.server) as servers,
    ):
        transport = RespTransport()
        means = Means(transport, RealClock())
        converge(wanted(servers, 3), means)
        fill(servers, transport, 0, megabytes * 3)
        more = with_replica(servers)
        copy = seconds_of(lambda: converge(more, means))
        primary, replica = servers[0].endpoint, servers[3].endpoint
        failover = seconds_of(lambda: lead(more, transport, replica))
        servers[0].kill()
        restart = seconds_of(lambda: (servers[0].start(), linked(more, transport, primary)))
        transport.close()
        return {"replica, s": copy, "failover, s": failover, "start, s": restart}


def with_replica(servers: Servers) -> Topology:
    """The fourth server replicates the first."""
    three = wanted(servers, 3)
    extra = replace(wanted(servers, 4).shards[3].members[0])
    first = three.shards[0]
    return replace(three, shards=(Shard(first.name, (*first.members, extra), first.quota), *three.shards[1:]))


def lead(topology: Topology, transport: RespTransport, replica: object) -> None:
    transport.ask({replica: [("CLUSTER", "FAILOVER")]}, timeout=5)  # type: ignore[dict-item]
    until(lambda: look(topology, transport).nodes[replica].slots and linked_now(topology, transport))  # type: ignore[index]


def linked(topology: Topology, transport: RespTransport, endpoint: object) -> None:
    until(lambda: endpoint in look(topology, transport).nodes and linked_now(topology, transport))


def linked_now(topology: Topology, transport: RespTransport) -> bool:
    state = look(topology, transport)
    whole = len(state.nodes) == len(topology.nodes) and state.agreed
    return whole and all(n.view.cluster_ok and n.view.primary_link_up for n in state.nodes.values())


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("not within 120 s")
        time.sleep(0.02)


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()

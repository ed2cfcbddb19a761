"""How planning and observing grow with the servers: CPU seconds of one core, by number of nodes.

    python -m benchmarks.planning [--sizes 6 60 600 1000] [--runs 3] [--servers-up-to 60] [--keep]

Servers are in memory (`shardwright.testing.FakeCluster`), one replica a primary. *Look* is what we do with the replies of
one look at all of them, recorded before: reading and putting together, with nothing kept from the look before. *Plan* is a
plan of a cluster with nothing to do; *growth* one that adds a shard and takes a part of everybody's slots. Up to
`--servers-up-to` nodes real servers are looked at as well, over TCP, by wall time.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shardwright.adapters.clock import RealClock
from shardwright.adapters.resp import RespTransport
from shardwright.control.converging import Means, converge
from shardwright.control.observing import look
from shardwright.core import parsing
from shardwright.core.fitting import fit
from shardwright.core.planning import plan
from shardwright.model.endpoint import Endpoint
from shardwright.model.slots import SLOT_COUNT
from shardwright.model.state import ClusterState
from shardwright.model.topology import Node, Shard, Topology
from shardwright.ports import Answer, Command
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.servers import Servers
from shardwright.testing.strategies import topology

from .common import Spread, load, save, table, write_section

FIRST_PORT = 18_600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[6, 60, 600, 1000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--servers-up-to", type=int, default=60, help="real servers, too, up to that many")
    parser.add_argument("--keep", action="store_true", help="write results and the page")
    options = parser.parse_args()
    found = {}
    for nodes in options.sizes:
        found[nodes] = measure(nodes, options.runs)
        if nodes <= options.servers_up_to:
            found[nodes]["real look"] = real_look(nodes, options.runs)
        print(nodes, {name: spread.text(3) for name, spread in found[nodes].items()}, f"load {load()}", flush=True)
    text = report(found)
    print(text)
    if options.keep:
        print(save("planning", {"load": load(), "runs": found}))
        write_section("planning", text)


def report(found: Mapping[int, Mapping[str, Spread]]) -> str:
    """One row a size."""
    heads = ["nodes", "replies, MB", "look, CPU s", "plan, CPU s", "plan of a growth, CPU s", "real servers: look, s"]
    names = ["replies", "look", "plan", "growth", "real look"]
    rows = [[f"{n:,}", *(row[k].text(3) if k in row else "" for k in names)] for n, row in found.items()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return f"{table(heads, rows)}\n\nPeak memory of the process, servers in memory included: {peak:,} MiB."


class Recorded:
    """A transport that gives the answers of one look again."""

    def __init__(self, answers: Mapping[Endpoint, Answer]) -> None:
        self._answers = answers

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:  # noqa: ARG002
        return {endpoint: self._answers[endpoint] for endpoint in requests}

    def address(self, endpoint: Endpoint) -> str:
        return endpoint.host

    def close(self) -> None:
        return


class Recording(Recorded):
    """Keeps what a transport answers."""

    def __init__(self, transport: object) -> None:
        super().__init__({})
        self._transport = transport
        self.kept: dict[Endpoint, Answer] = {}

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        found: dict[Endpoint, Answer] = self._transport.ask(requests, timeout=timeout)  # type: ignore[attr-defined]
        self.kept |= found
        return found


def measure(nodes: int, runs: int) -> dict[str, Spread]:
    """CPU seconds on servers in memory that were formed before."""
    wanted = topology(nodes // 2, 1)
    cluster = FakeCluster.of(wanted, gossip="messages" if nodes <= 60 else "instant")
    transport = cluster.transport()
    converge(wanted, Means(transport, cluster.clock, cluster.prober()))
    larger = with_one_more(wanted)
    for node in larger.shards[-1].members:
        cluster.add(node.endpoint)
    recording = Recording(transport)
    look(larger, recording)
    recorded = Recorded(recording.kept)
    now, then = look(wanted, recorded), look(larger, recorded)
    size = sum(len(reply) for answer in recording.kept.values() for reply in answer if isinstance(reply, bytes))
    return {
        "replies": Spread.of([size / 1e6]),
        "look": cpu(lambda: (parsing._peer_of.cache_clear(), look(wanted, recorded)), runs),
        "plan": cpu(lambda: planned(wanted, now), runs),
        "growth": cpu(lambda: planned(larger, then), runs),
    }


def planned(wanted: Topology, state: ClusterState) -> None:
    plan(fit(wanted, state), state)


def with_one_more(wanted: Topology) -> Topology:
    """One shard more, and less for each of the others."""
    shards = len(wanted.shards) + 1
    added = topology(shards, 1).shards[-1]
    quotas = [SLOT_COUNT // shards + (n < SLOT_COUNT % shards) for n in range(shards)]
    every = (*wanted.shards, added)
    return replace(wanted, shards=tuple(replace(s, quota=q) for s, q in zip(every, quotas, strict=True)))


def real_look(nodes: int, runs: int) -> Spread:
    """Seconds of a look at servers of this machine that were formed before."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Servers(Path(directory), range(FIRST_PORT, FIRST_PORT + nodes)) as servers,
    ):
        members = [Node(server.endpoint, f"h{n}") for n, server in enumerate(servers.servers)]
        count = nodes // 2
        quotas = [SLOT_COUNT // count + (n < SLOT_COUNT % count) for n in range(count)]
        shards = (Shard(f"shard-{n}", tuple(members[n::count]), quota) for n, quota in enumerate(quotas))
        wanted = Topology("planning", tuple(shards))
        transport = RespTransport()
        converge(wanted, Means(transport, RealClock()))
        taken = []
        for _ in range(runs):
            begun = time.monotonic()
            look(wanted, transport)
            taken.append(time.monotonic() - begun)
        transport.close()
    return Spread.of(taken)


def cpu(work: Callable[[], object], runs: int) -> Spread:
    """CPU seconds of `work`."""
    taken = []
    for _ in range(runs):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return Spread.of(taken)


if __name__ == "__main__":
    main()

"""Moves 25 % of a three-primary cluster to a fourth, against the cli's rebalance, and watches a client meanwhile.

    python -m benchmarks.moving --cli PATH [--server PATH] [--keys 1000000] [--big 1000] [--rounds 3] [--keep]

Each round starts equal servers afresh for each contender, in turn: ours key by key, ours atomic (where the servers have it),
and ``CLI --cluster rebalance --cluster-use-empty-masters`` with its defaults. All begin with a formed cluster in which the
fourth primary has no slot, and end when every node's view gives it a quarter. The client is a process of its own that gets
and sets small keys; its p99 is of the time of the move alone.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from shardwright.adapters.clock import RealClock
from shardwright.adapters.resp import RespTransport
from shardwright.control.converging import Means, converge
from shardwright.control.observing import look
from shardwright.core.planning import resharding
from shardwright.model.slots import slot_of
from shardwright.model.topology import Node, Shard, Topology
from shardwright.testing.servers import Servers

from .common import BenchmarkError, Spread, load, run, save, table

QUARTER = 4096
LIMIT = 3600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", type=Path, required=True, help="redis-cli or valkey-cli")
    parser.add_argument("--server", type=Path, help="server binary; the bundled Valkey without it")
    parser.add_argument("--keys", type=int, default=1_000_000, help="keys of 100 bytes")
    parser.add_argument("--big", type=int, default=1_000, help="keys of 1 MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_400)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        for name in ("cli", "by key", "atomic"):
            if name == "atomic" and options.server and "redis" in str(options.server):
                continue
            row = measure(name, options)
            found.setdefault(name, []).append(row)
            print(f"round {number + 1}: {name}: {row}, load {load()}", flush=True)
    print(report(found))
    if options.keep:
        about = {
            "keys": options.keys,
            "big": options.big,
            "server": str(options.server or "bundled").rpartition("/")[2],
        }
        print(save("moving", {"about": about, "runs": found}))


def report(found: dict[str, list[dict[str, float]]]) -> str:
    """Medians and, for each round, the cli's time as a multiple of ours."""
    rows = []
    for name, runs in found.items():
        ratio = Spread.of(c["seconds"] / r["seconds"] for c, r in zip(found["cli"], runs, strict=True))
        cells = [
            Spread.of(r[k] for r in runs).text(2) for k in ("seconds", "before_p99_ms", "p99_ms", "max_ms", "calls")
        ]
        rows.append([name, *cells, ratio.text()])
    return table(
        ["way", "s", "p99 before, ms", "p99 during, ms", "longest, ms", "calls during", "cli's time / this"], rows
    )


def measure(name: str, options: argparse.Namespace) -> dict[str, float]:
    """One move on fresh servers: seconds, and what the client saw."""
    with tempfile.TemporaryDirectory() as directory:
        ports = range(options.port, options.port + 4)
        with Servers(Path(directory), ports, binary=options.server) as servers:
            transport = RespTransport()
            try:
                return _measure(name, options, servers, transport)
            finally:
                transport.close()


def _measure(name: str, options: argparse.Namespace, servers: Servers, transport: RespTransport) -> dict[str, float]:
    three, four = wanted(servers, 3), wanted(servers, 4)
    means = Means(transport, RealClock())
    converge(three, means)
    converge_without_slots(servers, transport)
    fill(servers, transport, options.keys, options.big)
    keys = held(servers, transport)
    with client(options.port) as saw:
        time.sleep(2)
        saw.mark()
        begun = time.monotonic()
        if name == "cli":
            words = [options.cli, "--cluster", "rebalance", f"127.0.0.1:{options.port}", "--cluster-use-empty-masters"]
            done = run(words, limit=LIMIT)
            if done.code:
                raise BenchmarkError(done.text[-2000:])
        else:
            can = resharding._can_atomic
            if name == "by key":
                resharding._can_atomic = lambda _node: False
            try:
                converge(four, means)
            finally:
                resharding._can_atomic = can
        while not moved(four, transport):
            time.sleep(0.01)
        seconds = time.monotonic() - begun
        saw.mark()
    if held(servers, transport) < keys:
        raise BenchmarkError(f"{name}: keys were lost")
    before, during = saw.parts
    return {
        "seconds": round(seconds, 3),
        "before_p99_ms": p99(before),
        "p99_ms": p99(during),
        "max_ms": round(max(during, default=0) * 1000, 1),
        "calls": len(during),
    }


def wanted(servers: Servers, shards: int) -> Topology:
    nodes = [Node(server.endpoint, f"h{n}") for n, server in enumerate(servers.servers[:shards])]
    quotas = [16_384 // shards + (n < 16_384 % shards) for n in range(shards)]
    found = tuple(
        Shard(f"shard-{n}", (node,), quota) for n, (node, quota) in enumerate(zip(nodes, quotas, strict=True))
    )
    return Topology("moving", found, product="redis" if "redis" in str(servers[0].binary) else "valkey")


def converge_without_slots(servers: Servers, transport: RespTransport) -> None:
    """Introduces the fourth server to the three, and no more."""
    last = servers[3].endpoint
    meet = [("CLUSTER", "MEET", "127.0.0.1", s.port, s.endpoint.bus_port) for s in servers.servers[:3]]
    transport.ask({last: [("CLUSTER", "SET-CONFIG-EPOCH", 9), *meet]}, timeout=5)
    four = wanted(servers, 4)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = look(four, transport)
        if (
            state.agreed
            and len(state.nodes) == 4
            and all(n.view.cluster_ok and len(n.knows) == 3 for n in state.nodes.values())
        ):
            return
        time.sleep(0.1)
    raise BenchmarkError("the fourth server was not taken in")


def fill(servers: Servers, transport: RespTransport, keys: int, big: int) -> None:
    """Keys by their slots' owners, in pipelines."""
    state = look(wanted(servers, 3), transport)
    owner = {slot: e for e, node in state.nodes.items() for slot in node.slots}
    for prefix, count, size, batch in (("k", keys, 100, 5_000), ("b", big, 1_000_000, 20)):
        queues: dict = {e: [] for e in state.nodes}
        value = b"x" * size
        for number in range(count):
            key = f"{prefix}{number}".encode()
            queue = queues[owner[slot_of(key)]]
            queue.append(("SET", key, value))
            if len(queue) == batch:
                transport.ask({owner[slot_of(key)]: queue}, timeout=120)
                queue.clear()
        transport.ask({e: q for e, q in queues.items() if q}, timeout=120)


def held(servers: Servers, transport: RespTransport) -> int:
    answers = transport.ask({s.endpoint: [("DBSIZE",)] for s in servers.servers}, timeout=10)
    return sum(answer[0] for answer in answers.values())


def moved(four: Topology, transport: RespTransport) -> bool:
    state = look(four, transport)
    return state.agreed and all(abs(len(n.slots) - QUARTER) <= 2 for n in state.nodes.values())


class Saw:
    """What the client saw: the seconds of each call, cut at the marks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.parts: list[list[float]] = []

    def mark(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("mark\n")
        self._process.stdin.flush()
        self.parts.append(json.loads(self._process.stdout.readline()))


@contextmanager
def client(port: int) -> Iterator[Saw]:
    words = [sys.executable, "-c", "from benchmarks.moving import calls; calls()", str(port)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Saw(process)
        finally:
            process.kill()


def calls() -> None:
    """The client: one call after the other, each timed with its redirections."""
    cluster = redis.RedisCluster("127.0.0.1", int(sys.argv[1]))
    seconds: list[float] = []
    number = 0
    while True:
        begun = time.monotonic()
        try:
            cluster.set(f"c{number % 5000}", "v") if number % 2 else cluster.get(f"c{number % 5000}")
        except Exception:
            cluster.nodes_manager.initialize()
        seconds.append(time.monotonic() - begun)
        number += 1
        if select.select([sys.stdin], [], [], 0)[0]:
            if not sys.stdin.readline():
                return
            print(json.dumps(seconds), flush=True)
            seconds.clear()


def p99(seconds: list[float]) -> float:
    return round(sorted(seconds)[int(len(seconds) * 0.99)] * 1000, 1) if seconds else 0.0


if __name__ == "__main__":
    main()

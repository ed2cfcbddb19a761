"""Restarts and upgrades six servers under steady writers, beside a plain restart of one after the other.

    python -m benchmarks.rolling [--old PATH] [--new PATH] [--keys 100000] [--rounds 3] [--keep]

Each round starts equal servers afresh for each contender, in turn: ours (`converge` with somebody who restarts), and the
plain way: stop a server, start it, go on when it answers PING, as `systemctl restart` in a loop does. Without `--old` only a
restart for a setting is measured; with it also an upgrade from that binary to `--new` (the bundled Valkey). Six writers, two
to a shard, each with keys of one slot, write one call after the other and never try again; the checker knows every
acknowledged write. Time ends when every view is whole again and all servers are new.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from shardwright.adapters.clock import RealClock
from shardwright.adapters.resp import RespTransport
from shardwright.control.converging import Means, converge
from shardwright.control.observing import look
from shardwright.control.waiting import not_whole
from shardwright.model.endpoint import Endpoint
from shardwright.model.slots import slot_of
from shardwright.model.topology import Node, Shard, Topology
from shardwright.testing.accounting import TransportClient, Writer
from shardwright.testing.servers import Server, Servers, bundled_binary
from shardwright.testing.servers_supervisor import ServersSupervisor

from .common import BenchmarkError, Spread, load, save, table, write_section

SLOTS = 16_384
AT_START = {"tcp-backlog": "600"}
"""A setting that is read at the start only."""
WHOLE_LIMIT = 120.0
PACE = 0.002
"""Seconds between two calls of a writer."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, help="server binary to upgrade from")
    parser.add_argument("--new", type=Path, help="server binary to upgrade to; the bundled Valkey without it")
    parser.add_argument("--keys", type=int, default=100_000, help="keys of 100 bytes that are there before")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_500)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    new = options.new or bundled_binary()
    jobs = [("restart", new, new)] + ([("upgrade", options.old, new)] if options.old else [])
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        for job, old, target in jobs:
            for way in ("shardwright", "one by one"):
                row = measure(way, old, target, options)
                found.setdefault(f"{job}, {way}", []).append(row)
                print(f"round {number + 1}: {job}, {way}: {row}, load {load()}", flush=True)
    text = report(found, options)
    print(text)
    if options.keep:
        print(save("rolling", {"about": {"keys": options.keys, "old": str(options.old or "")}, "runs": found}))
        write_section("rolling", text)


def report(found: dict[str, list[dict[str, float]]], options: argparse.Namespace) -> str:
    """Medians; writes that were acknowledged and lost are summed."""
    rows = []
    for name, runs in found.items():
        cells = [Spread.of(r[k] for r in runs).text(d) for k, d in (("seconds", 1), ("failed", 0), ("longest", 2))]
        rows.append(
            [name, *cells, f"{sum(r['acknowledged'] for r in runs):,.0f}", f"{sum(r['lost'] for r in runs):,.0f}"]
        )
    heads = ["way", "s", "failed calls", "longest without a write of a slot, s", "acknowledged", "of these lost"]
    return f"{options.rounds} rounds, {options.keys:,} keys; medians, range in parentheses.\n\n{table(heads, rows)}"


def measure(way: str, old: Path, new: Path, options: argparse.Namespace) -> dict[str, float]:
    """One rolling change on fresh servers, and what the writers saw of it."""
    settings = {"appendonly": "yes", "repl-diskless-sync-delay": "0"}
    ports = range(options.port, options.port + 6)
    with (
        tempfile.TemporaryDirectory() as directory,
        Servers(Path(directory), ports, binary=old, settings=settings) as made,
    ):
        transport = RespTransport()
        try:
            topology = formed(made, transport, product_of(old))
            fill(topology, transport, options.keys)
            wanted = replace(topology, product=product_of(new), settings=(*topology.settings, *AT_START.items()))
            with writers(made) as saw:
                saw.begin()
                begun = time.monotonic()
                (ours if way == "shardwright" else one_by_one)(made, wanted, transport, new)
                until_whole(wanted, transport)
                seconds = time.monotonic() - begun
                account = saw.end()
            check(made, transport, new)
        finally:
            transport.close()
    return {"seconds": round(seconds, 2), **account}


def product_of(binary: Path) -> str:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return "valkey" if said.lower().startswith("valkey") else "redis"


def formed(made: Servers, transport: RespTransport, product: str) -> Topology:
    nodes = [Node(server.endpoint, f"h{n}") for n, server in enumerate(made.servers)]
    quotas = [SLOTS // 3 + (n < SLOTS % 3) for n in range(3)]
    shards = tuple(Shard(f"shard-{n + 1}", (nodes[n], nodes[n + 3]), quotas[n]) for n in range(3))
    live = tuple(dict(Topology("", ()).live, **{"repl-diskless-sync-delay": "0"}).items())
    topology = Topology("rolling", shards, live, (("appendonly", "yes"),), product)
    converge(topology, Means(transport, RealClock()))
    until_whole(topology, transport)
    return topology


def fill(topology: Topology, transport: RespTransport, keys: int) -> None:
    state = look(topology, transport)
    owner = {slot: e for e, node in state.nodes.items() for slot in node.slots}
    queues: dict[Endpoint, list[tuple[str, bytes, bytes]]] = {e: [] for e in state.nodes}
    for number in range(keys):
        key = f"k{number}".encode()
        queue = queues[owner[slot_of(key)]]
        queue.append(("SET", key, b"x" * 100))
        if len(queue) == 5_000:
            transport.ask({owner[slot_of(key)]: queue}, timeout=120)
            queue.clear()
    transport.ask({e: q for e, q in queues.items() if q}, timeout=120)


def ours(made: Servers, wanted: Topology, transport: RespTransport, new: Path) -> None:
    supervisor = ServersSupervisor(made.servers, binary=new, settings=AT_START)
    converge(wanted, Means(transport, RealClock(), supervisor=supervisor))


def one_by_one(made: Servers, _wanted: Topology, transport: RespTransport, new: Path) -> None:
    for server in made.servers:
        server.stop()
        server.binary, server.settings = new, {**server.settings, **AT_START}
        server.start()
        deadline = time.monotonic() + WHOLE_LIMIT
        while not _answers(server, transport):
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{server.endpoint} does not answer")
            time.sleep(0.01)


def _answers(server: Server, transport: RespTransport) -> bool:
    answer = transport.ask({server.endpoint: [("PING",)]}, timeout=1)[server.endpoint]
    return isinstance(answer, list) and answer[0] in (b"PONG", "PONG")


def until_whole(topology: Topology, transport: RespTransport) -> None:
    deadline = time.monotonic() + WHOLE_LIMIT
    while not_whole(topology, look(topology, transport)):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not whole again: {not_whole(topology, look(topology, transport))}")
        time.sleep(0.05)


def check(made: Servers, transport: RespTransport, new: Path) -> None:
    """Every server runs with what was wanted; else the figures would mean nothing."""
    for server in made.servers:
        answer = transport.ask({server.endpoint: [("CONFIG", "GET", "tcp-backlog")]}, timeout=5)[server.endpoint]
        if not isinstance(answer, list) or answer[0] != [b"tcp-backlog", b"600"] or server.binary != new:
            raise BenchmarkError(f"{server.endpoint} was not changed: {answer}")


class Saw:
    """The writers' process: `begin` when they are to count, `end` when they are to stop and check."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self) -> None:
        time.sleep(2)
        self._say("begin")

    def end(self) -> dict[str, Any]:
        time.sleep(1)
        return dict(json.loads(self._say("end")))

    def _say(self, word: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError("the writers' process ended")
        return line


@contextmanager
def writers(made: Servers) -> Iterator[Saw]:
    ports = [str(server.port) for server in made.servers]
    words = [sys.executable, "-c", "from benchmarks.rolling import write; write()", *ports]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Saw(process)
        finally:
            process.kill()


def write() -> None:
    """Six writers in threads: keys of one slot each, two slots to each third of them."""
    endpoints = [Endpoint("127.0.0.1", int(port), int(port) + 10_000) for port in sys.argv[1:]]
    tags: list[str] = []
    for number in range(10_000):
        third = slot_of(f"t{number}".encode()) * 3 // SLOTS
        if len(tags) < 6 and third == len(tags) % 3:
            tags.append(f"t{number}")
    made = [Writer(TransportClient(RespTransport(), endpoints), f"{{{tag}}}") for tag in tags]
    over = threading.Event()
    threads = [threading.Thread(target=_steadily, args=(writer, over), daemon=True) for writer in made]
    for thread in threads:
        thread.start()
    sys.stdin.readline()
    for writer in made:
        writer.account.longest_gap = 0.0
        writer.account.refused.clear()
        writer.account.indeterminate.clear()
    print("begun", flush=True)
    select.select([sys.stdin], [], [])
    sys.stdin.readline()
    over.set()
    for thread in threads:
        thread.join()
    accounts = [writer.check() for writer in made]
    row = {
        "failed": sum(len(a.refused) + len(a.indeterminate) for a in accounts),
        "longest": round(max(a.longest_gap for a in accounts), 3),
        "acknowledged": sum(len(a.acknowledged) for a in accounts),
        "lost": sum(len(a.lost) for a in accounts),
    }
    print(json.dumps(row), flush=True)


def _steadily(writer: Writer, over: threading.Event) -> None:
    while not over.is_set():
        writer.write(time.monotonic())
        over.wait(PACE)


if __name__ == "__main__":
    main()

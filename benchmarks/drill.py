"""How long a shard refuses writes after ``kill -9`` of its primary, beside the node timeout in force.

    python -m benchmarks.drill [--server PATH] [--timeouts 2 5] [--rounds 3] [--keep]

Six servers on loopback, three shards, formed by this project; then its drill, over and over, each time on the primary of
another shard: one write and one read in 10 ms a shard, the primary killed, its replica elected, the dead one started again
and given its lead back. Nobody starts the killed server before its replica leads. What is measured is the engine's failover;
the drill only counts.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from shardwright.adapters.clock import RealClock
from shardwright.adapters.load import ThreadedLoad
from shardwright.adapters.resp import RespTransport
from shardwright.control import drilling
from shardwright.control.accounting import MemberClient
from shardwright.control.converging import Means, converge
from shardwright.control.drilling import Drill
from shardwright.model.drill import DrillKind, DrillOutcome, DrillTarget
from shardwright.model.topology import Node, Shard, Topology
from shardwright.testing.servers import Servers

from .common import BenchmarkError, Spread, load, save, table, write_section

INTERVAL = 0.01
CALL_SECONDS = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", type=Path, help="server binary; the bundled Valkey without it")
    parser.add_argument("--timeouts", type=float, nargs="+", default=[2.0, 5.0], help="node timeouts in seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_500)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    began, found = load(), {}
    for timeout in options.timeouts:
        found[timeout] = rounds(timeout, options)
    text = report(found, began)
    print(text)
    if options.keep:
        about = {"server": str(options.server or "bundled").rpartition("/")[2], "load": began}
        print(save("drill", {"about": about, "runs": {str(t): rows for t, rows in found.items()}}))
        write_section("drill", text)


def rounds(timeout: float, options: argparse.Namespace) -> list[dict[str, float]]:
    """Several drills on one cluster."""
    with tempfile.TemporaryDirectory() as directory:
        ports = range(options.port, options.port + 6)
        settings = {"cluster-node-timeout": f"{timeout * 1000:.0f}"}
        with Servers(Path(directory), ports, binary=options.server, settings=settings) as servers:
            transport = RespTransport()
            try:
                means = Means(transport, RealClock())
                topology = converge(wanted(servers, timeout), means).topology
                rows = []
                for number in range(options.rounds):
                    rows.append(measure(topology, means, servers, f"shard-{number % 3 + 1}"))
                    print(f"node timeout {timeout:g} s: {rows[-1]}, load {load()}", flush=True)
                return rows
            finally:
                transport.close()


def wanted(servers: Servers, timeout: float) -> Topology:
    nodes = [Node(server.endpoint, f"h{n}", "abc"[(n + n // 3) % 3]) for n, server in enumerate(servers.servers)]
    shards = tuple(Shard(f"shard-{n + 1}", (nodes[n], nodes[n + 3]), 5461 + (n == 0)) for n in range(3))
    made = Topology("drill", shards, product="redis" if "redis" in str(servers[0].binary) else "valkey")
    live = dict(made.live) | {"cluster-node-timeout": f"{timeout * 1000:.0f}"}
    return replace(made, live=tuple(live.items()))


def measure(topology: Topology, means: Means, servers: Servers, shard: str) -> dict[str, float]:
    """One drill; what it told of the shard whose primary was killed, and of the others."""
    outcomes: list[DrillOutcome] = []
    judge = drilling.drill_findings
    own: list[RespTransport] = []

    def client(members):
        own.append(RespTransport())
        return MemberClient(own[-1], members, means.clock, ttl=drilling.TTL, timeout=CALL_SECONDS)

    def keep(outcome: DrillOutcome):
        outcomes.append(outcome)
        return judge(outcome)

    drilling.drill_findings = keep
    try:
        wish = Drill(
            DrillKind.PROCESS, shard, lambda t, _s: Kill(servers, t), ThreadedLoad(INTERVAL), client, INTERVAL, "bench"
        )
        proof = drilling.drill(topology, means, wish)
    finally:
        drilling.drill_findings = judge
        for transport in own:
            transport.close()
    if not proof.report.healthy:
        raise BenchmarkError("\n".join(f"{f.code}: {f.message}" for f in proof.report.findings))
    outcome = outcomes[0]
    led = next(t for t in outcome.told if t.shard == shard)
    others = [t for t in outcome.told if t.shard != shard]
    return {
        "unavailable": round(led.gap, 2),
        "reads": round(led.read_gap, 2),
        "others": round(max(t.gap for t in others), 2),
        "acknowledged": sum(t.acknowledged for t in outcome.told),
        "lost": sum(t.lost or 0 for t in outcome.told),
        "whole": round(outcome.whole_after or 0.0, 1),
    }


class Kill:
    """Kills the server of the target's node, and starts it again."""

    def __init__(self, servers: Servers, target: DrillTarget) -> None:
        self._server = next(s for s in servers.servers if s.endpoint == target.nodes[0].endpoint)

    def strike(self) -> None:
        self._server.kill()

    def lift(self) -> None:
        if self._server.process is None:
            self._server.start()


def report(found: dict[float, list[dict[str, float]]], began: float) -> str:
    """The table, with what it was measured on."""
    rows = []
    for timeout, runs in found.items():
        cells = [Spread.of(r[key] for r in runs).text(2) for key in ("unavailable", "reads", "others")]
        counts = [f"{sum(int(r[key]) for r in runs):,}" for key in ("acknowledged", "lost")]
        rows.append([f"{timeout:g}", *cells, *counts, Spread.of(r["whole"] for r in runs).text(1)])
    heads = [
        "node timeout, s",
        "no write, s",
        "no read, s",
        "no write elsewhere, s",
        "acknowledged",
        "lost",
        "whole, s",
    ]
    count = len(next(iter(found.values())))
    return f"{count} drills for each node timeout; load {began} at the start.\n\n{table(heads, rows)}"


if __name__ == "__main__":
    main()

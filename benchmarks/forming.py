"""Measures forming and proving a cluster on running servers: this project against the engine's own `--cluster create`.

    python -m benchmarks.forming --engine valkey --cli valkey-cli      # from the top of the checkout, in its environment
    python -m benchmarks.forming --engine redis --cli redis-cli --server redis-server

Both get equal fresh servers on loopback and take turns, and one judge that is neither says when the cluster is formed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import RESULTS, ROOT, BenchmarkError, Spread, load, save, table, write_section
from benchmarks.judging import Judge

from shardwright.testing.servers import Servers, bundled_binary

OURS, THEIRS = "shardwright apply", "--cluster create"
FIRST_PORT = 14_000
SAVE = "3600 1"
SETTLED = 3.0
"""Seconds between the start of the last server and that of the tool: a server refuses writes in its first two."""
INTERVAL = 0.05
"""Seconds between two looks of the judge, for each 60 nodes."""


@dataclass(frozen=True)
class Row:
    """One measured run. Seconds from the start of the tool; `formed` or `exited` is none where the limit ended first.

    `server_cpu` is what all servers used until both had happened, `load` the machine's load average before the start.
    """

    tool: str
    nodes: int
    formed: float | None
    exited: float | None
    code: int | None
    server_cpu: float
    load: float


def main() -> int:
    """Measure, print, and keep the results."""
    options = _options()
    server = options.server or bundled_binary()
    about = {"engine": options.engine, "server": _version(server), "client": _version(options.cli)}
    rows: list[Row] = []
    try:
        for nodes in options.nodes:
            for row in _runs(options, server, nodes):
                rows.append(row)
                print(row, file=sys.stderr, flush=True)
    except BenchmarkError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 1
    print(report(about, rows))
    if options.keep:
        save(f"forming-{options.engine}", {**about, "runs": [vars(row) for row in rows]})
        kept = [json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("forming-*.json"))]
        write_section("forming", "\n\n".join(report(k, [Row(**run) for run in k["runs"]]) for k in kept))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engine", choices=("valkey", "redis"), default="valkey")
    parser.add_argument("--server", type=Path, help="the server to run (default: the bundled Valkey)")
    parser.add_argument("--cli", required=True, help="the engine's own client, which has --cluster create")
    parser.add_argument("--nodes", type=_numbers, default=(6, 30, 120), help="numbers of nodes (default 6,30,120)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each tool at each number (default 5)")
    parser.add_argument("--only-ours", action="store_true", help="leave the client out")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a run is given up (default 900)")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results and benchmarks/README.md")
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


def _version(program: str | Path) -> str:
    words = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(words.split()[:3])


# --- measuring -------------------------------------------------------------------------------------


def _runs(options: argparse.Namespace, server: Path, nodes: int) -> Iterator[Row]:
    tools = [OURS] if options.only_ours else [OURS, THEIRS]
    for number in range(options.runs):
        for tool in tools if number % 2 == 0 else reversed(tools):
            yield _run(tool, options, server, nodes)


def _run(tool: str, options: argparse.Namespace, server: Path, nodes: int) -> Row:
    ports = range(FIRST_PORT, FIRST_PORT + nodes)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        busy = load()
        with Servers(directory, ports, binary=server, settings={"save": SAVE}) as servers:
            time.sleep(SETTLED)
            judge = Judge(ports, nodes // 2)
            words = _ours(directory, options.engine, ports) if tool == OURS else _theirs(options.cli, ports)
            before = _cpu(servers)
            formed, exited, code = _measure(words, judge, options.limit)
            used = _cpu(servers) - before
            judge.close()
    return Row(tool, nodes, formed, exited, code, round(used, 2), busy)


def _ours(directory: Path, engine: str, ports: Sequence[int]) -> list[str]:
    spec = f"""\
name: bench
engine: {engine}
shards: {len(ports) // 2}
replicas: 1
spread: none
hosts: [{{name: local, address: 127.0.0.1, connect: "@local", ports: {list(ports)}}}]
persistence: {{aof: false, save: ["{SAVE}"]}}
ssh: {{sudo: false}}
service_manager: direct
user: ""
paths: {{base: ./base}}
"""
    (directory / "cluster.yml").write_text(spec, encoding="utf-8")
    program = Path(sys.executable).with_name("shardwright")
    return [str(program), "apply", "--reports", str(directory / "reports"), str(directory / "cluster.yml")]


def _theirs(client: str, ports: Sequence[int]) -> list[str]:
    nodes = [f"127.0.0.1:{port}" for port in ports]
    return [client, "--cluster", "create", *nodes, "--cluster-replicas", "1", "--cluster-yes"]


def _measure(words: Sequence[str], judge: Judge, limit: float) -> tuple[float | None, float | None, int | None]:
    """When the cluster was formed, when the tool exited, and with which code."""
    pause = INTERVAL * max(1, len(judge.ports) / 60)
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        formed: float | None = None
        exited: float | None = None
        while (formed is None or exited is None) and time.monotonic() - begun < limit:
            if exited is None and process.poll() is not None:
                exited = round(time.monotonic() - begun, 2)
            if formed is None and judge.formed():
                formed = round(time.monotonic() - begun, 2)
            if process.returncode:
                out.seek(0)
                raise BenchmarkError(f"{words[0]} ended with {process.returncode}: {out.read().decode()[-2000:]}")
            time.sleep(pause)
        process.kill()
        process.wait()
    return formed, exited, None if exited is None else process.returncode


def _cpu(servers: Servers) -> float:
    """CPU seconds that the servers have used, user and system."""
    ticks = 0
    for server in servers.servers:
        if server.process is not None:
            stat = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
    return ticks / os.sysconf("SC_CLK_TCK")


# --- telling ---------------------------------------------------------------------------------------


def report(about: Mapping[str, str], rows: Sequence[Row]) -> str:
    """What was measured, as Markdown."""
    lines = [_line(nodes, [r for r in rows if r.nodes == nodes]) for nodes in sorted({r.nodes for r in rows})]
    heads = ["nodes", "runs", "ours: formed, s", "ours: exits", "client: formed, s", "client: exits", "ratio, by pair"]
    loads = Spread.of(r.load for r in rows)
    head = f"{about['server']}; {about['client']}. Load average at the start of the runs: {loads.text()}."
    return f"{head}\n\n{table(heads, lines)}"


def _line(nodes: int, rows: Sequence[Row]) -> list[str]:
    ours, theirs = ([r for r in rows if r.tool == tool] for tool in (OURS, THEIRS))
    pairs = [(o.formed, t.formed) for o, t in zip(ours, theirs, strict=False)]
    ratios = [t / o for o, t in pairs if o and t]
    ratio = f"{Spread.of(ratios).text()} x" if ratios and len(ratios) == len(pairs) else "-"
    return [str(nodes), str(len(ours)), *_cells(ours), *_cells(theirs), ratio]


def _cells(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["-", "-"]
    return [_cell([r.formed for r in rows]), _cell([r.exited for r in rows])]


def _cell(values: Sequence[float | None]) -> str:
    done = [v for v in values if v is not None]
    late = len(values) - len(done)
    text = Spread.of(done).text() if done else ""
    return ", ".join(part for part in (text, f"{late} not in time" if late else "") if part)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.exit(main())

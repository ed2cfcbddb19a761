"""Measures whole deploys on real hosts: this project against Ansible, then the price of a run that changes nothing.

    python -m benchmarks.deploying            # from the top of the checkout, in its virtual environment, as root

Hosts are those of the test lab (its own, named ``bench``), as if just installed for every tool and round, and the tools
take turns, so that the load of the machine falls on both. ssh sessions are counted in the journals of the hosts' sshd.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import BenchmarkError, Ran, Spread, load, save, table, write_section
from benchmarks.deployers import Ansible, Roles, Shardwright
from tests.lab import Lab, LabHost
from tests.lab.common import wait_for

OURS, ROLES = "shardwright", "shardwright's roles"
PLAIN, TUNED = "Ansible, its defaults", "Ansible, pipelining and a fork a host"
FIRST, SECOND, KEPT = "first run", "second run", "second run, connections kept"
NO_OP = "no-op"
HOSTS = 6


@dataclass(frozen=True)
class Row:
    """One measured run. Seconds; `sessions` are those of all hosts, `most` those of the host that had most."""

    tool: str
    case: str
    hosts: int
    wall: float
    cpu: float
    connections: int
    sessions: int
    most: int
    load: float


def main() -> int:
    """Measure, print, and keep the results."""
    options = _options()
    reason = Lab.available()
    if reason:
        print(reason, file=sys.stderr)
        return 1
    lab = Lab("bench")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            ansible = Ansible(Path(name) / "ansible")
            rows = list(_versus(lab, ansible, Path(name), options.rounds))
            rows += [row for size in options.sizes for row in _growing(lab, Path(name), size, options.repeats)]
        except BenchmarkError as error:
            print(f"ERROR {error}", file=sys.stderr)
            return 1
        finally:
            lab.down()
    text = report(rows, ansible.version())
    print(text)
    if options.keep:
        save("deploying", {"ansible": ansible.version(), "runs": [vars(row) for row in rows]})
        write_section("deploying", text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--rounds", type=int, default=3, help="deploys by each tool, on fresh hosts (default 3; 0: none)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs that change nothing, at each size (default 5)")
    parser.add_argument(
        "--sizes", type=_sizes, default=(6, 12, 24), help="numbers of hosts (default 6,12,24; '': none)"
    )
    parser.add_argument("--keep", action="store_true", help="write benchmarks/results and benchmarks/README.md")
    return parser.parse_args()


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


# --- measuring -------------------------------------------------------------------------------------


def _versus(lab: Lab, ansible: Ansible, directory: Path, rounds: int) -> Iterator[Row]:
    ansible.version()
    for number in range(rounds):
        turns: list[Callable[[], Iterator[Row]]] = [
            lambda: _ours(OURS, Shardwright(directory / "ours", _fresh(lab, HOSTS))),
            lambda: _ours(ROLES, Roles(directory / "roles", _fresh(lab, HOSTS))),
            lambda: _theirs(ansible, _fresh(lab, HOSTS), PLAIN),
            lambda: _theirs(ansible, _fresh(lab, HOSTS), TUNED),
        ]
        for turn in turns if number % 2 == 0 else reversed(turns):
            yield from turn()


def _ours(name: str, tool: Shardwright) -> Iterator[Row]:
    for case, changed in ((FIRST, True), (SECOND, False)):
        ended, row = _measured(name, case, list(tool.hosts), tool.deploy)
        tool.check(ended, changed=changed)
        yield row


def _theirs(ansible: Ansible, hosts: list[LabHost], name: str) -> Iterator[Row]:
    ansible.aim(hosts)
    tuned = name == TUNED
    ended, row = _measured(name, FIRST, hosts, lambda: ansible.deploy(tuned=tuned))
    ansible.check(ended, changed=True)
    yield row
    ended, row = _measured(name, SECOND, hosts, lambda: ansible.deploy(tuned=tuned, keep=tuned))
    ansible.check(ended, changed=False)
    yield row
    if tuned:
        ended, row = _measured(name, KEPT, hosts, lambda: ansible.deploy(tuned=True, keep=True))
        ansible.forget()
        ansible.check(ended, changed=False)
        yield row


def _growing(lab: Lab, directory: Path, size: int, repeats: int) -> Iterator[Row]:
    hosts = _fresh(lab, size)
    tool = Shardwright(directory / f"size-{size}", hosts)
    tool.check(tool.deploy(), changed=True)
    for _ in range(repeats):
        ended, row = _measured(OURS, NO_OP, hosts, tool.deploy)
        tool.check(ended, changed=False)
        yield row
        yield _measured("pyinfra exec -- true", NO_OP, hosts, tool.floor)[1]


def _fresh(lab: Lab, count: int) -> list[LabHost]:
    """Hosts as if just installed, whose sshd says in its journal when a session starts."""
    hosts = lab.fresh(count)
    for host in hosts:
        host.exec(["sh", "-c", "echo LogLevel VERBOSE >/etc/ssh/sshd_config.d/count.conf && systemctl reload ssh"])
    for host in hosts:
        wait_for(lambda host=host: host.ssh("true", check=False).returncode == 0, 30, f"sshd of {host.name}")  # type: ignore[misc]
    return hosts


def _measured(tool: str, case: str, hosts: list[LabHost], work: Callable[[], Ran]) -> tuple[Ran, Row]:
    before, busy = [_counts(h) for h in hosts], load()
    ended = work()
    after = [_counts(h) for h in hosts]
    connections = sum(b[0] - a[0] for a, b in zip(before, after, strict=True))
    sessions = [b[1] - a[1] for a, b in zip(before, after, strict=True)]
    wall, cpu = round(ended.wall, 3), round(ended.cpu, 3)
    row = Row(tool, case, len(hosts), wall, cpu, connections, sum(sessions), max(sessions), busy)
    print(row, file=sys.stderr, flush=True)
    return ended, row


def _counts(host: LabHost) -> tuple[int, int]:
    """Connections and sessions that the host's sshd has ever had."""
    text = host.exec(["journalctl", "-q", "-u", "ssh", "-o", "cat"]).stdout
    return text.count("Accepted publickey for"), text.count("Starting session: ")


# --- telling ---------------------------------------------------------------------------------------


def report(rows: Sequence[Row], version: str) -> str:
    """What was measured, as Markdown."""
    growing = [r for r in rows if r.case == NO_OP]
    versus = [r for r in rows if r.case != NO_OP]
    parts = [_versus_text(versus, version)] if versus else []
    parts += [_growing_text(growing)] if growing else []
    loads = Spread.of(r.load for r in rows)
    return "\n\n".join([*parts, f"Load average (one minute) at the start of the runs: {loads.text()}."])


def _of(rows: Sequence[Row], field: str, **wanted: Any) -> Spread:
    return Spread.of(getattr(r, field) for r in rows if all(getattr(r, n) == v for n, v in wanted.items()))


def _versus_text(rows: Sequence[Row], version: str) -> str:
    lines = []
    for case, tool in ((c, t) for c in (FIRST, SECOND, KEPT) for t in (OURS, ROLES, PLAIN, TUNED)):
        if not any((r.case, r.tool) == (case, tool) for r in rows):
            continue
        ours = _of(rows, "wall", tool=OURS, case=FIRST if case == FIRST else SECOND)
        wall, cpu = (_of(rows, field, tool=tool, case=case) for field in ("wall", "cpu"))
        counted = [
            f"{_of(rows, field, tool=tool, case=case).median:.0f}" for field in ("connections", "sessions", "most")
        ]
        ratio = "" if tool == OURS else f"{wall.median / ours.median:.1f} x"
        lines.append([case, tool, wall.text(), cpu.text(), *counted, ratio])
    heads = ["run", "tool", "wall, s", "CPU here, s", "connections", "sessions", "most on a host", "against ours"]
    rounds = _of(rows, "wall", tool=OURS, case=FIRST).runs
    head = f"{HOSTS} hosts, {rounds} rounds, {version}; medians, range in parentheses."
    return f"{head}\n\n{table(heads, lines)}\n\n{_roles_text(rows)}"


def _roles_text(rows: Sequence[Row]) -> str:
    """What the second run of our roles takes beside that of the playbook at its best, without kept connections."""
    ours, theirs = (
        {field: _of(rows, field, tool=tool, case=SECOND).median for field in ("wall", "sessions")}
        for tool in (ROLES, TUNED)
    )
    return (
        f"Nothing to change, the roles against the tuned playbook: {ours['sessions']:.0f} sessions against "
        f"{theirs['sessions']:.0f}, {theirs['wall'] / ours['wall']:.1f} x faster."
    )


def _growing_text(rows: Sequence[Row]) -> str:
    sizes = sorted({r.hosts for r in rows})
    lines = []
    for tool in dict.fromkeys(r.tool for r in rows):
        for size in sizes:
            wall, cpu = (_of(rows, field, tool=tool, hosts=size) for field in ("wall", "cpu"))
            sessions, most = (_of(rows, field, tool=tool, hosts=size) for field in ("sessions", "most"))
            lines.append([tool, str(size), wall.text(2), cpu.text(2), f"{sessions.median:.0f}", f"{most.most:.0f}"])
    text = table(["nothing to change", "hosts", "wall, s", "CPU here, s", "sessions", "most on a host"], lines)
    return f"{text}\n\n{_price(rows, sizes)}" if len(sizes) > 1 else text


def _price(rows: Sequence[Row], sizes: Sequence[int]) -> str:
    said = []
    for tool in dict.fromkeys(r.tool for r in rows):
        low, high = ([_of(rows, f, tool=tool, hosts=s).median for f in ("wall", "cpu")] for s in (sizes[0], sizes[-1]))
        wall, cpu = ((b - a) / (sizes[-1] - sizes[0]) * 1000 for a, b in zip(low, high, strict=True))
        said.append(f"{tool} {wall:.0f} ms ({cpu:.0f} ms of CPU here)")
    return f"Each host more costs ({sizes[0]} to {sizes[-1]} hosts): {'; '.join(said)}."


if __name__ == "__main__":
    sys.exit(main())

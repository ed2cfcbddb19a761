"""What the benchmarks share: one measured command, medians with their spread, the machine's facts, and results as JSON.

It knows no benchmark. CPU time is that of the command and all descendants that it waited for, by the kernel's own count:
a daemon that a command leaves behind is not in it.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).resolve().parent / "results"


class BenchmarkError(RuntimeError):
    """A measurement that would mean nothing: what was run failed, or did not do what it was measured for."""


@dataclass(frozen=True)
class Ran:
    """A command that has ended. `wall` and `cpu` (user + sys) in seconds; `text` is stdout and stderr together."""

    code: int
    wall: float
    cpu: float
    text: str


def run(
    words: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT, limit: float = 600
) -> Ran:
    """Run a command to its end and measure it.

    Args:
        words: program and arguments.
        env: the whole environment; this process's own without it.
        cwd: where it runs.
        limit: seconds; then it is killed.

    Raises:
        BenchmarkError: it did not end in time.
    """
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            [str(w) for w in words], cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
        late = threading.Timer(limit, process.kill)
        late.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        late.cancel()
        if wall >= limit:
            raise BenchmarkError(f"{words[0]}: not done after {limit:g} s")
        out.seek(0)
        text = out.read().decode(errors="replace")
    return Ran(process.returncode, wall, used.ru_utime + used.ru_stime, text)


@dataclass(frozen=True)
class Spread:
    """What several runs gave: median, least, most, and how many there were."""

    median: float
    least: float
    most: float
    runs: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of one or more values."""
        found = sorted(values)
        return cls(round(statistics.median(found), 3), round(found[0], 3), round(found[-1], 3), len(found))

    def text(self, digits: int = 1) -> str:
        """Median and range, as in ``2.1 (1.9-2.4)``."""
        if self.least == self.most:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}-{self.most:.{digits}f})"


def load() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def machine() -> dict[str, Any]:
    """The machine that measures: processor, cores, memory in GiB, kernel, Python, system."""
    cpu = next((r.split(":", 1)[1].strip() for r in _rows("/proc/cpuinfo") if r.startswith("model name")), "unknown")
    memory = next((int(r.split()[1]) for r in _rows("/proc/meminfo") if r.startswith("MemTotal")), 0)
    system = next((r.split("=", 1)[1].strip('"') for r in _rows("/etc/os-release") if r.startswith("PRETTY_NAME")), "")
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "system": system,
    }


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def save(name: str, results: Mapping[str, Any]) -> Path:
    """Write ``benchmarks/results/<name>.json``: the results, with the machine and the day."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"day": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine(), **results}
    path.write_text(json.dumps(content, indent=1, default=_plain) + "\n", encoding="utf-8")
    return path


def write_section(name: str, text: str) -> None:
    """Put `text` between the marks ``<!-- name -->`` and ``<!-- /name -->`` of ``benchmarks/README.md``."""
    path = RESULTS.parent / "README.md"
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise BenchmarkError(f"{path} has no {begin} ... {end}")
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


def _plain(value: object) -> object:
    if isinstance(value, Spread | Ran):
        return asdict(value)
    return str(value)


def _rows(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []

"""What people see in a terminal: the report's table, and progress while a run works. The only importer of rich.

Progress goes to stderr, so that `--json` on stdout stays JSON. Without a terminal each event is one plain line: CI logs
keep every line, and a bar that redraws itself makes them unreadable.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import TextIO

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from ..core.report_json import report_json
from ..core.report_text import (
    GRAVEST_FIRST,
    changes_line,
    duration,
    of_severity,
    printable,
    shown_verdict,
    size,
    told_otherwise,
    verdict_line,
)
from ..model.drift import Drift
from ..model.progress import Moment, Progress, ProgressEvent
from ..model.report import Finding, MemberRow, Report, Severity, ShardRow
from ..model.run import RunRecord, Verdict

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "blue", Severity.OK: "green"}
_GOOD = (Verdict.PROVED, Verdict.PLANNED, Verdict.DONE)


def report_table(report: Report | None, run: RunRecord, console: Console) -> None:
    """Print the table of shards, what is not OK, the run's warnings and error, and last the verdict in one line."""
    compared = report is not None and report.drift is not None
    if report is not None and report.drift:
        _print_drift(report.drift, console)
    elif report is not None and report.shards and not compared:
        console.print(_table(report.shards))
    for severity in GRAVEST_FIRST[1:-1] if compared else GRAVEST_FIRST[:-1]:
        for finding in of_severity(report, severity) if report else ():
            _print(console, _finding(finding))
    for warning in told_otherwise(report, run):
        _print(console, Text.assemble(("warning  ", _STYLES[Severity.WARNING]), printable(warning)))
    if run.error:
        _print(console, Text.assemble(("error    ", _STYLES[Severity.ERROR]), printable(run.error.strip())))
    if run.verdict not in (Verdict.PLANNED, Verdict.DONE):
        _print(console, Text(changes_line(run)))
    good = shown_verdict(report, run) in _GOOD
    _print(console, Text(printable(verdict_line(report, run)), style="bold green" if good else "bold red"))


def _print_drift(drifts: Iterable[Drift], console: Console) -> None:
    """The differences as a table, equal ones of several nodes in one row; below it how they are mended, each remedy once."""
    places: dict[tuple[str, ...], list[str]] = {}
    hints: dict[str, None] = {}
    for d in drifts:
        places.setdefault((d.truth, d.name, d.wanted, d.found, d.mend), []).append(d.subject)
        hints |= {f"{d.mend:8} {d.hint} [{d.code}]": None} if d.hint else {}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title, width in (("truth", 7), ("where", 10), ("what", 12), ("wanted", 7), ("found", 12), ("mended by", 9)):
        table.add_column(title, overflow="fold", min_width=width)
    for (truth, *rest), where in places.items():
        shown = ", ".join(where) if len(where) < 4 else f"{len(where)} of them: {where[0]} to {where[-1]}"
        table.add_row(*(Text(printable(cell)) for cell in (truth, shown, *rest)))
    # A log has no width: folding would only tear it apart.
    usual, console.width = console.width, console.width if console.is_terminal else 180
    console.print(table)
    console.width = usual
    for hint in hints:
        _print(console, Text(printable(hint)))


def console_on(stream: TextIO) -> Console:
    """A console on `stream` that never fails for what the stream's encoding can't say: such characters are spelt out."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return Console(file=stream, highlight=False)


def print_json(report: Report | None, run: RunRecord, stream: TextIO) -> None:
    """Write the report's JSON and nothing else; ASCII only, so that no log's encoding can break it."""
    json.dump(report_json(report, run), stream, indent=2)
    stream.write("\n")


def progress_to(stream: TextIO) -> TerminalProgress | PlainProgress:
    """A `Progress` that fits `stream`: redrawn lines on a terminal, plain ones elsewhere. Close it when done."""
    console = console_on(stream)
    return TerminalProgress(console) if console.is_terminal and not console.is_dumb_terminal else PlainProgress(stream)


class PlainProgress:
    """One line an event: ``[ 12.3 s] join the nodes: every node to know all others (3 of 6)``."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._now, self._start = stream, now, now()
        self._lock = threading.Lock()
        self._last = ""

    def __call__(self, event: ProgressEvent) -> None:
        """Write the event, unless it says the same as the one before."""
        said = _said(event)
        with self._lock:
            if said == self._last:
                return
            self._last = said
            self._stream.write(f"[{self._now() - self._start:5.1f} s] {said}\n")
            self._stream.flush()

    def close(self) -> None:
        """Nothing is open."""


class TerminalProgress:
    """A spinner and a count for each phase at work; a line with its time for each that ended.

    A mere wait, which was never started as a phase, goes away as soon as something else is told of.
    """

    def __init__(self, console: Console) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn())
        self._bars = Bars(*columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False)
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, float] = {}
        self._started: set[str] = set()
        self._lock = threading.Lock()
        self._bars.start()

    def __call__(self, event: ProgressEvent) -> None:
        """Show the event."""
        with self._lock:
            if event.moment in (Moment.FINISHED, Moment.FAILED):
                self._ended(event)
                return
            for phase in [p for p in self._tasks if p != event.phase and p not in self._started]:
                self._bars.remove_task(self._tasks.pop(phase))
            if event.moment is Moment.STARTED:
                self._started.add(event.phase)
            if event.phase not in self._tasks:
                self._began[event.phase] = time.monotonic()
                self._tasks[event.phase] = self._bars.add_task("", total=None)
            total = event.of or None
            self._bars.update(self._tasks[event.phase], description=_escaped(event), completed=event.done, total=total)

    def close(self) -> None:
        """Give the terminal back."""
        self._bars.stop()

    def _ended(self, event: ProgressEvent) -> None:
        task = self._tasks.pop(event.phase, None)
        began = self._began.pop(event.phase, None)
        if task is not None:
            self._bars.remove_task(task)
        good = event.moment is Moment.FINISHED
        took = f" ({duration(time.monotonic() - began)})" if began is not None else ""
        mark = ("ok  ", _STYLES[Severity.OK]) if good else ("FAIL  ", _STYLES[Severity.ERROR])
        words = printable(event.phase + (f": {event.detail}" if event.detail else ""))
        self._bars.console.print(Text.assemble(mark, words, (took, "dim")), soft_wrap=True)


def _said(event: ProgressEvent) -> str:
    counted = f" ({event.done:,} of {event.of:,})" if event.of else ""
    detail = f": {event.detail}" if event.detail else ""
    words = {Moment.STARTED: "", Moment.WAITING: "", Moment.FINISHED: ": done", Moment.FAILED: ": FAILED"}
    return printable(f"{event.phase}{words[event.moment]}{detail}{counted}".replace("\n", " "))


def _escaped(event: ProgressEvent) -> str:
    detail = f": {event.detail}" if event.detail else ""
    return printable(f"{event.phase}{detail}".replace("\n", " ")).replace("[", r"\[")


def _print(console: Console, text: Text) -> None:
    """Whole lines: a log that is searched must not have its lines cut at the terminal's width."""
    console.print(text, soft_wrap=True)


def _table(shards: tuple[ShardRow, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("shard", overflow="fold")
    table.add_column("slots", justify="right", no_wrap=True)
    table.add_column("primary", overflow="fold")
    table.add_column("replicas", overflow="fold")
    table.add_column("zones", overflow="fold")
    table.add_column("lag", justify="right", no_wrap=True)
    for shard in shards:
        table.add_row(*_row(shard))
    return table


def _row(shard: ShardRow) -> tuple[Text, ...]:
    red = _STYLES[Severity.ERROR]
    primary = Text(printable(shard.primary.node)) if shard.primary else Text("none", style=red)
    replicas = Text("\n").join([Text(printable(r.node)) for r in shard.replicas]) or Text("none")
    rows = ([shard.primary] if shard.primary else []) + list(shard.replicas)
    zones = ", ".join(dict.fromkeys(r.zone for r in rows if r.zone)) or "-"
    lags = Text("\n").join([_lag(r) for r in shard.replicas]) or Text("-")
    slots = Text(f"{len(shard.slots):,}")
    return Text(printable(shard.name)), slots, primary, replicas, Text(printable(zones)), lags


def _lag(row: MemberRow) -> Text:
    words = "silent" if row.role == "silent" else "link down"
    return Text(size(row.lag)) if row.link_up else Text(words, style=_STYLES[Severity.ERROR])


def _finding(finding: Finding) -> Text:
    head = (f"{finding.severity:<8} ", _STYLES[finding.severity])
    hint = f"\n         hint: {finding.hint}" if finding.hint else ""
    return Text.assemble(head, printable(f"[{finding.code}] {finding.subject}: {finding.message}{hint}"))


_: tuple[type[Progress], ...] = (PlainProgress, TerminalProgress)

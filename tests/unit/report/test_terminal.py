"""What a terminal and a CI log get."""

from __future__ import annotations

import io
import json
import re
import threading
from dataclasses import replace

import pytest
from rich.console import Console

from shardwright.adapters.terminal import (
    PlainProgress,
    TerminalProgress,
    console_on,
    print_json,
    progress_to,
    report_table,
)
from shardwright.model.drift import Drift, Mend, Truth
from shardwright.model.progress import Moment, ProgressEvent
from shardwright.model.report import Finding, Severity
from shardwright.testing import sample_reports as samples


def shown(report, run, **options) -> str:
    stream = io.StringIO()
    report_table(report, run, Console(file=stream, width=80, **options))
    return stream.getvalue()


def test_the_verdict_is_the_last_line_and_there_is_no_escape_sequence_in_a_log() -> None:
    text = shown(samples.healthy(), samples.run())
    assert text.splitlines()[-1] == "proved: 3 shards, 6 nodes, 16,384 of 16,384 slots served (2.9 s)"
    assert "\x1b" not in text


def test_hostile_names_do_not_reach_the_terminal_as_orders() -> None:
    text = shown(samples.broken(), samples.broken_run(), force_terminal=True, color_system="standard")
    own = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b[1;31merror" in text
    assert "\x1b" not in own
    assert "\x00" not in own
    assert "\ufffd[31m&" in own


def test_the_table_fits_80_columns_and_findings_keep_whole_lines() -> None:
    lines = shown(samples.broken(), samples.broken_run()).splitlines()
    rule = next(n for n, line in enumerate(lines) if line.startswith("error"))
    assert all(len(line) <= 80 for line in lines[:rule])
    assert any(line.startswith("error    [replica-link-down]") and line.endswith("10.0.0.2:6379") for line in lines)
    assert "link down" in "\n".join(lines[:rule])


def test_an_error_is_printed_whole_with_its_hint() -> None:
    text = shown(None, samples.failed_run())
    assert "hint: open 16379/tcp" in text
    assert text.splitlines()[-1].startswith("failed: [bus-port-closed] ")


def test_an_encoding_that_lacks_a_character_spells_it_out() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    console = console_on(stream)
    console.width = 80
    report_table(samples.broken(), samples.broken_run(), console)
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert "\\ufffd[31m" in text
    assert "not proved: 2 errors" in text


def test_json_prints_json_only() -> None:
    stream = io.StringIO()
    print_json(samples.broken(), samples.broken_run(), stream)
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue())["cluster"]["slots_served"] == 15_381


def test_plain_progress_is_a_line_an_event_and_says_nothing_twice() -> None:
    stream = io.StringIO()
    times = iter([100.0, 100.5, 101.25, 102.0, 103.0])
    progress = PlainProgress(stream, now=lambda: next(times))
    waiting = ProgressEvent(Moment.WAITING, "join the nodes", "waiting for cache-2\nto answer", 3, 6)
    for event in (
        ProgressEvent(Moment.STARTED, "join the nodes"),
        waiting,
        waiting,
        ProgressEvent(Moment.FINISHED, "join the nodes", "6 done"),
        ProgressEvent(Moment.FAILED, "give out slots", "bus\x1b[2J"),
    ):
        progress(event)
    assert stream.getvalue().splitlines() == [
        "[  0.5 s] join the nodes",
        "[  1.2 s] join the nodes: waiting for cache-2 to answer (3 of 6)",
        "[  2.0 s] join the nodes: done: 6 done",
        "[  3.0 s] give out slots: FAILED: bus\ufffd[2J",
    ]


def test_progress_from_many_threads_keeps_lines_whole() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, now=lambda: 0.0)
    threads = [
        threading.Thread(
            target=lambda t=t: [progress(ProgressEvent(Moment.WAITING, f"p{t}", done=n, of=50)) for n in range(50)]
        )
        for t in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 200
    assert all(re.fullmatch(r"\[  0\.0 s\] p\d \(\d+ of 50\)", line) for line in lines)


def test_a_stream_that_is_no_terminal_gets_plain_lines() -> None:
    assert isinstance(progress_to(io.StringIO()), PlainProgress)


@pytest.mark.parametrize("moment", [Moment.FINISHED, Moment.FAILED])
def test_progress_on_a_terminal_leaves_one_line_for_each_phase_that_ended(moment: Moment) -> None:
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream, force_terminal=True, width=80, color_system=None))
    progress(ProgressEvent(Moment.STARTED, "join [the] nodes"))
    progress(ProgressEvent(Moment.WAITING, "join [the] nodes", "cache-2", 3, 6))
    progress(ProgressEvent(moment, "join [the] nodes", "as told"))
    progress.close()
    wanted = "ok  " if moment is Moment.FINISHED else "FAIL  "
    ended = [line for line in stream.getvalue().splitlines() if "as told" in line]
    assert len(ended) == 1
    assert f"{wanted}join [the] nodes: as told (" in ended[0]
    assert stream.getvalue().rstrip("\r").endswith("\x1b[?25h")


def test_what_a_host_warns_of_is_said_once() -> None:
    """It is a finding of the report and a warning in the run's record; a warning of neither is still said."""
    said = "servers were put there on port 7006, which cluster.yml does not name any more"
    report = samples.healthy()
    report = replace(report, findings=(*report.findings, Finding("servers-unnamed", Severity.WARNING, "h1", said)))
    run = replace(samples.run(), warnings=(f"h1: {said} [servers-unnamed]", f"h2: {said} [servers-unnamed]"))
    text = shown(report, run)
    assert text.count("h1: servers were put there") == 1
    assert text.count("h2: servers were put there") == 1


def test_differences_fit_80_columns_with_all_their_titles() -> None:
    rows = [
        Drift("drift-setting", Truth.SERVER, "local:7000", name, wanted, "52428800", Mend.LIVE, "apply")
        for name, wanted in (("maxmemory", "104857600"), ("cluster-allow-replica-migration", "no"))
    ]
    report = replace(samples.healthy(), drift=tuple(rows))
    text = shown(report, samples.run(), force_terminal=True, color_system=None)
    table = text.splitlines()[: text.splitlines().index("live     apply [drift-setting]")]
    assert all(len(line) <= 80 for line in table)
    assert table[0].split() == ["truth", "where", "what", "wanted", "found", "mended", "by"]


def test_a_comparison_without_differences_says_so_in_its_last_line() -> None:
    text = shown(replace(samples.healthy(), drift=()), samples.run())
    assert text.splitlines()[-1].startswith("proved: no drift; 3 shards")

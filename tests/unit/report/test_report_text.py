"""The sentences of a report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shardwright.core.report_text import (
    changes_line,
    duration,
    judged,
    printable,
    size,
    slots_text,
    verdict_line,
)
from shardwright.model.report import Finding, Report, Severity
from shardwright.model.run import Verdict
from shardwright.model.slots import SlotSet
from shardwright.testing import sample_reports as samples


def test_verdict_of_a_proved_run() -> None:
    line = verdict_line(samples.healthy(), samples.run())
    assert line == "proved: 3 shards, 6 nodes, 16,384 of 16,384 slots served (2.9 s)"


def test_verdict_of_a_broken_cluster_names_the_codes_and_the_slots_that_are_left() -> None:
    line = verdict_line(samples.broken(), samples.broken_run())
    assert line == (
        "not proved: 2 errors (slots-uncovered, replica-link-down); "
        "3 shards, 5 nodes, 15,381 of 16,384 slots served (2.9 s)"
    )


def test_verdict_of_a_failed_run_is_its_error() -> None:
    line = verdict_line(None, samples.failed_run())
    assert (
        line == "failed: [bus-port-closed] cache-2 (10.0.0.2) can't reach 10.0.0.5:16379: timed out after 3 s (2.9 s)"
    )


def without_findings(report: Report) -> Report:
    return replace(report, findings=())


def without_a_slot(report: Report) -> Report:
    last = report.shards[-1]
    return replace(report, shards=(*report.shards[:-1], replace(last, slots=last.slots - SlotSet.of(16383))))


def with_an_error(report: Report) -> Report:
    return replace(report, findings=(*report.findings, Finding("x-y", Severity.ERROR, "a", "b")))


@pytest.mark.parametrize("spoil", [without_findings, without_a_slot, with_an_error])
def test_a_run_that_calls_itself_proved_is_shown_as_not_proved_where_its_report_does_not_prove_it(spoil) -> None:
    report = spoil(samples.healthy())
    assert judged(report) is Verdict.NOT_PROVED
    assert samples.run().verdict is Verdict.PROVED
    assert verdict_line(report, samples.run()).startswith("not proved: ")


def test_a_run_without_a_report_is_not_proved() -> None:
    assert verdict_line(None, samples.run()).startswith("not proved: there is no report")


def test_warnings_do_not_spoil_a_proof() -> None:
    warned = replace(samples.healthy(), findings=(Finding("a-b", Severity.WARNING, "x", "y"),))
    assert judged(warned) is Verdict.PROVED


def test_changes() -> None:
    run = samples.run()
    assert changes_line(run) == "changed: 6 things on 6 hosts, 2 cluster steps"
    assert changes_line(replace(run, host_changes=(), steps=())) == "nothing was changed"
    planned = replace(run, verdict=Verdict.PLANNED)
    assert changes_line(planned) == "would change: 6 things on 6 hosts, 2 cluster steps"
    assert verdict_line(None, planned).endswith("; nothing was touched (2.9 s)")
    assert not planned.changed


def test_numbers() -> None:
    assert [size(n) for n in (0, 1023, 1024, 1536, 5 * 1024**3, None)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 GiB",
        "unknown",
    ]
    assert [duration(s) for s in (0.04, 2.94, 119.9, 192.3)] == ["0.0 s", "2.9 s", "119.9 s", "3 min 12 s"]
    assert slots_text(SlotSet.parse("0-3,5,7,9"), most=2) == "0-3, 5 and 2 more ranges"
    assert slots_text(SlotSet()) == "none"


def test_what_a_terminal_would_obey_is_not_printable() -> None:
    assert printable("a\x1b[31mb\x9bc\rd\u202ee\x00") == "a\ufffd[31mb\ufffdc\ufffdd\ufffde\ufffd"
    assert printable("tab\tline\nüñí 日本") == "tab\tline\nüñí 日本"

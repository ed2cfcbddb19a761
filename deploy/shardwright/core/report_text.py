"""The sentences of a report: verdict, counts, sizes. Pure text; knows neither colours nor markup.

The verdict shown is the run's own unless the report contradicts it: a run recorded as proved whose report does not prove
it is shown as not proved, in every rendering, because a green run that was not true is the worst thing we could print.
"""

from __future__ import annotations

import re

from ..model.report import Finding, MemberRow, Report, Severity
from ..model.run import RunRecord, Verdict
from ..model.slots import ALL_SLOTS, SLOT_COUNT, SlotSet

GRAVEST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.OK)

_VERDICT_WORDS = {
    Verdict.PROVED: "proved",
    Verdict.NOT_PROVED: "not proved",
    Verdict.FAILED: "failed",
    Verdict.PLANNED: "planned",
    Verdict.REFUSED: "refused",
    Verdict.DONE: "done",
}

# Control characters but tab and newline, the marks that turn the writing direction, lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with U+FFFD for each character that a terminal or a page would obey instead of showing."""
    return _UNPRINTABLE.sub("\ufffd", text)


def judged(report: Report) -> Verdict:
    """What a report proves. Without findings nothing was checked, and without all slots nothing is proved."""
    proved = report.healthy and bool(report.findings) and report.slots_served == SLOT_COUNT
    return Verdict.PROVED if proved else Verdict.NOT_PROVED


def shown_verdict(report: Report | None, run: RunRecord) -> Verdict:
    """The run's verdict, except that `PROVED` needs a report that proves it."""
    if run.verdict is Verdict.PROVED and (report is None or judged(report) is not Verdict.PROVED):
        return Verdict.NOT_PROVED
    return run.verdict


def verdict_word(verdict: Verdict) -> str:
    """As people read it: ``not proved``."""
    return _VERDICT_WORDS[verdict]


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 shard``, ``16,384 slots``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Seconds as ``2.9 s`` or ``3 min 12 s``."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def size(count_bytes: int | None) -> str:
    """Bytes as ``0 B`` or ``1.5 MiB``; ``unknown`` for None."""
    if count_bytes is None:
        return "unknown"
    value, unit = float(count_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{count_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def slots_text(slots: SlotSet, most: int = 6) -> str:
    """The ranges, the first `most` of them: ``0-5460, 6000``; ``none`` for the empty set."""
    ranges = slots.ranges()
    shown = ", ".join(str(r) for r in ranges[:most])
    rest = len(ranges) - most
    return f"{shown} and {count(rest, 'more range')}" if rest > 0 else shown or "none"


def unowned(report: Report) -> SlotSet:
    """The slots that no shard of the report owns."""
    owned = SlotSet()
    for shard in report.shards:
        owned |= shard.slots
    return ALL_SLOTS - owned


def members(report: Report) -> tuple[MemberRow, ...]:
    """All nodes of the report, shard by shard, primaries first."""
    rows: list[MemberRow] = []
    for shard in report.shards:
        rows += [shard.primary] if shard.primary else []
        rows += shard.replicas
    return tuple(rows)


def of_severity(report: Report, severity: Severity) -> tuple[Finding, ...]:
    """The findings of one severity, in the report's order."""
    return tuple(f for f in report.findings if f.severity is severity)


def told_otherwise(report: Report | None, run: RunRecord) -> tuple[str, ...]:
    """The run's warnings that no finding of the report tells: what hosts warn of stands in both."""
    found = report.findings if report is not None else ()
    return tuple(w for w in run.warnings if not any(_tells(f, w) for f in found))


def _tells(finding: Finding, warning: str) -> bool:
    head = warning.startswith((f"{finding.subject}:", f"{finding.subject} "))
    return head and finding.message in warning and warning.endswith(f"[{finding.code}]")


def served_text(report: Report) -> str:
    """``16,384 of 16,384 slots served``."""
    return f"{report.slots_served:,} of {SLOT_COUNT:,} slots served"


def changes_line(run: RunRecord) -> str:
    """What the run changed, in one line: ``changed: 24 things on 6 hosts, 14 cluster steps``."""
    if not run.host_changes and not run.steps:
        return "nothing was changed" if run.verdict is not Verdict.PLANNED else "nothing to change"
    hosts = len({host for host, _ in run.host_changes})
    parts = [f"{count(len(run.host_changes), 'thing')} on {count(hosts, 'host')}"] if hosts else []
    parts += [count(len(run.steps), "cluster step")] if run.steps else []
    word = "would change" if run.verdict is Verdict.PLANNED else "changed"
    return f"{word}: {', '.join(parts)}"


def verdict_line(report: Report | None, run: RunRecord) -> str:
    """The run in one line: ``proved: 3 shards, 6 nodes, 16,384 of 16,384 slots served (2.9 s)``."""
    verdict = shown_verdict(report, run)
    return f"{verdict_word(verdict)}: {_why(verdict, report, run)} ({duration(run.seconds)})"


def _why(verdict: Verdict, report: Report | None, run: RunRecord) -> str:
    if verdict in (Verdict.FAILED, Verdict.REFUSED):
        first = run.error.strip().splitlines()[0] if run.error.strip() else "no reason was recorded"
        return first if not run.error_code or first.startswith("[") else f"[{run.error_code}] {first}"
    if verdict is Verdict.PLANNED:
        return f"{changes_line(run)}; nothing was touched"
    if verdict is Verdict.DONE:
        return changes_line(run)
    if report is None:
        return "there is no report of the cluster"
    counts = f"{count(len(report.shards), 'shard')}, {count(len(members(report)), 'node')}, {served_text(report)}"
    if verdict is Verdict.PROVED:
        return counts if report.drift is None else f"no drift; {counts}"
    errors = of_severity(report, Severity.ERROR)
    codes = list(dict.fromkeys(f.code for f in errors))
    if not errors:
        return f"{'nothing was checked' if not report.findings else 'slots have no owner'}; {counts}"
    return f"{count(len(errors), 'error')} ({', '.join(codes[:4])}{', ...' if len(codes) > 4 else ''}); {counts}"

"""A report and its run as JUnit XML, which CI systems show as tests. Pure; made by the standard library's writer.

One test case per (code, subject), since readers merge cases of equal name. Only errors are failures: a warning that
turned a pipeline red would soon be switched off. An error that ended the run is a case of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from ..model.report import Finding, Report, Severity
from ..model.run import RunRecord, Verdict
from .report_text import changes_line, shown_verdict, verdict_line

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(report: Report | None, run: RunRecord) -> str:
    """One suite of the cluster, with an XML declaration and a final newline.

    Args:
        report: what was verified, or None where the run ended before.
        run: the run.
    """
    cases = [_run_case(report, run)]
    cases += [_finding_case(run.cluster, group) for group in _grouped(report.findings if report else ())]
    failures = sum(case.find("failure") is not None for case in cases)
    errors = sum(case.find("error") is not None for case in cases)
    totals = {"tests": str(len(cases)), "failures": str(failures), "errors": str(errors), "skipped": "0"}
    totals["time"] = f"{run.seconds:.3f}"
    suites = ET.Element("testsuites", {"name": "shardwright"} | totals)
    suite = ET.SubElement(suites, "testsuite", {"name": _clean(run.cluster)} | totals)
    suite.set("timestamp", _clean(run.started.removesuffix("Z")))
    _properties(suite, run)
    suite.extend(cases)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _properties(suite: ET.Element, run: RunRecord) -> None:
    properties = ET.SubElement(suite, "properties")
    values = {"run_id": run.run_id, "command": str(run.command), "actor": run.actor, "version": run.tool_version}
    values |= {"spec_sha256": run.spec_sha256, "plan_fingerprint": run.plan_fingerprint, "changes": changes_line(run)}
    for name, value in values.items():
        if value:
            ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})


def _run_case(report: Report | None, run: RunRecord) -> ET.Element:
    case = _case(f"shardwright.{run.cluster}", str(run.command), run.seconds)
    line = verdict_line(report, run)
    verdict = shown_verdict(report, run)
    if verdict in (Verdict.FAILED, Verdict.REFUSED):
        _add(case, "error", run.error or line, message=line, type=run.error_code or str(verdict))
    elif verdict is Verdict.NOT_PROVED:
        _add(case, "failure", line, message=line, type=str(verdict))
    text = "\n".join([line, changes_line(run), *(f"warning: {w}" for w in run.warnings)])
    _add(case, "system-out", text)
    return case


def _grouped(findings: Iterable[Finding]) -> list[list[Finding]]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.subject), []).append(finding)
    return list(groups.values())


def _finding_case(cluster: str, group: list[Finding]) -> ET.Element:
    first = group[0]
    case = _case(f"shardwright.{cluster}.{first.code}", f"{first.code}: {first.subject}", 0.0)
    bad = [f for f in group if f.severity is Severity.ERROR]
    if bad:
        _add(case, "failure", "\n".join(map(_worded, bad)), message=bad[0].message, type=first.code)
    rest = [f for f in group if f.severity is not Severity.ERROR]
    if rest:
        _add(case, "system-out", "\n".join(f"{f.severity}: {_worded(f)}" for f in rest))
    return case


def _worded(finding: Finding) -> str:
    return finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")


def _case(classname: str, name: str, seconds: float) -> ET.Element:
    return ET.Element("testcase", {"classname": _clean(classname), "name": _clean(name), "time": f"{seconds:.3f}"})


def _add(case: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(case, tag, {k: _clean(v) for k, v in attributes.items()}).text = _clean(text)


def _clean(text: str) -> str:
    """The text without what XML 1.0 can't hold: control characters, lone surrogates, U+FFFE and U+FFFF."""
    return _NOT_XML.sub("", text)

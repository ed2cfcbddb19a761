"""JUnit XML, read back with the standard library as CI systems do."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from shardwright.core.report_junit import junit_xml
from shardwright.model.report import Finding, Severity
from shardwright.testing import sample_reports as samples


def suite(text: str) -> ET.Element:
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    (one,) = root.findall("testsuite")
    return one


def test_a_healthy_cluster_has_no_failure_and_the_counts_fit() -> None:
    one = suite(junit_xml(samples.healthy(), samples.run()))
    cases = one.findall("testcase")
    assert one.get("name") == "cache"
    assert one.get("timestamp") == "2026-01-31T17:42:05"
    assert (one.get("tests"), one.get("failures"), one.get("errors")) == (str(len(cases)), "0", "0")
    assert len(cases) == 1 + len(samples.healthy().findings)
    assert not one.findall(".//failure") + one.findall(".//error")


def test_errors_are_failures_with_message_and_hint_and_warnings_are_not() -> None:
    one = suite(junit_xml(samples.broken(), samples.broken_run()))
    failed = {
        case.get("name"): case.find("failure") for case in one.findall("testcase") if case.find("failure") is not None
    }
    assert len(failed) == 3 == int(one.get("failures", ""))
    unowned = failed["slots-uncovered: cache"]
    assert unowned is not None
    assert unowned.get("type") == "slots-uncovered"
    assert unowned.text == "1,003 slots have no owner: 6000, 7000-7001, 12000-12999\nhint: run shardwright plan"
    assert "deploy" not in failed
    assert "verify" in failed
    (warned,) = [c for c in one.findall("testcase") if (c.get("classname") or "").endswith("version-differs")]
    assert warned.find("failure") is None
    assert (warned.findtext("system-out") or "").startswith("warning: runs 9.1.1")


def test_control_characters_and_lone_surrogates_are_stripped_and_the_rest_stays() -> None:
    report = replace(
        samples.healthy(), findings=(Finding("a-b", Severity.ERROR, samples.HOSTILE, "x\x0b\udc80\uffff]]>\u20ac"),)
    )
    text = junit_xml(report, samples.run())
    text.encode("utf-8")
    one = suite(text)
    assert "<script>alert('x')</script>[31m&\"{{ 7*7 }}" in (one.findall("testcase")[1].get("name") or "")
    assert [f.text for f in one.findall("testcase/failure")][1:] == ["x]]>\u20ac"]


def test_cases_of_equal_code_and_subject_are_one_case_which_fails_if_any_does() -> None:
    findings = (
        Finding("a-b", Severity.OK, "n", "first"),
        Finding("a-b", Severity.ERROR, "n", "second"),
        Finding("a-b", Severity.ERROR, "m", "third"),
    )
    one = suite(junit_xml(replace(samples.healthy(), findings=findings), samples.run()))
    names = [(case.get("classname"), case.get("name")) for case in one.findall("testcase")]
    assert len(names) == len(set(names)) == 3
    assert [f.text for f in one.findall("testcase/failure")][1:] == ["second", "third"]


def test_a_run_that_failed_before_a_report_is_an_error() -> None:
    one = suite(junit_xml(None, samples.failed_run()))
    assert (one.get("tests"), one.get("failures"), one.get("errors")) == ("1", "0", "1")
    error = one.find("testcase/error")
    assert error is not None
    assert error.get("type") == "bus-port-closed"
    assert "hint: open 16379/tcp" in (error.text or "")

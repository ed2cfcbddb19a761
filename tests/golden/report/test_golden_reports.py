"""Every rendering of a report, word for word, in `expected/`.

To update: SHARDWRIGHT_UPDATE_GOLDEN=1 pytest tests/golden/report, then read the difference. It may change when the words or
the layout of a report are meant to change; JSON only by new keys, or with a new `schema`. The page's head (style and script)
is left out: what it does is tested in tests/browser.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from shardwright.adapters.terminal import report_table
from shardwright.core.report_html import report_html
from shardwright.core.report_json import report_json
from shardwright.core.report_junit import junit_xml
from shardwright.testing import sample_reports as samples

EXPECTED = Path(__file__).parent / "expected"
RUNS = {
    "proved": (samples.healthy(), samples.run()),
    "not-proved": (samples.broken(), samples.broken_run()),
    "failed": (None, samples.failed_run()),
}


def as_text(report, run) -> str:
    stream = io.StringIO()
    report_table(report, run, Console(file=stream, width=80))
    return "".join(line.rstrip() + "\n" for line in stream.getvalue().splitlines())


def as_json(report, run) -> str:
    return json.dumps(report_json(report, run), indent=2) + "\n"


def as_body(report, run) -> str:
    page = report_html(report, run)
    return page[page.index("<body>") :]


FORMS = {"txt": as_text, "json": as_json, "xml": junit_xml, "html": as_body}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", RUNS)
def test_golden(name: str, form: str) -> None:
    got = FORMS[form](*RUNS[name])
    path = EXPECTED / f"{name}.{form}"
    if os.environ.get("SHARDWRIGHT_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(got, encoding="utf-8", newline="\n")
    assert got == path.read_text(encoding="utf-8")

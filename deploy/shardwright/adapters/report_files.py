"""Writes a run's report as JSON, JUnit XML and HTML, each once by its own name and once as `latest`.

Knows files, not what they say. `latest` is a copy and not a link: CI systems keep a directory's files as artefacts, and
most of them drop links.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..core.report_html import report_html
from ..core.report_json import report_json
from ..core.report_junit import junit_xml
from ..model.report import Report
from ..model.run import RunRecord
from .ledger import not_writable


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where the report lies; the copies as ``latest.*`` lie beside it."""

    json: Path
    xml: Path
    html: Path


def write_reports(directory: Path, report: Report | None, run: RunRecord) -> ReportPaths:
    """Write ``<cluster>-<run_id>.{json,xml,html}`` and ``latest.*``; each file is whole or not there.

    Args:
        directory: made where it is missing.
        report: what was verified, or None where the run ended before.
        run: the run.

    Raises:
        ApplyError: ``reports-not-writable``.
    """
    stem = f"{_safe(run.cluster)}-{_safe(run.run_id)}"
    texts = {
        "json": json.dumps(report_json(report, run), indent=2) + "\n",
        "xml": junit_xml(report, run),
        "html": report_html(report, run),
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for suffix, text in texts.items():
            _write(directory / f"{stem}.{suffix}", text)
            _write(directory / f"latest.{suffix}", text)
    except OSError as error:
        raise not_writable(directory, error) from error
    return ReportPaths(*(directory / f"{stem}.{suffix}" for suffix in texts))


def _safe(name: str) -> str:
    """The name as part of a file name, whatever was in it."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"


def _write(path: Path, text: str) -> None:
    """Write beside, sync, rename; readable by all, as CI systems collect reports under other users."""
    fd, beside = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(fd, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise

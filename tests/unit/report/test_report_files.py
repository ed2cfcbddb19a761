"""The files of a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from shardwright.adapters.report_files import write_reports
from shardwright.errors import ApplyError
from shardwright.testing import sample_reports as samples


def test_three_files_and_their_latest_copies(tmp_path: Path) -> None:
    paths = write_reports(tmp_path / "reports", samples.broken(), samples.broken_run())
    stem = "cache-20260131T174205Z-3f9a"
    names = sorted(p.name for p in (tmp_path / "reports").iterdir())
    assert names == sorted(f"{name}.{suffix}" for name in (stem, "latest") for suffix in ("json", "xml", "html"))
    assert json.loads(paths.json.read_text())["verdict"] == "not-proved"
    assert ET.parse(paths.xml).getroot().get("failures") == "3"
    assert paths.html.read_text().startswith("<!DOCTYPE html>")
    for path in (paths.json, paths.xml, paths.html):
        latest = path.with_name(f"latest{path.suffix}")
        assert not latest.is_symlink()
        assert latest.read_bytes() == path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o644


def test_latest_is_the_last_and_older_ones_stay(tmp_path: Path) -> None:
    first = write_reports(tmp_path, samples.healthy(), samples.run())
    write_reports(tmp_path, None, replace(samples.failed_run(), run_id="20260131T180000Z-aaaa"))
    assert json.loads((tmp_path / "latest.json").read_text())["verdict"] == "failed"
    assert json.loads(first.json.read_text())["verdict"] == "proved"


def test_names_do_not_leave_the_directory(tmp_path: Path) -> None:
    run = replace(samples.run(), cluster="../../etc/x", run_id="a/b")
    paths = write_reports(tmp_path / "reports", samples.healthy(), run)
    assert paths.json.parent == tmp_path / "reports"
    assert paths.json.resolve().parent == (tmp_path / "reports").resolve()
    assert [p.name for p in tmp_path.iterdir()] == ["reports"]


def test_a_directory_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(ApplyError) as caught:
        write_reports(tmp_path / "reports", None, samples.failed_run())
    assert caught.value.code == "reports-not-writable"

"""The JSON of a report: a promise to programs, so its keys are compared with the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shardwright.core.report_json import report_json
from shardwright.testing import sample_reports as samples

DOCS = Path(__file__).parents[3] / "docs" / "reports.md"


def keys(value: Any, path: str = "") -> set[str]:
    """Every key as ``shards[].primary.node``; of counts by name only the parent."""
    if isinstance(value, dict):
        below = set().union(*(keys(v, f"{path}.{k}" if path else k) for k, v in value.items()), set())
        return below | ({path} if path else set())
    if isinstance(value, list):
        return set().union(*(keys(v, f"{path}[]") for v in value), {path})
    return {path}


def test_values() -> None:
    page = report_json(samples.broken(), samples.broken_run())
    assert page["schema"] == 1
    assert page["verdict"] == "not-proved"
    assert page["cluster"]["slots_served"] == 15_381
    assert page["cluster"]["slots_unowned"] == "6000,7000-7001,12000-12999"
    assert page["cluster"]["counts"] == {"ok": 2, "info": 1, "warning": 1, "error": 2}
    assert page["shards"][2]["primary"] is None
    assert page["shards"][1]["replicas"][0]["lag_bytes"] is None
    assert page["run"]["exit_code"] == 1


def test_it_survives_a_round_trip_whatever_the_names() -> None:
    page = report_json(samples.broken(), samples.broken_run())
    again = json.loads(json.dumps(page))
    assert again == page
    assert again["shards"][1]["replicas"][0]["node"] == samples.HOSTILE


def test_without_a_report() -> None:
    page = report_json(None, samples.failed_run())
    assert (page["cluster"], page["shards"], page["findings"]) == (None, [], [])
    assert page["run"]["error_code"] == "bus-port-closed"


def test_every_key_is_documented_and_every_documented_key_exists() -> None:
    found = keys(report_json(samples.broken(), samples.run())) | keys(report_json(samples.healthy(), samples.run()))
    text = DOCS.read_text(encoding="utf-8")
    table = text.partition("<!-- json-keys -->")[2].partition("<!-- /json-keys -->")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = {key.strip().strip("`") for cell in cells for key in cell.split(",")}
    assert found == documented

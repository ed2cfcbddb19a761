"""Who ran it, when, from which CI job."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from shardwright.adapters.run_context import actor, job_url, run_id, spec_sha256, started

HERE = timezone(timedelta(hours=2))
MOMENT = datetime(2026, 1, 31, 19, 42, 5, tzinfo=HERE)


def test_times_are_utc_and_ids_sort_by_time() -> None:
    assert started(MOMENT) == "2026-01-31T17:42:05Z"
    assert run_id(MOMENT).startswith("20260131T174205Z-")
    moments = [datetime(2026, 1, 31, tzinfo=UTC) + timedelta(days=n, seconds=n) for n in range(400)]
    ids = [run_id(m) for m in moments]
    assert ids == sorted(ids)
    assert len({run_id(MOMENT) for _ in range(50)}) > 40


GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7"}


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, ""),
        (GITHUB, "https://github.com/o/r/actions/runs/7"),
        ({"CI_JOB_URL": "https://gitlab.example.org/g/p/-/jobs/4711"}, "https://gitlab.example.org/g/p/-/jobs/4711"),
        ({"BUILD_URL": "https://u:pw@ci.example.org/job/1?token=s#t"}, "https://ci.example.org/job/1"),
        ({"CI_JOB_URL": "javascript:alert(1)"}, ""),
        ({"CI_JOB_URL": "https://[broken"}, ""),
    ],
)
def test_the_job_url_is_public(environment: dict[str, str], url: str) -> None:
    assert job_url(environment) == url
    assert actor(environment).endswith(f", {url}" if url else actor({}))
    assert "@" in actor({})


def test_the_hash_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "cluster.yml").write_bytes(b"name: x\n")
    assert spec_sha256(tmp_path / "cluster.yml") == hashlib.sha256(b"name: x\n").hexdigest()
    assert spec_sha256(tmp_path / "none.yml") == ""

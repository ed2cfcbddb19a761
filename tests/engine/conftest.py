"""The server that a test runs with."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.releases import release_or_skip

from shardwright.control import run


@pytest.fixture
def binary(request: pytest.FixtureRequest) -> Path:
    """Of the release that `each_release` gives; else the test is skipped with the reason."""
    return release_or_skip(*request.param)


@pytest.fixture
def short_ban(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that forgot somebody looks once more after 3 s, and not after the servers' ban: for tests of something else."""
    monkeypatch.setattr(run, "BAN", 3.0)

"""The server that a test runs with."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.releases import release_or_skip


@pytest.fixture
def binary(request: pytest.FixtureRequest) -> Path:
    """Of the release that `each_release` gives; else the test is skipped with the reason."""
    return release_or_skip(*request.param)

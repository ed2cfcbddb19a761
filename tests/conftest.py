"""For all tests: Hypothesis without deadlines, and which tests may run beside others of their file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is not a mistake in the code. This stands on top of what is active already: Hypothesis takes its own
# profile, with fixed seeds, where it finds itself in CI.
settings.register_profile("shardwright", parent=settings(), deadline=None)
settings.load_profile("shardwright")

TESTS = Path(__file__).parent
# Their ports, or the names of their labs, are of each process alone. All other files have fixed ones.
SPREAD = (TESTS / "engine", TESTS / "integration" / "test_hosts_lab.py")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under ``--dist loadgroup`` a file stays on one worker unless it is known to be able to be spread."""
    for item in items:
        if not any(item.path.is_relative_to(place) for place in SPREAD):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))

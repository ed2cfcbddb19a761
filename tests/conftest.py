"""For all tests: Hypothesis without deadlines, and which tests may run beside others of their file."""

from __future__ import annotations

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.scheduler.protocol import Scheduling

# A busy machine is not a mistake in the code. This stands on top of what is active already: Hypothesis takes its own
# profile, with fixed seeds, where it finds itself in CI.
settings.register_profile("shardwright", parent=settings(), deadline=None)
settings.load_profile("shardwright")

# Their ports, or the names of their labs, are of each process alone. All other files have fixed ones.
SPREAD = ("tests/contract/", "tests/engine/", "tests/integration/test_hosts_lab.py")


class ByFileWhereNeeded(LoadFileScheduling):
    """``--dist loadfile``, but for the files whose tests can do without."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(SPREAD) else nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Ours in place of ``--dist loadfile``."""
    return ByFileWhereNeeded(config, log) if config.getvalue("dist") == "loadfile" else None

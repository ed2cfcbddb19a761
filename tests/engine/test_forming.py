"""From nothing to a proved cluster, and once more without a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.kit import assert_proved, codes, lab
from tests.engine.releases import each_release

pytestmark = pytest.mark.engine


@each_release
def test_fresh_servers_become_the_proved_cluster(tmp_path: Path, binary: Path) -> None:
    with lab(tmp_path, binary=binary) as made:
        report = made.deploy()
        assert report.healthy, report.findings
        assert report.slots_served == 16_384
        assert codes(report, "error") == set()
        assert_proved(made)
        again = made.converge()
        assert not again.changed
        assert again.first.empty

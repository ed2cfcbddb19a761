"""`deploy/drift.py` over ssh on real hosts with systemd: kernel, units, files of root, and servers behind a firewall."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.hosts_kit import CANARY
from tests.integration.test_hosts_lab import Deployed
from tests.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

UNIT = "shardwright-trial@6379"


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    made = Lab(f"drift-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    made.down()
    yield made
    made.down()


def drift(cluster: Deployed, code: int) -> list[dict[str, Any]]:
    done = cluster.run("drift")
    assert done.code == code, done
    assert CANARY not in done.out + done.err
    rows: list[dict[str, Any]] = json.loads((cluster.directory / "reports" / "latest.json").read_text())["drift"]
    return rows


def test_kernel_units_files_and_servers(hosts: Lab, tmp_path: Path) -> None:
    one, two, three = hosts.fresh(3)
    cluster = Deployed(tmp_path, [one, two, three], "bundled", "transport: ssh")
    assert cluster.run().proved
    assert drift(cluster, 0) == []

    one.exec(["sysctl", "-w", "vm.overcommit_memory=0"])
    one.exec(["chmod", "644", "/etc/shardwright/trial/6379.conf"])
    two.exec(["systemctl", "disable", UNIT])
    two.exec(["sh", "-c", "echo 'hz 50' >> /etc/shardwright/trial/6379.conf"])
    two.exec(["sh", "-c", "rm /etc/sysctl.d/60-shardwright-trial.conf"])
    three.exec(["sh", "-c", "echo '# by hand' >> /etc/systemd/system/shardwright-trial@.service"])

    rows = drift(cluster, 1)
    found = {(r["subject"].partition(":")[0], r["truth"], Path(r["name"]).name, r["wanted"], r["mend"]) for r in rows}
    assert found >= {
        (one.name, "kernel", "vm.overcommit_memory", "1", "deploy"),
        (one.name, "file", "6379.conf", "mode 640 root:shardwright", "deploy"),
        (two.name, "service", f"{UNIT}.service", "started at boot", "deploy"),
        (two.name, "file", "hz", "no such line", "deploy"),
        (two.name, "file", "60-shardwright-trial.conf", "as rendered", "deploy"),
        (three.name, "file", "shardwright-trial@.service", "as rendered", "deploy"),
    }
    assert {r["truth"] for r in rows} == {"kernel", "file", "service"}
    assert one.exec(["cat", "/proc/sys/vm/overcommit_memory"]).stdout.strip() == "0", "drift changes nothing"

    assert cluster.run().code == 0
    assert drift(cluster, 0) == []

    three.exec(["systemctl", "stop", UNIT])
    rows = drift(cluster, 1)
    assert {(r["truth"], r["subject"], r["mend"]) for r in rows} >= {
        ("service", f"{three.name}:6379", "deploy"),
        ("cluster", f"{three.name}:6379", "deploy"),
    }

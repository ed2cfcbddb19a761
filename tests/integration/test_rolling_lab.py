"""From Redis 7.0 to Valkey 8.0 by one change of `engine:`, over ssh on hosts with systemd, while a client writes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.engine.writing import writing
from tests.integration.hosts_kit import CANARY, client
from tests.integration.test_hosts_lab import ENGINES, Deployed
from tests.lab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

UNIT = "shardwright-trial@6379"


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    reason = Lab.available()
    if reason:
        pytest.skip(reason)
    made = Lab(f"rolling-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    made.down()
    yield made
    made.down()


def program(host: LabHost) -> str:
    """What the process of the unit says that it is."""
    pid = host.exec(["systemctl", "show", "-p", "MainPID", "--value", UNIT]).stdout.strip()
    return host.exec([f"/proc/{pid}/exe", "--version"]).stdout


def identities(cluster: Deployed) -> list[str]:
    return [str(client(host.address, 6379).execute_command("CLUSTER MYID")) for host in cluster.hosts]


def test_redis_becomes_valkey_under_a_writer(hosts: Lab, tmp_path: Path) -> None:
    cluster = Deployed(tmp_path, hosts.fresh(6), "redis")
    first = cluster.run()
    assert first.proved, first
    assert all("Redis server v=7.0." in program(host) for host in cluster.hosts)
    who = identities(cluster)
    cluster.write(cluster.spec(ENGINES["valkey"][0]))
    with writing(6379, CANARY, cluster.hosts[0].address) as told:
        changed = cluster.run(timeout=600)
    assert changed.proved, changed
    assert all(re.search(r"Valkey server v=8\.0\.", program(host)) for host in cluster.hosts)
    assert identities(cluster) == who
    assert len(told.acknowledged) > 100
    assert told.misread == []
    with redis.RedisCluster(cluster.hosts[0].address, 6379, password=CANARY, decode_responses=True) as whole:
        assert [key for key, value in told.acknowledged.items() if whole.get(key) != value] == []
    for host in cluster.hosts:
        listeners = host.exec(["ss", "-Hltn"]).stdout.split("\n")
        ports = {line.split()[3].rpartition(":")[2] for line in listeners if line}
        assert ports - {"22"} == {"6379", "16379"}
        for unit in ("redis-server", "valkey-server"):
            assert host.exec(["systemctl", "is-active", unit], check=False).stdout.strip() != "active"
    second = cluster.run()
    assert second.proved, second
    assert second.changed_nothing, second
    cluster.write(cluster.spec("redis"))
    back = cluster.run()
    assert back.code == 4, back
    assert "[upgrade-path]" in back.err
    assert all("Valkey server" in program(host) for host in cluster.hosts)

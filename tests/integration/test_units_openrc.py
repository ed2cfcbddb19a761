"""The OpenRC service on a lab host: Debian's OpenRC beside systemd, with Debian's Redis.

Not run here: Alpine itself, and services of clusters that keep nothing on disk, which OpenRC's own start-stop-daemon
starts (Debian has dpkg's under that name).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from tests.golden.specs import NASTY
from tests.integration.blueprint_kit import connect
from tests.integration.test_units_systemd import answers, lay_out, wait_for
from tests.lab.lab import Lab, LabHost

from shardwright.core.blueprint import blueprint
from shardwright.core.engine_choice import engine_install
from shardwright.core.placement import place
from shardwright.model.blueprint import Blueprint
from shardwright.model.secret import Secret
from shardwright.model.spec import (
    ClusterSpec,
    Domain,
    EngineChoice,
    HostSpec,
    Product,
    Security,
    ServiceManager,
)

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def host() -> Iterator[LabHost]:
    if reason := Lab.available():
        pytest.skip(reason)
    lab = Lab("openrc")
    try:
        (made,) = lab.fresh(1)
        made.exec("systemctl mask redis-server.service")
        install = "DEBIAN_FRONTEND=noninteractive apt-get -qq install openrc redis-server"
        made.exec(f"apt-get -qq update && {install}", timeout=400)
        made.exec("useradd --system --no-create-home --shell /usr/sbin/nologin shardwright")
        made.exec("mkdir -p /run/openrc /etc/local.d /etc/logrotate.d && touch /run/openrc/softlevel")
        yield made
    finally:
        lab.down()


@pytest.fixture(scope="module")
def site(host: LabHost) -> Iterator[tuple[LabHost, Blueprint, redis.Redis]]:
    spec = ClusterSpec(
        name="rc",
        engine=EngineChoice(Product.REDIS),
        shards=1,
        replicas=1,
        hosts=(HostSpec("h1", host.address, (6379, 6380)),),
        security=Security(Secret(NASTY)),
        spread=Domain.NONE,
        service_manager=ServiceManager.OPENRC,
    )
    found = blueprint(spec, place(spec), "h1", engine_install(spec))
    lay_out(host, found)
    host.exec(f"rm -rf {spec.paths.run}")  # as after a boot
    yield host, found, connect(host.address, 6379, NASTY)
    host.exec(f"rc-service {found.instances[0].service} stop", check=False)


def test_it_starts_guarded_as_its_user_and_stops(site: tuple[LabHost, Blueprint, redis.Redis]) -> None:
    host, found, client = site
    i = found.instances[0]
    host.exec(f"rc-service {i.service} start")
    wait_for(lambda: answers(client), "the server answers")
    pid = client.info("server")["process_id"]
    assert host.exec(f"stat -c %U /proc/{pid}").stdout.strip() == "shardwright"
    assert host.exec(f"cat {i.pidfile}").stdout.strip() == str(pid)
    assert (
        host.exec(f"grep -Ev '^(requirepass|masterauth|protected-mode) ' {i.config} | sha256sum").stdout.split()[0]
        == host.exec(f"cat {i.started}").stdout.strip()
    )
    assert host.exec(f"find {i.data} {i.log} -perm /077").stdout == ""
    assert "Max core file size        0 " in host.exec(f"cat /proc/{pid}/limits").stdout
    host.exec(f"rc-service {i.service} stop", timeout=60)
    assert not answers(client)


def test_a_killed_server_comes_back(site: tuple[LabHost, Blueprint, redis.Redis]) -> None:
    host, found, client = site
    host.exec(f"rc-service {found.instances[0].service} start")
    wait_for(lambda: answers(client), "the server answers")
    pid = client.info("server")["process_id"]
    host.exec(f"kill -9 {pid}")
    wait_for(lambda: answers(client) and client.info("server")["process_id"] != pid, "the server is back")


def test_the_guard_stops_the_start(site: tuple[LabHost, Blueprint, redis.Redis]) -> None:
    host, found, _ = site
    i = found.instances[0]
    host.exec(f"rc-service {i.service} stop", check=False, timeout=60)
    host.exec(f"mv {i.data}/.shardwright-node /root/mark")
    try:
        done = host.exec(f"rc-service {i.service} start", check=False)
        assert done.returncode != 0
        assert "shardwright-guard: [data-dir-unmarked]" in done.stdout + done.stderr
    finally:
        host.exec(f"mv /root/mark {i.data}/.shardwright-node")

"""The password of real servers is changed while clients log in anew for every write; judged by other clients."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.engine.kit import Lab, assert_proved, client, codes, fill, found, lab
from tests.engine.knocking import knocking
from tests.engine.releases import each_release

from shardwright.adapters.clock import RealClock
from shardwright.adapters.resp import RespTransport
from shardwright.control.converging import Means
from shardwright.control.rotating import Rotation
from shardwright.control.run import form_and_verify, verify_only
from shardwright.model.progress import Moment, Progress, ProgressEvent
from shardwright.model.report import Report
from shardwright.model.secret import Secret
from shardwright.model.spec import Security
from shardwright.testing.servers import Server

pytestmark = pytest.mark.engine

OLD, NEW = 'old pässword\'s "own" \\', "n€w {{word}} #1 ' and more"
SETTINGS = {"min-replicas-to-write": "1"}
"""A link that breaks would refuse writes."""


def knock(password: Secret | None) -> RespTransport:
    return RespTransport(password, user="default")


def slowly(event: ProgressEvent) -> None:
    """Gives clients time to come before and after each phase of a rotation."""
    if "password" in event.phase:
        time.sleep(0.2)


def means(made: Lab, security: Security, progress: Progress = slowly) -> Means:
    made.transport.close()
    made.transport = knock(security.password)
    rotation = Rotation(security, made.transport, knock)
    return Means(made.transport, RealClock(), password=security.password, progress=progress, rotation=rotation)


def deploy(made: Lab, security: Security, progress: Progress = slowly) -> tuple[Report, bool]:
    """The report of a run, and whether it changed anything."""
    proof = form_and_verify(made.topology, means(made, security, progress), canary=False)
    assert proof.outcome is not None
    made.topology = proof.outcome.topology
    return proof.report, proof.outcome.changed


def logs_in(port: int, password: str | None, user: str | None = None) -> bool:
    one = redis.Redis("127.0.0.1", port, username=user, password=password, retry=Retry(NoBackoff(), 0))
    try:
        return bool(one.ping())
    except (redis.AuthenticationError, redis.ResponseError):
        return False
    finally:
        one.close()


def held(made: Lab) -> Mapping[int, tuple[int, str, str, str]]:
    """By port: how many passwords the default user has, and what the server keeps of them, in its own words."""
    rows = {}
    for port in made.ports:
        one = client(port, NEW)
        words = next(line for line in one.acl_list() if line.startswith("user default ")).split(" ")
        kept = [one.config_get(name)[name] for name in ("requirepass", "masterauth", "masteruser")]
        rows[port] = (sum(word.startswith("#") for word in words), *kept)
    return rows


def restart(server: Server, password: str) -> None:
    """As from a file that holds just this password."""
    server.stop()
    server.password = password
    server.start()


def lost(made: Lab, acknowledged: Mapping[str, str]) -> list[str]:
    with redis.RedisCluster("127.0.0.1", made.ports[0], password=NEW, decode_responses=True) as everything:
        return [key for key, value in acknowledged.items() if everything.get(key) != value]


@each_release
def test_no_login_is_refused_while_its_password_is_valid(tmp_path: Path, binary: Path) -> None:
    with lab(tmp_path, binary=binary, password=OLD, settings=SETTINGS) as made:
        assert deploy(made, Security(Secret(OLD)))[0].healthy
        both, after = Security(Secret(NEW), previous=Secret(OLD)), Security(Secret(NEW), retired=Secret(OLD))
        with knocking(made.ports, [OLD]) as with_old:
            report, changed = deploy(made, both)
            assert report.healthy, report.findings
            assert changed
            assert not deploy(made, both)[1]
        assert all(logs_in(port, word) for port in made.ports for word in (OLD, NEW))

        with knocking(made.ports, [NEW]) as with_new:
            report, _ = deploy(made, after)
        assert report.healthy, report.findings
        assert [f.severity.value for f in found(report, "password-retired")] == ["ok"]
        assert with_old.refused == with_new.refused == []
        assert min(with_old.logins[0], with_new.logins[0]) > 0
        assert lost(made, {**with_old.acknowledged, **with_new.acknowledged}) == []
        assert set(held(made).values()) == {(1, NEW, NEW, "")}
        assert not any(logs_in(port, OLD) for port in made.ports)

        assert not deploy(made, after)[1]
        made.password = NEW
        for server in made.servers:
            server.password = NEW
        assert_proved(made)


@each_release
def test_a_server_with_the_old_file_comes_back_with_the_next_run(tmp_path: Path, binary: Path) -> None:
    with lab(tmp_path, binary=binary, password=OLD) as made:
        assert deploy(made, Security(Secret(OLD)))[0].healthy
        pairs = fill(made, 60)
        security = Security(Secret(NEW), retired=Secret(OLD))
        assert deploy(made, security)[0].healthy
        restart(made.servers[4], OLD)
        before = verify_only(made.topology, means(made, security), canary=False).report
        assert "node-silent" in codes(before, "error")
        report, changed = deploy(made, security)
        assert report.healthy, report.findings
        assert changed
        assert set(held(made).values()) == {(1, NEW, NEW, "")}
        assert lost(made, pairs) == []


@each_release
def test_an_open_cluster_is_closed_at_the_end(tmp_path: Path, binary: Path) -> None:
    """Clients without a password write until the end; those with the user's name and the new one all the time."""
    with lab(tmp_path, binary=binary, settings=SETTINGS) as made:
        assert deploy(made, Security(open=True))[0].healthy
        security = Security(Secret(NEW))
        with knocking(made.ports, [NEW]) as told, ExitStack() as until_the_end:
            without = until_the_end.enter_context(knocking(made.ports, [None]))

            def hear(event: ProgressEvent) -> None:
                if event.moment is Moment.STARTED and event.phase == "refuse the old password":
                    until_the_end.close()
                slowly(event)

            report, changed = deploy(made, security, hear)
        assert changed
        assert report.healthy, report.findings
        assert told.refused == without.refused == []
        assert min(told.logins[0], without.logins[0]) > 0
        assert not any(logs_in(port, None) for port in made.ports)
        assert set(held(made).values()) == {(1, NEW, NEW, "")}
        assert lost(made, {**told.acknowledged, **without.acknowledged}) == []
        assert not deploy(made, security)[1]
        made.password = NEW
        for server in made.servers:
            server.password = NEW
        assert_proved(made)

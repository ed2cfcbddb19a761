"""What a changed cluster.yml is not allowed to do to servers and data that are there: code, host, what is, what to type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shardwright.adapters.environment import Environment
from shardwright.core.host import preflight
from shardwright.core.host.state import DataState, HostState, MountState, parse
from shardwright.errors import ShardwrightError
from shardwright.model.blueprint import Blueprint, BundleSource, Mount

BUNDLE = BundleSource("a.tar", "0" * 64, "/opt/shardwright/valkey-9", "/opt/shardwright/captured/current", "")


def refused(environment: Environment, blueprint: Blueprint, state: HostState) -> tuple[ShardwrightError, ...]:
    return preflight.refusals(environment.spec, environment.spec.hosts[0], blueprint, state)


def only(errors: tuple[ShardwrightError, ...], code: str) -> str:
    assert [e.code for e in errors] == [code]
    assert errors[0].exit_code == 4
    assert errors[0].message.startswith("h1 (10.213.0.11, zone a): ")
    assert "nothing was changed" in errors[0].message
    return f"{errors[0].message}\n{errors[0].hint}"


def with_server(blueprint: Blueprint, product: str, server: str, bundle: bool = False) -> Blueprint:
    source = BUNDLE if bundle else blueprint.engine.source
    return replace(blueprint, engine=replace(blueprint.engine, product=product, server=server, source=source))


REDIS_7_0 = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
REDIS_7_4 = "Redis server v=7.4.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
VALKEY_8 = "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"


@pytest.mark.parametrize(
    ("runs", "product", "versions", "bundle", "code"),
    [
        (REDIS_7_0, "valkey", "any", False, ""),
        (REDIS_7_0, "valkey", "8.0", True, ""),
        (REDIS_7_0, "redis", "7.2", False, ""),
        (REDIS_7_4, "valkey", "any", True, "upgrade-path"),
        (VALKEY_8, "redis", "8.0", False, "upgrade-path"),
        (VALKEY_8, "valkey", "8.0", False, "downgrades"),
        ("", "valkey", "any", False, "upgrade-path"),
    ],
)
def test_another_engine_under_a_running_server(
    environment: Environment,
    blueprint: Blueprint,
    running: HostState,
    runs: str,
    product: str,
    versions: str,
    bundle: bool,
    code: str,
) -> None:
    """The new engine is not on the host yet: the version that runs and the one that is wanted decide."""
    wanted = with_server(blueprint, product, f"/usr/bin/{product}-server", bundle)
    wanted = replace(wanted, engine=replace(wanted.engine, versions=versions))
    state = replace(running, engine="", processes=(replace(running.processes[0], version=runs),))
    found = refused(environment, wanted, state)
    if not code:
        assert found == ()
        return
    text = only(found, code)
    assert running.processes[0].binary in text
    assert f"{product} " in text


def test_the_same_engine_by_any_name_of_its_binary(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    for binary in ("/usr/bin/redis-server", "/usr/bin/redis-check-rdb", "/usr/bin/redis-check-rdb (deleted)", ""):
        state = replace(running, processes=(replace(running.processes[0], binary=binary),))
        assert refused(environment, blueprint, state) == ()


def test_a_newer_bundle_in_another_place_is_the_same_engine(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    wanted = with_server(blueprint, "valkey", "/opt/shardwright/captured/current/bin/valkey-server", bundle=True)
    binary = "/srv/linked/shardwright/valkey-9.1.1/bin/valkey-server"
    state = replace(running, engine="", processes=(replace(running.processes[0], binary=binary),))
    assert refused(environment, wanted, state) == ()


def test_an_older_bundle_is_refused_before_it_is_sent(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    older = replace(BUNDLE, target="/opt/shardwright/valkey-8.0.1-0a1b2c3d")
    wanted = with_server(blueprint, "valkey", "/opt/shardwright/captured/current/bin/valkey-server")
    wanted = replace(wanted, engine=replace(wanted.engine, source=older, versions="any"))
    state = replace(running, engine="", processes=(replace(running.processes[0], version=VALKEY_8),))
    assert "8.0.1" in only(refused(environment, wanted, state), "downgrades")


def test_another_data_path_under_a_running_server(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    instance = replace(blueprint.instances[0], data="/srv/captured/6379")
    wanted = replace(blueprint, instances=(instance,))
    state = replace(running, data=())
    text = only(refused(environment, wanted, state), "data-path-changed")
    assert "mv /var/lib/shardwright/captured/6379 /srv/captured/6379" in text


def test_a_data_path_through_a_link_is_the_same(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    name = blueprint.instances[0].name
    process = replace(running.processes[0], directory="/big/6379")
    state = replace(running, processes=(process,), data=((name, DataState(real="/big/6379")),))
    assert refused(environment, blueprint, state) == ()


def test_other_ports_beside_servers_of_this_cluster(
    environment: Environment, blueprint: Blueprint, bare: HostState
) -> None:
    text = only(refused(environment, blueprint, replace(bare, adopted=(7000, 7001))), "ports-moved")
    assert "ports 7000, 7001" in text
    assert "new ones on port 6379" in text
    assert "deploy/remove.py" in text


def test_a_server_that_was_taken_out_is_left_to_the_plan(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    assert refused(environment, blueprint, replace(running, adopted=(6379, 6380))) == ()


def test_ports_of_servers_that_the_guard_has_noted() -> None:
    assert parse(["adopted\t7001", "adopted\t7000", "adopted\t7001", "adopted\t*", "adopted\t"]).adopted == (7000, 7001)


@pytest.mark.parametrize(
    ("words", "listens"),
    [
        ("0C00D50A", "10.213.0.12"),
        ("0100007F", "127.0.0.1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
        ("0B00D50A", ""),
        ("00000000", ""),
        ("00000000000000000000000000000000", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_another_address_under_a_running_server(
    environment: Environment, blueprint: Blueprint, running: HostState, words: str, listens: str
) -> None:
    """As /proc/net/tcp writes them; where no address was told, or any is listened on, nothing speaks against it."""
    pid = running.processes[0].pid
    told = parse([f"listen\t18EB\t1\t{words}", f"socket\t1\t{pid}"])
    found = refused(environment, blueprint, replace(running, addresses=told.addresses))
    if not listens:
        assert found == ()
        return
    text = only(found, "address-changed")
    assert f"listens on {listens}, and cluster.yml now wants 10.213.0.11" in text
    assert f"systemctl stop {blueprint.instances[0].service}" in text


def test_another_bus_port_under_a_running_server(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    pid = running.processes[0].pid
    assert refused(environment, blueprint, replace(running, listeners=((6379, pid), (16379, pid)))) == ()
    text = only(
        refused(environment, blueprint, replace(running, listeners=((6379, pid), (17379, pid)))), "bus-port-changed"
    )
    assert f"pid {pid}" in text
    assert "bus port 16379" in text
    assert "put bus_offset in cluster.yml back" in text


def test_another_user_over_data(environment: Environment, blueprint: Blueprint, running: HostState) -> None:
    data = blueprint.instances[0].data
    directories = tuple(replace(d, owner="cache") if d.path == data else d for d in blueprint.directories)
    text = only(refused(environment, replace(blueprint, directories=directories), running), "user-changed")
    assert "belongs to shardwright" in text
    assert f"chown -R cache: {data}" in text


def test_a_directory_that_root_took_is_given_back(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    data = blueprint.instances[0].data
    paths = tuple((p, replace(s, owner="root") if p == data else s) for p, s in running.paths)
    assert refused(environment, blueprint, replace(running, paths=paths)) == ()


def test_a_mount_over_data(environment: Environment, blueprint: Blueprint, running: HostState) -> None:
    mount = Mount("nas:/x", "/var/lib/shardwright", "nfs", "rw")
    wanted = replace(blueprint, mounts=(mount,))
    text = only(refused(environment, wanted, running), "mount-hides-data")
    assert "nas:/x" in text
    mounted = replace(running, mounted=(("/var/lib/shardwright", MountState("nas:/x", "nfs", "rw")),))
    assert refused(environment, wanted, mounted) == ()


def test_a_mount_on_a_bare_host(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    wanted = replace(blueprint, mounts=(Mount("nas:/x", "/var/lib/shardwright", "nfs", "rw"),))
    assert refused(environment, wanted, bare) == ()

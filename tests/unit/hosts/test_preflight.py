"""What stops a run before anything is changed: code, host, what was seen, and what to type."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shardwright.adapters.environment import Environment
from shardwright.core.host import preflight
from shardwright.core.host.state import DiskState, HostState, ProcessState
from shardwright.errors import ShardwrightError
from shardwright.model.blueprint import Blueprint, PackageSource
from shardwright.model.spec import ServiceManager


def refused(environment: Environment, blueprint: Blueprint, state: HostState) -> tuple[ShardwrightError, ...]:
    return preflight.refusals(environment.spec, environment.spec.hosts[0], blueprint, state)


def only(errors: tuple[ShardwrightError, ...], code: str) -> str:
    assert [e.code for e in errors] == [code]
    assert errors[0].message.startswith("h1 (10.213.0.11, zone a): ")
    assert "nothing was changed" in errors[0].message
    assert errors[0].hint
    return f"{errors[0].message}\n{errors[0].hint}"


def test_bare_and_deployed_hosts_are_taken(
    environment: Environment, blueprint: Blueprint, bare: HostState, running: HostState
) -> None:
    assert refused(environment, blueprint, bare) == ()
    assert refused(environment, blueprint, running) == ()
    assert preflight.cautions(environment.spec, blueprint, running) == ()


def test_servers_that_cluster_yml_names_no_more(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    assert preflight.cautions(environment.spec, blueprint, replace(running, adopted=(6379,))) == ()
    seen = replace(running, adopted=(6379, 6380, 6382))
    ((code, text),) = preflight.cautions(environment.spec, blueprint, seen)
    assert code == "servers-unnamed"
    assert "on ports 6380, 6382," in text
    assert "in /etc/shardwright/captured," in text
    assert "(systemctl disable --now shardwright-captured@6380.service shardwright-captured@6382.service)" in text


def test_a_removal_that_would_leave_servers_without_their_unit(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    host = environment.spec.hosts[0]
    assert preflight.half_named(host, blueprint, replace(running, adopted=(6379,))) == ()
    assert preflight.half_named(host, blueprint, replace(running, adopted=())) == ()
    (error,) = preflight.half_named(host, blueprint, replace(running, adopted=(6379, 6400)))
    assert (error.code, error.exit_code) == ("removal-incomplete", 4)
    assert "on port 6400," in error.message
    assert "nothing was removed" in error.message
    assert "ports: [6379, 6400]" in error.hint


def test_a_host_that_is_another_one(
    environment: Environment, blueprint: Blueprint, bare: HostState, running: HostState
) -> None:
    other = ("127.0.0.0", "127.0.0.1", "10.213.0.12", "::1", "fe80::1")
    text = only(refused(environment, blueprint, replace(bare, own=other)), "address-not-there")
    assert "gives it 10.213.0.11, and the host that answers has 10.213.0.12:" in text
    assert refused(environment, blueprint, replace(bare, own=(*other, "10.213.0.11"))) == ()
    assert refused(environment, blueprint, replace(running, own=other)) == (), (
        "a server that runs there is judged by itself"
    )
    only(refused(environment, blueprint, replace(bare, own=("127.0.0.1",))), "address-not-there")


def test_a_host_that_a_drill_has_cut_off(environment: Environment, blueprint: Blueprint, running: HostState) -> None:
    state = replace(running, drill="/run/shardwright-drill-0-captured")
    assert "sh /run/shardwright-drill-0-captured/script" in only(refused(environment, blueprint, state), "drill-left")


def test_a_look_that_ended_early(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    state = replace(bare, complete=False, silent=("disks (late)",))
    assert "disks (late)" in only(refused(environment, blueprint, state), "look-failed")


def test_sudo_that_wants_a_password(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    state = replace(bare, uid=1000, sudo_refusal="sudo: a password is required")
    text = only(refused(environment, blueprint, state), "sudo-refused")
    assert "sudo: a password is required" in text
    assert "deploy ALL=(root) NOPASSWD: ALL" in text


def test_a_system_without_known_packages(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    state = replace(bare, os_id="arch", os_like="", os_name="Arch Linux")
    text = only(refused(environment, blueprint, state), "os-unsupported")
    assert "Arch Linux" in text
    assert "bundled" in text


def test_systemd_that_is_not_there(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    assert "direct" in only(refused(environment, blueprint, replace(bare, init="none")), "no-systemd")


def test_a_port_of_a_stranger(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    stranger = ProcessState(4242, "haproxy", 0, "/", "/usr/sbin/haproxy")
    state = replace(bare, listeners=((16379, 4242),), processes=(stranger,))
    assert "port 16379 is wanted by h1:6379 and held by pid 4242, haproxy" in only(
        refused(environment, blueprint, state), "port-taken"
    )


def test_both_ports_of_one_stranger_are_one_error(
    environment: Environment, blueprint: Blueprint, bare: HostState
) -> None:
    state = replace(bare, listeners=((6379, 7), (16379, 7)))
    assert "ports 6379 and 16379 are wanted" in only(refused(environment, blueprint, state), "port-taken")


def test_a_server_of_ours_that_the_manager_lost_is_not_a_stranger_in_another_directory(
    environment: Environment, blueprint: Blueprint, running: HostState
) -> None:
    """Its unit is down, and a process listens: only if it works in the data directory is it the node itself."""
    units = {**dict(running.units)}
    name = "shardwright-captured@6379.service"
    units[name] = replace(units[name], active="inactive", pid=0)
    state = replace(running, units=tuple(units.items()))
    assert refused(environment, blueprint, state) == ()
    moved = replace(state, processes=(replace(state.processes[0], directory="/elsewhere"),))
    only(refused(environment, blueprint, moved), "port-taken")


@pytest.mark.parametrize(
    ("disk", "code", "words"),
    [
        (DiskState(10**6, 10, "/var"), "disk-full", "df -h /var"),
        (DiskState(10**6, 10**6, "/var", read_only=True), "read-only", "remount,rw /var"),
    ],
)
def test_disks(
    environment: Environment, blueprint: Blueprint, bare: HostState, disk: DiskState, code: str, words: str
) -> None:
    disks = {**dict(bare.disks), "/var/lib/shardwright/captured": disk}
    assert words in only(refused(environment, blueprint, replace(bare, disks=tuple(disks.items()))), code)


@pytest.mark.parametrize(("versions", "refusal"), [(">=8,<9", ()), ("6.2", ("downgrades",))])
def test_another_version_under_running_servers(
    environment: Environment, blueprint: Blueprint, running: HostState, versions: str, refusal: tuple[str, ...]
) -> None:
    """A newer one is installed and taken by restarts; an older one is refused with both."""
    wanted = replace(blueprint, engine=replace(blueprint.engine, versions=versions))
    said = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
    state = replace(running, processes=(replace(running.processes[0], version=said),))
    found = refused(environment, wanted, state)
    assert tuple(e.code for e in found) == refusal
    assert all("7.0.15" in e.message and versions in e.message for e in found)


def test_small_disks_and_memory_are_warnings(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    spec = replace(environment.spec, settings=(("maxmemory", "30gb"),))
    disks = {"/var/lib/shardwright/captured": DiskState(40 * 1024**2, 30 * 1024**2, "/")}
    found = dict(preflight.cautions(spec, blueprint, replace(bare, disks=tuple(disks.items()))))
    assert set(found) == {"memory-small", "disk-small"}
    assert "30720 MiB" in found["memory-small"]


@pytest.mark.parametrize(
    ("text", "size"), [("100mb", 100 * 1024**2), ("1g", 10**9), ("1gb", 2**30), ("4096", 4096), ("0", 0)]
)
def test_memory_units_are_the_servers(environment: Environment, text: str, size: int) -> None:
    assert preflight.memory_limit(replace(environment.spec, settings=(("maxmemory", text),))) == size


def test_clocks() -> None:
    assert preflight.skewed({"a": (0.0, 0.1), "b": (0.9, 0.1)}) == ""
    found = preflight.skewed({"a": (-3.0, 0.1), "b": (0.0, 0.1), "c": (0.2, 0.1)})
    assert found == "the clock of c is 3.2 s ahead of that of a"
    assert preflight.skewed({"a": (5.0, 0.1)}) == ""


def test_clocks_that_slow_looks_make_seem_apart_are_no_warning() -> None:
    assert preflight.skewed({"a": (0.0, 0.1), "b": (1.5, 1.4)}) == ""
    assert "of b is 9.0 s ahead" in preflight.skewed({"a": (0.0, 0.1), "b": (9.0, 1.4)})


def test_the_packages_of_enterprise_linux(blueprint: Blueprint, bare: HostState) -> None:
    from shardwright.core.host.changes import packages_for

    state = replace(bare, os_id="rocky", os_like="rhel centos fedora")
    assert isinstance(blueprint.engine.source, PackageSource)
    assert packages_for(blueprint.engine.source, state) == ("redis",)


def test_a_file_system_that_hangs(environment: Environment, blueprint: Blueprint, bare: HostState) -> None:
    text = only(refused(environment, blueprint, replace(bare, silent=("disks (late)", "kernel (1)"))), "storage-silent")
    assert "not seen: disks (late)" in text
    assert "/var/lib/shardwright/captured" in text
    assert "timeout 5 df" in text


def test_too_few_open_files_count_where_servers_are_ours_to_limit(
    environment: Environment, blueprint: Blueprint, bare: HostState
) -> None:
    direct = replace(blueprint, manager=ServiceManager.DIRECT, user=None)
    state = replace(bare, uid=1000, files=1024)
    assert "open-files-low" not in [e.code for e in refused(environment, direct, state)]
    ((_, text),) = [c for c in preflight.cautions(environment.spec, direct, state) if c[0] == "open-files-low"]
    assert "1,024 files" in text
    assert "maxclients 10,000 needs 10,032" in text
    assert "992 clients" in text
    spec = replace(environment.spec, settings=(*environment.spec.settings, ("maxclients", "5000")))
    errors = preflight.refusals(spec, spec.hosts[0], direct, state)
    (error,) = [e for e in errors if e.code == "open-files-low"]
    assert "h1 (10.213.0.11, zone a): a process may open 1,024 files" in error.message
    assert "5,032" in error.message
    assert "limits.conf" in error.hint
    for fine in (replace(state, files=6000), replace(state, files=0)):
        assert "open-files-low" not in [e.code for e in preflight.refusals(spec, spec.hosts[0], direct, fine)]


@pytest.mark.parametrize(
    ("unit", "kills", "words"),
    [
        ({"active": "failed", "result": "oom-kill"}, 0, "by the word of its service manager"),
        ({"restarts": 2, "result": "success"}, 3, "started again by its service manager (2 times)"),
        ({"active": "failed", "result": "signal", "pid": 0}, 1, "does not run and did not end in order"),
        ({"restarts": 2}, 0, ""),
        ({}, 5, ""),
    ],
)
def test_a_server_that_the_kernel_killed(
    environment: Environment, blueprint: Blueprint, running: HostState, unit: dict[str, object], kills: int, words: str
) -> None:
    name = blueprint.instances[0].service
    units = tuple((n, replace(u, **unit) if n == name else u) for n, u in running.units)  # type: ignore[arg-type]
    found = preflight.cautions(environment.spec, blueprint, replace(running, units=units, oom_kills=kills))
    assert [code for code, _ in found] == ["oom-killed"] * bool(words)
    for _, text in found:
        assert text.startswith(f"{blueprint.instances[0].name} ")
        assert words in text
        assert not kills or f"the kernel there has killed {kills} processes" in text
        assert "lower maxmemory" in text

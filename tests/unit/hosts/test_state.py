"""What `parse` makes of looks that were captured on hosts, and of lines that no host should print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shardwright.core.host.state import HostState, parse
from shardwright.model.spec import ServiceManager


def test_a_bare_host(bare: HostState) -> None:
    assert (bare.login, bare.uid) == ("deploy", 0)
    assert (bare.family, bare.os_version, bare.os_codename, bare.init) == ("debian", "12", "bookworm", "systemd")
    assert bare.manager is ServiceManager.SYSTEMD
    assert bare.packages == ()
    assert bare.engine == ""
    assert not bare.user
    assert bare.path("/etc/shardwright").kind == "absent"
    assert bare.unit("redis-server.service").load == "not-found"
    assert dict(bare.kernel)["/sys/kernel/mm/transparent_hugepage/enabled"].value == "madvise"
    assert bare.complete


def test_a_running_host(running: HostState) -> None:
    assert dict(running.packages)["redis-server"] == "5:7.0.15-1~deb12u10"
    assert running.engine.startswith("Redis server v=7.0.15")
    assert running.path("/etc/shardwright/captured/6379.conf").mode == "640"
    assert running.path("/etc/shardwright/captured/6379.conf").group == "shardwright"
    assert running.unit("redis-server.service").load == "masked"
    unit = running.unit("shardwright-captured@6379.service")
    assert (unit.active, unit.enabled, unit.pid) == ("active", "enabled", 1407)
    assert running.holders(6379) == (1407,)
    assert running.holders(16379) == (1407,)
    assert running.holders(7777) == ()
    process = running.process(1407)
    assert process is not None
    assert (process.program, process.directory) == ("redis-server", "/var/lib/shardwright/captured/6379")
    data = running.data_of("h1:6379")
    assert (data.rdb, data.aof_manifest, data.nodes_conf) == (None, True, 848)


def test_without_root_there_is_only_the_direct_manager() -> None:
    state = parse(["uid\t1000\tdeploy", "init\tsystemd"])
    assert state.manager is ServiceManager.DIRECT


@pytest.mark.parametrize(
    ("line", "family"),
    [
        ("os\tubuntu\t24.04\tdebian\tnoble\tUbuntu 24.04", "debian"),
        ("os\trocky\t9.4\trhel centos fedora\t\tRocky Linux 9.4", "redhat"),
        ("os\talpine\t3.22\t\t\tAlpine", "alpine"),
        ("os\tarch\t\t\t\tArch Linux", "arch"),
    ],
)
def test_families(line: str, family: str) -> None:
    assert parse([line]).family == family


def test_a_late_part_is_named() -> None:
    state = parse(["uid\t0\troot", "silent\tdisks\t124", "silent\tpaths\t2", "end"])
    assert state.silent == ("disks (late)", "paths (2)")


def test_a_port_whose_process_cannot_be_seen() -> None:
    state = parse(["listen\t18EB\t77"])
    assert state.holders(6379) == (None,)


def test_a_cut_off_look_is_not_complete() -> None:
    assert not parse(["uid\t0\troot", "os\tdebian"]).complete


_KEYS = (
    "uid os epoch memory path sum data size manifest unit listen socket process kernel disk fstab mounted started end"
)


@given(st.lists(st.tuples(st.sampled_from([*_KEYS.split(), "x"]), st.lists(st.text(max_size=8), max_size=9))))
def test_no_line_makes_it_raise(rows: list[tuple[str, list[str]]]) -> None:
    state = parse(["\t".join([key, *fields]) for key, fields in rows])
    assert state.family is not None
    assert state.manager in ServiceManager

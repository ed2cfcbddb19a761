"""The look itself, run here by each shell: it ends, it changes nothing, and it sees what is there by other means too."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shardwright.adapters.environment import Environment
from shardwright.core.host import entering, preflight, questions
from shardwright.core.host.state import HostState, parse
from shardwright.model.blueprint import (
    Blueprint,
    BundleSource,
    Directory,
    EngineInstall,
    File,
    Instance,
    KernelSetting,
)
from shardwright.model.endpoint import Endpoint
from shardwright.model.spec import ServiceManager

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A search path whose `sh` is the shell in question; with busybox, its other commands too."""
    place = tmp_path / "bin"
    place.mkdir()
    target = shutil.which(request.param)
    assert target is not None
    names = {"sh"}
    if request.param == "busybox":
        names |= set(subprocess.run([target, "--list"], capture_output=True, text=True, check=True).stdout.split())
    for name in names:
        (place / name).symlink_to(target)
    return f"{place}:/usr/sbin:/usr/bin:/sbin:/bin"


def blueprint(base: Path, port: int) -> Blueprint:
    data = base / "data" / "1"
    instance = Instance(
        "here:1",
        Endpoint("127.0.0.1", port, port + 1),
        "none",
        f"{base}/conf",
        str(data),
        f"{base}/pid",
        "",
        f"{base}/started",
    )
    source = BundleSource("", "", f"{base}/v1", f"{base}/current", "")
    return Blueprint(
        cluster="c",
        host="here",
        manager=ServiceManager.DIRECT,
        engine=EngineInstall("valkey", "any", source, f"{base}/server"),
        user=None,
        kernel=(KernelSetting("pid_max", "/proc/sys/kernel/pid_max", "1"), KernelSetting("no", "/proc/sys/no", "1")),
        mounts=(),
        directories=(Directory(str(data), "", "", "0700"), Directory(f"{base}/absent/deep", "", "", "0700")),
        files=(File(f"{base}/conf", "", "", "", "0600"), File(f"{base}/a 'b' $c", "", "", "", "0600")),
        instances=(instance,),
        guard=f"{base}/guard",
    )


def look(wanted: Blueprint, path: str) -> HostState:
    done = subprocess.run(
        ["sh", "-c", entering.READ, "shardwright", "plain"],
        input=questions.look([wanted]),
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stderr == ""
    return parse(done.stdout.splitlines())


def test_an_empty_place(tmp_path: Path, path: str) -> None:
    state = look(blueprint(tmp_path / "base", 23090), path)
    assert state.complete
    assert state.silent == ()
    assert state.uid == os.getuid()
    assert abs(state.epoch - time.time()) < 60
    assert state.memory_kib * 1024 == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert {p.kind for _, p in state.paths} <= {"absent"}
    assert state.bundle_current is None
    assert state.holders(23090) == ()
    most = Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii").strip()
    assert [(name, kernel.value) for name, kernel in state.kernel] == [("/proc/sys/kernel/pid_max", most)]
    free = shutil.disk_usage(tmp_path).total // 1024
    assert {disk.total for _, disk in state.disks} == {free}
    assert not (tmp_path / "base").exists()


def test_a_place_with_things_in_it(tmp_path: Path, path: str) -> None:
    base = tmp_path / "base"
    data = base / "data" / "1"
    (data / "appendonlydir").mkdir(parents=True)
    (data / "appendonlydir" / "appendonly.aof.manifest").write_text("file x\n")
    (data / "dump.rdb").write_bytes(b"x" * 123)
    (base / "conf").write_text('port 1\nappendonly no\nappendonly "yes"\n')
    (base / "conf").chmod(0o640)
    odd = base / "a 'b' $c"
    odd.write_text("odd")
    (base / "current").symlink_to("v1")
    (base / "server").write_text("#!/bin/sh\necho 'Valkey server v=9.1.2 sha=0'\n")
    (base / "server").chmod(0o755)
    (base / "started").write_text("abc\n")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (base / "pid").write_text(f"{os.getpid()}\n")
        state = look(blueprint(base, port), path)
    assert state.silent == ()
    conf = state.path(str(base / "conf"))
    assert (conf.kind, conf.mode) == ("file", "640")
    assert conf.sha256 == hashlib.sha256((base / "conf").read_bytes()).hexdigest()
    assert state.path(str(odd)).sha256 == hashlib.sha256(b"odd").hexdigest()
    seen = state.data_of("here:1")
    assert (seen.rdb, seen.aof_manifest, seen.nodes_conf, seen.real) == (123, True, None, str(data.resolve()))
    assert dict(state.appendonly) == {"here:1": "yes"}
    assert dict(state.started) == {"here:1": "abc"}
    assert state.bundle_current == "v1"
    assert state.engine == "Valkey server v=9.1.2 sha=0"
    assert state.holders(port) == (os.getpid(),)
    assert state.addresses == (((port, os.getpid()), "127.0.0.1"),)
    process = state.process(os.getpid())
    assert process is not None
    assert process.directory == str(Path.cwd())
    assert abs(process.started - Path(f"/proc/{os.getpid()}").stat().st_ctime) < 3600


def test_a_server_that_was_never_started_has_no_pidfile_of_its_neighbour(tmp_path: Path, path: str) -> None:
    first = blueprint(tmp_path, 23090)
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    (tmp_path / "started").write_text("abc\n")
    (one,) = first.instances
    new = replace(one, name="here:2", pidfile=f"{tmp_path}/no/pid", started=f"{tmp_path}/no/started")
    state = look(replace(first, instances=(one, new)), path)
    assert state.pidfiles == (("here:1", os.getpid()),)
    assert state.started == (("here:1", "abc"),)


def test_a_hosts_own_addresses(tmp_path: Path, path: str) -> None:
    own = look(blueprint(tmp_path / "base", 23090), path).own
    told = subprocess.run(["ip", "-o", "address"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[3].partition("/")[0] for line in told.splitlines()} <= set(own)


def test_what_a_drill_has_left_is_seen_unless_it_cut_nothing(tmp_path: Path, path: str) -> None:
    cluster = f"drilled-{os.getpid()}"
    wanted = replace(blueprint(tmp_path / "base", 23090), cluster=cluster)
    assert look(wanted, path).drill == ""
    left = Path("/run" if os.getuid() == 0 else "/tmp") / f"shardwright-drill-{os.getuid()}-{cluster}"
    left.mkdir()
    try:
        (left / "script").write_text("SW_NAME=c\nSW_KIND=zone\n")
        assert look(wanted, path).drill == str(left)
        (left / "script").write_text("SW_NAME=c\nSW_KIND=process\n")
        assert look(wanted, path).drill == ""
    finally:
        shutil.rmtree(left)


def test_a_stranger_on_a_port_is_found_without_a_pidfile(tmp_path: Path, path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        state = look(blueprint(tmp_path, port), path)
    assert state.holders(port) == (os.getpid(),)


def test_a_pidfile_with_nonsense_in_it(tmp_path: Path, path: str) -> None:
    (tmp_path / "pid").write_text("$(touch /tmp/x) 12 ; rm\n")
    state = look(blueprint(tmp_path, 23090), path)
    assert state.complete
    assert state.processes == ()


def test_a_part_that_hangs_is_cut_off_and_named(tmp_path: Path, path: str) -> None:
    """As `df` does on a dead mount; the other parts still answer."""
    (tmp_path / "server").write_text("#!/bin/sh\nexec sleep 100\n")
    (tmp_path / "server").chmod(0o755)
    (tmp_path / "conf").write_text("")
    text = hurried(questions.look([blueprint(tmp_path, 23090)]))
    done = subprocess.run(
        ["sh", "-c", text], env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60
    )
    state = parse(done.stdout.splitlines())
    assert [part.split()[0] for part in state.silent] == ["engine"]
    assert state.complete
    assert state.memory_kib
    assert [name for name, _ in state.paths] == [str(tmp_path / "conf")], "no part tells twice"


def hurried(script: str) -> str:
    """The same script with deadlines of three seconds: what answers has that long on a busy machine, too."""
    text, count = re.subn(r"\b(attempt|limit) \d+ ", r"\1 3 ", script)
    assert count == 3
    return text


@contextmanager
def dead_mount(target: Path) -> Iterator[None]:
    """A file system whose server never answers, as NFS has when its server is gone: whoever looks at it hangs."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs root and /dev/fuse")
    libc = ctypes.CDLL(None, use_errno=True)
    fuse = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"dead", bytes(target), b"fuse", 0, options) != 0:
            pytest.skip(f"no FUSE here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            libc.umount2(bytes(target), 2)  # MNT_DETACH
    finally:
        os.close(fuse)


def test_a_dead_mount_is_named_in_time_and_nothing_is_done(environment: Environment, tmp_path: Path) -> None:
    """The data directories lie on it; everything else answers. The script's deadlines are shortened, not its ways."""
    dead = tmp_path / "base" / "data"
    dead.mkdir(parents=True)
    made = blueprint(tmp_path / "base", 23090)
    text = hurried(questions.look([made]))
    with dead_mount(dead):
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60)
    state = parse(done.stdout.splitlines())
    assert state.complete
    assert {part.split()[0] for part in state.silent} >= {"instances", "disks"}
    (error,) = preflight.refusals(environment.spec, environment.spec.hosts[0], made, state)
    assert error.code == "storage-silent"
    assert error.exit_code == 3
    assert "h1 (10.213.0.11, zone a): a file system does not answer" in error.message
    assert str(dead) in error.message
    assert f"timeout 5 df {dead}" in error.hint


def test_an_engine_on_a_mount_without_execution_is_said_to_be_there(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "tmpfs", str(base)], check=False).returncode:
        pytest.skip("needs root, to mount")
    try:
        made = blueprint(base, 23090)
        server = Path(made.engine.server)
        server.parent.mkdir(parents=True, exist_ok=True)
        server.write_text("#!/bin/sh\necho Valkey server v=9.1.2\n")
        server.chmod(0o755)
        assert "noexec" in look(made, os.environ["PATH"]).engine
    finally:
        subprocess.run(["umount", str(base)], check=True)

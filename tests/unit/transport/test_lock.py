"""The lock of `shardwright apply`: on this machine, and where ssh does not get there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shardwright.adapters import lock
from shardwright.adapters.ssh import SshTunnels
from shardwright.errors import ObservationError, PlanError
from shardwright.model.report import Severity
from shardwright.model.spec import ClusterSpec, EngineChoice, HostSpec, Product, Ssh


def spec(name: str, *, connect: str = "@local", port: int = 22) -> ClusterSpec:
    host = HostSpec("h1", "127.0.0.1", (7000,), connect=connect, ssh=Ssh(port=port))
    return ClusterSpec(name, EngineChoice(Product.VALKEY), 3, 1, (host,))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One try, and lock files in a directory of the test's own (root's are in /run, and go)."""
    monkeypatch.setattr(lock, "_TRIES", 1)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield
    for left in Path("/run").glob(f"shardwright-deploy-*{tmp_path.name}.lock"):
        left.unlink()


def test_it_is_one_runs_until_that_gives_it_back(tmp_path: Path) -> None:
    mine = spec(f"lock-{tmp_path.name}")
    held, warned = lock.hold_or_warn(mine, None)
    assert held is not None
    assert warned == ()
    try:
        with pytest.raises(PlanError) as refused:
            lock.hold_or_warn(mine, None)
        assert refused.value.code == "locked"
        assert lock.owner().rpartition(", since")[0] in refused.value.message
        other, _ = lock.hold_or_warn(spec(f"other-{tmp_path.name}"), None)
        assert other is not None
        other.release()
    finally:
        held.release()
    again, _ = lock.hold_or_warn(mine, None)
    assert again is not None
    again.release()


@contextmanager
def closed() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        listener.close()
        yield port


def test_without_ssh_there_is_a_warning_and_no_refusal() -> None:
    with closed() as port:
        unreached = spec("apart", connect="127.0.0.1", port=port)
        tunnels = SshTunnels(unreached)
        held, (warning,) = lock.hold_or_warn(unreached, tunnels)
        tunnels.close()
    assert held is None
    assert (warning.code, warning.severity, warning.subject) == ("no-lock", Severity.WARNING, "h1")
    assert "ssh to h1" in warning.message
    assert "would not be noticed" in warning.message
    assert warning.hint


def test_a_sudo_that_wants_a_password_is_told_as_that(tmp_path: Path) -> None:
    """By a `sudo` and an `id` of the test's own, run as the host would."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, text in (
        ("sudo", "echo 'sudo: a password is required' >&2; exit 1"),
        ("id", '[ "$1" = -u ] && echo 1000 || echo ann'),
    ):
        (place / name).write_text(f"#!/bin/sh\n{text}\n")
        (place / name).chmod(0o755)
    program = lock.words(spec("asked", connect="").hosts[0], "asked")
    with pytest.raises(ObservationError) as refused:
        lock.confirm(lock.on_this_machine(["env", f"PATH={place}:/usr/bin:/bin", *program]), "h1 (127.0.0.1)", "asked")
    assert refused.value.code == "sudo-refused"
    assert "ann may not use sudo without a password (sudo: a password is required)" in refused.value.message
    assert refused.value.hint == "put into /etc/sudoers.d/shardwright: ann ALL=(root) NOPASSWD: ALL"

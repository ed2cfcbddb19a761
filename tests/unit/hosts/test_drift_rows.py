"""What differs on one host, told as drift, from captured looks at real hosts."""

from __future__ import annotations

from dataclasses import replace

from shardwright.core.host.drift_rows import edited, rows
from shardwright.core.host.state import HostState, KernelState, PathState, UnitState
from shardwright.model.blueprint import Blueprint


def said(blueprint: Blueprint, state: HostState) -> set[tuple[str, str, str]]:
    return {(d.code, d.name, d.mend.value) for d in rows(blueprint, state)}


def kernel(state: HostState, path: str, value: str, *, writable: bool = True) -> HostState:
    return replace(state, kernel=tuple((p, KernelState(value, writable) if p == path else k) for p, k in state.kernel))


def path(state: HostState, name: str, **changed: str) -> HostState:
    return replace(state, paths=tuple((p, replace(s, **changed) if p == name else s) for p, s in state.paths))


def test_a_deployed_host_has_none(blueprint: Blueprint, running: HostState) -> None:
    assert rows(blueprint, running) == ()


def test_a_kernel_setting(blueprint: Blueprint, running: HostState) -> None:
    setting = next(k for k in blueprint.kernel if k.name == "vm.swappiness")
    (row,) = rows(blueprint, kernel(running, setting.path, "60"))
    assert (row.code, row.subject, row.wanted, row.found, row.mend.value) == (
        "drift-kernel", blueprint.host, "1", "60", "deploy",
    )  # fmt: skip
    (row,) = rows(blueprint, kernel(running, setting.path, "60", writable=False))
    assert row.mend.value == "person"
    assert f"echo 1 > {setting.path}" in row.hint


def test_a_stopped_and_a_disabled_service(blueprint: Blueprint, running: HostState) -> None:
    (instance,) = blueprint.instances
    unit = running.unit(instance.service)

    def with_unit(changed: UnitState) -> HostState:
        units = tuple((n, changed if n == instance.service else u) for n, u in running.units)
        return replace(running, units=units)

    assert ("drift-service", instance.service, "deploy") in said(
        blueprint, with_unit(replace(unit, active="inactive", sub="dead", pid=0))
    )
    assert said(blueprint, with_unit(replace(unit, enabled="disabled"))) == {
        ("drift-service-boot", instance.service, "deploy")
    }


def test_an_edited_configuration_is_left_to_its_lines_and_other_files_are_named(
    blueprint: Blueprint, running: HostState
) -> None:
    (instance,) = blueprint.instances
    other = path(running, instance.config, sha256="0" * 64)
    assert [d for d in rows(blueprint, other) if d.code == "drift-file"] == []
    assert list(edited(blueprint, other)) == [instance.config]
    unit = next(f.path for f in blueprint.files if f.path.startswith("/etc/systemd"))
    (row, *_) = [d for d in rows(blueprint, path(running, unit, sha256="0" * 64)) if d.code == "drift-file"]
    assert (row.name, row.wanted, row.found) == (unit, "as rendered", "another text")
    assert edited(blueprint, path(running, unit, sha256="0" * 64)) == {}


def test_a_file_that_is_gone_or_open_to_all(blueprint: Blueprint, running: HostState) -> None:
    (instance,) = blueprint.instances
    gone = replace(running, paths=tuple((p, PathState() if p == instance.config else s) for p, s in running.paths))
    assert ("drift-file", instance.config, "deploy") in said(blueprint, gone)
    (row,) = rows(blueprint, path(running, instance.config, mode="644"))
    assert row.wanted == "mode 640 root:shardwright"
    assert row.found == "mode 644 root:shardwright"


def test_other_files_than_a_server_started_with_are_left_to_what_it_says_itself(
    blueprint: Blueprint, running: HostState
) -> None:
    (instance,) = blueprint.instances
    assert rows(blueprint, replace(running, started=((instance.name, "0" * 64),))) == ()


def test_a_bare_host_differs_in_everything(blueprint: Blueprint, bare: HostState) -> None:
    found = {code for code, _, _ in said(blueprint, bare)}
    assert {"drift-engine", "drift-user", "drift-file", "drift-service"} <= found

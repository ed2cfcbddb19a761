"""What differs, on captured states: nothing on a deployed host, everything in order on a bare one, and the traps."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shardwright.core.host.changes import InstallPackages, Stage, StartInstances, changes, with_appendonly
from shardwright.core.host.state import DataState, HostState, KernelState, PathState
from shardwright.model.blueprint import Blueprint, File, Mount

CONFIG = "/etc/shardwright/captured/6379.conf"
LOGINS = (["requirepass"], ["masterauth"], ["user"], ["protected-mode"])
UNIT = "shardwright-captured@6379.service"


def with_path(state: HostState, path: str, **changed: object) -> HostState:
    old = state.path(path)
    paths = {**dict(state.paths), path: replace(old, **changed)}  # type: ignore[arg-type]
    return replace(state, paths=tuple(paths.items()))


def with_unit(state: HostState, name: str, **changed: object) -> HostState:
    units = {**dict(state.units), name: replace(state.unit(name), **changed)}  # type: ignore[arg-type]
    return replace(state, units=tuple(units.items()))


def written(found: tuple[object, ...]) -> dict[str, File]:
    return {c.action.path: c.action for c in found if isinstance(c.action, File)}  # type: ignore[attr-defined]


def test_a_deployed_host_needs_nothing(blueprint: Blueprint, running: HostState) -> None:
    found = changes(blueprint, running)
    assert found.changes == ()
    assert found.warnings == ()
    assert found.restart_needed == ()
    assert found.deferred == ()


def test_a_bare_host_needs_everything_in_order(blueprint: Blueprint, bare: HostState) -> None:
    found = changes(blueprint, bare)
    stages = [c.stage for c in found.changes]
    assert stages == sorted(stages, key=list(Stage).index)
    texts = [c.text for c in found.changes]
    assert texts.index("mask redis-server.service") < texts.index("install redis-server redis-tools")
    assert {"create the system user shardwright", "start h1:6379", f"write {CONFIG}"} <= set(texts)
    assert found.deferred == ()


def test_no_change_shows_a_secret(blueprint: Blueprint, bare: HostState, password: str) -> None:
    found = changes(blueprint, bare)
    assert any(password in f.content for f in written(found.changes).values())
    assert password not in repr(found)


def test_a_changed_file_never_restarts_its_server(blueprint: Blueprint, running: HostState) -> None:
    found = changes(blueprint, with_path(running, CONFIG, sha256="0" * 64))
    assert [c.text for c in found.changes] == [f"rewrite {CONFIG}"]
    assert not found.of(Stage.SERVICES)


def test_a_server_that_runs_with_another_file_is_named(blueprint: Blueprint, running: HostState) -> None:
    state = replace(running, started=(("h1:6379", "0" * 64),))
    assert changes(blueprint, state).restart_needed == (("h1:6379", (CONFIG,)),)


def test_a_server_that_was_only_switched_to_aof_needs_no_restart(blueprint: Blueprint, running: HostState) -> None:
    import hashlib

    content = next(f.content for f in blueprint.files if f.path == CONFIG)
    off = hashlib.sha256(with_appendonly(content, "no").encode()).hexdigest()
    assert changes(blueprint, replace(running, started=(("h1:6379", off),))).restart_needed == ()


def test_a_server_whose_password_was_changed_live_needs_no_restart(blueprint: Blueprint, running: HostState) -> None:
    import hashlib

    content = next(f.content for f in blueprint.files if f.path == CONFIG)
    before = re.sub(r"^(requirepass|masterauth) .*$", r"\1 another", content, flags=re.MULTILINE)
    before = before.replace("masterauth another\n", "masterauth another\nuser default on #00 ~* &* +@all\n")
    assert before.count("another") == 2
    bare = "".join(x for x in before.splitlines(keepends=True) if x.split()[:1] not in LOGINS)
    sums = [hashlib.sha256(text.encode()).hexdigest() for text in (bare, bare.replace("port 6379", "port 6380"))]
    found = [changes(blueprint, replace(running, started=(("h1:6379", s),))).restart_needed for s in sums]
    assert found == [(), (("h1:6379", (CONFIG,)),)]


@pytest.mark.parametrize("changed", [{"mode": "644"}, {"owner": "nobody"}, {"group": "root"}])
def test_mode_owner_and_group_are_put_right(blueprint: Blueprint, running: HostState, changed: dict[str, str]) -> None:
    found = changes(blueprint, with_path(running, CONFIG, **changed))
    assert [c.text for c in found.changes] == [f"set {next(iter(changed))} of {CONFIG}"]


def test_a_stopped_server_is_started_alone(blueprint: Blueprint, running: HostState) -> None:
    found = changes(blueprint, with_unit(running, UNIT, active="failed", pid=0))
    assert [type(c.action) for c in found.changes] == [StartInstances]


def test_a_running_server_that_a_boot_would_lose_is_enabled(blueprint: Blueprint, running: HostState) -> None:
    found = changes(blueprint, with_unit(running, UNIT, enabled="disabled"))
    assert [c.text for c in found.changes] == ["enable h1:6379 at boot"]


def test_a_changed_unit_file_is_read_again_in_the_same_run(blueprint: Blueprint, running: HostState) -> None:
    found = changes(blueprint, with_unit(running, UNIT, needs_reload=True))
    assert [c.text for c in found.changes] == ["let systemd read its units again"]


class TestPersistence:
    """`appendonly yes` written for a server that ran without it loses its data at the next start."""

    def wanted(self, blueprint: Blueprint) -> str:
        return next(f.content for f in blueprint.files if f.path == CONFIG)

    def state(self, running: HostState, *, written: str | None, rdb: int | None, manifest: bool, up: bool) -> HostState:
        state = with_path(running, CONFIG, sha256="0" * 64)
        state = replace(
            state,
            data=(("h1:6379", DataState(rdb, manifest, 100, "/var/lib/shardwright/captured/6379")),),
            appendonly=(("h1:6379", written),) if written else (),
        )
        return state if up else with_unit(state, UNIT, active="inactive", pid=0)

    @pytest.mark.parametrize("up", [True, False])
    def test_data_without_aof_stays_without_it_for_now(
        self, blueprint: Blueprint, running: HostState, up: bool
    ) -> None:
        state = self.state(running, written="no", rdb=500, manifest=False, up=up)
        found = changes(blueprint, state)
        assert found.deferred == ("h1:6379",)
        content = written(found.changes)[CONFIG].content
        assert "\nappendonly no\n" in content
        assert "appendonly yes" not in content

    def test_a_running_server_without_any_file_yet_is_deferred(self, blueprint: Blueprint, running: HostState) -> None:
        state = self.state(running, written="no", rdb=None, manifest=False, up=True)
        assert changes(blueprint, state).deferred == ("h1:6379",)

    def test_a_stale_manifest_does_not_count(self, blueprint: Blueprint, running: HostState) -> None:
        state = self.state(running, written="no", rdb=500, manifest=True, up=False)
        assert changes(blueprint, state).deferred == ("h1:6379",)

    def test_once_switched_live_the_final_file_is_written(self, blueprint: Blueprint, running: HostState) -> None:
        state = self.state(running, written="no", rdb=500, manifest=True, up=True)
        found = changes(blueprint, state, settled=True)
        assert found.deferred == ()
        assert written(found.changes)[CONFIG].content == self.wanted(blueprint)

    def test_an_empty_node_gets_the_final_file_at_once(self, blueprint: Blueprint, running: HostState) -> None:
        state = self.state(running, written="no", rdb=None, manifest=False, up=False)
        found = changes(blueprint, state)
        assert found.deferred == ()
        assert written(found.changes)[CONFIG].content == self.wanted(blueprint)

    def test_aof_data_is_not_started_without_aof(self, blueprint: Blueprint, running: HostState) -> None:
        """The other way round: a stopped server with AOF would come up with an old snapshot."""
        files = tuple(replace(f, content=with_appendonly(f.content, "no")) for f in blueprint.files)
        state = self.state(running, written="yes", rdb=500, manifest=True, up=False)
        found = changes(replace(blueprint, files=files), state)
        assert found.deferred == ("h1:6379",)
        assert "\nappendonly yes\n" in written(found.changes)[CONFIG].content


class TestEngine:
    def test_the_wrong_version_is_installed_anew(self, blueprint: Blueprint, running: HostState) -> None:
        wanted = replace(blueprint, engine=replace(blueprint.engine, versions="8.0"))
        assert [type(c.action) for c in changes(wanted, running).changes] == [InstallPackages]

    def test_a_package_of_the_right_name_with_the_wrong_binary_counts_as_missing(
        self, blueprint: Blueprint, running: HostState
    ) -> None:
        state = replace(running, engine="Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1")
        assert [type(c.action) for c in changes(blueprint, state).changes] == [InstallPackages]

    def test_a_service_that_came_back_is_masked_again(self, blueprint: Blueprint, running: HostState) -> None:
        state = with_unit(running, "redis-server.service", load="loaded", enabled="enabled")
        assert [c.text for c in changes(blueprint, state).changes] == ["mask redis-server.service"]

    def test_a_leftover_policy_goes(self, blueprint: Blueprint, running: HostState) -> None:
        found = changes(blueprint, replace(running, policy_leftover=True))
        assert [c.text for c in found.changes] == ["remove the policy-rc.d that an interrupted run left"]


class TestKernel:
    PATH = "/proc/sys/vm/overcommit_memory"

    @pytest.mark.parametrize(
        ("path", "now", "wanted"),
        [(PATH, "0", "1"), ("/sys/kernel/mm/transparent_hugepage/enabled", "always", "madvise")],
    )
    def test_what_cannot_be_set_is_a_warning_with_the_command(
        self, blueprint: Blueprint, running: HostState, path: str, now: str, wanted: str
    ) -> None:
        kernel = {**dict(running.kernel), path: KernelState(now, writable=False)}
        found = changes(blueprint, replace(running, kernel=tuple(kernel.items())))
        assert found.changes == ()
        [(code, text)] = found.warnings
        assert code == "kernel-setting-refused"
        assert f"is {now}, wanted {wanted}" in text
        assert f"as root: echo {wanted} > {path}" in text

    def test_a_setting_that_this_kernel_lacks_is_a_warning(self, blueprint: Blueprint, running: HostState) -> None:
        kernel = tuple((p, k) for p, k in running.kernel if p != self.PATH)
        assert [code for code, _ in changes(blueprint, replace(running, kernel=kernel)).warnings] == [
            "kernel-setting-missing"
        ]

    def test_a_higher_backlog_is_left_alone(self, blueprint: Blueprint, running: HostState) -> None:
        kernel = {**dict(running.kernel), "/proc/sys/net/core/somaxconn": KernelState("65535", writable=True)}
        assert changes(blueprint, replace(running, kernel=tuple(kernel.items()))).changes == ()


def test_storage_is_mounted_before_directories_are_made(blueprint: Blueprint, bare: HostState) -> None:
    mount = Mount("filer:/cache/h1", "/var/lib/shardwright/captured", "nfs4", "hard,_netdev,nofail")
    found = changes(replace(blueprint, mounts=(mount,)), bare)
    stages = [c.stage for c in found.changes]
    assert stages.index(Stage.MOUNTS) < stages.index(Stage.OWNERSHIP)


def test_a_link_in_place_of_a_file_is_replaced(blueprint: Blueprint, running: HostState) -> None:
    paths = {**dict(running.paths), CONFIG: PathState("link", "777", "root", "root")}
    found = changes(blueprint, replace(running, paths=tuple(paths.items())))
    assert [c.text for c in found.changes] == [f"rewrite {CONFIG}"]


def test_an_activating_unit_counts_as_running(blueprint: Blueprint, running: HostState) -> None:
    """It may load its data for hours."""
    state = with_unit(running, UNIT, active="activating")
    assert changes(blueprint, state).changes == ()

"""What must hold of every blueprint, whatever the spec."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from tests.golden.specs import BUNDLE, NASTY, SPECS, blueprint_of, lab, local, staging

from shardwright.core.blueprint import blueprint
from shardwright.core.engine_choice import engine_install
from shardwright.core.placement import place
from shardwright.errors import SpecError
from shardwright.model.blueprint import Blueprint, BundleSource
from shardwright.model.secret import Secret
from shardwright.model.spec import ClusterSpec, HostSpec, MountSpec, Paths, Persistence, Security, ServiceManager, Ssh

SYSTEM_DIRECTORIES = {
    "/etc/systemd/system",
    "/etc/sysctl.d",
    "/etc/tmpfiles.d",
    "/etc/logrotate.d",
    "/etc/init.d",
    "/etc/local.d",
}


def text_of(found: Blueprint, end: str) -> str:
    (text,) = [f.content for f in found.files if f.path.endswith(end)]
    return text


def with_settings(spec: ClusterSpec, **given: str) -> ClusterSpec:
    return replace(spec, settings=tuple((name.replace("_", "-"), value) for name, value in given.items()))


def nested() -> ClusterSpec:
    """Paths that share their parents."""
    top = PurePosixPath("/srv/all")
    return replace(lab(), paths=Paths(top, top / "etc", top, top / "run", top / "log"))


@pytest.mark.parametrize("spec", [*(make() for make in SPECS.values()), nested()], ids=[*SPECS, "nested"])
def test_every_file_has_its_directory_and_every_directory_comes_after_its_parent(spec: ClusterSpec) -> None:
    found = blueprint_of(spec)
    made = [d.path for d in found.directories]
    assert len(made) == len(set(made))
    for n, path in enumerate(made):
        ours = [p for p in made if PurePosixPath(path).is_relative_to(p) and p != path]
        assert all(made.index(p) < n for p in ours)
    for file in found.files:
        assert str(PurePosixPath(file.path).parent) in SYSTEM_DIRECTORIES | set(made)


@pytest.mark.parametrize("name", SPECS)
def test_it_is_the_same_every_time(name: str) -> None:
    spec = SPECS[name]()
    assert blueprint_of(spec) == blueprint_of(SPECS[name]())
    shuffled = replace(spec, settings=tuple(reversed(spec.settings)))
    assert blueprint_of(shuffled) == blueprint_of(spec)


@pytest.mark.parametrize("name", SPECS)
def test_the_servers_own_nothing_but_their_data_run_and_log_directories(name: str) -> None:
    found = blueprint_of(SPECS[name]())
    if found.user is None:
        assert (
            {(d.owner, d.group) for d in found.directories} == {("", "")} == {(f.owner, f.group) for f in found.files}
        )
        return
    assert {f.owner for f in found.files} == {"root"}
    for directory in found.directories:
        if directory.owner != "root":
            assert any(part in directory.path for part in ("/lib/", "/run/", "/log/"))
    for instance in found.instances:
        (data,) = [d for d in found.directories if d.path == instance.data]
        assert (data.owner, data.group, data.mode) == ("shardwright", "shardwright", "0700")


@pytest.mark.parametrize("name", SPECS)
def test_no_file_may_be_written_by_others_and_the_configuration_not_even_read(name: str) -> None:
    for file in blueprint_of(SPECS[name]()).files:
        assert int(file.mode, 8) & 0o022 == 0
        if file.path.endswith(".conf") and "/shardwright/" in file.path:
            assert int(file.mode, 8) & 0o007 == 0


def test_the_password_is_only_in_secret_files_and_never_shown() -> None:
    spec = replace(lab(), security=Security(Secret("hunter2-hunter2-hunter2-hunter2-")))
    found = blueprint_of(spec)
    assert "hunter2" not in repr(found)
    assert [f.path for f in found.files if "hunter2" in f.content] == [f.path for f in found.files if f.secret]
    assert [f.path for f in found.files if f.secret] == ["/etc/shardwright/lab/6379.conf"]


def test_a_host_without_root_gets_nothing_outside_its_paths() -> None:
    spec = local()
    found = blueprint_of(spec)
    assert (found.user, found.kernel, found.mounts) == (None, (), ())
    everything = [d.path for d in found.directories] + [f.path for f in found.files]
    assert all(path.startswith("/home/operator/.shardwright/") for path in everything)
    remote = replace(spec, hosts=(replace(spec.hosts[0], connect="", ssh=Ssh(sudo=False)),), user="shardwright")
    assert blueprint_of(remote).user is None


def test_two_clusters_on_a_host_share_no_file() -> None:
    for manager in (ServiceManager.SYSTEMD, ServiceManager.DIRECT, ServiceManager.OPENRC):
        one, two = (blueprint_of(replace(lab(), name=name, service_manager=manager)) for name in ("one", "two"))
        assert not {f.path for f in one.files} & {f.path for f in two.files}
        assert not {i.data for i in one.instances} & {i.data for i in two.instances}
        assert not {i.service for i in one.instances} & {i.service for i in two.instances}


def test_a_bundle_never_overwrites_another() -> None:
    one = engine_install(local(), BUNDLE).source
    two = engine_install(local(), replace(BUNDLE, content="ab" * 32)).source
    assert isinstance(one, BundleSource)
    assert isinstance(two, BundleSource)
    assert one.target.endswith("/valkey-9.1.2-c0c0c0c0")
    assert one.target != two.target
    assert one.current == two.current


def test_a_manager_must_be_decided() -> None:
    spec = replace(lab(), service_manager=ServiceManager.AUTO)
    with pytest.raises(ValueError, match="auto"):
        blueprint_of(spec)


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(ValueError, match="'h9'"):
        blueprint_of(lab(), "h9")


def test_servers_are_never_started_as_root_for_want_of_a_name() -> None:
    with pytest.raises(SpecError) as caught:
        blueprint_of(replace(lab(), user=""))
    assert caught.value.code == "user-needed"


def test_each_host_gets_its_own_nodes_only() -> None:
    spec = staging()
    topology = place(spec)
    for host in spec.hosts:
        found = blueprint(spec, topology, host.name, engine_install(spec))
        assert [i.endpoint for i in found.instances] == sorted(
            n.endpoint for n in topology.nodes if n.host == host.name
        )


@pytest.mark.parametrize("password", ["a\nport 1", "a\rb"])
def test_a_newline_in_the_password_is_refused(password: str) -> None:
    with pytest.raises(SpecError) as caught:
        blueprint_of(replace(lab(), security=Security(Secret(password))))
    assert caught.value.code == "value-has-newline"


def test_a_newline_in_a_setting_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        blueprint_of(with_settings(lab(), proc_title_template="a\nenable-debug-command yes"))
    assert caught.value.code == "value-has-newline"


@pytest.mark.parametrize(
    ("aof", "save", "replicas", "restart"),
    [
        (True, (), 1, "on-failure"),
        (False, ((60, 1),), 1, "on-failure"),
        (False, (), 1, "no"),
        (False, (), 0, "on-failure"),
    ],
)
def test_an_emptied_primary_does_not_come_back_by_itself(
    aof: bool, save: tuple[tuple[int, int], ...], replicas: int, restart: str
) -> None:
    spec = replace(lab(), persistence=Persistence(aof=aof, save=save), replicas=replicas)
    assert f"\nRestart={restart}\n" in text_of(blueprint_of(spec), "@.service")
    openrc = text_of(blueprint_of(replace(spec, service_manager=ServiceManager.OPENRC)), "lab-6379")
    assert ("supervisor=supervise-daemon" in openrc) is (restart != "no")
    assert ("command_background=yes" in openrc) is (restart == "no")


def test_there_are_descriptors_for_all_clients() -> None:
    assert "\nLimitNOFILE=65536\n" in text_of(blueprint_of(lab()), "@.service")
    many = text_of(blueprint_of(with_settings(lab(), maxclients="100000")), "@.service")
    (limit,) = [int(line.partition("=")[2]) for line in many.splitlines() if line.startswith("LimitNOFILE=")]
    assert limit >= 100_000 + 32


def test_somaxconn_fits_the_backlog_and_is_not_lowered() -> None:
    (default,) = [k for k in blueprint_of(lab()).kernel if k.name == "net.core.somaxconn"]
    (raised,) = [k for k in blueprint_of(staging()).kernel if k.name == "net.core.somaxconn"]
    assert (default.value, default.at_least, raised.value) == ("4096", True, "8192")


def test_protected_mode_lets_members_in_where_the_spec_says_open() -> None:
    spec = replace(lab(), security=Security(open=True))
    assert "\nprotected-mode no\n" in text_of(blueprint_of(spec), "6379.conf")
    assert "requirepass" not in text_of(blueprint_of(spec), "6379.conf")
    assert "\nprotected-mode yes\n" in text_of(blueprint_of(lab()), "6379.conf")
    assert "\nprotected-mode yes\n" in text_of(blueprint_of(local()), "7000.conf")


def test_the_bus_port_is_said_only_where_it_is_not_the_servers_own_default() -> None:
    assert "cluster-port" not in text_of(blueprint_of(lab()), "6379.conf")
    assert "\ncluster-port 17379\n" in text_of(blueprint_of(staging()), "6379.conf")


def test_mounts_are_each_hosts_own_hard_and_never_hang_the_boot() -> None:
    (mount,) = blueprint_of(staging(), "cache-2").mounts
    options = mount.options.split(",")
    assert mount.source == "filer:/export/cache-2"
    assert {"hard", "nofail", "_netdev", "x-systemd.mount-timeout=30s", "nosuid", "nodev", "noexec"} <= set(options)
    assert "/var/lib/shardwright" not in [d.path for d in blueprint_of(staging()).directories]


def test_mount_options_of_the_operator_stand() -> None:
    spec = replace(staging(), mounts=(MountSpec("f:/x", "/var/lib/shardwright", options=("vers=4.2", "nofail")),))
    options = blueprint_of(spec).mounts[0].options
    assert options == "vers=4.2,nofail,_netdev,x-systemd.mount-timeout=30s"


def test_specifiers_and_dollars_in_paths_are_literal_in_the_unit() -> None:
    odd = PurePosixPath("/srv/50% $HOME data")
    unit = text_of(blueprint_of(replace(lab(), paths=replace(lab().paths, data=odd, prefix=odd))), "@.service")
    assert 'RequiresMountsFor="/srv/50%% $HOME data/lab/%i"' in unit
    assert 'ExecStartPre="/srv/50%% $$HOME data/lab/shardwright-guard" check %i' in unit


@pytest.mark.parametrize(("path", "line"), [("/home/x", "ProtectHome=read-only"), ("/tmp/x", "PrivateTmp=no")])
def test_the_unit_sees_its_own_paths(path: str, line: str) -> None:
    spec = replace(lab(), paths=replace(lab().paths, data=PurePosixPath(path)))
    assert f"\n{line}\n" in text_of(blueprint_of(spec), "@.service")
    assert f"\n{line}\n" not in text_of(blueprint_of(lab()), "@.service")


def test_a_run_directory_elsewhere_is_made_by_the_deploy() -> None:
    spec = replace(lab(), paths=replace(lab().paths, run=PurePosixPath("/srv/run")))
    found = blueprint_of(spec)
    assert "RuntimeDirectory" not in text_of(found, "@.service")
    assert "/srv/run/lab/6379" in [d.path for d in found.directories]


def test_a_host_that_is_named_is_not_announced_as_an_ip() -> None:
    spec = replace(lab(), hosts=tuple(replace(h, address=f"{h.name}.example") for h in lab().hosts))
    text = text_of(blueprint_of(spec), "6379.conf")
    assert "\nbind h1.example\n" in text
    assert "cluster-announce-ip" not in text


def test_the_nasty_password_stays_one_word_on_one_line() -> None:
    lines = text_of(blueprint_of(staging()), "6379.conf").splitlines()
    assert len([line for line in lines if line.startswith(("requirepass ", "masterauth "))]) == 2
    assert all(line.isascii() for line in lines)
    assert NASTY.isascii() is False


def test_instances_that_hold_no_place_are_deployed_too() -> None:
    spec = replace(lab(), hosts=(*lab().hosts, HostSpec("h7", "10.99.0.17", (6379,), zone="a", leaving=True)))
    assert [len(blueprint_of(spec, h.name).instances) for h in spec.hosts] == [1] * 7


def test_the_file_takes_the_previous_password_by_its_hash_and_not_the_retired_one() -> None:
    spec = replace(lab(), security=Security(Secret("new"), previous=Secret("old"), retired=Secret("older")))
    text = text_of(blueprint_of(spec), "/6379.conf")
    new, old = (hashlib.sha256(word).hexdigest() for word in (b"new", b"old"))
    assert f"requirepass new\nmasterauth new\nuser default on #{new} #{old} ~* &* +@all\n" in text
    assert not [line for line in text.splitlines() if line.split(" ")[-1] in ("old", "older")]
    alone = text_of(
        blueprint_of(replace(spec, security=Security(Secret("new"), retired=Secret("older")))), "/6379.conf"
    )
    assert alone == text.replace(f"user default on #{new} #{old} ~* &* +@all\n", "")

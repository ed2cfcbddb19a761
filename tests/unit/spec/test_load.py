"""From a file to a spec: every field arrives, defaults are as documented, and what can't be a spec is refused in words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from shardwright.adapters.spec_file import MAX_BYTES, load, load_with_warnings, loads
from shardwright.errors import SpecError
from shardwright.model.secret import Secret
from shardwright.model.spec import (
    ClusterSpec,
    Domain,
    EngineChoice,
    HostSpec,
    MountSpec,
    Paths,
    Persistence,
    Product,
    Security,
    ServiceManager,
    Ssh,
    Transport,
)

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
PASSWORD = "correct horse battery staple"
MINIMAL = (HERE / "minimal.yml").read_text()
FULL = (HERE / "full.yml").read_text()


def problems(text: str, **env: str) -> list[tuple[str, str, int]]:
    with pytest.raises(SpecError) as caught:
        loads(text, env=env)
    return [(p.code, p.path, p.line) for p in caught.value.problems]


def test_every_field_arrives(tmp_path: Path) -> None:
    (tmp_path / "cluster.yml").write_text(FULL)
    common = {"port": 2222, "key": str(tmp_path / "keys/id"), "known_hosts": "/etc/hosts", "jump": "gate"}
    assert load(tmp_path / "cluster.yml", {"PASSWORD": PASSWORD}) == ClusterSpec(
        name="cache-7",
        engine=EngineChoice(Product.VALKEY, ">=8.0,<10", None, "bookworm-backports"),
        shards=4,
        replicas=2,
        hosts=(
            HostSpec(
                "h1.example.com", "10.0.0.1", (7000, 7001, 7002, 7003), "a", "r1", "10.0.0.1", Ssh("deploy", **common)
            ),
            HostSpec("h2", "10.0.0.2", (6380, 6379, 6381, 6400), "b", "r1", "h2.example.com", Ssh("deploy", **common)),
            HostSpec(
                name="h3",
                address="10.0.0.3",
                ports=(7000, 7001, 7002, 7003, 7004),
                zone="c",
                rack="r1",
                connect="10.0.0.3",
                ssh=Ssh("admin", strict_host_key=False, sudo=False, **common),
            ),
        ),
        bus_offset=1000,
        settings=(
            ("client-output-buffer-limit", "replica 256mb 64mb 60"),
            ("lazyfree-lazy-eviction", "yes"),
            ("maxclients", "10000"),
            ("maxmemory", "1gb"),
            ("maxmemory-policy", "noeviction"),
        ),
        persistence=Persistence(False, "no", ((60, 1), (3600, 10_000))),
        mounts=(
            MountSpec("nfs1:/export/{host}", "/srv/data", "nfs4", ("hard", "timeo=600")),
            MountSpec("LABEL=log", "/srv/log", "xfs"),
        ),
        security=Security(Secret(PASSWORD)),
        service_manager=ServiceManager.OPENRC,
        transport=Transport.SSH,
        spread=Domain.RACK,
        paths=Paths(
            prefix=PurePosixPath("/srv/data/shardwright/prefix"),
            config=PurePosixPath("/srv/data/shardwright/config"),
            data=PurePosixPath("/srv/data/shardwright/data"),
            run=PurePosixPath("/srv/data/shardwright/run"),
            log=PurePosixPath("/srv/log/shardwright"),
        ),
        user="cache",
        canary=False,
    )


def test_what_is_left_out_is_as_the_model_says() -> None:
    spec, warnings = loads(MINIMAL, env={"PASSWORD": PASSWORD})
    hosts = tuple(HostSpec(f"h{n}", f"10.0.0.{n}", (6379, 6380), connect=f"10.0.0.{n}") for n in (1, 2, 3))
    assert warnings == ()
    assert spec == ClusterSpec("cache", EngineChoice(Product.REDIS), 3, 1, hosts, security=Security(Secret(PASSWORD)))


def test_all_mistakes_come_at_once_in_the_order_of_lines() -> None:
    text = (
        MINIMAL.replace("cache", "Cache")
        .replace("10.0.0.2", "10.0.0.300")
        .replace("redis", "{product: rediss, versoin: x}")
    )
    text += "shards: two\nsettings: {maxmemry: 1gb, include: x}\nport: 99\nfoo: 1\n"
    assert problems(text) == [
        ("name-malformed", "name", 1),
        ("unknown-word", "engine.product", 2),
        ("unknown-key", "engine.versoin", 2),
        ("address-malformed", "hosts[1].address", 5),
        ("password-env-missing", "security.password", 7),
        ("wrong-type", "shards", 8),
        ("port-privileged", "port", 10),
        ("unknown-key", "foo", 11),
    ]


def test_the_message_names_file_line_path_and_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yml"
    file.write_text(MINIMAL + "shards: 2\n")
    with pytest.raises(SpecError) as caught:
        load(file, {"PASSWORD": PASSWORD})
    assert caught.value.exit_code == 2
    assert caught.value.code == "too-few-shards"
    assert f"{file}:8: shards [too-few-shards]" in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "sixteen-characters",
        "with blanks and \"quotes\" and 'more' of \\ them",
        "#hash$dollar%percent{{brace}}{%x%}`tick`!bang",
        "пароль-с-юникодом-🔑",  # noqa: RUF001
        " leading and trailing ",
        "x" * 200 + "yz",
    ],
)
def test_passwords_are_taken_literally(tmp_path: Path, password: str) -> None:
    spec, _ = loads(MINIMAL, env={"PASSWORD": password})
    assert spec.security.password is not None
    assert spec.security.password.reveal() == password
    secret = tmp_path / "secret"
    for ending in ("", "\n", "\r\n"):
        secret.unlink(missing_ok=True)
        secret.touch(0o600)
        secret.write_bytes((password + ending).encode())
        spec, _ = loads(MINIMAL.replace("{env: PASSWORD}", "{file: secret}"), directory=tmp_path, env={})
        assert spec.security.password == Secret(password)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password-empty"),
        ("changeme", "password-placeholder"),
        ("${SHARDWRIGHT_PASSWORD}", "password-placeholder"),
        ("{{ vault_password }}", "password-placeholder"),
        ("$ANSIBLE_VAULT;1.1;AES256", "password-placeholder"),
        ("a-long-password\nconfig set dir /", "password-control-character"),
        ("a-long-password\rmore", "password-control-character"),
        ("a-long-password-with-\0", "password-control-character"),
        ("a-long-password-\udcff-bytes", "password-not-utf8"),
        ("äö" * 200, "password-long"),
    ],
)
def test_passwords_that_are_refused_are_not_shown(password: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(MINIMAL, env={"PASSWORD": password})
    assert [p.code for p in caught.value.problems] == [code]
    assert caught.value.problems[0].line == 7
    assert not password or password not in str(caught.value)


def test_a_short_password_is_a_warning() -> None:
    spec, warnings = loads(MINIMAL, env={"PASSWORD": "short-9x"})
    assert [(w.code, w.path, w.line) for w in warnings] == [("password-short", "security.password", 7)]
    assert "short-9x" not in str(warnings) + repr(spec)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(mode)
    with pytest.raises(SpecError) as caught:
        loads(MINIMAL.replace("{env: PASSWORD}", "{file: secret}"), directory=tmp_path, env={})
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("password-file-mode", "security.password.file")
    assert f"{mode:04o}" in problem.found
    assert f"chmod 600 {secret}" in problem.hint


def test_a_password_file_that_git_tracks_is_a_warning(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(PASSWORD)
    text = MINIMAL.replace("{env: PASSWORD}", "{file: secret}")
    git = shutil.which("git")
    if git is None:
        pytest.skip("no git here")
    subprocess.run([git, "init", "-q", str(tmp_path)], check=True)
    assert loads(text, directory=tmp_path, env={})[1] == ()
    subprocess.run([git, "-C", str(tmp_path), "add", "secret"], check=True)
    (warning,) = loads(text, directory=tmp_path, env={})[1]
    assert (warning.code, warning.path) == ("password-file-tracked", "security.password.file")
    assert str(secret) in warning.found
    assert f"git rm --cached {secret}" in warning.hint
    assert PASSWORD not in str(warning)


def test_a_byte_order_mark_and_carriage_returns_are_read_through(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_bytes(b"\xef\xbb\xbf" + PASSWORD.encode() + b"\r\n")
    text = MINIMAL.replace("{env: PASSWORD}", "{file: secret}")
    plain, _ = loads(text, directory=tmp_path, env={})
    spec, _ = loads("\ufeff" + text.replace("\n", "\r\n"), directory=tmp_path, env={})
    assert spec == plain
    assert spec.security.password is not None
    assert spec.security.password.reveal() == PASSWORD
    with pytest.raises(SpecError) as caught:
        loads("\ufeff" + (text + "shards: 2\n").replace("\n", "\r\n"), directory=tmp_path, env={})
    assert [(p.code, p.line) for p in caught.value.problems] == [("too-few-shards", text.count("\n") + 1)]


@pytest.mark.parametrize("kind", ["directory", "binary", "huge", "missing"])
def test_password_files_that_hold_none(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    if kind == "directory":
        secret.mkdir(0o700)
    elif kind != "missing":
        secret.touch(0o600)
        secret.write_bytes(b"\xff\xfe\x00" if kind == "binary" else b"x" * 10_000)
    with pytest.raises(SpecError) as caught:
        loads(MINIMAL.replace("{env: PASSWORD}", "{file: secret}"), directory=tmp_path, env={})
    assert [p.code for p in caught.value.problems] == ["password-not-utf8" if kind == "binary" else "password-file"]


def test_a_fifo_as_password_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "secret", 0o600)
    with pytest.raises(SpecError) as caught:
        loads(MINIMAL.replace("{env: PASSWORD}", "{file: secret}"), directory=tmp_path, env={})
    assert [p.code for p in caught.value.problems] == ["password-file"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "spec-empty"),
        (b"# only a comment\n", "spec-empty"),
        (b"---\n", "spec-empty"),
        (b"\xff\xfe\x00", "spec-not-text"),
        (b"\x7fELF\x02\x01\x01\0\0", "yaml-character"),
        (b"just words", "wrong-type"),
        (b"- a list", "wrong-type"),
        (b"[tool.cluster]\nname = 'x'\n", "yaml-syntax"),
        (b"a" * (MAX_BYTES + 1), "spec-unreadable"),
    ],
)
def test_files_that_hold_no_spec(tmp_path: Path, content: bytes, code: str) -> None:
    file = tmp_path / "cluster.yml"
    file.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load(file, {})
    assert [p.code for p in caught.value.problems] == [code]
    assert str(file) in str(caught.value)


def test_paths_that_lead_to_no_file(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.yml", "spec-missing"), (tmp_path, "spec-unreadable"), ("-", "spec-missing")):
        with pytest.raises(SpecError) as caught:
            load(path, {})
        assert [p.code for p in caught.value.problems] == [code]
    with pytest.raises(SpecError):
        load("a\0b", {})


def test_a_fifo_as_spec_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cluster.yml")
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "cluster.yml", {})
    assert [p.code for p in caught.value.problems] == ["spec-unreadable"]


def test_a_byte_order_mark_and_crlf_are_tolerated(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert load(file, {"PASSWORD": PASSWORD}) == loads(MINIMAL, env={"PASSWORD": PASSWORD})[0]


def test_loading_resolves_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    for function in ("getaddrinfo", "gethostbyname", "socket"):
        monkeypatch.setattr(socket, function, refused)
    text = MINIMAL.replace("h1, address", "h1, connect: db1.example.com, address")
    assert loads(text, env={"PASSWORD": PASSWORD})[0].hosts[0].connect == "db1.example.com"


def test_loopback_needs_no_password_and_takes_relative_paths(tmp_path: Path) -> None:
    home = tmp_path / "inventories" / "local"
    home.mkdir(parents=True)
    (home / "cluster.yml").write_text(
        "name: x\nengine: bundled\nspread: none\npaths: {base: ../../state}\n"
        'hosts: [{name: me, address: "::1", connect: "@local", instances: 6}]\nuser: ""\n'
    )
    spec, warnings = load_with_warnings(home / "cluster.yml", {})
    assert warnings == ()
    assert spec.paths.data == PurePosixPath(tmp_path / "state/data")
    assert (spec.security, spec.user, spec.hosts[0].connect) == (Security(), "", "@local")


@pytest.mark.parametrize(("name", "hosts"), [("local", 1), ("lab", 6), ("staging", 6)])
def test_the_environments_that_ship_load(name: str, hosts: int) -> None:
    file = REPOSITORY / "inventories" / name / "cluster.yml"
    spec, warnings = load_with_warnings(file, {"SHARDWRIGHT_PASSWORD": PASSWORD})
    assert (spec.name, len(spec.hosts), spec.shards, spec.replicas) == (name, hosts, 3, 1)
    assert {w.code for w in warnings} <= {"ssh-key-missing", "ssh-known-hosts-missing"}


def test_local_is_what_the_first_command_needs() -> None:
    spec = load(REPOSITORY / "inventories" / "local" / "cluster.yml", {})
    assert [(h.address, h.ports, h.connect) for h in spec.hosts] == [("127.0.0.1", tuple(range(7000, 7006)), "@local")]
    assert (spec.engine.product, spec.user, spec.service_manager) == (Product.BUNDLED, "", ServiceManager.DIRECT)
    assert str(spec.paths.data).startswith(str(REPOSITORY / ".shardwright" / "local"))


def test_a_thousand_hosts_are_all_checked() -> None:
    rows = [f"  - {{name: h{n}, address: 10.1.{n // 250}.{n % 250 + 1}, zone: z{n % 3}}}" for n in range(1000)]
    head = "name: big\nengine: valkey\nshards: 500\nspread: zone\nsecurity: {password: {env: PASSWORD}}\nhosts:\n"
    spec, _ = loads(head + "\n".join(rows), env={"PASSWORD": PASSWORD})
    assert len({h.address for h in spec.hosts}) == 1000
    rows[700] = rows[700].replace("10.1.", "10.1.1.")
    rows[900] = rows[900].replace("zone", "zoen")
    assert problems(head + "\n".join(rows), PASSWORD=PASSWORD) == [
        ("address-malformed", "hosts[700].address", 707),
        ("unknown-key", "hosts[900].zoen", 907),
    ]


def test_more_hosts_than_any_cluster_has_are_not_even_looked_at() -> None:
    rows = "\n".join(f"- {{name: H, address: {n}}}" for n in range(2_001))
    assert problems(MINIMAL.split("hosts:")[0] + "hosts:\n" + rows) == [("too-many-hosts", "hosts", 4)]


ROTATING = MINIMAL.replace("password: {env: PASSWORD}", "password: {env: PASSWORD}, %s: {env: OLD}")
OLD = "short"
GOOD = "correct-horse-battery-staple"


@pytest.mark.parametrize("field", ["previous", "retired"])
def test_an_old_password_beside_the_new_one(field: str) -> None:
    spec, warnings = loads(ROTATING % field, env={"PASSWORD": GOOD, "OLD": OLD})
    assert getattr(spec.security, field) == Secret(OLD)
    assert not [w for w in warnings if w.path.startswith("security")]


@pytest.mark.parametrize(
    ("text", "env", "code"),
    [
        (ROTATING % "previous", {"PASSWORD": GOOD, "OLD": GOOD}, "password-same"),
        (ROTATING % "retired", {"PASSWORD": GOOD}, "password-env-missing"),
        (ROTATING % "retired", {"PASSWORD": GOOD, "OLD": ""}, "password-empty"),
        (MINIMAL.replace("password:", "previous:"), {"PASSWORD": GOOD}, "password-previous-alone"),
        ((ROTATING % "previous").replace("{env: OLD}", "hunter2hunter2"), {"PASSWORD": GOOD}, "password-literal"),
    ],
)
def test_old_passwords_that_make_no_sense(text: str, env: dict[str, str], code: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(text, env=env)
    assert code in [p.code for p in caught.value.problems]
    assert "hunter2" not in str(caught.value)
    assert GOOD not in str(caught.value)

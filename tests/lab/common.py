"""What every part of the lab needs: its error, running a command, waiting with a limit, file locks, where the cache is."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CACHE_VARIABLE = "SHARDWRIGHT_LAB_CACHE"
DEFAULT_CACHE = "/var/cache/shardwright-lab"

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "ssh-keygen": "openssh-client",
    "mkfs.ext4": "e2fsprogs",
}


class LabError(RuntimeError):
    """The lab could not do what was asked; the message says what was seen."""


DEFAULT_LAB = "lab"
"""The lab that has no other name."""


def cache_dir() -> Path:
    """The directory that outlives checkouts: cached roots, the lab's ssh key, the state of each lab."""
    return Path(os.environ.get(CACHE_VARIABLE) or DEFAULT_CACHE)


def run(
    *argv: str | Path,
    check: bool = True,
    timeout: float = 60,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result; timeout in seconds.

    Raises:
        LabError: with the command's own words, if it fails (and `check`) or does not end in time.
    """
    words = [str(word) for word in argv]
    env = dict(os.environ if env is None else env)
    env["PATH"] = env.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            words,
            input="" if stdin is None else stdin,
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(words)}: not done after {timeout:g} s") from late
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{' '.join(words)}: exit {done.returncode}: {said}")
    return done


def wait_for(condition: Callable[[], bool], limit: float, what: str, interval: float = 0.05) -> None:
    """Return when `condition` holds; raise LabError naming `what` after `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise LabError(f"waited {limit:g} s for {what}")
        time.sleep(interval)


@contextmanager
def locked(path: Path, limit: float = 600) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the kernel frees it if the holder is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:

        def taken() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        wait_for(taken, limit, f"the lock {path}", interval=0.2)
        yield


def install_tools(missing: Sequence[str]) -> None:
    """Install the Debian packages that provide the missing tools."""
    packages = sorted({TOOLS[tool] for tool in missing})
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ("apt-get", "install", "-qy", "--no-install-recommends", *packages)
    if run(*command, check=False, timeout=600, env=quiet).returncode:
        run("apt-get", "update", "-q", timeout=600, env=quiet)
        run(*command, timeout=600, env=quiet)

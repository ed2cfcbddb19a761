"""What the tests of deploys share: an environment in its own directory, pyinfra as a user runs it, other eyes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parents[2]
PYINFRA = Path(sys.executable).with_name("pyinfra")
SHARDWRIGHT = Path(sys.executable).with_name("shardwright")
INVENTORY = "from shardwright.hosts.inventory import load_inventory\n\nglobals().update(load_inventory(__file__))\n"
CANARY = "can4ry-\"q'uo$te#%h{{x}}`; \\ ü-and-long-enough-for-all"
"""A password of everything that quoting can get wrong, and easy to find in any output."""
NEXT = f"n€w-{CANARY[::-1]} can4ry-"
"""The one after it."""


class Environment:
    """One cluster.yml with its inventory, and the reports of its runs."""

    def __init__(self, directory: Path, spec: str) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "inventory.py").write_text(INVENTORY, encoding="utf-8")
        self.write(spec)

    def write(self, spec: str) -> None:
        """Another cluster.yml."""
        (self.directory / "cluster.yml").write_text(spec, encoding="utf-8")

    def words(self, script: str, *options: str) -> list[str]:
        """The command line of a run."""
        inventory, deploy = self.directory / "inventory.py", ROOT / "deploy" / f"{script}.py"
        yes = [] if "--dry" in options else ["-y"]  # with -y the dry run decides nothing, and shows nothing
        return [str(PYINFRA), *yes, *options, str(inventory), str(deploy)]

    def environ(self) -> dict[str, str]:
        """Of a run; only the password and what Python needs of ours."""
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "USER", "LANG", "XDG_CACHE_HOME")}
        return {**kept, "SHARDWRIGHT_PASSWORD": CANARY, "NEXT_PASSWORD": NEXT}

    def run(self, script: str = "cluster", *options: str, timeout: float = 240) -> Result:
        """One run to its end."""
        done = subprocess.run(
            self.words(script, *options),
            cwd=self.directory,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def shardwright(self, *words: str, timeout: float = 240) -> Result:
        """One run of the command line, to its end."""
        done = subprocess.run(
            [str(SHARDWRIGHT), *words],
            cwd=self.directory,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, script: str = "cluster", *options: str) -> subprocess.Popen[str]:
        """A run that goes on while the test does."""
        return self._begin(self.words(script, *options))

    def start_shardwright(self, *words: str) -> subprocess.Popen[str]:
        """A run of the command line that goes on while the test does."""
        return self._begin([str(SHARDWRIGHT), *words])

    def _begin(self, words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words,
            cwd=self.directory,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


class Result:
    """How a run ended and what it said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out}\n{self.err}"

    @property
    def changed_nothing(self) -> bool:
        """Whether pyinfra counted no change, and no step of the cluster was done."""
        rows = [line.split() for line in self.err.splitlines() if line.strip().startswith("Grand total")]
        return bool(rows) and rows[0][3] == "-" and "nothing was changed" in self.out

    @property
    def proved(self) -> bool:
        """Whether the last words say that every slot is served."""
        return self.code == 0 and "16,384 of 16,384 slots served" in self.out


def client(address: str, port: int) -> redis.Redis:
    """A plain client, none of the package's own."""
    return redis.Redis(address, port, password=CANARY, socket_timeout=5, decode_responses=True)


def logs_in(address: str, port: int, password: str) -> bool:
    """Whether the server takes this password from a new connection."""
    try:
        with redis.Redis(address, port, password=password, retry=Retry(NoBackoff(), 0)) as one:
            return bool(one.ping())
    except redis.AuthenticationError:
        return False


@contextmanager
def watched_arguments(needle: str) -> Iterator[list[str]]:
    """The command lines of all processes of this machine, its lab hosts' among them, that hold `needle` meanwhile."""
    seen: list[str] = []
    over = threading.Event()
    wanted = needle.encode()

    def watch() -> None:
        while not over.wait(0.01):
            for entry in os.scandir("/proc"):
                if not entry.name.isdigit() or entry.name == str(os.getpid()):
                    continue
                try:
                    line = Path(entry.path, "cmdline").read_bytes()
                except OSError:
                    continue
                if wanted in line:
                    seen.append(line.replace(b"\0", b" ").decode(errors="replace")[:200])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(5)

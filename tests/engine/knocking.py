"""A client in a process of its own that logs in anew for every write, with one of several passwords in turn.

    python -m tests.engine.knocking PORT,PORT,...

Passwords come as JSON on the first line of standard input. Ends at a further line, and prints what it was told, as JSON:
logins by place of the password, the refused ones, and the writes that were acknowledged. Knows nothing of the package.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Told:
    """Logins that went well, by place of the password; what was refused or failed; values by key that were acknowledged."""

    logins: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)


@contextmanager
def knocking(ports: Sequence[int], passwords: Sequence[str | None]) -> Iterator[Told]:
    """Logs in and writes until the block ends; then the account is complete."""
    told = Told()
    command = [sys.executable, "-m", "tests.engine.knocking", ",".join(map(str, ports))]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(list(passwords)) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "knocking\n"
        try:
            yield told
        finally:
            out, _ = process.communicate("stop\n", timeout=60)
            for name, value in json.loads(out).items():
                setattr(told, name, value)


def main(ports: list[int]) -> None:
    passwords: list[str | None] = json.loads(sys.stdin.readline())
    told = Told(logins=[0] * len(passwords))
    print("knocking", flush=True)
    number = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        port, place = ports[number % len(ports)], number // len(ports) % len(passwords)
        password = passwords[place]
        name = None if password is None else "default"
        one = redis.Redis(
            "127.0.0.1", port, username=name, password=password, socket_timeout=10, retry=Retry(NoBackoff(), 0)
        )
        key, value = f"k:{os.getpid()}:{number}", f"{number}:{time.monotonic_ns()}"
        try:
            if one.set(key, value):
                told.acknowledged[key] = value
            told.logins[place] += 1
        except redis.ResponseError as error:  # AuthenticationError is a ConnectionError
            told.logins[place] += 1
            if not str(error).startswith("MOVED") and "MovedError" not in type(error).__name__:
                told.refused.append(f"{port} {place}: {error!r}")
        except Exception as error:
            told.refused.append(f"{port} {place}: {error!r}")
        finally:
            one.close()
        number += 1
    print(json.dumps(vars(told)))


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1].split(",")])

"""A client in a process of its own that writes and reads while a test changes the cluster.

    python -m tests.engine.writing PORT PASSWORD_OR_EMPTY [HOST]

Every write has its own key and is one of three: acknowledged, refused, or unknown. Ends at a line on its standard input,
and prints what it was told, as JSON. Knows nothing of the package under test.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

PASSWORD = "SHARDWRIGHT_TEST_WRITER"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Told:
    """What the writer was told: values by key that were acknowledged, and how many calls failed or read wrongly."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    misread: list[str] = field(default_factory=list)


@contextmanager
def writing(port: int, password: str | None = None, host: str = "127.0.0.1") -> Iterator[Told]:
    """Writes until the block ends; then the account is complete."""
    told = Told()
    command = [sys.executable, "-m", "tests.engine.writing", str(port), host]
    env = {**os.environ, PASSWORD: password or ""}  # not an argument: other tests watch those for passwords
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        try:
            yield told
        finally:
            out, _ = process.communicate("stop\n", timeout=60)
            for name, value in json.loads(out).items():
                setattr(told, name, value)


def main(port: int, password: str, host: str) -> None:
    client = redis.RedisCluster(host, port, password=password or None, decode_responses=True)
    told = Told()
    number = 0
    print("writing", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        key, value = f"w:{number}", f"{number}:{time.monotonic_ns()}"
        try:
            if client.set(key, value):
                told.acknowledged[key] = value
            earlier = f"w:{number * 7919 % (number + 1)}"
            if earlier in told.acknowledged and client.get(earlier) != told.acknowledged[earlier]:
                told.misread.append(earlier)
        except Exception as error:  # redis-py itself stumbles over an ASK to a node it has not met
            told.failed.append(f"{key}: {error!r}")
        number += 1
    print(json.dumps(vars(told)))


if __name__ == "__main__":
    main(int(sys.argv[1]), os.environ.get(PASSWORD, ""), *sys.argv[2:3] or ["127.0.0.1"])

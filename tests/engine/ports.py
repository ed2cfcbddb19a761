"""Ports for servers of tests: blocks that no two test processes of this machine hold at once.

Client ports lie in 10000-10999 and 12000-12999; the bus ports, 10,000 higher, stay below the range that the system hands to
outgoing connections. A block is held by a lock on a file, which the kernel gives back however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 10
"""Ports in a block."""
_STARTS = [*range(10_000, 11_000, SIZE), *range(12_000, 13_000, SIZE)]


@contextmanager
def block(count: int = SIZE) -> Iterator[range]:
    """`count` client ports, free with their bus ports, until the context ends.

    Raises:
        RuntimeError: no block is free.
    """
    blocks = -(-count // SIZE)
    locks = Path(tempfile.gettempdir()) / f"shardwright-test-ports-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    offset = os.getpid() * 7 % len(_STARTS)
    for at in range(len(_STARTS)):
        starts = [_STARTS[(offset + at + n) % len(_STARTS)] for n in range(blocks)]
        if starts != list(range(starts[0], starts[0] + blocks * SIZE, SIZE)):
            continue
        held = [(locks / str(start)).open("w") for start in starts]
        try:
            if all(_taken(file) for file in held):
                ports = range(starts[0], starts[0] + count)
                if all(_free(port) and _free(port + 10_000) for port in ports):
                    yield ports
                    return
        finally:
            for file in held:
                file.close()
    raise RuntimeError("no free block of ports")


def _taken(file: object) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[call-overload]
    except OSError:
        return False
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

"""Reading small regular files of this machine, with a limit, and never waiting for what is no file (a FIFO, a device)."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path, limit: int) -> tuple[bytes, int]:
    """The content of the file at `path`, and its permission bits.

    Args:
        path: followed where it is a symbolic link.
        limit: most bytes that are taken.

    Raises:
        OSError: it can't be read, is no regular file (`EINVAL`), or is larger than `limit` (`EFBIG`).
        ValueError: `path` holds a NUL.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "a directory")
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise OSError(errno.EFBIG, f"more than {limit:,} bytes")
    return raw, stat.S_IMODE(status.st_mode)

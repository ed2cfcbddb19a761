"""What a task gives to Ansible: a plain mapping; of an error all that its reader needs, in `msg`.

Knows no Ansible. A host that can't be entered is `unreachable`, as Ansible's users expect; every other error is `failed`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShardwrightError

Result = dict[str, Any]
UNREACHED = frozenset({"host-unreachable", "host-key-changed", "host-key-unknown", "ssh-refused"})


def guarded(work: Callable[[], Result]) -> Result:
    """What `work` gives, or what its error says."""
    try:
        return work()
    except ShardwrightError as error:
        return failed(error)


def failed(error: ShardwrightError) -> Result:
    """A failure: all of it in `msg`, and its parts for those who test them."""
    how = "unreachable" if error.code in UNREACHED else "failed"
    return {how: True, "msg": str(error), "code": error.code, "hint": error.hint, "exit_code": error.exit_code}

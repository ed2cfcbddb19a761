"""What the scripts in `deploy/` call: which operations, in which order.

The order is the argument: every host is looked at before any host is changed, because pyinfra waits for all hosts between
two operations and the run stops there if one has failed.
"""

from __future__ import annotations

from pyinfra import host

from . import forming, operations
from .changes import Stage


def cluster() -> None:
    """The main job: bare hosts to a proved cluster."""
    operations.look(name="Look at the hosts", lock=True)
    for stage in host.loop(Stage):  # type: ignore[no-untyped-call]
        operations.bring(name=stage.value, stage=stage)
    forming.form(name="Form and verify the cluster")
    operations.settle(name="Settle configuration")

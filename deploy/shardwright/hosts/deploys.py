"""What the scripts in `deploy/` call: which operations, in which order.

The order is the argument: every host is looked at before any host is changed, because pyinfra waits for all hosts between
two operations and the run stops there if one has failed.
"""

from __future__ import annotations

from pyinfra import host

from ..core.host.changes import Stage
from ..core.host.pruning import Pruning
from ..core.host.removal import Removal
from . import forming, operations, pruning
from .results import here, run_of


def cluster() -> None:
    """The main job: bare hosts to a proved cluster."""
    operations.lock(name="Take the cluster's lock")
    operations.look(name="Look at the hosts")
    if host.data.get("plan") is not None:
        forming.fit(name="Check that the plan still fits")
    forming.admit(name="Admit the password")
    for stage in host.loop(Stage):  # type: ignore[no-untyped-call]
        operations.bring(name=stage.value, stage=stage)
    forming.form(name="Form and verify the cluster")
    operations.keep(name="Keep lists of nodes")
    operations.settle(name="Settle configuration")


def verify() -> None:
    """Prove the cluster again, changing nothing on any host."""
    operations.look(name="Look at the hosts")
    forming.verify(name="Verify the cluster")


def remove() -> None:
    """Take off what was deployed; data only where ``--data confirm_data=NAME`` names the cluster."""
    with_data = run_of(here()[1]).with_data
    operations.lock(name="Take the cluster's lock")
    operations.look(name="Look at the hosts", judge=False)
    for stage in host.loop(Removal):  # type: ignore[no-untyped-call]
        operations.remove(name=stage.value, stage=stage, with_data=with_data)
    operations.say_what_is_left(name="Say what is left")
    operations.record(name="Write the record")


def prune() -> None:
    """Remove versions of bundled engines that nothing uses, but the newest ones, as many as ``--data keep=N`` says."""
    keep = run_of(here()[1]).keep
    operations.lock(name="Take the cluster's lock")
    operations.look(name="Look at the hosts", judge=False)
    pruning.drop_versions(name=Pruning.VERSIONS.value, keep=keep)
    operations.record(name="Write the record")

"""What the scripts in `deploy/` call: which operations, in which order.

The order is the argument: every host is looked at before any host is changed, because pyinfra waits for all hosts between
two operations and the run stops there if one has failed.
"""

from __future__ import annotations

from pyinfra import host

from ..core.host.changes import Stage
from ..core.host.pruning import KEPT, Pruning
from ..core.host.removal import Removal
from ..errors import PlanError
from . import forming, hooks, operations, pruning
from .recording import record_failure
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
    with_data = _confirmed()
    operations.lock(name="Take the cluster's lock")
    operations.look(name="Look at the hosts", judge=False)
    for stage in host.loop(Removal):  # type: ignore[no-untyped-call]
        operations.remove(name=stage.value, stage=stage, with_data=with_data)
    operations.say_what_is_left(name="Say what is left")
    operations.record(name="Write the record")


def prune() -> None:
    """Remove versions of bundled engines that nothing uses, but the newest ones, as many as ``--data keep=N`` says."""
    keep = _kept()
    operations.lock(name="Take the cluster's lock")
    operations.look(name="Look at the hosts", judge=False)
    pruning.drop_versions(name=Pruning.VERSIONS.value, keep=keep)
    operations.record(name="Write the record")


def _kept() -> int:
    """How many unused versions stay; what is no number ends the run before anything is looked at."""
    given = str(host.data.get("keep", KEPT))
    if given.isdecimal():
        return int(given)
    run = run_of(here()[1])
    run.error = PlanError(
        "keep-invalid", f"keep is {given!r}, wanted a number of versions; nothing was removed", hint="--data keep=0"
    )
    hooks.stop(run, record_failure)
    return KEPT


def _confirmed() -> bool:
    """Whether data may go; a name that is not the cluster's ends the run before anything is looked at."""
    given = host.data.get("confirm_data")
    if given is None:
        return False
    run = run_of(here()[1])
    name = run.environment.spec.name
    if str(given) == name:
        return True
    run.error = PlanError(
        "confirmation-differs",
        f"confirm_data is {given!r}, and this cluster is {name!r}; nothing was removed",
        hint=f"to delete its data: --data confirm_data={name}",
    )
    hooks.stop(run, record_failure)
    return False

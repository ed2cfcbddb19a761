"""The rules of carrying changes out: how long a batch may take, whether to look again after it, what it must have made.

Pure; who sends the batches (`hosts` by pyinfra, `ansible` by Ansible's connections) follows the same rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...errors import ApplyError
from ...model.blueprint import Blueprint
from ...model.spec import HostSpec
from .batches import START_SECONDS
from .changes import Change, InstallBundle, InstallPackages, Stage, StartInstances, engine_fits
from .continuity import engine_paths
from .removal import Removal
from .state import HostState
from .words import subject

LOOK_SECONDS = 90
LOCK_WAIT_SECONDS = 120
BATCH_SECONDS = 120
INSTALL_SECONDS = 900
STOP_SECONDS = 1000
"""systemd gives a server 15 minutes for its last snapshot."""
SHOWN = 3
FORESEEN = frozenset({Stage.OWNERSHIP, Stage.FILES, Stage.KERNEL, Stage.SERVICES, Stage.IDENTITIES})
"""Stages after which the host is not looked at again: no later stage decides on what these have made."""


def looks_again(found: Iterable[Change]) -> bool:
    """Whether later stages decide on what these changes make."""
    return not FORESEEN.issuperset(change.stage for change in found)


def deadline(found: Sequence[Change], wait: int) -> float:
    """Seconds that a batch may take; `wait` of them for another process that installs packages."""
    installs = any(isinstance(c.action, InstallPackages | InstallBundle) for c in found)
    starts = sum(len(c.action.instances) for c in found if isinstance(c.action, StartInstances))
    stops = any(c.stage is Removal.SERVICES for c in found)
    limit = BATCH_SECONDS + START_SECONDS * starts
    limit += INSTALL_SECONDS + wait if installs else 0
    return limit + (STOP_SECONDS if stops else 0)


def summary(done: Sequence[str]) -> str:
    """What was done, in one line: the first few, and how many more."""
    more = f"; and {len(done) - SHOWN} more" if len(done) > SHOWN else ""
    return "; ".join(done[:SHOWN]) + more


def check_engine(host: HostSpec, blueprint: Blueprint, state: HostState, found: Iterable[Change]) -> None:
    """Whether what was installed is what is wanted, and can follow what runs.

    Raises:
        ApplyError: ``engine-version``.
        PlanError: ``upgrade-path``, ``downgrades``: no running server was touched.
    """
    if not any(isinstance(c.action, InstallPackages | InstallBundle) for c in found):
        return
    if engine_fits(blueprint, state):
        for error in engine_paths(subject(host), blueprint, state):
            raise error
        return
    engine = blueprint.engine
    said = state.engine or f"there is no {engine.server}"
    raise ApplyError(
        "engine-version",
        f"{subject(host)}: {engine.server} --version: {said}; wanted {engine.product} {engine.versions}; "
        "nothing was started",
        hint=f"see what the host offers: apt-cache policy {engine.product}-server; or engine: bundled",
    )

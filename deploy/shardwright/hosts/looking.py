"""One look at a host: the script is run, understood, judged, and kept for the operations that follow.

Every operation decides on the state that was kept. A look costs one round trip; a batch of changes ends with a look of its
own, so a run that changes nothing looks once.
"""

from __future__ import annotations

import time

from pyinfra.api.host import Host

from ..adapters.environment import Environment
from ..core.host import carrying, preflight, questions
from ..core.host.changes import HostChanges, changes
from ..core.host.state import HostState, parse
from ..core.host.words import subject
from ..errors import ObservationError
from ..model.run import Command
from ..model.spec import ServiceManager
from . import shell
from .results import HostResult, Run


def script(environment: Environment, result: HostResult) -> str:
    """The look at this host, as text."""
    return questions.look(environment.blueprints(result.spec).values())


def look(host: Host, run: Run, result: HostResult) -> HostState:
    """Look at the host and keep what was seen.

    Raises:
        ObservationError: the host can't be looked at.
    """
    before = time.time()
    output = shell.read(host, result.spec, script(run.environment, result), deadline=carrying.LOOK_SECONDS)
    result.execs += 1
    state = parse(output.lines)
    if not state.complete:
        words = " ".join(output.errors)[-200:] or "no words"
        text = f"{subject(result.spec)}: the host could not be looked at ({words}); nothing was changed"
        raise ObservationError("look-failed", text, hint="log in there and see whether sh works and disks answer")
    after = time.time()
    result.clock_offset, result.clock_error = state.epoch - (before + after) / 2, (after - before) / 2
    keep(run, result, state)
    return state


def keep(run: Run, result: HostResult, state: HostState) -> None:
    """Take `state` for what the host is now, and choose the blueprint that fits its service manager."""
    result.state = state
    result.blueprint = run.environment.fitting(result.spec, state)
    result.wanted.clear()


def admit(run: Run, result: HostResult) -> None:
    """Refuse only where we may not act at all, or, removing, could not take off all.

    Raises:
        ObservationError: ``sudo-refused``.
    """
    assert result.state is not None
    assert result.blueprint is not None
    if result.blueprint.user is not None and result.state.uid != 0:
        raise preflight.no_root(result.spec, result.state)
    if run.command is Command.REMOVE:
        result.errors = preflight.half_named(result.spec, result.blueprint, result.state)


def judge(run: Run, result: HostResult) -> None:
    """Refuse what must be refused, note what is worth a warning."""
    assert result.blueprint is not None
    assert result.state is not None
    result.errors = preflight.refusals(run.environment.spec, result.spec, result.blueprint, result.state)
    if result.errors:
        return
    for code, text in preflight.cautions(run.environment.spec, result.blueprint, result.state):
        result.warn(code, text)
    note(result, wanted(result))


def wanted(result: HostResult, *, settled: bool = False) -> HostChanges:
    """What differs on this host, by what was last seen."""
    assert result.blueprint is not None
    assert result.state is not None
    assert result.blueprint.manager is not ServiceManager.AUTO
    if settled not in result.wanted:
        result.wanted[settled] = changes(result.blueprint, result.state, settled=settled)
    return result.wanted[settled]


def note(result: HostResult, found: HostChanges) -> None:
    """Keep what the changes say besides what to do."""
    for code, text in found.warnings:
        result.warn(code, text)
    result.restart_needed = dict(found.restart_needed)
    result.deferred = found.deferred
    result.changes_wanted = len(found.changes)

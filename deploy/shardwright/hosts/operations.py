"""pyinfra's operations: look at a host, and one operation for each batch of changes.

Generators only decide, on what was kept of the last look; what changes a host is done by the function that they yield, so
that `--dry` and the forecast of changes run nothing. Every operation is called with a name, because pyinfra prints the
arguments of one without. Failures are kept in the run's registry and said once, at the barrier, by `hooks`.
"""

from __future__ import annotations

from collections.abc import Generator

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..errors import ApplyError, ShardwrightError
from . import batches, looking, shell
from .changes import Change, InstallBundle, InstallPackages, Stage, StartInstances, engine_fits
from .environment import subject
from .lock import hold
from .results import HostResult, Run, here, run_of

Commands = Generator[FunctionCommand, None, None]

LOCK_WAIT_SECONDS = 120
BATCH_SECONDS = 120
INSTALL_SECONDS = 900


@operation()
def look(*, lock: bool) -> Commands:
    """Look at the host, and refuse what must be refused before anything is changed anywhere.

    Args:
        lock: take the cluster's lock, on its first host, once operations are carried out.
    """
    host, state = here()
    run, result = _of(state, host)
    try:
        if lock and state.is_executing and result.spec == run.environment.spec.hosts[0]:
            run.lock = hold(host, result.spec, run.environment.spec.name)
            if run.lock is None:
                result.warn("no-lock", "no flock there: two deploys at a time would not be noticed")
        looking.look(host, run, result)
        looking.judge(run, result)
    except ShardwrightError as error:
        yield _failed(result, error)
        return
    host.noop("it was looked at")


@operation()
def bring(stage: Stage) -> Commands:
    """Carry out the changes of one stage, if there are any, in one round trip."""
    host, state = here()
    _, result = _of(state, host)
    if result.state is None:
        return
    found = looking.wanted(result).of(stage)
    if found:
        yield FunctionCommand(_carry_out, (found,), {})
    else:
        host.noop(f"{stage.value}: as it should be")


@operation()
def settle() -> Commands:
    """Write the final configuration of instances whose persistence was switched live, now that it is."""
    host, state = here()
    run, result = _of(state, host)
    if not result.deferred:
        return
    if state.is_executing:
        try:
            looking.look(host, run, result)
        except ShardwrightError as error:
            yield _failed(result, error)
            return
    found = looking.wanted(result, settled=True)
    if found.of(Stage.FILES):
        yield FunctionCommand(_carry_out, (found.of(Stage.FILES),), {})
    result.deferred = ()


def _of(state: State, host: Host) -> tuple[Run, HostResult]:
    run = run_of(state)
    return run, run.hosts[host.data.shardwright_host]


def _failed(result: HostResult, error: ShardwrightError) -> FunctionCommand:
    result.error = error
    return FunctionCommand(_fail, (), {})


def _fail(state: State, host: Host) -> bool:  # noqa: ARG001 - these names make pyinfra heed what is returned
    """Tell pyinfra that the operation failed on this host; why is in the registry."""
    return False


def _carry_out(state: State, host: Host, found: tuple[Change, ...]) -> bool:
    run, result = _of(state, host)
    try:
        _batch(host, run, result, found)
    except ShardwrightError as error:
        result.error = error
        return False
    return True


def _batch(host: Host, run: Run, result: HostResult, found: tuple[Change, ...]) -> None:
    assert result.blueprint is not None
    assert result.state is not None
    wait = int(host.data.get("apt_lock_wait", LOCK_WAIT_SECONDS))
    look_again = looking.script(run.environment, result)
    text = batches.batch(found, result.blueprint, result.state.family, look_again, lock_wait=wait)
    output = shell.change(host, result.spec, text, deadline=_deadline(found, wait))
    result.execs += 1
    came = batches.result(output.lines, found, output.ok, output.errors)
    for change in dict.fromkeys(came.done):
        result.changes.append(change.text)
        host.log(change.text)
    for code, words in came.warnings:
        result.warn(code, words)
    if came.failure is not None:
        raise _explained(run, result, came.failure)
    if came.state is None or not came.state.complete:
        looking.look(host, run, result)
    else:
        looking.keep(run, result, came.state)
    _check_engine(result, found)


def _deadline(found: tuple[Change, ...], wait: int) -> float:
    installs = any(isinstance(c.action, InstallPackages | InstallBundle) for c in found)
    starts = sum(len(c.action.instances) for c in found if isinstance(c.action, StartInstances))
    return BATCH_SECONDS + (INSTALL_SECONDS + wait if installs else 0) + batches.START_SECONDS * starts


def _explained(run: Run, result: HostResult, failure: batches.Failure) -> ApplyError:
    doing = failure.change.text if failure.change else "a batch of changes"
    seen = _masked(run, failure.seen)
    text = f"{subject(result.spec)}: {doing}: {seen}; not done, and nothing after it"
    return ApplyError(failure.code, text, hint=_masked(run, failure.hint))


def _masked(run: Run, text: str) -> str:
    password = run.environment.spec.security.password
    return text.replace(password.reveal(), "***") if password is not None and len(password) else text


def _check_engine(result: HostResult, found: tuple[Change, ...]) -> None:
    assert result.blueprint is not None
    assert result.state is not None
    installed = any(isinstance(c.action, InstallPackages | InstallBundle) for c in found)
    if not installed or engine_fits(result.blueprint, result.state):
        return
    engine = result.blueprint.engine
    said = result.state.engine or f"there is no {engine.server}"
    raise ApplyError(
        "engine-version",
        f"{subject(result.spec)}: {engine.server} --version: {said}; wanted {engine.product} {engine.versions}; "
        "nothing was started",
        hint=f"see what the host offers: apt-cache policy {engine.product}-server; or engine: bundled",
    )

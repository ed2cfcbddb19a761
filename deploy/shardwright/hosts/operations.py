"""pyinfra's operations: look at a host, and one operation for each batch of changes.

Generators only decide, on what was kept of the last look; what changes a host is done by the function that they yield, so
that `--dry` and the forecast of changes run nothing. Every operation is called with a name, because pyinfra prints the
arguments of one without. Failures are kept in the run's registry and said once, at the barrier, by `hooks`.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..control import credentials, identities
from ..control.run import Proof
from ..core.host import batches, carrying
from ..core.host.changes import Change, Stage
from ..core.host.removal import Removal, left_behind, removals
from ..core.host.words import explained
from ..errors import ShardwrightError
from . import logins, looking, recording, shell
from .lock import hold, place
from .results import HostResult, Run, here, run_of

Commands = Generator[FunctionCommand, None, None]


@operation()
def lock() -> Commands:
    """Take the cluster's lock on its first host, before any host is looked at: what was seen before may be old by then."""
    host, state = here()
    run, result = _of(state, host)
    if not state.is_executing or host is not elected(state, run):
        return
    try:
        holder, missed = place(state, run)
        holding = run.hosts[holder.data.shardwright_host].spec
        run.lock = hold(holder, holding, run.environment.spec.name)
    except ShardwrightError as error:
        yield _failed(result, error)
        return
    if run.lock is None:
        result.warn("no-lock", "no flock there: two deploys at a time would not be noticed")
    elif missed:
        gone = ", ".join(missed)
        text = f"the lock is on {holding.name}, as {gone} can't be reached: a run that reaches it is not excluded"
        result.warn("lock-elsewhere", text)


@operation()
def look(*, judge: bool = True) -> Commands:
    """Look at the host, and refuse what must be refused before anything is changed anywhere.

    Args:
        judge: whether the host is to be made ready; a removal only needs the right to act.
    """
    host, state = here()
    run, result = _of(state, host)
    try:
        looking.look(host, run, result)
        if judge:
            looking.judge(run, result)
            result.errors = result.errors or _refused_password(state, run, result)
        else:
            looking.admit(run, result)
    except ShardwrightError as error:
        result.errors = (error,)
    if result.errors:
        yield FunctionCommand(fail, (), {})
    else:
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
        if not state.is_executing:
            host.log(f"would {carrying.summary([change.text for change in found])}")
        yield FunctionCommand(carry_out, (found,), {})
    else:
        host.noop(f"{stage.value}: as it should be")


@operation()
def remove(stage: Removal, *, with_data: bool) -> Commands:
    """Take off what was deployed, one stage of it, in one round trip."""
    host, state = here()
    _, result = _of(state, host)
    if result.state is None or result.blueprint is None:
        return
    found = tuple(c for c in removals(result.blueprint, result.state, with_data=with_data) if c.stage is stage)
    if found:
        yield FunctionCommand(carry_out, (found,), {})
    elif state.is_executing and stage is Removal.DIRECTORIES:
        host.noop("nothing of ours is left")


@operation()
def record() -> Commands:
    """Leave the record of a run that did what was asked and has nothing to prove."""
    host, state = here()
    run, result = _of(state, host)
    if state.is_executing and host is elected(state, run):
        try:
            recording.write(run, None, recording.record_of(run, None))
        except ShardwrightError as error:
            yield _failed(result, error)


@operation()
def say_what_is_left() -> Commands:
    """Tell where data still lies and how it is deleted, and which hosts are as they were."""
    host, state = here()
    run, result = _of(state, host)
    missed = [name for name, other in run.hosts.items() if other.state is None]
    if state.is_executing and missed and host is elected(state, run):
        text = f"left out of this run (--limit), so nothing was removed there: {', '.join(missed)}"
        host.log(text)
        result.warn("host-left-out", text)
    if state.is_executing and result.state is not None and result.blueprint is not None:
        left = left_behind(result.blueprint, result.state)
        if left:
            name = run.environment.spec.name
            host.log(
                f"data is left in {', '.join(left)}; to delete it: the same command with --data confirm_data={name}"
            )
        masked = [u for u in result.blueprint.engine.masked_units if result.state.unit(u).load == "masked"]
        if masked:
            host.log(f"packages stay, and {', '.join(masked)} stays masked (systemctl unmask)")
    yield from ()


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
        yield FunctionCommand(carry_out, (found.of(Stage.FILES),), {})
    result.deferred = ()


@operation()
def keep() -> Commands:
    """Copy the lists of nodes of this host's servers, where they name other nodes than the copies do."""
    host, state = here()
    run, result = _of(state, host)
    if result.state is None or result.blueprint is None:
        return
    proof = run.outcome if isinstance(run.outcome, Proof) else None
    if found := identities.keeping(result.blueprint, result.state, proof, foresee=not state.is_executing):
        yield FunctionCommand(carry_out, (found,), {})


def elected(state: State, run: Run) -> Host | None:
    """The first host of the spec that takes part in this run."""
    active = {h.data.shardwright_host: h for h in state.inventory.get_active_hosts()}
    return next((active[h.name] for h in run.environment.spec.hosts if h.name in active), None)


def _of(state: State, host: Host) -> tuple[Run, HostResult]:
    run = run_of(state)
    return run, run.hosts[host.data.shardwright_host]


def _refused_password(state: State, run: Run, result: HostResult) -> tuple[ShardwrightError, ...]:
    assert result.state is not None
    assert result.blueprint is not None
    knock, security = logins.knocking(state, run), run.environment.spec.security
    return credentials.refusals(result.spec, result.blueprint, result.state, knock, security=security)


def _failed(result: HostResult, error: ShardwrightError) -> FunctionCommand:
    result.errors = (error,)
    return FunctionCommand(fail, (), {})


def fail(state: State, host: Host) -> bool:  # noqa: ARG001 - these names make pyinfra heed what is returned
    """Tell pyinfra that the operation failed on this host; why is in the registry."""
    return False


def succeed(state: State, host: Host) -> bool:  # noqa: ARG001 - these names make pyinfra heed what is returned
    """Tell pyinfra that the operation changed something."""
    return True


def carry_out(state: State, host: Host, found: tuple[Change, ...]) -> bool:
    """Do these changes on this host in one batch; whether it went well. What went wrong is in the registry."""
    run, result = _of(state, host)
    try:
        connect = partial(logins.knocking(state, run), run.environment.spec.security.password)
        identities.admit(result.spec, found, run.environment.topology, connect, run.allow)
        _batch(host, run, result, found)
    except ShardwrightError as error:
        result.errors = (error,)
        return False
    return True


def _batch(host: Host, run: Run, result: HostResult, found: tuple[Change, ...]) -> None:
    assert result.blueprint is not None
    assert result.state is not None
    again = carrying.looks_again(found)
    look_again = looking.script(run.environment, result) if again else ""
    text = batches.batch(found, result.blueprint, result.state.family, look_again, lock_wait=run.apt_lock_wait)
    output = shell.change(host, result.spec, text, deadline=carrying.deadline(found, run.apt_lock_wait))
    result.execs += 1
    came = batches.result(output.lines, found, output.ok, output.errors)
    done = [change.text for change in dict.fromkeys(came.done)]
    result.changes += done
    if done:
        host.log(carrying.summary(done))
    for code, words in came.warnings:
        result.warn(code, words)
    if came.failure is not None:
        raise explained(result.spec, came.failure, run.environment.spec.security)
    if not again:
        return
    if came.state is None or not came.state.complete:
        looking.look(host, run, result)
    else:
        looking.keep(run, result, came.state)
    carrying.check_engine(result.spec, result.blueprint, result.state, found)

"""pyinfra's operation that removes the versions of bundled engines which nothing uses (`core.host.pruning`)."""

from __future__ import annotations

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation

from ..core.host import pruning
from ..core.host.words import subject
from ..errors import ObservationError, ShardwrightError
from . import operations, shell
from .operations import Commands
from .results import HostResult, here, run_of


@operation()
def drop_versions(keep: int) -> Commands:
    """Remove the unused versions of this host, but the `keep` newest."""
    host, state = here()
    run = run_of(state)
    result = run.hosts[host.data.shardwright_host]
    if result.state is None:
        return
    prefix = str(run.environment.spec.paths.prefix)
    try:
        found = pruning.parse(_listed(host, result, prefix))[keep:]
    except ShardwrightError as error:
        result.errors = (error,)
        yield FunctionCommand(operations.fail, (), {})
        return
    if found:
        yield FunctionCommand(operations.carry_out, (pruning.drops(prefix, found),), {})
    else:
        host.noop(f"no version in {prefix} is unused, beside the {keep} that stay")


def _listed(host: Host, result: HostResult, prefix: str) -> tuple[str, ...]:
    output = shell.read(host, result.spec, pruning.listing(prefix), deadline=pruning.LIST_SECONDS)
    result.execs += 1
    if pruning.COMPLETE not in output.lines:
        words = " ".join(output.errors)[-200:] or "no words"
        text = f"{subject(result.spec)}: its versions could not be listed ({words}); nothing was removed"
        raise ObservationError("look-failed", text, hint="log in there and see whether sh works and disks answer")
    return output.lines

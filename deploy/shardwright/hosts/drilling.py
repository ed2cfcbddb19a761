"""The deploy `drill`: in staging, break a primary, a host or a zone of a proved cluster, and tell what clients saw.

Refused without the cluster's name as consent, before anything is looked at. What is broken is mended by us, on a signal
too, and by a timer on each host if nobody is left to do it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial

import gevent
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..adapters.clock import RealClock
from ..adapters.load import ThreadedLoad
from ..control import drilling as control
from ..control.accounting import Client, MemberClient
from ..control.converging import Means
from ..control.run import Proof
from ..core.host import breaking
from ..core.host.words import subject
from ..errors import ApplyError, PlanError, ShardwrightError, merged
from ..model.drill import DrillKind, DrillTarget
from ..model.endpoint import Endpoint
from ..model.report import Finding
from ..model.topology import Topology
from ..ports import Transport
from . import operations, shell
from .forming import once, transport_to
from .operations import Commands, elected
from .results import Run, here, run_of

INTERVAL = 0.01
"""Seconds between two writes of one shard."""
CALL_SECONDS = 0.25
"""Timeout of one call of a writer: what a silent primary may hide of the moment at which another leads."""
STRIKE_SECONDS = 60
LIFT_SECONDS = 600
"""A server that comes back may have much to load."""
SELF_MENDING = 120
"""Seconds beyond the longest drill after which a host mends itself."""


def drill() -> None:
    """Lose a primary, a host or a zone on purpose; ``--data drill=...`` says which, ``confirm_drill=NAME`` consents."""
    run = run_of(here()[1])
    assert run.drill is not None, "a drill without a fault was refused"
    operations.lock(name="Take the cluster's lock")
    operations.look(name="Look at the hosts", judge=False)
    carry_out(name="Drill", kind=run.drill, target=run.drill_target)


@operation()
def carry_out(kind: DrillKind, target: str) -> Commands:
    """The drill, on one host's behalf for all."""
    host, state = here()
    run = run_of(state)
    if host is elected(state, run):
        yield from once(state, run, partial(_work, state, run, kind, target), forecast=False)


def _work(
    state: State,
    run: Run,
    kind: DrillKind,
    name: str,
    topology: Topology,
    means: Means,
    *,
    canary: bool,
    further: Iterable[Finding],
) -> Proof:
    own: list[Transport] = []

    def client(members: Sequence[Endpoint]) -> Client:
        own.append(transport_to(state, run))
        return MemberClient(own[-1], members, RealClock(), ttl=control.TTL, timeout=CALL_SECONDS)

    fault = partial(HostFault, state, run)
    wish = control.Drill(kind, name, fault, ThreadedLoad(INTERVAL), client, INTERVAL, run.run_id)
    try:
        return control.drill(topology, means, wish, canary=canary, further=further)
    finally:
        for transport in own:
            transport.close()


class HostFault:
    """`ports.Fault` by way of the hosts: all that it touches at once."""

    def __init__(self, state: State, run: Run, target: DrillTarget, seconds: float) -> None:
        # Not all that are connected: the lock is on the first host, whatever --limit says, and that one was not looked at.
        hosts = {h.data.get("shardwright_host"): h for h in state.inventory.get_active_hosts()}
        self._run = run
        self._target = target
        self._seconds = math.ceil(seconds + SELF_MENDING)
        names = dict.fromkeys(node.host for node in target.nodes)
        missing = [name for name in names if name not in hosts]
        if missing:
            text = (
                f"{target} can't be broken: {', '.join(missing)} is left out of this run (--limit); nothing was broken"
            )
            raise PlanError("drill-host-left-out", text, hint="run it without --limit")
        self._hosts: dict[str, Host] = {name: hosts[name] for name in names}

    def strike(self) -> None:
        """See `ports.Fault.strike`."""
        self._run.undo = self.lift
        self._on_all(breaking.STRIKE, STRIKE_SECONDS, f"drill: lose {self._target}")

    def lift(self) -> None:
        """See `ports.Fault.lift`."""
        self._on_all(breaking.LIFT, LIFT_SECONDS, f"drill: bring {self._target} back")
        self._run.undo = None

    def _on_all(self, verb: str, deadline: float, change: str) -> None:
        jobs = [gevent.spawn(self._on, name, verb, deadline, change) for name in self._hosts]
        gevent.joinall(jobs, raise_error=True)
        errors = [job.value for job in jobs if job.value is not None]
        if errors:
            raise merged(errors)

    def _on(self, name: str, verb: str, deadline: float, change: str) -> ShardwrightError | None:
        result = self._run.hosts[name]
        assert result.blueprint is not None
        text = breaking.breaking(verb, result.blueprint, self._run.topology, self._target, self._seconds)
        try:
            output = shell.change(self._hosts[name], result.spec, text, deadline=deadline)
        except ShardwrightError as error:
            return error
        result.execs += 1
        if breaking.DONE[verb] in output.lines:
            result.changes.append(change)
            return None
        words = breaking.failure(output.lines, output.errors)
        if verb == breaking.STRIKE:
            text = f"{subject(result.spec)}: could not be broken: {words}; what was broken is mended"
            return ApplyError("drill-not-broken", text, hint="a drill of another kind may be possible there")
        return ApplyError(
            "drill-not-mended",
            f"{subject(result.spec)}: could not be mended: {words}",
            hint=f"it mends itself {self._seconds} s after it was broken; if it does not, start the servers there, remove "
            "the nft table shardwright_drill_* or the iptables chain SWDRILL-*, and run deploy/cluster.py",
        )

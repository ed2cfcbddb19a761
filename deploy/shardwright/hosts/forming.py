"""The one call that forms the cluster and proves it, made once a run, and what is shown and kept of it.

Every host has the operation, and the first one of the spec that is active does it: pyinfra's own `_run_once` gives it to a
random host in the preparing stage, and if that host fails before, it is silently left out for all.
The work is done while the operation decides, and not by a command that it yields, so that pyinfra counts a change only
where there was one. Without ``-y`` pyinfra also lets it decide beforehand: then the plan is shown, and nothing is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..adapters import terminal
from ..adapters.clock import RealClock
from ..adapters.resp import RespTransport
from ..control.aging import ages
from ..control.converging import Means
from ..control.observing import look_fitted
from ..control.run import Proof, form_and_verify, verify_only
from ..core.host import preflight
from ..core.planning import plan
from ..errors import ShardwrightError
from ..model.progress import Progress, silent
from ..model.report import Finding, Severity
from ..model.run import Verdict
from ..model.spec import Transport
from . import recording
from .busprobe import HostProber
from .operations import Commands, fail, succeed
from .results import Run, here, run_of
from .supervising import HostSupervisor
from .tunnels import through_ssh


@operation()
def form() -> Commands:
    """Turn the servers into the cluster of the spec, and prove it; on one host's behalf for all."""
    host, state = here()
    run = run_of(state)
    if host is elected(state, run):
        yield from once(state, run, form_and_verify, forecast=True)


@operation()
def verify() -> Commands:
    """Prove the cluster again, on one host's behalf for all; changes nothing but its canary keys."""
    host, state = here()
    run = run_of(state)
    if host is elected(state, run):
        yield from once(state, run, verify_only, forecast=False)


def elected(state: State, run: Run) -> Host | None:
    """The first host of the spec that takes part in this run."""
    active = {h.data.shardwright_host: h for h in state.inventory.get_active_hosts()}
    return next((active[h.name] for h in run.environment.spec.hosts if h.name in active), None)


def findings(run: Run) -> Iterator[Finding]:
    """What is known of the hosts, for the report: warnings, hosts that were left out, clocks that differ."""
    for name, code, text in run.warnings:
        yield Finding(code, Severity.WARNING, name, text)
    left_out = [name for name, result in run.hosts.items() if result.state is None]
    if left_out:
        names = ", ".join(left_out)
        text = f"left out of this run (--limit), so files, services and kernel settings were not looked at: {names}"
        yield Finding("host-left-out", Severity.WARNING, "hosts", text, "run it again without --limit")
    clocks = {name: (r.clock_offset, r.clock_error) for name, r in run.hosts.items() if r.state is not None}
    if apart := preflight.skewed(clocks):
        yield Finding("clock-skew", Severity.WARNING, "hosts", apart, "let chrony or systemd-timesyncd set the clocks")


def once(state: State, run: Run, work: Callable[..., Proof], *, forecast: bool) -> Commands:
    """Do `work` on the cluster for all hosts, show and record it; `forecast`: show the plan where nothing is carried out."""
    try:
        if not state.is_executing:
            if forecast:
                _show_plan(state, run)
            return
        proof = _prove(state, run, work)
    except ShardwrightError as error:
        run.error = error
        yield FunctionCommand(fail, (), {})
        return
    if not proof.report.healthy:
        yield FunctionCommand(fail, (), {})
    elif proof.outcome is not None and proof.outcome.changed:
        yield FunctionCommand(succeed, (), {})


def _prove(state: State, run: Run, work: Callable[..., Proof]) -> Proof:
    progress = terminal.progress_to(sys.stderr)
    means = _means(state, run, progress)
    try:
        spec, topology = run.environment.spec, run.topology
        proof = work(topology, means, canary=spec.canary, further=tuple(findings(run)))
    finally:
        progress.close()
        means.transport.close()
    run.outcome = proof
    _keep_restarts(run, proof)
    _show(run, proof)
    return proof


def _keep_restarts(run: Run, proof: Proof) -> None:
    """Who still needs a restart, for the record: those that had one do not, nor those whose settings were set live."""
    said = {f.subject: (f.message,) for f in proof.report.findings if f.code == "restart-needed"}
    for name, result in run.hosts.items():
        own = {name, result.spec.address}
        result.restart_needed = {subject: why for subject, why in said.items() if subject.rpartition(":")[0] in own}


def _show(run: Run, proof: Proof) -> None:
    healthy, outcome = proof.report.healthy, proof.outcome
    run.exit_code = 0 if healthy else 1
    record = recording.record_of(
        run,
        Verdict.PROVED if healthy else Verdict.NOT_PROVED,
        run.exit_code,
        fingerprint=outcome.first.fingerprint if outcome else "",
        steps=tuple(str(step) for phase in outcome.phases for step in phase.steps) if outcome else (),
    )
    machine_reads = "--json" in sys.argv
    terminal.report_table(proof.report, record, terminal.console_on(sys.stderr if machine_reads else sys.stdout))
    recording.write(run, proof.report, record)


def _show_plan(state: State, run: Run) -> None:
    """Print what would be done to the cluster, as far as its servers run already."""
    if any(r.state is None or r.changes_wanted for r in run.hosts.values()):
        print("    The cluster's plan can be shown once its servers run.", file=sys.stderr)
        return
    means = _means(state, run, silent)
    try:
        topology, seen = look_fitted(run.topology, means.transport)
        topology, known = ages(topology, seen, means.supervisor, means.transport)
        made = plan(topology, known.add(topology, seen) if run.restart else seen)
    finally:
        means.transport.close()
    words = [f"    would {step}" for step in made.steps] + [f"    needs consent: {h}" for h in made.hazards]
    print("\n".join(words or ["    The cluster is as it should be."]), file=sys.stderr)


def transport_to(state: State, run: Run) -> RespTransport:
    """A new transport to the servers of the run, with connections of its own."""
    spec = run.environment.spec
    connect = through_ssh(state, run) if spec.transport is Transport.SSH else None
    return RespTransport(spec.security.password, connect=connect)


def _means(state: State, run: Run, progress: Progress) -> Means:
    spec = run.environment.spec
    transport = transport_to(state, run)
    allowed = tuple(name for name in run.allow.split(",") if name)
    return Means(
        transport,
        RealClock(),
        HostProber(state, run),
        spec.security.password,
        allowed,
        progress,
        HostSupervisor(state, run),
        run.restart,
        run.bytes_per_second,
    )

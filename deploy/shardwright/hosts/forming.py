"""The one call that forms the cluster and proves it, made once a run, and what is shown and kept of it.

Every host has the operation, and the first one of the spec that is active does it: pyinfra's own `_run_once` gives it to a
random host in the preparing stage, and if that host fails before, it is silently left out for all.
The work is done while the operation decides, and not by a command that it yields, so that pyinfra counts a change only
where there was one. Without ``-y`` pyinfra also lets it decide beforehand: then the plan is shown, and nothing is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.api.state import State

from ..adapters import terminal
from ..adapters.clock import RealClock
from ..control.converging import Means
from ..control.run import Proof, foresee, form_and_verify, verify_only
from ..core.explaining.plan_text import price_lines
from ..core.host import preflight
from ..core.planning.staleness import refuse_stale
from ..errors import ObservationError, ShardwrightError
from ..model.progress import Progress, silent
from ..model.report import Finding, Severity
from ..ports import Transport
from . import logins, recording
from .busprobe import HostProber
from .operations import Commands, elected, fail, succeed
from .results import Run, here, run_of
from .supervising import HostSupervisor


@operation()
def form() -> Commands:
    """Turn the servers into the cluster of the spec, and prove it; on one host's behalf for all."""
    host, state = here()
    run = run_of(state)
    if host is elected(state, run):
        yield from once(state, run, partial(form_and_verify, fitting=run.fitting), forecast=True)


@operation()
def fit() -> Commands:
    """Refuse a plan that was read before and does not fit any more, while no host has been changed yet."""
    host, state = here()
    run = run_of(state)
    if run.fitting is None or not state.is_executing or host is not elected(state, run):
        return
    means = _means(state, run, silent)
    try:
        seen = foresee(run.topology, replace(means, supervisor=None))
        refuse_stale(run.fitting, seen.basis, seen.made)
    except ShardwrightError as error:
        run.error = error
        yield FunctionCommand(fail, (), {})
    finally:
        means.transport.close()


@operation()
def admit() -> Commands:
    """Let running servers take the new password before any file that only it fits is written; on one host's behalf."""
    host, state = here()
    run = run_of(state)
    if not state.is_executing or host is not elected(state, run) or not logins.files_change(run):
        return
    progress = terminal.progress_to(sys.stderr)
    rotation = logins.rotation(state, run)
    try:
        rotation.admit(logins.running(run), progress)
    except ShardwrightError as error:
        run.error = error
        yield FunctionCommand(fail, (), {})
        return
    finally:
        run.admitted = rotation.done
        progress.close()
        rotation.main.close()
    if rotation.done:
        yield FunctionCommand(succeed, (), {})


@operation()
def verify() -> Commands:
    """Prove the cluster again, on one host's behalf for all; changes nothing but its canary keys."""
    host, state = here()
    run = run_of(state)
    if host is elected(state, run):
        yield from once(state, run, verify_only, forecast=False)


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
    record = recording.record_of(run, proof)
    run.exit_code = record.exit_code
    machine_reads = "--json" in sys.argv
    terminal.report_table(proof.report, record, terminal.console_on(sys.stderr if machine_reads else sys.stdout))
    recording.write(run, proof.report, record)


def _show_plan(state: State, run: Run) -> None:
    """Print what would be done to the cluster, and what that costs, as far as its servers run already."""
    later = "    The cluster's plan can be shown once its servers run."
    if any(r.state is None for r in run.hosts.values()):
        print(later, file=sys.stderr)
        return
    means = _means(state, run, silent)
    try:
        seen = foresee(run.topology, means)
    except ObservationError as error:
        if error.code != "nodes-silent" or not any(r.changes_wanted for r in run.hosts.values()):
            raise
        print(later, file=sys.stderr)  # what the hosts lack is why they are silent
        return
    finally:
        means.transport.close()
    made = seen.made
    words = [f"    would {step}" for step in made.steps]
    words += [f"    needs consent: {h.code}: {h.message}" for h in made.hazards]
    words += [f"  {line}" for line in price_lines(seen.price)] if not made.empty else []
    print("\n".join(words or ["    The cluster is as it should be."]), file=sys.stderr)


def transport_to(state: State, run: Run) -> Transport:
    """A new transport to the servers of the run, with connections of its own."""
    return logins.knocking(state, run)(run.environment.spec.security.password)


def _means(state: State, run: Run, progress: Progress) -> Means:
    """What the run works with."""
    security = run.environment.spec.security
    rotation = logins.rotation(state, run)
    return Means(
        rotation.main,
        RealClock(),
        HostProber(state, run),
        security.password,
        run.allow,
        progress,
        HostSupervisor(state, run),
        run.restart,
        rotation,
        run.bytes_per_second,
    )

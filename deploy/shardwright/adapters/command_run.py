"""What a command of the command line works with, and how it publishes what came of it. Knows no arguments and no options."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..control.converging import Means
from ..control.rotating import Rotation
from ..control.run import Proof
from ..core.planning.rotating import DEFAULT
from ..model.progress import Progress, silent
from ..model.report import Finding
from ..model.run import RunRecord
from ..model.secret import Secret
from ..model.spec import ClusterSpec, Transport
from ..ports import BusProber, Supervisor
from . import ledger, report_files, terminal
from .clock import RealClock
from .environment import Environment
from .lock import hold_or_warn
from .resp import RespTransport

if TYPE_CHECKING:
    from .ssh import SshTunnels


@contextmanager
def means_for(
    spec: ClusterSpec, allow: Sequence[str], *, quiet: bool, lock: bool = False, restart: bool = False
) -> Iterator[tuple[Means, tuple[Finding, ...]]]:
    """Transport, clock and progress for a spec, with `restart` also its service managers, and the cluster's lock where it
    is wanted; all given back at the end.

    Gives what must be warned of, too: that no lock could be taken.

    Raises:
        PlanError: ``locked``.
    """
    with ExitStack() as ending:
        tunnels: SshTunnels | None = None
        if spec.transport is Transport.SSH or restart or (lock and spec.hosts[0].connect != "@local"):
            from .ssh import SshTunnels  # paramiko is slow to import, and a cluster on this machine has no use for it

            tunnels = SshTunnels(spec)
            ending.callback(tunnels.close)
        warned: tuple[Finding, ...] = ()
        if lock:
            held, warned = hold_or_warn(spec, tunnels)
            if held is not None:
                ending.callback(held.release)
        supervisor: Supervisor | None = None
        prober: BusProber | None = None
        if tunnels is not None:
            from .bus_prober import ShellProber
            from .host_shell import HostShell
            from .supervisor import HostsSupervisor

            shell, environment = HostShell(tunnels), Environment(Path(), spec)
            prober = ShellProber(environment, shell, lambda text: print(f"WARNING {text}", file=sys.stderr))
            supervisor = HostsSupervisor(environment, shell) if restart else None
        connect = tunnels.connect if tunnels is not None and spec.transport is Transport.SSH else None

        def knock(password: Secret | None) -> RespTransport:
            return RespTransport(password, user=DEFAULT, connect=connect)

        transport = knock(spec.security.password)
        rotation = Rotation(spec.security, transport, knock, writes_files=False)
        ending.callback(transport.close)
        progress: Progress = silent
        if not quiet:
            shown = terminal.progress_to(sys.stderr)
            ending.callback(shown.close)
            progress = shown
        password = spec.security.password
        means = Means(transport, RealClock(), prober, password, allow, progress, supervisor, rotation=rotation)
        yield means, warned


def publish(reports: Path, proof: Proof | None, record: RunRecord, as_json: bool) -> None:
    """Write the report files and the ledger's line; show the report.

    Raises:
        ApplyError: ``reports-not-writable`` or ``ledger-locked``.
    """
    report = proof.report if proof else None
    report_files.write_reports(reports, report, record)
    ledger.append(reports, record)
    if as_json:
        terminal.print_json(report, record, sys.stdout)
    elif report is not None:
        terminal.report_table(report, record, terminal.console_on(sys.stdout))
        print(f"report: {reports / 'latest.html'}", file=sys.stderr)

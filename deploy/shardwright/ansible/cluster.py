"""`form` and `verify`: the calls that are made once a play, from the control machine, on the cluster itself.

What the tasks on hosts found and did comes in as they gave it (`look` and `bring`), so that the report and the record hold
it as they do after pyinfra. The record is written before anything is shown.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..adapters import environment, ledger, report_files, terminal
from ..adapters.bus_prober import ShellProber
from ..adapters.clock import RealClock
from ..adapters.environment import Environment
from ..adapters.host_shell import HostShell
from ..adapters.lock import hold_or_warn
from ..adapters.run_records import record_of
from ..adapters.ssh import SshTunnels
from ..adapters.supervisor import HostsSupervisor
from ..control.converging import Means
from ..control.identities import proved
from ..control.run import Proof, foresee, form_and_verify, verify_only
from ..core.explaining.plan_text import plan_text
from ..core.host import preflight
from ..core.wishes import consents
from ..errors import ShardwrightError
from ..model.report import Finding, Severity
from ..model.run import Command, RunRecord
from .logins import admit as logins_admit
from .logins import endpoints, rotation
from .results import Result
from .supervising import PlaySupervisor

Say = Callable[[str], object]
HostResults = Mapping[str, Sequence[Mapping[str, Any]]]
"""By host of the spec: what `look` and `bring` gave in this play."""


@dataclass
class _Call:
    environment: Environment
    command: Command
    hosts: HostResults
    reports: Path
    allow: Sequence[str]
    say: Say
    restart: bool
    admitted: Sequence[str] = ()
    started: float = field(default_factory=time.time)

    @contextmanager
    def means(self, *, lock: bool = False) -> Iterator[tuple[Means, tuple[Finding, ...]]]:
        """What to work with, and what must be warned of: that no lock could be taken, where one is wanted."""
        spec, topology = self.environment.spec, self.environment.topology
        with ExitStack() as ending:
            tunnels = SshTunnels(spec)
            ending.callback(tunnels.close)
            warned: tuple[Finding, ...] = ()
            if lock:
                held, warned = hold_or_warn(spec, tunnels)
                if held is not None:
                    ending.callback(held.release)
            seen = {name: start for _, result in _each(self.hosts) for name, start in result.get("starts", {}).items()}
            shell = HostShell(tunnels)
            supervisor = PlaySupervisor(seen, topology, HostsSupervisor(self.environment, shell))
            logins = rotation(spec, tunnels, everywhere=not self.left_out, begun=bool(self.admitted))
            ending.callback(logins.main.close)
            means = Means(
                logins.main,
                RealClock(),
                ShellProber(self.environment, shell, self.say),
                spec.security.password,
                tuple(self.allow),
                terminal.PlainProgress(_Lines(self.say)),
                supervisor=supervisor,
                restart=self.restart,
                rotation=logins,
            )
            yield means, warned

    @property
    def left_out(self) -> list[str]:
        """Hosts that this play did not look at."""
        seen = {name for name, result in _each(self.hosts) if "wanted" in result}
        return [host.name for host in self.environment.spec.hosts if host.name not in seen]

    def work(self, act: Callable[..., Proof]) -> Result:
        """Act on the cluster, and leave the record, whatever comes of it."""
        ledger.check_writable(self.reports)
        loaded = self.environment
        try:
            with self.means(lock=self.command is Command.DEPLOY) as (means, warned):
                further = (*warned, *findings(self))
                proof = act(loaded.topology, means, canary=loaded.spec.canary, further=further)
        except ShardwrightError as error:
            self._record(error)
            raise
        record = self._record(proof)
        text = _shown(proof, record)
        self.say(text)
        changed = proof.outcome is not None and proof.outcome.changed
        result: Result = {
            "changed": changed,
            "verdict": record.verdict.value,
            "steps": list(record.steps),
            "findings": [
                {"code": f.code, "severity": f.severity.value, "subject": f.subject, "message": f.message}
                for f in proof.report.findings
            ],
            "nodes": {str(endpoint): node for endpoint, node in proved(proof).items()},
            "report": str(self.reports / "latest.html"),
        }
        return result if proof.report.healthy else result | {"failed": True, "msg": text, "exit_code": 1}

    def _record(self, ended: Proof | ShardwrightError) -> RunRecord:
        record = record_of(
            self.command,
            self.environment.path,
            self.environment.spec.name,
            self.started,
            ended,
            before=self.admitted,
            host_changes=((name, text) for name, result in _each(self.hosts) for text in result.get("done", ())),
            warnings=(f"{p.path}: {p.found} [{p.code}]" for p in self.environment.warnings),
        )
        report_files.write_reports(self.reports, ended.report if isinstance(ended, Proof) else None, record)
        ledger.append(self.reports, record)
        return record


def form(
    spec: str,
    *,
    hosts: HostResults,
    allow: Sequence[str] = (),
    reports: str = "reports",
    restart: bool = True,
    admitted: Sequence[str] = (),
    check: bool = False,
    say: Say = str,
) -> Result:
    """Turn the servers into the cluster of the spec, and prove it.

    Args:
        spec: path of cluster.yml.
        hosts: what the tasks on hosts gave.
        allow: hazards that are consented to, by name.
        reports: directory of the records.
        restart: servers that need it are restarted, one after the other, where that is safe.
        admitted: steps about passwords that were done before files were written.
        check: only show the plan.
        say: shows a line while it works.

    Raises:
        ShardwrightError: it could not be formed; that it is not healthy is a result, with `failed`.
    """
    given, loaded = consents(allow), environment.load(Path(spec).resolve())
    call = _Call(loaded, Command.DEPLOY, hosts, Path(reports), given, say, restart, admitted)
    return _planned(call) if check else call.work(form_and_verify)


def verify(spec: str, *, hosts: HostResults, reports: str = "reports", say: Say = str) -> Result:
    """Prove the cluster again; changes nothing but its canary keys. Arguments as of `form`."""
    call = _Call(environment.load(Path(spec).resolve()), Command.VERIFY, hosts, Path(reports), (), say, restart=False)
    return call.work(verify_only)


def admit(spec: str, *, hosts: HostResults, check: bool = False, say: Say = str) -> Result:
    """Let running servers take the new password, before any file is written that only it fits. Arguments as of `form`."""
    loaded = environment.load(Path(spec).resolve())
    looks = {name: result for name, result in _each(hosts) if "rewritten" in result}
    if check or not any(result["rewritten"] for result in looks.values()):
        return {"changed": False, "steps": []}
    known = endpoints(loaded.topology)
    running = [known[name] for result in looks.values() for name in result["starts"] if name in known]
    unseen = [n.endpoint for n in (*loaded.topology.nodes, *loaded.topology.spares) if n.host not in looks]
    steps = logins_admit(loaded, (*running, *unseen), terminal.PlainProgress(_Lines(say)))
    return {"changed": bool(steps), "steps": list(steps)}


def _planned(call: _Call) -> Result:
    waiting = [name for name, wanted in _wanted(call.hosts).items() if wanted]
    if waiting:
        text = (
            f"the plan can be shown once the servers run; before that something is to be done on {', '.join(waiting)}\n"
        )
        return {"changed": True, "msg": text, "diff": {"prepared": text}}
    with call.means() as (means, _):
        seen = foresee(call.environment.topology, means)
    made = seen.made
    return {
        "changed": not made.empty,
        "fingerprint": made.fingerprint,
        "steps": [str(step) for step in made.steps],
        "hazards": [{"code": h.code, "subject": h.subject, "message": h.message} for h in made.hazards],
        "diff": {"prepared": plan_text(made, seen.price, full=True)},
    }


def _wanted(hosts: HostResults) -> dict[str, bool]:
    looks = {name: [r["wanted"] for r in results if "wanted" in r] for name, results in hosts.items()}
    return {name: any(any(stage.values()) for stage in found[-1:]) for name, found in looks.items()}


def findings(call: _Call) -> Iterator[Finding]:
    """What is known of the hosts, for the report: warnings, hosts that were left out, clocks that differ."""
    clocks: dict[str, tuple[float, float]] = {}
    for name, result in _each(call.hosts):
        for code, text in result.get("notes", ()):
            yield Finding(code, Severity.WARNING, name, text)
        if "clock" in result:
            clocks[name] = (float(result["clock"][0]), float(result["clock"][1]))
    if call.left_out:
        names = ", ".join(call.left_out)
        text = f"left out of this play, so files, services and kernel settings were not looked at: {names}"
        yield Finding(
            "host-left-out", Severity.WARNING, "hosts", text, "run the whole site playbook, without --limit and --tags"
        )
    if apart := preflight.skewed(clocks):
        yield Finding("clock-skew", Severity.WARNING, "hosts", apart, "let chrony or systemd-timesyncd set the clocks")


def _each(hosts: HostResults) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return ((name, result) for name, results in hosts.items() for result in results)


def _shown(proof: Proof, record: RunRecord) -> str:
    out = io.StringIO()
    terminal.report_table(proof.report, record, terminal.console_on(out))
    return out.getvalue()


class _Lines(io.StringIO):
    """A stream whose lines are said."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def write(self, text: str) -> int:
        self._say(text.rstrip("\n"))
        return len(text)

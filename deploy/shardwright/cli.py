"""`shardwright plan | apply | verify | drift | adopt | render | explain | init | bundle`: the front door without pyinfra.

Works on the cluster alone: hosts are the business of `deploy/*.py`. Results go to stdout, progress and errors to stderr.
Imports are made inside the commands, so that `shardwright explain` does not pay for paramiko.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from .errors import PlanError, ShardwrightError, SpecError

if TYPE_CHECKING:
    from .control.converging import Means
    from .control.run import Proof
    from .model.run import Command, RunRecord
    from .model.secret import Secret
    from .model.spec import ClusterSpec

P = ParamSpec("P")
R = TypeVar("R")


def _ends_well(function: Callable[P, R]) -> Callable[P, R]:
    """Print one of our errors as what it is, and leave with its code."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ShardwrightError as error:
            click.echo(f"ERROR {error}", err=True)
            sys.exit(error.exit_code)

    return wrapped


def _environment(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("environment", default="local")(function)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shardwright")
def main() -> None:
    """Redis and Valkey clusters: plan, form, prove.

    ENVIRONMENT is a name under inventories/, a directory, or the path of a cluster.yml.
    Exit codes: 0 good, 1 not proved, 2 a file to fix, 3 look again, 4 decide, 5 investigate.
    """


@main.command()
@_environment
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--full", is_flag=True, help="List every step.")
@_ends_well
def plan(environment: str, as_json: bool, full: bool) -> None:
    """Show what an apply would do to the cluster; touch nothing."""
    from .control.run import foresee
    from .core.explaining.plan_text import plan_json, plan_text
    from .core.placement import place

    spec = _spec(_file(environment))
    topology = place(spec)
    with _means(spec, (), quiet=True) as means:
        made = foresee(topology, means)
    click.echo(json.dumps(plan_json(made), indent=2) if as_json else plan_text(made, full=full), nl=as_json)


@main.command()
@_environment
@click.option("--allow", multiple=True, metavar="HAZARD", help="Consent to one hazard by its name; may be repeated.")
@click.option(
    "--restart", is_flag=True, help="Restart servers where that is wanted and safe, by ssh or on this machine."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@_ends_well
def apply(environment: str, allow: tuple[str, ...], restart: bool, as_json: bool, reports: Path) -> None:
    """Form or mend the cluster, then prove it. Servers must be running: deploy/cluster.py starts them."""
    from .control.run import form_and_verify
    from .model.run import Command

    _run(environment, Command.APPLY, as_json, reports, allow, form_and_verify, restart=restart)


@main.command()
@_environment
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@_ends_well
def verify(environment: str, as_json: bool, reports: Path) -> None:
    """Prove the cluster from every node's own view; change nothing but the canary keys."""
    from .control.run import verify_only
    from .model.run import Command

    _run(environment, Command.VERIFY, as_json, reports, (), verify_only)


@main.command()
@_environment
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@_ends_well
def drift(environment: str, as_json: bool, reports: Path) -> None:
    """Compare cluster.yml with the servers and the cluster; change nothing. Hosts: deploy/drift.py."""
    from .control.drifting import find_drift
    from .model.run import Command

    _run(environment, Command.DRIFT, as_json, reports, (), find_drift)


@main.command()
@_environment
@click.argument("host", required=False)
@_ends_well
def render(environment: str, host: str | None) -> None:
    """Print the files that would land on HOST (default: the first); secrets are masked. `auto` is shown as systemd."""
    from .adapters.rendered import rendered

    click.echo(rendered(_spec(_file(environment)), host), nl=False)


@main.command()
@click.argument("code")
@_ends_well
def explain(code: str) -> None:
    """Explain an error or finding by its code."""
    from .core.explaining import explain as explain_code

    click.echo(explain_code(code), nl=False)


@main.command()
@click.argument("name")
@click.option("--engine", type=click.Choice(["redis", "valkey", "bundled"]), default="bundled", show_default=True)
@click.option("--host", "hosts", multiple=True, help="NAME=ADDRESS@ZONE, NAME=ADDRESS or ADDRESS; may be repeated.")
@click.option("--from-ansible", "inventory", metavar="INVENTORY", help="Take the hosts of an Ansible inventory.")
@click.option("--group", default="all", show_default=True, help="Of the Ansible inventory.")
@click.option("--shards", type=int, default=3, show_default=True)
@click.option("--replicas", type=int, default=1, show_default=True, help="Of each shard.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=Path("inventories"))
@click.option("--force", is_flag=True, help="Overwrite an environment that is there.")
@_ends_well
def init(
    name: str,
    engine: str,
    hosts: tuple[str, ...],
    inventory: str | None,
    group: str,
    shards: int,
    replicas: int,
    directory: Path,
    force: bool,
) -> None:
    """Write a new environment: cluster.yml and inventory.py."""
    from .adapters.ansible_inventory import read_inventory
    from .adapters.scaffold import write_environment

    written = write_environment(
        directory,
        name,
        engine=engine,
        hosts=[*hosts, *(read_inventory(inventory, group) if inventory else ())],
        shards=shards,
        replicas=replicas,
        force=force,
    )
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"next: pyinfra -y {written[1]} deploy/cluster.py")


@main.command()
@click.argument("address", metavar="HOST:PORT")
@click.option("--password-env", "variable", default="", metavar="NAME", help="Variable that holds its password.")
@click.option("--password-file", "file", type=click.Path(path_type=Path), help="File that holds its password.")
@click.option("--name", default="adopted", show_default=True, help="Of environment and cluster.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), default=Path("inventories"))
@click.option("--force", is_flag=True, help="Overwrite an environment that is there.")
@_ends_well
def adopt(address: str, variable: str, file: Path | None, name: str, directory: Path, force: bool) -> None:
    """Write the cluster.yml of a running cluster that somebody else made; touch nothing of it."""
    from .adapters.adoption import PasswordSource, adopt_environment, lines

    source = PasswordSource(variable, file)
    done = adopt_environment(address, directory=directory, name=name, source=source, env=os.environ, force=force)
    click.echo("\n".join(lines(done)))


@main.group()
def bundle() -> None:
    """Engines that travel from the control machine."""


@bundle.command("build")
@click.option("--product", type=click.Choice(["redis", "valkey"]), default="valkey", show_default=True)
@click.option("--suite", help="Debian suite; default: the newest stable one that has the product.")
@click.option("--version", help="Version range; default: what the suite has.")
@click.option("--arch", help="amd64 or arm64; default: this machine's.")
@click.option("--mirror", help="Where to fetch from; default: this machine's own apt sources.")
@click.option(
    "--allow-expired", is_flag=True, help="Take a signed Release file that has expired; noted in the manifest."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("bundles"),
    show_default=True,
    help="A directory, or the archive's name.",
)
@_ends_well
def bundle_build(**options: Any) -> None:
    """Make a relocatable engine with TLS and jemalloc of Debian's signed packages."""
    from .engines.bundle.build import build_bundle

    output: Path = options["output"]
    if not output.suffix:
        output.mkdir(parents=True, exist_ok=True)
    path = build_bundle(**{name: value for name, value in options.items() if value is not None})
    click.echo(f"built {path}")


@bundle.command("verify")
@click.argument("path", type=click.Path(path_type=Path))
@_ends_well
def bundle_verify(path: Path) -> None:
    """Check every file of a bundle against its manifest."""
    from .engines.bundle.archive import verify_bundle

    manifest = verify_bundle(path)
    click.echo(
        f"{path}: {manifest.product} {manifest.version} for {manifest.arch}, {len(manifest.files)} files, intact"
    )


def _run(
    environment: str,
    command: Command,
    as_json: bool,
    reports: Path,
    allow: tuple[str, ...],
    work: Callable[..., Proof],
    *,
    restart: bool = False,
) -> None:
    """Load, do `work`, record, print; leaves with the run's exit code."""
    from .adapters.ledger import check_writable

    file = _file(environment)
    spec = _spec(file)
    check_writable(reports)
    from .core.placement import place

    started, proof, error = time.time(), None, None
    try:
        with _means(spec, allow, quiet=as_json, restart=restart) as means:
            proof = work(place(spec), means, canary=spec.canary)
    except ShardwrightError as raised:
        error = raised
    record = _record(command, file, spec, started, proof, error)
    _publish(reports, proof, record, as_json)
    if error is not None:
        raise error
    sys.exit(record.exit_code)


def _record(
    command: Command, file: Path, spec: ClusterSpec, started: float, proof: Proof | None, error: ShardwrightError | None
) -> RunRecord:
    from datetime import UTC, datetime

    from .adapters import run_context
    from .model.run import RunRecord, Verdict

    refused = isinstance(error, SpecError | PlanError)
    healthy = proof is not None and proof.report.healthy
    verdict = (
        (Verdict.REFUSED if refused else Verdict.FAILED) if error else Verdict.PROVED if healthy else Verdict.NOT_PROVED
    )
    moment = datetime.fromtimestamp(started, UTC)
    outcome = proof.outcome if proof else None
    return RunRecord(
        run_id=run_context.run_id(moment),
        cluster=spec.name,
        command=command,
        started=run_context.started(moment),
        seconds=round(time.time() - started, 1),
        actor=run_context.actor(),
        tool_version=run_context.tool_version(),
        verdict=verdict,
        exit_code=error.exit_code if error else 0 if healthy else 1,
        spec_sha256=run_context.spec_sha256(file),
        plan_fingerprint=outcome.first.fingerprint if outcome else "",
        steps=tuple(str(step) for phase in outcome.phases for step in phase.steps) if outcome else (),
        error_code=error.code if error else "",
        error=str(error) if error else "",
    )


def _publish(reports: Path, proof: Proof | None, record: RunRecord, as_json: bool) -> None:
    from .adapters import ledger, report_files, terminal

    report = proof.report if proof else None
    report_files.write_reports(reports, report, record)
    ledger.append(reports, record)
    if as_json:
        terminal.print_json(report, record, sys.stdout)
    elif report is not None:
        terminal.report_table(report, record, terminal.console_on(sys.stdout))
        click.echo(f"report: {reports / 'latest.html'}", err=True)


@contextmanager
def _means(spec: ClusterSpec, allow: tuple[str, ...], *, quiet: bool, restart: bool = False) -> Iterator[Means]:
    """Transport, clock and progress for a spec, with `restart` also its service managers; closed at the end."""
    from .adapters.clock import RealClock
    from .adapters.resp import RespTransport
    from .adapters.terminal import progress_to
    from .control.converging import Means
    from .control.rotating import Rotation
    from .core.planning.rotating import DEFAULT
    from .model.progress import silent
    from .model.spec import Transport

    tunnels = None
    if spec.transport is Transport.SSH or restart:
        from .adapters.ssh import SshTunnels

        tunnels = SshTunnels(spec)
    supervisor = None
    if tunnels is not None and restart:
        from .adapters.environment import Environment
        from .adapters.host_shell import HostShell
        from .adapters.supervisor import HostsSupervisor

        supervisor = HostsSupervisor(Environment(Path(), spec), HostShell(tunnels))
    connect = tunnels.connect if tunnels is not None and spec.transport is Transport.SSH else None

    def knock(password: Secret | None) -> RespTransport:
        return RespTransport(password, user=DEFAULT, connect=connect)

    transport = knock(spec.security.password)
    rotation = Rotation(spec.security, transport, knock, writes_files=False)
    progress = None if quiet else progress_to(sys.stderr)
    try:
        yield Means(
            transport,
            RealClock(),
            None,
            spec.security.password,
            allow,
            progress or silent,
            supervisor=supervisor,
            rotation=rotation,
        )
    finally:
        if progress is not None:
            progress.close()
        transport.close()
        if tunnels is not None:
            tunnels.close()


def _file(environment: str) -> Path:
    """The cluster.yml that `environment` means."""
    given = Path(environment)
    for path in (given, given / "cluster.yml", Path("inventories") / environment / "cluster.yml"):
        if path.is_file():
            return path
    return Path("inventories") / environment / "cluster.yml"


def _spec(file: Path) -> ClusterSpec:
    from .adapters.spec_file import load_with_warnings

    spec, warnings = load_with_warnings(file)
    for problem in warnings:
        click.echo(f"warning: {file}:{problem.line} {problem.path}: {problem.found} [{problem.code}]", err=True)
    return spec

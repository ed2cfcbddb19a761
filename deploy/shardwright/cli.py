"""`shardwright plan | apply | verify | drift | adopt | render | explain | init | bundle`: the front door without pyinfra.

Works on the cluster alone: hosts are the business of `deploy/*.py`. Results go to stdout, progress and errors to stderr.
Imports are made inside the commands, so that `shardwright explain` does not pay for paramiko.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from .errors import ShardwrightError

if TYPE_CHECKING:
    from .control.converging import Means
    from .control.run import Proof
    from .model import run as runs
    from .model.spec import ClusterSpec
    from .model.topology import Topology

REBALANCE_HELP = "Spread primaries evenly over zones, racks, hosts by manual failovers."
P = ParamSpec("P")
R = TypeVar("R")


def _ends_well(function: Callable[P, R]) -> Callable[P, R]:
    """Print one of our errors as what it is, and leave with its code."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ShardwrightError as error:
            from .core.report_text import printable

            click.echo(printable(f"ERROR {error}"), err=True)
            sys.exit(error.exit_code)

    return wrapped


def _environment(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("environment", default="local")(function)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shardwright")
def main() -> None:
    """Redis and Valkey clusters: plan, form, prove.

    ENVIRONMENT is a name under inventories/, a directory, or the path of a cluster.yml; `local` where none is given.
    Exit codes: 0 good, 1 not proved, 2 a file to fix, 3 look again, 4 decide, 5 investigate.
    """


@main.command()
@_environment
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--full", is_flag=True, help="List every step.")
@click.option("--rebalance-primaries", "even", is_flag=True, help=REBALANCE_HELP)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan there, for apply --plan.")
@_ends_well
def plan(environment: str, as_json: bool, full: bool, even: bool, out: Path | None) -> None:
    """Show what an apply would do to the cluster, and what that costs; touch nothing."""
    from .adapters.command_run import means_for
    from .adapters.plan_file import write_plan
    from .control.run import foresee
    from .core.explaining.plan_text import plan_json, plan_text
    from .core.placement import place

    file = _file(environment)
    spec = _spec(file)
    with means_for(spec, (), quiet=True) as (means, _):
        seen = foresee(replace(place(spec), even_primaries=even), means)
    made, price = seen.made, seen.price
    click.echo(
        json.dumps(plan_json(made, price), indent=2) if as_json else plan_text(made, price, full=full), nl=as_json
    )
    if out is not None:
        write_plan(out, file, spec.name, made, price, seen.basis)
        click.echo(f"wrote {out}; to carry it out: shardwright apply --plan {out}", err=True)


@main.command()
@click.argument("environment", required=False)
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), help="Do what this file of plan --out says, if it fits."
)
@click.option("--allow", multiple=True, metavar="HAZARD", help="Consent to one hazard by its name; may be repeated.")
@click.option(
    "--restart", is_flag=True, help="Restart servers where that is wanted and safe, by ssh or on this machine."
)
@click.option("--rebalance-primaries", "even", is_flag=True, help=REBALANCE_HELP)
@click.option("--bandwidth", metavar="SIZE", help="Most that slot moves may send in a second, all together: 50mb.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@_ends_well
def apply(
    environment: str | None,
    plan_file: Path | None,
    allow: tuple[str, ...],
    restart: bool,
    even: bool,
    bandwidth: str | None,
    as_json: bool,
    reports: Path,
) -> None:
    """Form or mend the cluster, then prove it. Servers must be running: deploy/cluster.py starts them.

    With --plan the environment is the one that the plan was made for, and any change since then is a refusal. A plan's
    file may stand in the environment's place, too.
    """
    from .adapters.plan_file import fitting_plan, is_plan, read_plan
    from .control.run import form_and_verify
    from .core.wishes import bytes_a_second, consents
    from .model.run import Command

    allow = consents(allow)
    if plan_file is None and environment and is_plan(Path(environment)):
        environment, plan_file = "", Path(environment)
    saved = None
    chosen = environment or (read_plan(plan_file).spec_path if plan_file else "local")
    if plan_file is not None:
        saved = fitting_plan(plan_file, _file(chosen), _spec(_file(chosen)))
    limit = bytes_a_second(bandwidth) if bandwidth else None

    def work(topology: Topology, means: Means, **rest: Any) -> Proof:
        wished = replace(topology, even_primaries=even)
        return form_and_verify(wished, replace(means, bytes_per_second=limit), fitting=saved, **rest)

    _run(chosen, Command.APPLY, as_json, reports, allow, work, restart=restart)


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
@click.option("--arch", help="x86_64 or aarch64; default: this machine's.")
@click.option("--mirror", help="Where to fetch from; default: this machine's own apt sources.")
@click.option("--security-mirror", help="With --mirror: where to fetch security updates from; default: nowhere.")
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
    command: runs.Command,
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
    from .adapters.command_run import means_for, publish
    from .adapters.run_records import record_of
    from .core.placement import place
    from .model.run import Command

    started = time.time()
    try:
        with means_for(spec, allow, quiet=as_json, lock=command is Command.APPLY, restart=restart) as (means, warned):
            proof = work(place(spec), means, canary=spec.canary, further=warned)
    except ShardwrightError as error:
        publish(reports, None, record_of(command, file, spec.name, started, error), as_json)
        raise
    record = record_of(command, file, spec.name, started, proof)
    publish(reports, proof, record, as_json)
    sys.exit(record.exit_code)


def _file(environment: str) -> Path:
    from .adapters.environments import find

    return find(environment)


def _spec(file: Path) -> ClusterSpec:
    from .adapters.spec_file import load_with_warnings

    spec, warnings = load_with_warnings(file)
    for problem in warnings:
        click.echo(f"warning: {file}:{problem.line} {problem.path}: {problem.found} [{problem.code}]", err=True)
    return spec

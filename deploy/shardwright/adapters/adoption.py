"""`shardwright adopt`: asks a running cluster and writes the environment for which nothing is to be done.

The text is loaded and planned against the very look that it was made from before it reaches the disk; what is left to do
then is told, not hidden. Zones can't be seen from outside: they are left to whoever adopts, with a comment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shardwright.control.adopting import discover
from shardwright.core.adopting import Adoption, adopted_spec, first_plan
from shardwright.core.report_text import count
from shardwright.errors import PlanError, Problem, SpecError
from shardwright.model.endpoint import Endpoint
from shardwright.model.plan import Plan
from shardwright.model.secret import Secret
from shardwright.model.spec import ClusterSpec, Domain

from .adopted_text import adopted_text
from .clock import RealClock
from .regular_files import read_regular
from .resp import RespTransport
from .scaffold import refuse_existing, write_pair
from .spec_file import loads

MAX_PASSWORD_FILE = 4_096


@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where the password is: a variable of the environment or a file; neither: there is none."""

    variable: str = ""
    file: Path | None = None

    def read(self, env: Mapping[str, str]) -> Secret | None:
        """The password.

        Raises:
            SpecError: ``password-env-missing`` or ``password-file``.
        """
        if self.variable and self.variable not in env:
            hint = f"export {self.variable}=...  in the shell, or as a secret of the pipeline"
            raise _wrong("password-env-missing", f"no variable {self.variable}", "the password in it", hint)
        if self.variable:
            return Secret(env[self.variable])
        if self.file is None:
            return None
        try:
            text = read_regular(self.file, MAX_PASSWORD_FILE)[0].decode("utf-8-sig")
        except (OSError, ValueError) as error:
            found = f"{self.file}: {getattr(error, 'strerror', '') or 'not text in UTF-8'}"
            raise _wrong("password-file", found, "a file with one line") from error
        return Secret(text.removesuffix("\n").removesuffix("\r"))

    def section(self) -> str:
        """As it stands in a spec; empty where there is none."""
        if self.variable:
            return f"{{env: {self.variable}}}"
        return f"{{file: {self.file.absolute()}}}" if self.file is not None else ""


@dataclass(frozen=True, slots=True)
class Adopted:
    """The files that were written, what must be known, and what the first apply would do."""

    files: tuple[Path, Path]
    adoption: Adoption
    plan: Plan


def adopt_environment(
    address: str, *, directory: Path, name: str, source: PasswordSource, env: Mapping[str, str], force: bool = False
) -> Adopted:
    """Writes `directory`/`name` for the cluster of which a node answers at `address`; touches nothing else.

    Args:
        address: ``HOST:PORT`` of any member.
        directory: the one that holds the environments: ``inventories``.
        name: of environment and cluster.
        source: of the cluster's password.
        env: where the password is looked up.
        force: write over files that are there.

    Raises:
        SpecError: ``adopt-address``, ``environment-exists``, or the password can't be read.
        ObservationError: the node gave no view.
        PlanError: with every reason why a spec can't say this cluster.
    """
    door = _door(address)
    refuse_existing(directory, name, force=force)
    password = source.read(env)
    transport = RespTransport(password)
    try:
        found = discover(transport, RealClock(), door, password)
    finally:
        transport.close()
    adoption = adopted_spec(name, found.state, password=password, unlike=found.unlike)
    home = directory / name
    text = adopted_text(adoption.spec, source.section(), address)
    spec = _loaded(text, home, env)
    plan = first_plan(spec, found.state)
    return Adopted(write_pair(home, text), adoption, plan)


def _loaded(text: str, home: Path, env: Mapping[str, str]) -> ClusterSpec:
    """The text as every other command will read it.

    Raises:
        PlanError: ``adopt-not-sayable``.
    """
    try:
        return loads(text, file=str(home / "cluster.yml"), directory=home, env=env)[0]
    except SpecError as error:
        lines = [
            f"- {p.path}: {p.found}; wanted {p.wanted}" + (f" ({p.hint})" if p.hint else "") for p in error.problems
        ]
        raise PlanError(
            "adopt-not-sayable",
            f"{len(lines)} things of this cluster are refused in a cluster.yml; nothing was written:\n"
            + "\n".join(lines),
            hint="change them on the running cluster, then adopt again",
        ) from error


def lines(adopted: Adopted) -> list[str]:
    """What is said of an adoption, for people."""
    spec = adopted.adoption.spec
    said = [f"{f.severity}: {f.message} [{f.code}]\n  hint: {f.hint}" for f in adopted.adoption.findings]
    said += [f"wrote {path}" for path in adopted.files]
    said.append(
        f"{spec.name}: {count(spec.shards, 'shard')} with {count(spec.replicas, 'replica')} each, "
        f"{count(len(spec.hosts), 'host')}, {spec.engine.product.value} {spec.engine.version}"
    )
    if adopted.plan.empty:
        said.append("nothing was touched, and there is nothing to do: the plan for it is empty")
    else:
        said.append(f"nothing was touched; the first apply would do {len(adopted.plan.steps)} things:")
        said += [f"  {step}" for step in adopted.plan.steps[:12]]
    if spec.spread is Domain.HOST:
        said.append("add zones to the hosts if they have some; then write  spread: zone")
    said.append(f"next: shardwright verify {adopted.files[0]}")
    return said


def _door(address: str) -> Endpoint:
    host, colon, port = address.rpartition(":")
    if not colon or not host.strip("[]") or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise _wrong("adopt-address", ascii(address)[:80], "HOST:PORT", "for example  10.0.0.1:6379")
    return Endpoint(host.strip("[]"), int(port), 0)


def _wrong(code: str, found: str, wanted: str, hint: str = "") -> SpecError:
    return SpecError([Problem(code, "", found, wanted, hint)], file="command line")

"""`look` and `bring`: what a host needs, and bringing it there, as values that Ansible can show.

Each call looks at the host anew and decides on what it sees; nothing is handed on but words. What was seen holds hashes of
files with passwords, which have no place in a play's variables; and a look costs less than acting on one that is old.
"""

from __future__ import annotations

import base64
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..adapters import environment
from ..adapters.environment import Environment
from ..adapters.ssh import SshTunnels
from ..control import credentials, identities
from ..core.host import batches, carrying, preflight, questions, restarts
from ..core.host.changes import Change, HostChanges, ReloadManager, Stage, changes
from ..core.host.state import HostState, parse
from ..core.host.words import explained, subject
from ..core.wishes import consents
from ..errors import ObservationError, PlanError, ShardwrightError, merged
from ..model.blueprint import Blueprint, File, Instance
from ..model.spec import HostSpec, ServiceManager
from .logins import endpoints, knocking
from .remote import Remote, Run
from .results import Result

STAGES: Mapping[str, Stage] = {stage.name.lower(): stage for stage in Stage}
_GROUPS = (
    (Stage.ENGINE,),
    (Stage.MOUNTS,),
    (Stage.OWNERSHIP, Stage.FILES, Stage.KERNEL),
    (Stage.SERVICES,),
    (Stage.IDENTITIES,),
)
"""What is decided on one look and done in one go: only installing and mounting make what others decide on."""


@dataclass
class _Visit:
    """One host, while a task is at work on it."""

    environment: Environment
    remote: Remote
    state: HostState = field(default_factory=HostState)
    offset: tuple[float, float] = (0.0, 0.0)
    warnings: dict[str, str] = field(default_factory=dict)

    @property
    def blueprint(self) -> Blueprint:
        return self.environment.fitting(self.remote.spec, self.state)

    def wanted(self, *, settled: bool = False) -> HostChanges:
        blueprint = self.blueprint
        assert blueprint.manager is not ServiceManager.AUTO
        return changes(blueprint, self.state, settled=settled)

    def script(self) -> str:
        return questions.look(self.environment.blueprints(self.remote.spec).values())

    def look(self) -> None:
        before = time.time()
        output = self.remote.read(self.script(), deadline=carrying.LOOK_SECONDS)
        state = parse(output.lines)
        if not state.complete:
            words = " ".join(output.errors)[-200:] or "no words"
            text = f"{subject(self.remote.spec)}: the host could not be looked at ({words}); nothing was changed"
            raise ObservationError("look-failed", text, hint="log in there and see whether sh works and disks answer")
        after = time.time()
        self.offset = (state.epoch - (before + after) / 2, (after - before) / 2)
        self.state = state

    def judge(self) -> None:
        """Refuse what must be refused, note what is worth a warning."""
        spec, host = self.environment.spec, self.remote.spec
        errors = preflight.refusals(spec, host, self.blueprint, self.state)
        if not errors:
            errors = self._refused_logins()
        if errors:
            raise merged(errors, subject="checks")
        for code, text in (
            *preflight.cautions(spec, self.blueprint, self.state),
            *self.wanted().warnings,
        ):
            self.warnings.setdefault(text, code)

    def starts(self) -> dict[str, dict[str, Any]]:
        """How the servers were started that run here, by endpoint; for `cluster`, which may have them restarted."""
        found = restarts.starts(self.blueprint, self.state)
        return {str(endpoint): asdict(start) | {"named": sorted(start.named)} for endpoint, start in found.items()}

    def kept(self, instance: Instance) -> bool:
        """Whether the copy of the server's list of nodes names the nodes that the list does."""
        return self.state.nodes_of(instance.endpoint.port).same

    def _refused_logins(self) -> tuple[ShardwrightError, ...]:
        spec = self.environment.spec
        tunnels = SshTunnels(spec)
        try:
            return credentials.refusals(
                self.remote.spec, self.blueprint, self.state, knocking(spec, tunnels), security=spec.security
            )
        finally:
            tunnels.close()


def host_of(loaded: Environment, name: str) -> HostSpec:
    """The host of that name.

    Raises:
        PlanError: ``host-unknown``.
    """
    for host in loaded.spec.hosts:
        if host.name == name:
            return host
    known = ", ".join(h.name for h in loaded.spec.hosts)
    raise PlanError(
        "host-unknown",
        f"{loaded.path} names no host {name!r}; it has {known}",
        hint="name hosts in the inventory as in cluster.yml, or set the variable shardwright_host",
    )


def look(spec: str, host: str, run: Run, *, stages: Sequence[str] = tuple(STAGES)) -> Result:
    """Look at a host, and refuse what must be refused before anything is changed anywhere.

    Args:
        spec: path of cluster.yml.
        host: its name there.
        run: the way into it.
        stages: those that will be brought there; for mounts alone, of which cluster.yml has none, the host is not entered.

    Returns:
        What is wanted there in words, by stage, and what the report should know of the host.

    Raises:
        ShardwrightError: the host can't be looked at, or must be left as it is.
    """
    loaded = environment.load(Path(spec).resolve())
    if set(stages) == {"mounts"} and not loaded.spec.mounts:
        return {"changed": False, "host": host, "wanted": {}}
    visit = _visit(loaded, host, run)
    found = visit.wanted()
    return {
        "changed": False,
        "host": host,
        "wanted": {name: [c.text for c in found.of(stage)] for name, stage in STAGES.items()},
        "starts": visit.starts(),
        "unkept": [str(i.endpoint) for i in visit.blueprint.instances if not visit.kept(i)],
        "rewritten": [str(i.endpoint) for i in credentials.rewritten(visit.blueprint, visit.state)],
        "deferred": list(found.deferred),
        "clock": list(visit.offset),
        "notes": [[code, text] for text, code in visit.warnings.items()],
        "warnings": [f"{host}: {text} [{code}]" for text, code in visit.warnings.items()],
    }


def bring(
    spec: str,
    host: str,
    run: Run,
    *,
    stages: Sequence[str],
    looked: Mapping[str, Any] | None = None,
    settled: bool = False,
    allow: Sequence[str] = (),
    check: bool = False,
    diff: bool = False,
    apt_lock_wait: int = carrying.LOCK_WAIT_SECONDS,
) -> Result:
    """Bring a host to what its blueprint says, as far as `stages` go.

    Args:
        spec: path of cluster.yml.
        host: its name there.
        run: the way into it.
        stages: of `STAGES`; they are done in their own order.
        looked: what `look` gave in this play; where it saw nothing to do for these stages, the host is not entered.
        settled: the servers run with the wished `appendonly`, so that the files may say so.
        allow: hazards that are consented to, by name.
        check: only say what would be done.
        diff: say how files differ.
        apt_lock_wait: seconds to wait for another process that installs packages.

    Raises:
        ShardwrightError: the host can't be looked at, must be left as it is, or a change failed.
    """
    if looked and "wanted" in looked and not _needed(looked, stages, settled):
        return {"changed": False, "host": host, "done": []}
    allow = consents(allow)
    visit = _visit(environment.load(Path(spec).resolve()), host, run)
    chosen = frozenset(STAGES[name] for name in stages)
    done: list[str] = []
    shown: list[dict[str, str]] = []
    for group in _GROUPS:
        found = _of(visit, settled, chosen.intersection(group), chosen)
        if not found:
            continue
        if diff:
            shown += _differences(visit, found)
        done += [c.text for c in found] if check else _carry_out(visit, found, apt_lock_wait, allow)
    result: Result = {"changed": bool(done), "host": host, "done": done, "starts": visit.starts()}
    return result | ({"diff": shown} if shown else {})


def keep(
    spec: str,
    host: str,
    run: Run,
    *,
    formed: Mapping[str, Any],
    looked: Mapping[str, Any] | None = None,
) -> Result:
    """Copy the lists of nodes of a host's servers, where they name other nodes than the copies do.

    Args:
        spec: path of cluster.yml.
        host: its name there.
        run: the way into it.
        formed: what `cluster.form` gave in this play; without a proof nothing is copied.
        looked: what `look` gave; where all copies were in line and the cluster was not changed, the host is not entered.

    Raises:
        ShardwrightError: the host can't be looked at, or the copying failed.
    """
    ids, changed = formed.get("nodes", {}), bool(formed.get("changed"))
    if not ids or (looked and not changed and looked.get("unkept") == []):
        return {"changed": False, "host": host, "done": []}
    loaded = environment.load(Path(spec).resolve())
    visit = _visit(loaded, host, run)
    known = endpoints(loaded.topology)
    who = {known[name]: str(node) for name, node in ids.items() if name in known}
    found = identities.copying(visit.blueprint, visit.state, who, changed=changed)
    done = _carry_out(visit, found, 0) if found else []
    return {"changed": bool(done), "host": host, "done": done}


def _needed(looked: Mapping[str, Any], stages: Iterable[str], settled: bool) -> bool:
    if settled:
        return bool(looked.get("deferred"))
    return any(looked.get("wanted", {}).get(name) for name in stages)


def _of(visit: _Visit, settled: bool, stages: frozenset[Stage], chosen: frozenset[Stage]) -> tuple[Change, ...]:
    """The changes of these stages. Units that are written are read again in the same go, so where files are not chosen
    only those that were left unread are."""
    unread = any(visit.state.unit(i.service).needs_reload for i in visit.blueprint.instances)
    reading = Stage.FILES if Stage.FILES in chosen else Stage.SERVICES if unread else None
    found = visit.wanted(settled=settled).changes
    return tuple(c for c in found if (reading if isinstance(c.action, ReloadManager) else c.stage) in stages)


def _visit(loaded: Environment, host: str, run: Run) -> _Visit:
    visit = _Visit(loaded, Remote(host_of(loaded, host), run))
    visit.look()
    visit.judge()
    return visit


def _carry_out(visit: _Visit, found: tuple[Change, ...], wait: int, allow: Sequence[str] = ()) -> list[str]:
    host, blueprint = visit.remote.spec, visit.blueprint
    loaded = visit.environment
    tunnels = SshTunnels(loaded.spec)
    try:
        login = partial(knocking(loaded.spec, tunnels), loaded.spec.security.password)
        identities.admit(host, found, loaded.topology, login, allow)
    finally:
        tunnels.close()
    again = carrying.looks_again(found)
    text = batches.batch(found, blueprint, visit.state.family, visit.script() if again else "", lock_wait=wait)
    output = visit.remote.change(text, deadline=carrying.deadline(found, wait))
    came = batches.result(output.lines, found, output.ok, output.errors)
    if came.failure is not None:
        raise explained(host, came.failure, visit.environment.spec.security)
    if again:
        if came.state is None or not came.state.complete:
            visit.look()
        else:
            visit.state = came.state
        carrying.check_engine(host, visit.blueprint, visit.state, found)
    return [change.text for change in dict.fromkeys(came.done)]


def _differences(visit: _Visit, found: Sequence[Change]) -> list[dict[str, str]]:
    """For Ansible's --diff: what is there and what will be, of every file without secrets; all else in words."""
    files = [c.action for c in found if isinstance(c.action, File)]
    before = _texts(visit, [f.path for f in files if not f.secret and visit.state.path(f.path).kind == "file"])
    rows = []
    for change in found:
        file = change.action
        if not isinstance(file, File) or before.get(file.path) == file.content:
            rows.append({"prepared": f"{change.text}\n"})
        elif file.secret:
            rows.append({"prepared": f"{change.text} (it holds a secret, so its text is not shown)\n"})
        else:
            old, new = before.get(file.path, ""), file.content
            rows.append({"before": old, "after": new, "before_header": file.path, "after_header": file.path})
    return rows


def _texts(visit: _Visit, paths: Sequence[str]) -> dict[str, str]:
    if not paths:
        return {}
    words = " ".join(map(shlex.quote, paths))
    each = 'printf \'file\\t%s\\t%s\\n\' "$f" "$(base64 <"$f" | tr -d \'\\n\')"'
    output = visit.remote.read(f"for f in {words}; do {each}; done", deadline=carrying.LOOK_SECONDS)
    rows = (line.split("\t") for line in output.lines if line.startswith("file\t"))
    return {row[1]: base64.b64decode(row[2]).decode(errors="replace") for row in rows if len(row) == 3}

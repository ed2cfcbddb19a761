"""`drifts`: every difference between what was declared and what is, over all truths that were looked at. Pure.

Knows neither hosts nor transports: whoever looked at the hosts hands over its own rows and the configuration files. A
failover is no drift, nor is what a server writes by itself (nodes.conf, the lines that CONFIG REWRITE adds). A setting that
nobody declared is one: on a server that we configured it was set behind our back, and the next start loses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from ..engines import owner
from ..model.drift import Drift, Mend, Truth
from ..model.endpoint import Endpoint
from ..model.report import Finding, Report, Severity
from ..model.state import ClusterState, NodeState, StartState
from ..model.topology import Node, Topology
from .config_lines import ConfigFile, line_differences
from .drifting_cluster import cluster_drifts
from .outdated import by_host
from .running_settings import SECRETS, undeclared
from .settings import differing, is_live
from .verification.shard_rows import shard_rows

_ORDER = list(Truth)
_LOOSE = frozenset({"dir", "logfile"})
"""Paths that a server tells in another form than they are written in."""


def drifts(
    topology: Topology,
    state: ClusterState,
    *,
    unlike: Collection[Endpoint] = (),
    logins: Mapping[Endpoint, str] | None = None,
    files: Mapping[Endpoint, ConfigFile] | None = None,
    starts: Mapping[Endpoint, StartState] | None = None,
    hosts: Iterable[Drift] = (),
) -> tuple[Drift, ...]:
    """All differences, by truth and subject.

    Args:
        topology: what should be, fitted to what runs.
        state: all nodes, asked for every setting that `running_settings.asked_names` lists.
        unlike: nodes with another password for replication.
        logins: which passwords nodes take, by their fields, where that is not what was declared.
        files: configuration files by node, where the hosts were looked at.
        starts: how nodes were started, where the hosts were looked at.
        hosts: what was found there besides.
    """
    known = files or {}
    found = [*cluster_drifts(topology, state), *hosts]
    for node in topology.nodes:
        file = known.get(node.endpoint)
        seen = state.nodes.get(node.endpoint)
        if seen is not None:
            found += _declared(topology, node, seen, file)
            found += _undeclared(topology, node, seen, file)
            if starts and node.endpoint in starts:
                found += _outdated(topology, node, seen, starts[node.endpoint])
            if file is not None:
                found += _owned(node, seen, file)
        if file is not None:
            found += _lines(node, seen, file)
        if logins and node.endpoint in logins:
            found.append(_login(node, logins[node.endpoint]))
        if node.endpoint in unlike:
            found.append(_password(node))
    stopped = {d.subject for d in found if d.code == "drift-service"}
    found = [_with_cause(d) if d.code == "node-silent" and d.subject in stopped else d for d in found]
    return tuple(sorted(found, key=lambda d: (_ORDER.index(d.truth), d.subject, d.name)))


def drift_report(topology: Topology, state: ClusterState, rows: tuple[Drift, ...], *, with_hosts: bool) -> Report:
    """The rows as a report: each an error, and for each truth without one that it was looked at."""
    findings = [
        Finding(d.code, Severity.ERROR, d.subject, f"{d.name}: {d.found}; wanted {d.wanted}; mend: {d.mend}", d.hint)
        for d in rows
    ]
    if not with_hosts:
        findings.append(
            Finding(
                "drift-hosts-not-compared",
                Severity.INFO,
                topology.name,
                "files, kernel and services of the hosts were not compared: that needs the hosts",
                "pyinfra -y inventories/NAME/inventory.py deploy/drift.py",
            )
        )
    looked = _ORDER if with_hosts else [Truth.CLUSTER, Truth.SERVER]
    clean = [truth for truth in looked if all(d.truth is not truth for d in rows)]
    findings += [
        Finding("no-drift", Severity.OK, truth.value, f"as declared, on {len(topology.nodes)} nodes") for truth in clean
    ]
    return Report(topology.name, topology.product, tuple(findings), shard_rows(topology, state), rows)


def _declared(topology: Topology, node: Node, seen: NodeState, file: ConfigFile | None) -> Iterator[Drift]:
    view = seen.view
    wanted = {**dict(topology.settings), **dict(topology.live)}
    for name, value in differing(wanted, view.settings, view.product, view.version).items():
        found = view.settings.get(name)
        if found is None:
            hint = "this version may not have it: take it out of cluster.yml, or widen nothing and upgrade"
            yield Drift(
                "drift-setting", Truth.SERVER, node.name, name, value, "the server does not tell it", Mend.PERSON, hint
            )
            continue
        live = is_live(name, view.product, view.version)
        said = "; the file on the host says so too" if file is not None and file.says(name) == found else ""
        hint = (
            "shardwright apply sets it back" if live else "restart it when it suits: a replica at once, else fail over"
        )
        mend = Mend.LIVE if live else Mend.RESTART
        yield Drift("drift-setting", Truth.SERVER, node.name, name, _shown(value), _shown(found), mend, f"{hint}{said}")


def _undeclared(topology: Topology, node: Node, seen: NodeState, file: ConfigFile | None) -> Iterator[Drift]:
    """Set, but by nobody that we know of; a line in our own file would make it declared."""
    names = [name for name, _ in (*topology.live, *topology.settings)]
    written = file.wanted if file is not None else {}
    for directive, found in undeclared(seen.view, [*names, *written]):
        default = directive.default or ""
        if directive.live:
            mend, hint = (
                Mend.LIVE,
                f"write it under settings to keep it; else CONFIG SET {directive.name} {default or chr(34) * 2}",
            )
        else:
            mend, hint = Mend.RESTART, "write it under settings to keep it; a start without it takes the default"
        yield Drift(
            "drift-setting-undeclared",
            Truth.SERVER,
            node.name,
            directive.name,
            f"{_shown(default)} (the default)",
            _shown(found),
            mend,
            hint,
        )


def _outdated(topology: Topology, node: Node, seen: NodeState, start: StartState) -> Iterator[Drift]:
    """A server that a deploy would restart; files that differ in what was since set live ask for none."""
    if reasons := by_host(topology, seen.view, start, seen.view.settings):
        hint = "run the deploy: it restarts servers where that is wanted and safe"
        wanted, found = "started with what lies there now", "; ".join(reasons)
        yield Drift("drift-restart", Truth.SERVICE, node.name, "its start", wanted, found, Mend.RESTART, hint)


def _owned(node: Node, seen: NodeState, file: ConfigFile) -> Iterator[Drift]:
    """What shardwright writes itself: where it listens, who may enter."""
    view = seen.view
    mine = {n: v for n, v in file.wanted.items() if owner(n) is not None and n in view.settings}
    wanted = {n: v for n, v in mine.items() if n not in SECRETS | _LOOSE and not n.startswith("append") and n != "save"}
    for name, value in differing(wanted, view.settings, view.product, view.version).items():
        hint = "it comes back with the next start; until then this server is not as deployed"
        found = _shown(view.settings[name])
        yield Drift("drift-setting", Truth.SERVER, node.name, name, _shown(value), found, Mend.RESTART, hint)


def _lines(node: Node, seen: NodeState | None, file: ConfigFile) -> Iterator[Drift]:
    running = seen.view.settings if seen is not None else {}
    for line in line_differences(file, seen.view if seen is not None else None):
        if line.name in SECRETS or line.name not in running:
            hint = "a deploy writes the file again"
        elif line.found is not None and running[line.name] == line.found:
            hint = "a deploy writes the file again; the server runs with what the file says now"
        else:
            hint = "a deploy writes the file again; the server's next start would take what it says now"
        wanted, found = line.wanted or "no such line", line.found or "no such line"
        yield Drift("drift-file-line", Truth.FILE, node.name, line.name, wanted, found, Mend.DEPLOY, hint)
    if file.rewritten:
        yield Drift(
            "drift-file-rewritten",
            Truth.FILE,
            node.name,
            file.path,
            "as deployed",
            "rewritten by the server (CONFIG REWRITE)",
            Mend.DEPLOY,
            "a deploy writes the file again; what was meant to stay belongs into cluster.yml",
        )


def _password(node: Node) -> Drift:
    hint = "CONFIG SET masterauth to the cluster's password there; else it is cut off at the next failover"
    return Drift(
        "drift-replication-password",
        Truth.SERVER,
        node.name,
        "masterauth",
        "the cluster's password",
        "another one",
        Mend.LIVE,
        hint,
    )


def _login(node: Node, taken: str) -> Drift:
    hint = "a deploy admits what is to be taken, and at its end refuses what is not"
    return Drift(
        "drift-password",
        Truth.SERVER,
        node.name,
        "passwords",
        "security.password, and previous",
        taken,
        Mend.LIVE,
        hint,
    )


def _with_cause(drift: Drift) -> Drift:
    """A node whose service stands still is not a riddle."""
    return replace(drift, mend=Mend.DEPLOY, hint="its service is stopped, see there")


def _shown(value: str) -> str:
    return value if value else "empty"

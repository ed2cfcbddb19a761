"""Do the servers run the wanted version, with the wanted settings?"""

from __future__ import annotations

from collections.abc import Iterator

from ...engines import ENGINES, advisories, engine_of
from ...engines.version import Version, VersionRange
from ...errors import SpecError
from ...model.report import Finding, Severity
from ...model.state import ClusterState, NodeState
from ...model.topology import Topology
from ..settings import differing, is_live
from .disks import MAXCLIENTS


def running(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Product and version of every server, skew between them, advisories, and settings that differ."""
    if not state.nodes:
        return
    versions = [*_versions(topology, state)]
    yield from versions
    settings = [finding for node in state.nodes.values() for finding in _settings(topology, node)]
    yield from settings
    found = sorted({f"{n.view.product} {n.view.version}" for n in state.nodes.values()})
    if any(node.endpoint not in state.nodes for node in topology.nodes):
        return
    if not versions:
        yield Finding(
            "versions-wanted", Severity.OK, topology.name, f"{len(state.nodes)} servers, all {', '.join(found)}"
        )
    if not settings:
        count = len(topology.live) + len(topology.settings)
        yield Finding(
            "settings-wanted",
            Severity.OK,
            topology.name,
            f"{count} settings read back as wanted on {len(state.nodes)} nodes",
        )


def _versions(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    wanted = VersionRange.parse(topology.versions)
    for endpoint, node in state.nodes.items():
        view = node.view
        if view.product != topology.product:
            message = f"{endpoint} runs {view.product} {view.version}, wanted {topology.product}"
            yield Finding(
                "product-differs",
                Severity.ERROR,
                str(endpoint),
                message,
                "run the deploy: it restarts them with it",
            )
        elif (version := _parsed(view.version)) is None or not wanted.contains(version):
            message = f"{endpoint} runs {view.product} {view.version}, wanted {topology.versions}"
            yield Finding(
                "version-differs", Severity.ERROR, str(endpoint), message, "run the deploy, or widen the range"
            )
    found = sorted({(n.view.product, n.view.version) for n in state.nodes.values()})
    if len(found) > 1:
        text = ", ".join(f"{product} {version}" for product, version in found)
        yield Finding(
            "versions-mixed", Severity.WARNING, topology.name, f"the servers run {text}", "upgrade the older ones"
        )
    for product, text in found:
        yield from _advised(product, text)


def _advised(product: str, text: str) -> Iterator[Finding]:
    """One finding for all published weaknesses: a package may have their fixes, which its server does not tell."""
    version = _parsed(text)
    known = advisories(engine_of(product), version) if version and product in ENGINES else ()
    if known:
        message = "; ".join(f"{advisory.code} ({advisory.reason})" for advisory in known)
        newest = max(advisory.fixed for advisory in known)
        hint = (
            f"all fixed in {newest}; a distribution's package may carry the fixes under its own suffix: ask its tracker"
        )
        yield Finding("version-insecure", Severity.WARNING, f"{product} {text}", message, hint)


def _settings(topology: Topology, node: NodeState) -> Iterator[Finding]:
    view = node.view
    wanted = {**dict(topology.settings), **dict(topology.live)}
    for name, value in differing(wanted, view.settings, view.product, view.version).items():
        found = view.settings.get(name)
        if name == MAXCLIENTS and found is not None and found.isdigit() and value.isdigit() and int(found) < int(value):
            continue  # said by `disks`, with its cause
        subject = str(view.endpoint)
        if found is None:
            message = f"{subject} does not tell the setting {name}, wanted {value}"
            yield Finding("setting-unknown", Severity.WARNING, subject, message, "this version may not have it")
        elif is_live(name, view.product, view.version):
            message = f"{subject} runs with {name} {found}, wanted {value}"
            yield Finding("setting-differs", Severity.ERROR, subject, message, "run the deploy again: it sets it live")
        else:
            message = f"{subject} runs with {name} {found}, wanted {value}; only a restart changes it"
            hint = (
                "run the deploy: it restarts servers where that is safe; or do it by hand, a primary after a failover"
            )
            yield Finding("restart-needed", Severity.WARNING, subject, message, hint)


def _parsed(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except SpecError:
        return None

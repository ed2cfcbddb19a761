"""Which running servers must be started anew, and why. Pure.

The process decides, not what this run wrote: a server is outdated if its host says that it was started with another binary,
or if it does not run with what its file says and only a start can change that. A file that differs in comments, in the
password, or in lines that were since set live asks for no restart: what the server says of itself is compared, line by line.
A process that is not the one that the host looked at was started later, from the files that lie there, and is not outdated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from ..engines import VersionRange, blocked, identify_binary
from ..engines.version import Version
from ..errors import ObservationError, PlanError, SpecError
from ..model.endpoint import Endpoint
from ..model.observation import NodeView
from ..model.state import ClusterState, StartState
from ..model.topology import Topology
from .config_lines import values_of
from .running_settings import SECRETS, table_of
from .settings import differing, is_live

ELSEWHERE = frozenset({"appendonly", "dir"})
"""Directives that are no reason: one follows the data and is switched live, the other is refused when it changes."""


def start_lines(text: str) -> dict[str, str]:
    """The directives of a configuration file that may be a reason to start a server anew; no secrets."""
    return {name: value for name, value in values_of(text).items() if name not in SECRETS | ELSEWHERE}


def is_wanted(topology: Topology, view: NodeView) -> bool:
    """Whether the server is of the wanted product and version."""
    try:
        version = Version.parse(view.version)
    except SpecError:
        return False
    return view.product == topology.product and VersionRange.parse(topology.versions).contains(version)


def questions(starts: Mapping[Endpoint, StartState]) -> dict[Endpoint, tuple[str, ...]]:
    """What each server must be asked by `CONFIG GET` before `by_host` can judge it."""
    return {e: tuple(sorted(start.lines)) for e, start in starts.items() if start.rewritten and start.lines}


def by_host(topology: Topology, view: NodeView, start: StartState, told: Mapping[str, str]) -> tuple[str, ...]:
    """Why this server must be started anew, by what its host says and what it says itself.

    Args:
        topology: what should be; its settings are set live where the server can.
        view: of the server.
        start: how its process was started.
        told: what it runs with of the directives that were asked for by `questions`.
    """
    if start.pid and view.pid and start.pid != view.pid:
        return ()
    if start.replaced and not is_wanted(topology, view):
        return (_engine(topology, view),)
    reasons = ["its binary was replaced"] if start.replaced else []
    if start.rewritten:
        set_live = {name for name, _ in (*topology.settings, *topology.live)}
        reasons += _lines(view, start.lines, told, set_live)
    return tuple(reasons)


def by_view(topology: Topology, view: NodeView) -> tuple[str, ...]:
    """The same as far as the server alone can show it, where its host was not looked at."""
    if not is_wanted(topology, view):
        return (_engine(topology, view),)
    wanted = {**dict(topology.settings), **dict(topology.live)}
    known = {name: value for name, value in wanted.items() if name.lower() in view.settings}
    return tuple(_lines(view, known, view.settings, wanted))


def dropped(topology: Topology, state: ClusterState, starts: Mapping[Endpoint, StartState]) -> dict[str, str]:
    """Settings that earlier files of running servers named and that `topology` does not: wanted is the engine's default.

    Only for servers of the wanted product and version: others are started anew, and then have the default anyway.
    """
    found: dict[str, str] = {}
    for endpoint, start in starts.items():
        node = state.nodes.get(endpoint)
        table = table_of(node.view) if node is not None else None
        if node is None or table is None or start.replaced or not is_wanted(topology, node.view):
            continue
        declared = {table.canonical(n) for n in (*start.lines, *dict(topology.settings), *dict(topology.live))}
        for name in {table.canonical(name) for name in start.named} - declared - SECRETS - ELSEWHERE:
            directive = table.get(name)
            if directive is not None and directive.default is not None:
                found[name] = directive.default
    return dict(sorted(found.items()))


def refuse_way(state: ClusterState, starts: Mapping[Endpoint, StartState]) -> None:
    """Refuse a binary that is in place and can't follow the server that runs: its version is known exactly.

    Raises:
        PlanError: ``upgrade-path`` or ``downgrades``.
    """
    for endpoint, start in starts.items():
        node = state.nodes.get(endpoint)
        if node is None or not start.replaced or (start.pid and node.view.pid and start.pid != node.view.pid):
            continue
        view = node.view
        try:
            product, version = identify_binary(start.coming)
            reason = blocked(view.product, Version.parse(view.version), product, version)
        except (ObservationError, SpecError):
            continue
        if reason is not None:
            raise PlanError(
                reason.code,
                f"{endpoint} runs {view.product} {view.version}, and in its place lies {product} {version}: "
                f"{reason.reason}; nothing was restarted",
                hint=f"put the program back that runs; {reason.way}",
            )


def _engine(topology: Topology, view: NodeView) -> str:
    wanted = topology.product if topology.versions == "any" else f"{topology.product} {topology.versions}"
    return f"it runs {view.product} {view.version}, wanted {wanted}"


def _lines(
    view: NodeView, lines: Mapping[str, str], told: Mapping[str, str], set_live: Collection[str]
) -> Iterator[str]:
    """Directives that only a start changes; what the server does not know by `CONFIG GET` is left out."""
    asked = {name: value for name, value in lines.items() if name in told}
    for name in sorted(differing(asked, told, view.product, view.version)):
        live = is_live(name, view.product, view.version)
        if not (live and name in set_live):
            yield f"its file says another {name}" if live else f"{name} is read at the start"

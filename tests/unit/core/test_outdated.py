"""Who must be started anew: by the process, not by what was written; a file may differ in what needs no start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.core.captured import state_of, topology

from shardwright.core.outdated import by_host, by_view, dropped, questions, refuse_way, start_lines
from shardwright.errors import PlanError
from shardwright.model.observation import NodeView
from shardwright.model.state import ClusterState, StartState
from shardwright.model.topology import Topology

FILE = """\
# written for a new version of the tool
port 6379
requirepass "secret-of-the-cluster"
appendonly yes
dir /var/lib/x
tcp-backlog 600
timeout 300
"""
TOLD = {"port": "6379", "tcp-backlog": "511", "timeout": "0"}


@pytest.fixture
def state() -> ClusterState:
    return state_of("valkey-9.1.2", "formed")


@pytest.fixture
def wanted() -> Topology:
    made = replace(topology("valkey-9.1.2"), settings=(("tcp-backlog", "600"), ("timeout", "300")))
    return replace(made, product="valkey", versions="9.1")


@pytest.fixture
def view(state: ClusterState) -> NodeView:
    return replace(next(iter(state.nodes.values())).view, pid=100)


def test_no_secret_and_nothing_that_is_settled_elsewhere_is_compared() -> None:
    assert start_lines(FILE) == {"port": "6379", "tcp-backlog": "600", "timeout": "300"}


def test_only_what_a_start_alone_changes_is_a_reason(wanted: Topology, view: NodeView) -> None:
    start = StartState(100, rewritten=True, lines=start_lines(FILE))
    assert by_host(wanted, view, start, TOLD) == ("tcp-backlog is read at the start",)
    assert by_host(wanted, view, start, {**TOLD, "tcp-backlog": "600"}) == ()
    assert by_host(wanted, view, replace(start, rewritten=False), TOLD) == ()


def test_a_line_of_ours_that_nobody_sets_live_is_a_reason(wanted: Topology, view: NodeView) -> None:
    start = StartState(100, rewritten=True, lines={"protected-mode": "no"})
    assert by_host(wanted, view, start, {"protected-mode": "yes"}) == ("its file says another protected-mode",)


def test_a_process_that_is_newer_than_the_look_is_not_outdated(wanted: Topology, view: NodeView) -> None:
    start = StartState(99, replaced=True, rewritten=True, lines=start_lines(FILE))
    assert by_host(wanted, view, start, TOLD) == ()


def test_another_binary_says_what_runs_and_what_is_wanted(wanted: Topology, view: NodeView) -> None:
    assert by_host(wanted, view, StartState(100, replaced=True), {}) == ("its binary was replaced",)
    old = replace(view, product="redis", version="7.0.15")
    assert by_host(wanted, old, StartState(100, replaced=True), {}) == ("it runs redis 7.0.15, wanted valkey 9.1",)
    assert by_view(wanted, old) == ("it runs redis 7.0.15, wanted valkey 9.1",)


def test_without_its_host_a_server_shows_what_only_a_start_changes(wanted: Topology, view: NodeView) -> None:
    shown = replace(view, settings={**view.settings, "tcp-backlog": "511", "timeout": "0"})
    assert by_view(wanted, shown) == ("tcp-backlog is read at the start",)


def test_what_no_file_names_any_more_is_wanted_at_its_default(wanted: Topology, state: ClusterState) -> None:
    endpoint = next(iter(state.nodes))
    named = frozenset({"maxclients", "timeout", "port", "requirepass", "no-such-directive"})
    starts = {endpoint: StartState(1, lines={"port": "6379"}, named=named)}
    assert dropped(wanted, state, starts) == {"maxclients": "10000"}
    assert dropped(replace(wanted, versions="9.2"), state, starts) == {}


def test_the_version_that_lies_there_decides_whatever_range_was_asked_for(state: ClusterState) -> None:
    older, newer = "Valkey server v=8.1.1 sha=0", "Valkey server v=9.1.3 sha=0"
    endpoint = next(iter(state.nodes))
    refuse_way(state, {endpoint: StartState(0, replaced=True, coming=newer)})
    refuse_way(state, {endpoint: StartState(0, coming=older)})
    with pytest.raises(PlanError, match=r"8\.1\.1"):
        refuse_way(state, {endpoint: StartState(0, replaced=True, coming=older)})


def test_a_server_is_asked_only_where_its_file_differs(state: ClusterState) -> None:
    one, other = list(state.nodes)[:2]
    starts = {one: StartState(1, rewritten=True, lines={"b": "1", "a": "2"}), other: StartState(2, lines={"a": "2"})}
    assert questions(starts) == {one: ("a", "b")}

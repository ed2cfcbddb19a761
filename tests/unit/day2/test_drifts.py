"""Differences between the declared and a picture of the running: what is one, whose it is to mend, and what is none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.unit.day2.cluster import SIX, Member, defaults, state_of

from shardwright.core.adopting import adopted_spec
from shardwright.core.config_lines import ConfigFile
from shardwright.core.drifting import drift_report, drifts
from shardwright.core.fitting import fit
from shardwright.core.placement import place
from shardwright.core.report_json import report_json
from shardwright.model.drift import Drift, Mend, Truth
from shardwright.model.state import StartState
from shardwright.testing import sample_reports

DECLARED = adopted_spec("c", state_of(SIX)).spec
FIRST = SIX[0].endpoint


def compared(members: Iterable[Member], **how: object) -> tuple[Drift, ...]:
    state = state_of(members)
    return drifts(fit(place(DECLARED), state), state, **how)  # type: ignore[arg-type]


def rows(members: Iterable[Member], **how: object) -> set[tuple[str, str, str, str]]:
    return {(d.code, d.subject, d.name, d.mend.value) for d in compared(members, **how)}


def with_first(**settings: str) -> list[Member]:
    return [replace(SIX[0], settings={k.replace("_", "-"): v for k, v in settings.items()}), *SIX[1:]]


def test_as_declared_there_is_none() -> None:
    assert rows(SIX) == set()


def test_a_failover_is_none() -> None:
    members = list(SIX)
    members[0], members[3] = replace(SIX[0], slots="", follows=3), replace(SIX[3], slots="0-5460", follows=None)
    assert rows(members) == set()


@pytest.mark.parametrize(
    ("name", "value", "code", "mend"),
    [
        ("cluster-node-timeout", "1000", "drift-setting", "live"),
        ("appendonly", "yes", "drift-setting", "live"),
        ("maxmemory", "1000000", "drift-setting-undeclared", "live"),
        ("tcp-backlog", "64", "drift-setting-undeclared", "restart"),
    ],
)
def test_a_setting_says_how_it_is_mended(name: str, value: str, code: str, mend: str) -> None:
    members = [replace(SIX[0], settings={name: value}), *SIX[1:]]
    assert rows(members) == {(code, "h1:6379", name, mend)}


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ({}, set()),
        ({"cluster-node-timeout": "15000", "databases": "16"}, set()),
        ({"databases": "4"}, {("drift-restart", "h1:6379", "its start", "restart")}),
        ({"hz": "50"}, {("drift-restart", "h1:6379", "its start", "restart")}),
    ],
)
def test_a_server_needs_a_start_only_for_lines_that_it_does_not_run_with(
    lines: dict[str, str], found: set[tuple[str, ...]]
) -> None:
    """After a setting was set live, file and start differ, and there is nothing to do."""
    assert rows(SIX, starts={FIRST: StartState(pid=0, rewritten=True, lines=lines)}) == found


def test_a_program_that_was_replaced_under_a_server_is_drift() -> None:
    (row,) = compared(SIX, starts={FIRST: StartState(pid=0, replaced=True)})
    assert (row.code, row.truth, row.mend) == ("drift-restart", Truth.SERVICE, Mend.RESTART)
    assert "binary was replaced" in row.found


def test_a_replica_moved_by_hand_is_mended_live() -> None:
    found = rows([*SIX[:5], replace(SIX[5], follows=1)])
    assert {(code, mend) for code, _, _, mend in found} == {("replica-misplaced", "live")}


def test_slots_that_an_apply_would_move_are_drift_and_fewer_are_not() -> None:
    for bounds, found in (
        (("0-5499", "5500-10922"), set()),
        (("0-5699", "5700-10922"), {"5,700 slots", "5,223 slots"}),
    ):
        members = [replace(SIX[0], slots=bounds[0]), replace(SIX[1], slots=bounds[1]), *SIX[2:]]
        rows_found = compared(members)
        assert {d.found for d in rows_found} == found
        assert {(d.code, d.mend) for d in rows_found} <= {("slots-uneven", Mend.LIVE)}


def test_a_node_without_an_answer_is_for_a_person_unless_its_service_is_stopped() -> None:
    members = [*SIX[:5], replace(SIX[5], silent=True)]
    assert ("node-silent", "h6:6379", "node silent", "person") in rows(members)
    stopped = Drift("drift-service", Truth.SERVICE, "h6:6379", "unit", "running", "inactive", Mend.DEPLOY)
    assert ("node-silent", "h6:6379", "node silent", "deploy") in rows(members, hosts=[stopped])


def test_another_engine_and_another_version() -> None:
    assert ("version-differs", "h1:6379", "version differs", "deploy") in rows(
        [replace(SIX[0], version="8.1.3"), *SIX[1:]]
    )
    members = [replace(SIX[0], product="redis", version="7.0.15"), *SIX[1:]]
    assert ("product-differs", "h1:6379", "product differs", "person") in rows(members)


def test_another_password_for_replication() -> None:
    assert rows(SIX, unlike=[FIRST]) == {("drift-replication-password", "h1:6379", "masterauth", "live")}


def test_what_the_file_declares_is_not_undeclared_but_what_we_own_in_it_is_compared() -> None:
    text = "bind 10.0.0.1\nprotected-mode no\nhz 50\n"
    file = ConfigFile.of("/etc/6379.conf", text, None)
    members = with_first(hz="50", bind="10.0.0.1", protected_mode="yes")
    assert rows(members, files={FIRST: file}) == {("drift-setting", "h1:6379", "protected-mode", "restart")}


def test_a_line_says_what_the_next_start_would_do() -> None:
    text = "cluster-node-timeout 15000\n"
    file = ConfigFile.of("/etc/6379.conf", text, text.replace("15000", "1000"))
    (line,) = compared(SIX, files={FIRST: file})
    assert (line.code, line.wanted, line.found, line.mend) == ("drift-file-line", "15000", "1000", Mend.DEPLOY)
    assert "next start would take" in line.hint
    both = compared(with_first(cluster_node_timeout="1000"), files={FIRST: file})
    assert {d.code: d.hint for d in both}.keys() == {"drift-file-line", "drift-setting"}
    assert "the server runs with what the file says" in next(d.hint for d in both if d.code == "drift-file-line")
    assert "the file on the host says so too" in next(d.hint for d in both if d.code == "drift-setting")


def test_the_report_is_healthy_only_without_drift_and_its_json_has_the_rows() -> None:
    state = state_of(with_first(cluster_node_timeout="1000"))
    topology = fit(place(DECLARED), state)
    found = drifts(topology, state)
    report = drift_report(topology, state, found, with_hosts=False)
    assert not report.healthy
    (row,) = report_json(report, sample_reports.run())["drift"]
    assert row == {
        "code": "drift-setting",
        "truth": "server",
        "subject": "h1:6379",
        "name": "cluster-node-timeout",
        "wanted": "15000",
        "found": "1000",
        "mend": "live",
        "hint": "shardwright apply sets it back",
    }
    clean = drift_report(topology, state_of(SIX), (), with_hosts=True)
    assert clean.healthy
    assert report_json(clean, sample_reports.run())["drift"] == []
    assert "drift" not in report_json(sample_reports.healthy(), sample_reports.run())


def test_defaults_of_the_tables_are_no_drift_in_any_version() -> None:
    for product, version in (("redis", "7.0.15"), ("redis", "8.0.2"), ("valkey", "8.1.3"), ("valkey", "9.1.2")):
        members = [replace(m, product=product, version=version) for m in SIX]
        assert defaults(members[0])
        state = state_of(members)
        topology = place(adopted_spec("c", state).spec)
        assert drifts(fit(topology, state), state) == ()

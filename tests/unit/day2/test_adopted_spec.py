"""From the picture of a running cluster to its spec: what is said of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.day2.cluster import SIX, Member, state_of

from shardwright.adapters.adopted_text import adopted_text
from shardwright.adapters.spec_file import loads
from shardwright.core.adopting import adopted_spec, first_plan
from shardwright.errors import PlanError
from shardwright.model.endpoint import Endpoint
from shardwright.model.plan import MigrateSlots
from shardwright.model.secret import Secret
from shardwright.model.spec import ClusterSpec, Persistence
from shardwright.model.state import ClusterState

AS_SERVERS_HAVE_IT = {"cluster-allow-replica-migration": "yes"}
"""Written always: where a spec does not say it, replicas may not move by themselves."""
PASSWORD = "0123456789abcdef0123456789abcdef"


def written(spec: ClusterSpec) -> ClusterSpec:
    """What the loader makes of the text for `spec`."""
    source = "{env: PASSWORD}" if spec.security.password is not None else ""
    text = adopted_text(spec, source, "10.0.0.1:6379")
    return loads(text, directory=Path("/nowhere"), env={"PASSWORD": PASSWORD})[0]


def codes(state: ClusterState, **how: object) -> set[str]:
    return {f.code for f in adopted_spec("c", state, **how).findings}  # type: ignore[arg-type]


def refused(state: ClusterState) -> PlanError:
    with pytest.raises(PlanError) as caught:
        adopted_spec("c", state)
    return caught.value


@pytest.mark.parametrize("password", [None, Secret(PASSWORD)])
def test_a_plain_cluster_is_said_whole_and_nothing_is_to_be_done(password: Secret | None) -> None:
    state = state_of(SIX)
    spec = written(adopted_spec("c", state, password=password).spec)
    assert (spec.shards, spec.replicas, spec.spread.value) == (3, 1, "host")
    assert [(h.address, h.ports) for h in spec.hosts] == [(f"10.0.0.{n}", (6379,)) for n in range(1, 7)]
    assert (spec.engine.product.value, spec.engine.version) == ("valkey", ">=9.1,<9.2")
    assert spec.persistence == Persistence(aof=False, fsync="everysec", save=((3600, 1),))
    assert spec.security.open is (password is None)
    assert dict(spec.settings) == AS_SERVERS_HAVE_IT
    assert first_plan(spec, state).empty


def test_the_text_says_no_password() -> None:
    spec = adopted_spec("c", state_of(SIX), password=Secret(PASSWORD)).spec
    assert PASSWORD not in adopted_text(spec, "{env: PASSWORD}", "10.0.0.1:6379")


def test_members_that_place_would_deal_otherwise_stay_where_they_are() -> None:
    members = [replace(SIX[n], follows=f) for n, f in enumerate((None, None, None, 2, 0, 1))]
    state = state_of(members)
    assert first_plan(written(adopted_spec("c", state).spec), state).empty


def test_after_a_failover_nothing_is_to_be_done() -> None:
    members = list(SIX)
    members[0], members[3] = replace(SIX[0], slots="", follows=3), replace(SIX[3], slots="0-5460", follows=None)
    state = state_of(members)
    assert first_plan(written(adopted_spec("c", state).spec), state).empty


def test_hosts_are_grouped_by_address_and_shards_on_one_host_are_said() -> None:
    members = [replace(m, host=f"10.0.0.{n % 3 + 1}", port=6379 + n // 3) for n, m in enumerate(SIX)]
    state = state_of(members)
    spec = written(adopted_spec("c", state).spec)
    assert [(h.address, h.ports) for h in spec.hosts] == [(f"10.0.0.{n}", (6379, 6380)) for n in (1, 2, 3)]
    assert spec.spread.value == "none"
    assert "adopt-members-together" in codes(state)
    assert first_plan(spec, state).empty


def test_zones_are_taken_where_the_servers_know_them() -> None:
    members = [replace(m, settings={"availability-zone": "abcbca"[n]}) for n, m in enumerate(SIX)]
    spec = written(adopted_spec("c", state_of(members)).spec)
    assert [h.zone for h in spec.hosts] == list("abcbca")
    assert spec.spread.value == "zone"


def test_bus_offset_and_settings_that_differ_from_the_defaults_are_written() -> None:
    own = {"cluster-node-timeout": "5000", "maxmemory": "1073741824", "maxmemory-policy": "allkeys-lru"}
    own |= {"client-output-buffer-limit": "normal 0 0 0 slave 1073741824 67108864 60 pubsub 33554432 8388608 60"}
    state = state_of(replace(m, settings=own, bus_offset=1_000) for m in SIX)
    spec = written(adopted_spec("c", state).spec)
    assert spec.bus_offset == 1_000
    assert dict(spec.settings) == own | AS_SERVERS_HAVE_IT
    assert first_plan(spec, state).empty


def test_persistence_is_mapped_to_its_section() -> None:
    own = {"appendonly": "yes", "appendfsync": "always", "save": ""}
    state = state_of(replace(m, settings=own) for m in SIX)
    spec = written(adopted_spec("c", state).spec)
    assert spec.persistence == Persistence(aof=True, fsync="always", save=())
    assert dict(spec.settings) == AS_SERVERS_HAVE_IT
    assert first_plan(spec, state).empty


def test_a_setting_of_one_node_alone_is_told_and_not_written() -> None:
    state = state_of([replace(SIX[0], settings={"maxmemory": "1000000"}), *SIX[1:]])
    adoption = adopted_spec("c", state)
    told = next(f for f in adoption.findings if f.code == "adopt-setting-differs")
    assert "1000000 on 10.0.0.1:6379" in told.message
    assert dict(adoption.spec.settings) == AS_SERVERS_HAVE_IT
    assert first_plan(written(adoption.spec), state).empty


def test_a_timeout_of_one_node_alone_is_planned_back_and_said() -> None:
    state = state_of([replace(SIX[0], settings={"cluster-node-timeout": "1000"}), *SIX[1:]])
    adoption = adopted_spec("c", state)
    assert "the first apply sets it" in next(f for f in adoption.findings if f.code == "adopt-setting-differs").message
    steps = [str(step) for step in first_plan(written(adoption.spec), state).steps]
    assert steps == ["set cluster-node-timeout 15000 on 10.0.0.1:6379"]


def test_versions_of_two_series_become_a_range_over_both() -> None:
    members = [replace(m, product="redis", version="7.0.15" if n else "7.2.4") for n, m in enumerate(SIX)]
    assert adopted_spec("c", state_of(members)).spec.engine.version == ">=7.0,<7.3"


def test_uneven_slots_are_counted() -> None:
    slots = ("0-6383", "6384-10922", "10923-16383")
    members = [replace(m, slots=slots[n]) if n < 3 else m for n, m in enumerate(SIX)]
    state = state_of(members)
    adoption = adopted_spec("c", state)
    told = next(f for f in adoption.findings if f.code == "adopt-slots-uneven")
    assert "10.0.0.1:6379 owns 6,384" in told.message
    moved = sum(len(step.slots) for step in first_plan(adoption.spec, state).steps if isinstance(step, MigrateSlots))
    assert moved > 900
    assert f"moves {moved:,} slots" in told.message


def test_slots_that_a_cli_deals_are_even_enough() -> None:
    assert "adopt-slots-uneven" not in codes(state_of(SIX))


def test_another_password_for_replication_is_told() -> None:
    assert "adopt-replication-password" in codes(state_of(SIX), unlike=[Endpoint("10.0.0.4", 6379, 16379)])


UNSAYABLE = {
    "adopt-replicas-uneven": (
        [*SIX[:5], replace(SIX[5], follows=1)],
        ["10.0.0.2:6379 has 2", "10.0.0.3:6379 has 0 (none)", "CLUSTER REPLICATE"],
    ),
    "adopt-idle-node": ([*SIX, Member("10.0.0.7")], ["10.0.0.7:6379", "del-node"]),
    "adopt-member-silent": ([*SIX[:5], replace(SIX[5], silent=True)], ["10.0.0.6:6379 (refused", "CLUSTER FORGET"]),
    "adopt-not-whole": ([replace(SIX[0], slots="1-5460"), *SIX[1:]], ["1 slots have no owner (0)"]),
    "adopt-too-few-shards": (
        [Member("10.0.0.1", slots="0-8191"), Member("10.0.0.2", slots="8192-16383")],
        ["2 primaries own slots, wanted at least 3"],
    ),
    "adopt-bus-offset": ([replace(SIX[0], bus_offset=1), *SIX[1:]], ["10,000 on 5 nodes, 1 on 1 nodes"]),
    "adopt-engine": ([replace(m, version="6.9.0", product="redis") for m in SIX], ["redis 6.9.0 on 6", "Redis 7.0"]),
    "adopt-tls": ([replace(m, settings={"tls-cluster": "yes"}) for m in SIX], ["6 nodes use TLS"]),
    "adopt-port-mapped": (
        [replace(SIX[0], settings={"port": "7000"}), *SIX[1:]],
        ["10.0.0.1:6379 listens on 7000"],
    ),
    "adopt-nothing-persisted": ([replace(m, settings={"save": ""}) for m in SIX], ['CONFIG SET save "3600 1"']),
}


@pytest.mark.parametrize("code", UNSAYABLE)
def test_what_a_spec_can_not_say_is_refused_with_a_way_out(code: str) -> None:
    members, words = UNSAYABLE[code]
    error = refused(state_of(members))
    assert error.code == code
    assert error.exit_code == 4
    for word in words:
        assert word in str(error)


def test_all_reasons_are_said_at_once() -> None:
    members = [replace(m, settings={"save": ""}) for m in SIX[:5]] + [replace(SIX[5], follows=1, settings={"save": ""})]
    error = refused(state_of(members))
    assert "has 2 (" in str(error)
    assert "CONFIG SET save" in str(error)

"""Every finding of `verify` on captured states with one defect; and that what was not checked is not called good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.captured import VERSIONS, changed, nodes, observation, topology

from shardwright.core.consolidation import consolidate
from shardwright.core.verification import verify
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.observation import Health, NodeView, Observation, PeerView, Role, Silence
from shardwright.model.report import Report, Severity
from shardwright.model.slots import SlotSet
from shardwright.model.topology import Shard, Topology

VERSION = VERSIONS[-1]


def seen() -> Observation:
    return observation(VERSION, "formed")


def at(index: int) -> Endpoint:
    """The endpoints in the order of their ports: three primaries, then their replicas."""
    return nodes(VERSION, "formed")[index].endpoint


def report(observed: Observation, wanted: Topology | None = None) -> Report:
    return verify(wanted or topology(VERSION), consolidate(observed))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_formed_cluster_is_healthy_and_says_what_was_checked(version: str) -> None:
    found = verify(topology(version), consolidate(observation(version, "formed")))
    assert found.healthy
    held = {f.code for f in found.findings if f.severity is Severity.OK}
    warned = {f.code for f in found.findings} - held
    assert warned <= {"version-insecure"}
    assert held | ({"versions-wanted"} if warned else set()) == {
        "all-nodes-know-all",
        "views-agree",
        "slots-served",
        "replicas-in-sync",
        "host-loss-survived",
        "zone-loss-survived",
        "versions-wanted",
        "settings-wanted",
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broken_cluster_names_each_defect_beside_the_others(version: str) -> None:
    found = verify(topology(version), consolidate(observation(version, "broken")))
    fourth, sixth = (nodes(version, "broken")[n].endpoint for n in (3, 5))
    errors = {(f.code, f.subject) for f in found.findings if f.severity is Severity.ERROR}
    assert errors >= {
        ("node-silent", f"h5:{sixth.port}"),
        ("replica-missing", f"h5:{sixth.port}"),
        ("replica-link-down", f"h3:{fourth.port}"),
        ("slot-open", "7"),
        ("host-loss-fatal", "h0, h2"),
    }
    claimed = {f.code for f in found.findings if f.severity is Severity.OK}
    assert not claimed & {"all-nodes-know-all", "views-agree", "slots-served", "replicas-in-sync", "settings-wanted"}
    assert not claimed & {"versions-wanted", "host-loss-survived", "zone-loss-survived"}


def silent(observed: Observation, index: int, reason: str = "refused") -> Observation:
    views = {e: v for e, v in observed.views.items() if e != at(index)}
    return Observation(views, {at(index): Silence(at(index), reason, "nothing listens on that port")})


def peers_of(observed: Observation, index: int, of: int, change: Callable[[PeerView], PeerView | None]) -> Observation:
    """The list of node `index` with the line of node `of` changed, or left out."""
    target = observed.views[at(of)].id
    rows = (change(p) if p.id == target else p for p in observed.views[at(index)].peers)
    return changed(observed, at(index), peers=tuple(p for p in rows if p is not None))


def everywhere(observed: Observation, of: int, change: Callable[[PeerView], PeerView]) -> Observation:
    """What all nodes, itself included, say of node `of` is changed."""
    target = observed.views[at(of)].id
    views: dict[Endpoint, NodeView] = {}
    for endpoint, view in observed.views.items():
        rows = tuple(change(p) if p.id == target else p for p in view.peers)
        views[endpoint] = replace(view, peers=rows, myself=change(view.myself) if view.id == target else view.myself)
    return Observation(views, observed.silences)


def with_stranger(observed: Observation, **fields: object) -> Observation:
    first = observed.views[at(0)]
    line = replace(
        first.peers[0],
        id=NodeId(("d" if fields else "e") * 40),
        address="10.9.9.9",
        port=6379,
        role=Role.PRIMARY,
        primary_id=None,
    )
    line = replace(line, slots=SlotSet(), **fields)  # type: ignore[arg-type]
    return changed(observed, at(0), peers=(*first.peers, line))


def twin(observed: Observation) -> Observation:
    views = dict(observed.views)
    views[at(1)] = replace(views[at(0)], endpoint=at(1))
    return Observation(views, {})


def fewer(p: PeerView) -> PeerView:
    return replace(p, slots=p.slots - SlotSet.parse("100-109"))


def owner_of_another(observed: Observation) -> NodeId:
    return observed.views[at(1)].id


def limited(o: Observation, index: int, most: str, policy: str, **fields: Any) -> Observation:
    settings = {**o.views[at(index)].settings, "maxmemory": most, "maxmemory-policy": policy}
    return changed(o, at(index), settings=settings, **fields)


DEFECTS: dict[str, tuple[Callable[[Observation], Observation], Severity, str]] = {
    "node-silent": (lambda o: silent(o, 4), Severity.ERROR, "h4:"),
    "replica-missing": (lambda o: silent(o, 4), Severity.ERROR, "h4:"),
    "shard-without-primary": (lambda o: silent(o, 1), Severity.ERROR, "shard-2"),
    "duplicate-node-id": (twin, Severity.ERROR, "127.0.0.1:"),
    "unknown-member": (with_stranger, Severity.ERROR, "10.9.9.9:6379"),
    "dead-member": (lambda o: with_stranger(o, health=Health.FAILED), Severity.WARNING, "10.9.9.9:6379"),
    "node-unknown": (lambda o: peers_of(o, 0, 4, lambda p: None), Severity.ERROR, "h0:"),
    "address-differs": (lambda o: peers_of(o, 0, 4, lambda p: replace(p, port=1)), Severity.ERROR, "h0:"),
    "link-down": (lambda o: peers_of(o, 0, 4, lambda p: replace(p, linked=False)), Severity.ERROR, "h0:"),
    "views-differ": (lambda o: peers_of(o, 1, 0, fewer), Severity.ERROR, "test"),
    "slots-uncovered": (lambda o: everywhere(o, 0, fewer), Severity.ERROR, "100-109"),
    "slots-claimed-twice": (
        lambda o: changed(o, at(1), slots=o.views[at(1)].myself.slots | SlotSet.of(5)),
        Severity.ERROR,
        "5",
    ),
    "node-not-serving": (lambda o: changed(o, at(2), cluster_ok=False), Severity.ERROR, "h2:"),
    "slot-open": (lambda o: changed(o, at(2), importing=((5, o.views[at(0)].id),)), Severity.ERROR, "5"),
    "epoch-shared": (
        lambda o: changed(o, at(1), epoch=o.views[at(0)].myself.epoch),
        Severity.WARNING,
        "127.0.0.1:",
    ),
    "replica-misplaced": (
        lambda o: everywhere(o, 3, lambda p: replace(p, primary_id=owner_of_another(o))),
        Severity.ERROR,
        "h3:",
    ),
    "replica-link-down": (lambda o: changed(o, at(3), primary_link_up=False), Severity.ERROR, "h3:"),
    "replica-out-of-sync": (lambda o: changed(o, at(5), syncing=True), Severity.ERROR, "h5:"),
    "replica-lacks-keys": (
        lambda o: changed(changed(o, at(2), keys=1000), at(5), keys=499),
        Severity.ERROR,
        "h5:",
    ),
    "host-loss-fatal": (lambda o: silent(o, 3), Severity.ERROR, "h0"),
    "product-differs": (lambda o: changed(o, at(5), product="redis"), Severity.ERROR, "127.0.0.1:"),
    "version-differs": (lambda o: changed(o, at(5), version="?"), Severity.ERROR, "127.0.0.1:"),
    "versions-mixed": (lambda o: changed(o, at(3), version="9.1.3"), Severity.WARNING, "test"),
    "setting-differs": (
        lambda o: changed(o, at(3), settings={**o.views[at(3)].settings, "cluster-node-timeout": "2000"}),
        Severity.ERROR,
        "127.0.0.1:",
    ),
    "setting-unknown": (lambda o: changed(o, at(3), settings={}), Severity.WARNING, "127.0.0.1:"),
    "memory-full": (
        lambda o: limited(o, 1, "1000000", "noeviction", memory_used=1_200_000, memory_exempt=150_000),
        Severity.ERROR,
        "h1:",
    ),
    "eviction-on": (lambda o: limited(o, 2, "100000000", "volatile-ttl"), Severity.WARNING, "h2:"),
}
NOT_CLAIMED = {
    "node-silent": {"all-nodes-know-all", "views-agree", "slots-served", "replicas-in-sync", "versions-wanted"},
    "shard-without-primary": {"slots-served", "replicas-in-sync", "settings-wanted", "host-loss-survived"},
    "duplicate-node-id": {"all-nodes-know-all", "replicas-in-sync", "slots-served"},
    "unknown-member": {"all-nodes-know-all", "views-agree"},
    "node-unknown": {"all-nodes-know-all", "views-agree", "slots-served"},
    "link-down": {"all-nodes-know-all"},
    "address-differs": {"all-nodes-know-all"},
    "views-differ": {"views-agree", "slots-served"},
    "slots-uncovered": {"slots-served"},
    "slots-claimed-twice": {"slots-served", "views-agree"},
    "node-not-serving": {"slots-served"},
    "replica-misplaced": {"replicas-in-sync", "host-loss-survived"},
    "replica-link-down": {"replicas-in-sync", "host-loss-survived"},
    "replica-out-of-sync": {"replicas-in-sync", "host-loss-survived"},
    "replica-lacks-keys": {"replicas-in-sync", "host-loss-survived"},
    "host-loss-fatal": {"host-loss-survived", "replicas-in-sync"},
    "product-differs": {"versions-wanted"},
    "version-differs": {"versions-wanted"},
    "setting-differs": {"settings-wanted"},
    "setting-unknown": {"settings-wanted"},
}


@pytest.mark.parametrize("code", DEFECTS)
def test_one_defect_is_named_with_a_remedy_and_nothing_unchecked_is_claimed(code: str) -> None:
    defect, severity, subject = DEFECTS[code]
    found = report(defect(seen()))
    hits = [f for f in found.findings if f.code == code]
    assert hits, [f.code for f in found.findings]
    assert all(f.severity is severity for f in hits)
    assert all(f.subject.startswith(subject) for f in hits), hits
    assert all(f.hint for f in hits)
    assert found.healthy is (severity is not Severity.ERROR)
    claimed = {f.code for f in found.findings if f.severity is Severity.OK}
    assert not claimed & NOT_CLAIMED.get(code, set())


@pytest.mark.parametrize("code", DEFECTS)
@pytest.mark.parametrize("other", ["replica-link-down", "slot-open", "setting-differs", "unknown-member"])
def test_no_defect_hides_another(code: str, other: str) -> None:
    if code in {"duplicate-node-id", "host-loss-fatal", "replica-misplaced"}:
        return  # these make the other's subject vanish
    both = DEFECTS[code][0](DEFECTS[other][0](seen()))
    found = {f.code for f in report(both).findings}
    if code == "setting-unknown" and other == "setting-differs":
        assert code in found
    else:
        assert {code, other} <= found


def test_a_lag_of_bytes_beyond_the_limit_is_out_of_sync_and_shown() -> None:
    primary = seen().views[at(0)]
    far = changed(seen(), at(3), offset=primary.offset)
    far = changed(far, at(0), offset=primary.offset + 50_000_000)
    (finding,) = [f for f in report(far).findings if f.code == "replica-out-of-sync"]
    assert "50,000,000 bytes behind" in finding.message
    row = report(far).shards[0]
    assert [r.lag for r in row.replicas] == [50_000_000]


@pytest.mark.parametrize(
    ("used", "exempt", "severities"), [(1000, 60, []), (1000, 50, ["warning"]), (1001, 1, ["error"])]
)
def test_buffers_do_not_count_against_the_limit(used: int, exempt: int, severities: list[str]) -> None:
    observed = limited(seen(), 0, "1000", "noeviction", memory_used=used, memory_exempt=exempt)
    assert [f.severity.value for f in report(observed).findings if f.code == "memory-full"] == severities


def test_copies_are_said_to_repeat_only_while_a_replica_waits() -> None:
    counted = changed(seen(), at(0), full_copies=4, cut_off=3)
    assert not [f for f in report(counted).findings if f.code == "copies-repeat"]
    (finding,) = [f for f in report(changed(counted, at(3), syncing=True)).findings if f.code == "copies-repeat"]
    assert (finding.subject, finding.severity) == ("shard-1", Severity.WARNING)
    assert "4 whole copies (replicas: 1)" in finding.message
    few = changed(changed(seen(), at(0), full_copies=3, cut_off=9), at(3), syncing=True)
    assert not [f for f in report(few).findings if f.code == "copies-repeat"]


@pytest.mark.parametrize(("suspected", "words"), [((), []), ((1,), []), ((1, 2), ["2 of 3 primaries are gone"])])
def test_a_majority_is_lost_only_where_the_others_miss_it(suspected: tuple[int, ...], words: list[str]) -> None:
    observed = seen()
    for n in suspected:
        observed = everywhere(observed, n, lambda p: replace(p, health=Health.SUSPECT))
    both = Observation({**silent(silent(observed, 1), 2).views}, {at(n): Silence(at(n), "refused", "") for n in (1, 2)})
    found = [f.message for f in report(both).findings if f.code == "majority-lost"]
    assert [text.partition(" (")[0] for text in found] == words


def test_a_setting_that_only_a_restart_changes_says_so() -> None:
    wanted = replace(topology(VERSION), settings=(("databases", "32"),))
    settings = {**seen().views[at(2)].settings, "databases": "16"}
    observed = seen()
    for n in range(6):
        observed = changed(observed, at(n), settings={**settings, "databases": "32" if n != 2 else "16"})
    (finding,) = [f for f in report(observed, wanted).findings if f.code == "restart-needed"]
    assert finding.severity is Severity.WARNING
    assert finding.subject == str(at(2))
    assert "restart" in finding.hint


def test_members_that_share_a_domain_are_an_error() -> None:
    wanted = topology(VERSION)
    shards = [Shard(s.name, tuple(replace(n, host="one") for n in s.members), s.quota) for s in wanted.shards[:1]]
    found = report(seen(), replace(wanted, shards=(*shards, *wanted.shards[1:])))
    (finding,) = [f for f in found.findings if f.code == "domain-shared"]
    assert (finding.subject, finding.severity) == ("shard-1", Severity.ERROR)
    assert "one" in finding.message


def in_zones(zones: str, **changes: Any) -> Topology:
    """The captured topology with node n in the n-th of `zones`."""
    wanted = topology(VERSION)
    numbers = {at(n): n for n in range(6)}
    shards = tuple(
        Shard(s.name, tuple(replace(n, zone=zones[numbers[n.endpoint]]) for n in s.members), s.quota)
        for s in wanted.shards
    )
    return replace(wanted, shards=shards, **changes)


@pytest.mark.parametrize("spread", ["zone", "host"])
def test_a_zone_with_most_primaries_is_fatal_where_the_layout_could_do_better(spread: str) -> None:
    found = report(seen(), in_zones("aabbcc", spread=spread))
    (finding,) = [f for f in found.findings if f.code == "zone-loss-fatal"]
    assert (finding.subject, finding.severity) == ("a", Severity.ERROR)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("refused", "start it: deploy/cluster.py"),
        ("unauthorised", "give the password"),
        ("unreadable", "bring it back"),
    ],
)
def test_a_silence_says_what_ends_it_and_its_slots_are_not_given_away(reason: str, words: str) -> None:
    observed = silent(observation(VERSION, "formed"), 1, reason)
    found = {f.code: f for f in report(observed).findings}
    assert words in found["node-silent"].hint
    nobody = report(Observation({}, {at(n): Silence(at(n), reason, "") for n in range(6)}))
    (uncovered,) = [f for f in nobody.findings if f.code == "slots-uncovered"]
    assert "bring back what is silent" in uncovered.hint


def test_what_the_layout_can_not_give_is_only_said() -> None:
    found = report(seen(), in_zones("abcabc"))
    (finding,) = [f for f in found.findings if f.code == "zone-loss-fatal"]
    assert (finding.subject, finding.severity) == ("a, b, c", Severity.INFO)
    assert "can't give that" in finding.hint


def test_a_shard_off_its_quota_is_worth_a_word() -> None:
    wanted = topology(VERSION)
    shards = (replace(wanted.shards[0], quota=9000), *wanted.shards[1:])
    (finding,) = [f for f in report(seen(), replace(wanted, shards=shards)).findings if f.code == "slots-uneven"]
    assert (finding.subject, finding.severity) == ("shard-1", Severity.WARNING)
    assert "5,462" in finding.message
    assert "9,000" in finding.message


def test_all_being_silent_claims_nothing() -> None:
    endpoints = [at(n) for n in range(6)]
    found = report(Observation({}, {e: Silence(e, "timed-out", "no answer within 5 s") for e in endpoints}))
    assert not found.healthy
    assert not [f for f in found.findings if f.severity is Severity.OK]
    assert found.slots_served == 0


def test_findings_are_gravest_first_and_always_in_one_order() -> None:
    observed = changed(silent(seen(), 4), at(3), primary_link_up=False)
    order = [Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.OK]
    ranks = [order.index(f.severity) for f in report(observed).findings]
    assert ranks == sorted(ranks)
    assert report(observed) == report(observed)


def test_a_failover_is_no_defect() -> None:
    observed = seen()
    first, fourth = observed.views[at(0)].id, observed.views[at(3)].id
    slots = observed.views[at(0)].myself.slots
    observed = everywhere(observed, 3, lambda p: replace(p, role=Role.PRIMARY, primary_id=None, slots=slots, epoch=99))
    observed = everywhere(
        observed, 0, lambda p: replace(p, role=Role.REPLICA, primary_id=fourth, slots=SlotSet(), epoch=99)
    )
    assert first != fourth
    found = report(observed, in_zones("aaaaaa"))
    assert found.healthy, found.findings
    primary = found.shards[0].primary
    assert primary is not None
    assert primary.address == str(at(3))

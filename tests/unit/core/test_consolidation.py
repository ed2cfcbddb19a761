"""One picture made of views: of real servers, and of servers that lie or garble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.captured import VERSIONS, changed, lines, nodes, observation, state_of

from shardwright.control.observing import observe
from shardwright.core.consolidation import consolidate
from shardwright.model.endpoint import Endpoint, NodeId
from shardwright.model.observation import Health, Observation, Role, Silence
from shardwright.model.slots import ALL_SLOTS, SlotSet
from shardwright.model.state import ClusterState
from shardwright.model.wire import Answer, Command, Reply, ReplyError

STRANGER = NodeId("e" * 40)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_formed_cluster_is_one_agreed_group(version: str) -> None:
    state = state_of(version, "formed")
    assert len(state.nodes) == 6
    assert state.agreed
    assert [len(group) for group in state.groups] == [6]
    assert not state.uncovered
    assert [state.strangers, state.duplicates, state.disputes, state.open_slots, state.silences] == [(), (), (), (), {}]
    assert all(node.knows == set(state.by_id) - {node.id} for node in state.nodes.values())
    assert not any(node.cut or node.misplaced for node in state.nodes.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_fresh_server_is_alone_and_owns_nothing(version: str) -> None:
    state = state_of(version, "fresh")
    assert [len(group) for group in state.groups] == [1, 1]
    assert state.uncovered == ALL_SLOTS
    assert not any(node.knows for node in state.nodes.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_marks_that_replicas_repeat_name_their_primaries(version: str) -> None:
    """Valkey's replicas show the marks of their primaries as their own."""
    state = state_of(version, "broken")
    first, second = (one.endpoint for one in nodes(version, "broken")[:2])
    (slot,) = state.open_slots
    assert (slot.slot, slot.source, slot.target, slot.marked) == (7, first, second, (first, second))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dead_replica_is_a_stranger_that_all_call_failed(version: str) -> None:
    state = state_of(version, "broken")
    dead = nodes(version, "broken")[5]
    (stranger,) = state.strangers
    assert (stranger.port, stranger.health, stranger.dead) == (dead.endpoint.port, Health.FAILED, True)
    assert set(stranger.known_by) == set(state.nodes)
    assert state.silences[dead.endpoint].reason == "refused"


def seen() -> Observation:
    return observation(VERSIONS[-1], "formed")


def endpoints() -> list[Endpoint]:
    return [one.endpoint for one in nodes(VERSIONS[-1], "formed")]


def test_slots_that_two_claim_are_a_dispute_with_both_named() -> None:
    first, second = endpoints()[:2]
    own = seen().views[second].myself.slots
    state = consolidate(changed(seen(), second, slots=own | SlotSet.parse("0-9,12")))
    (dispute,) = state.disputes
    assert dispute.slots == SlotSet.parse("0-9,12")
    assert dispute.claimants == (first, second)
    assert not state.agreed


def test_one_identity_at_two_places_is_a_duplicate() -> None:
    first, second = endpoints()[:2]
    twin = seen().views[first]
    views = {**seen().views, second: replace(twin, endpoint=second)}
    state = consolidate(Observation(views, {}))
    assert state.duplicates == ((twin.id, (first, second)),)


def test_a_peer_at_another_address_than_it_answers_at_is_misplaced() -> None:
    first, second = endpoints()[:2]
    observed = seen()
    target = observed.views[second].id
    peers = tuple(replace(p, port=1) if p.id == target else p for p in observed.views[first].peers)
    state = consolidate(changed(observed, first, peers=peers))
    assert state.nodes[first].misplaced == {target}
    assert state.nodes[second].misplaced == frozenset()


def test_a_peer_in_handshake_is_nobody_yet() -> None:
    first = endpoints()[0]
    peer = replace(seen().views[first].peers[0], id=STRANGER, handshake=True)
    state = consolidate(changed(seen(), first, peers=(*seen().views[first].peers, peer)))
    assert not state.strangers
    assert state.agreed


@pytest.mark.parametrize(
    ("health", "address", "dead"),
    [
        (Health.OK, "10.9.9.9", False),
        (Health.SUSPECT, "10.9.9.9", False),
        (Health.FAILED, "10.9.9.9", True),
        (Health.OK, "", True),
    ],
)
def test_a_stranger_that_one_node_knows_breaks_agreement_unless_it_is_dead(
    health: Health, address: str, dead: bool
) -> None:
    """Nodes that join later never hear of the dead."""
    first = endpoints()[0]
    peer = replace(
        seen().views[first].peers[0], id=STRANGER, health=health, address=address, slots=SlotSet(), role=Role.PRIMARY
    )
    state = consolidate(changed(seen(), first, peers=(*seen().views[first].peers, peer)))
    (stranger,) = state.strangers
    assert (stranger.id, stranger.known_by, stranger.dead) == (STRANGER, (first,), dead)
    assert state.agreed is dead


def test_two_clusters_are_two_groups_and_a_shared_stranger_joins_them() -> None:
    observed = seen()
    left, right = endpoints()[:3], endpoints()[3:]
    views = dict(observed.views)
    for side in (left, right):
        ids = {views[e].id for e in side}
        for e in side:
            views[e] = replace(views[e], peers=tuple(p for p in views[e].peers if p.id in ids))
    split = Observation(views, {})
    assert [len(group) for group in consolidate(split).groups] == [3, 3]
    bridge = replace(views[left[0]].peers[0], id=STRANGER)
    for e in (left[0], right[0]):
        split = changed(split, e, peers=(*split.views[e].peers, bridge))
    assert [len(group) for group in consolidate(split).groups] == [6]


class Scripted:
    """A transport whose servers reply what they are told to: the wire, not our code, is made up here."""

    def __init__(self, replies: Mapping[Endpoint, Answer]) -> None:
        self._replies = replies

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        return {
            e: self._replies[e] if ("CLUSTER", "MYID") in batch else [None] * len(batch)
            for e, batch in requests.items()
        }

    def address(self, endpoint: Endpoint) -> str:
        return endpoint.host

    def close(self) -> None:
        pass


def looked_at(replies: Mapping[Endpoint, Answer]) -> ClusterState:
    return consolidate(observe(Scripted(replies), replies, ["maxmemory"]))


def good() -> dict[Endpoint, Answer]:
    return {one.endpoint: list(one.replies) for one in nodes(VERSIONS[-1], "formed")}


NODES_REPLY = "\n".join(lines(nodes(VERSIONS[-1], "formed")[0]))
HOSTILE: dict[str, Iterable[Reply]] = {
    "nothing": [],
    "errors": [ReplyError("ERR \x1b[31mno\x07")] * 5,
    "not allowed": [ReplyError("NOPERM this user has no permissions")] * 5,
    "null": [None] * 5,
    "lists": [[[b"a"]]] * 5,
    "garbage": [b"\x00\xff\x1b" * 20] * 5,
    "a megabyte of lines": [b"a" * 40, b"", b"x y z\n" * 160_000, b"", []],
    "other settings": [*list(nodes(VERSIONS[-1], "formed")[0].replies)[:4], [b"a", [b"b"], None]],
    "a slot that is none": [
        nodes(VERSIONS[-1], "formed")[0].replies[0],
        b"",
        NODES_REPLY.replace("0-5461", "0-5461 [70000->-" + "a" * 40 + "]").encode(),
        b"",
        [],
    ],
}


@pytest.mark.parametrize("replies", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_server_is_one_silence_and_the_others_are_seen(replies: Iterable[Reply]) -> None:
    answers = good()
    victim = endpoints()[0]
    answers[victim] = list(replies)
    state = looked_at(answers)
    assert set(state.nodes) == set(answers) - {victim}
    silence = state.silences[victim]
    assert silence.reason in {"unreadable", "unauthorised"}
    assert silence.detail.isprintable()
    assert len(silence.detail) <= 400


ANY = st.one_of(
    st.none(), st.integers(), st.binary(max_size=60), st.just(ReplyError("ERR x")), st.lists(st.binary(max_size=9))
)


@given(st.dictionaries(st.integers(0, 5), st.lists(ANY, max_size=6) | st.just(None), max_size=6))
def test_observing_and_consolidating_never_raise(odd: dict[int, list[Reply] | None]) -> None:
    answers = good()
    for index, replies in odd.items():
        endpoint = endpoints()[index]
        answers[endpoint] = Silence(endpoint, "closed", "") if replies is None else replies
    state = looked_at(answers)
    assert set(state.nodes) | set(state.silences) == set(answers)

"""Manual failovers that come at a bad moment: while links are opened anew, and soon after the new primary led before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from tests.simulation.kit import judge
from tests.simulation.test_running import quick, running, writing

from shardwright.control.converging import Means, converge
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import Silence
from shardwright.model.topology import Topology
from shardwright.model.wire import Answer, Command, ReplyError
from shardwright.testing import fake_failover
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.fake_server import FakeServer
from shardwright.testing.fake_wire import Message, Peer
from shardwright.testing.strategies import topology

FAILOVER: Command = ("CLUSTER", "FAILOVER")
LINK: Command = ("CLIENT", "LIST", "TYPE", "MASTER")


class Counting:
    """A transport that notes when manual failovers were asked for, by the cluster's clock.

    `blind`: who is asked for its link is silent the first time, or denies it always.
    """

    def __init__(self, cluster: FakeCluster, blind: str = "") -> None:
        self._inner, self._clock = cluster.transport(), cluster.clock
        self.asked: list[float] = []
        self.blind = blind

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        if any(FAILOVER in batch for batch in requests.values()):
            self.asked.append(self._clock.now())
        answers = self._inner.ask(requests, timeout=timeout)
        for endpoint, batch in requests.items():
            answer = answers[endpoint]
            if LINK in batch and self.blind == "silent":
                self.blind = ""
                answers[endpoint] = Silence(endpoint, "timed-out", "no whole answer")
            elif LINK in batch and self.blind == "denied" and not isinstance(answer, Silence):
                denied = ReplyError("NOPERM this user has no permissions to run the 'client|list' command")
                answers[endpoint] = [denied if c == LINK else r for c, r in zip(batch, answer, strict=True)]
        return answers

    def address(self, endpoint: Endpoint) -> str:
        return self._inner.address(endpoint)

    def close(self) -> None:
        self._inner.close()


def made(product: str) -> Topology:
    """Three shards, led in a zone each. Of the first zone only the preferred primary of shard-1 is a member of any: whoever
    else leads that, nothing but a failover to it makes all even."""
    found = replace(topology(3, 2), product=product)
    home = found.shards[0].primary.zone
    rest = [replace(s, members=tuple(n for n in s.members if n.zone != home)) for s in found.shards[1:]]
    assert len({shard.primary.zone for shard in found.shards}) == 3
    return replace(found, shards=(found.shards[0], *rest))


def members(cluster: FakeCluster, wanted: Topology) -> list[FakeServer]:
    return [cluster[node.endpoint] for node in wanted.shards[0].members]


def led_by(cluster: FakeCluster, wanted: Topology, heir: FakeServer, rest: float = 2.5) -> None:
    """Somebody else makes `heir` lead after a rest; voters vote for a shard once in two node timeouts."""
    cluster.clock.sleep(rest)
    cluster.transport().ask({heir.endpoint: [FAILOVER]}, timeout=1)
    deadline = cluster.clock.now() + 5
    while heir.myself.replica or judge(quick(wanted), cluster):
        assert cluster.clock.now() < deadline, judge(quick(wanted), cluster)
        cluster.clock.sleep(0.1)


def led_a_moment_ago(wanted: Topology) -> tuple[FakeCluster, FakeServer]:
    """A cluster, and the preferred primary of its shard-1, which led by an election less than two node timeouts ago."""
    cluster = running(wanted)
    first, second, third = members(cluster, wanted)
    for heir, rest in ((second, 2.5), (first, 2.5), (third, 0.5)):
        led_by(cluster, wanted, heir, rest)
    return cluster, first


def evened(cluster: FakeCluster, wanted: Topology, blind: str = "") -> tuple[list[float], float]:
    """When failovers were asked for in a deploy that spreads primaries evenly, and how long it took."""
    transport, began = Counting(cluster, blind), cluster.clock.now()
    converge(replace(quick(wanted), even_primaries=True), Means(transport, cluster.clock, cluster.prober()))
    return transport.asked, cluster.clock.now() - began


@pytest.mark.parametrize("product", ["redis", "valkey"])
def test_no_vote_is_lost_to_a_meeting_that_closes_links(product: str) -> None:
    wanted = made(product)
    for after in range(30):
        cluster = running(wanted)
        first, second, _ = members(cluster, wanted)
        led_by(cluster, wanted, second)
        host, port, bus = first.at
        others = [server for server in cluster.servers if server is not first]
        cluster.transport().ask({s.endpoint: [("CLUSTER", "MEET", host, port, bus)] for s in others}, timeout=1)
        cluster.clock.sleep(after / 200)
        asked, took = evened(cluster, wanted)
        assert len(asked) == 1, after
        assert took < 5, after
        assert not first.myself.replica


@pytest.mark.parametrize(("product", "earliest", "latest"), [("redis", 8.0, 10.0), ("valkey", 6.0, 7.0)])
def test_after_an_election_in_vain_it_is_asked_again_when_there_can_be_another(
    product: str, earliest: float, latest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request holds writes back for five seconds."""
    wanted = made(product)
    cluster = running(wanted)
    first, second, _ = members(cluster, wanted)
    led_by(cluster, wanted, second)
    votes = fake_failover.hear_vote
    deadline = cluster.clock.now() + 3

    def lose(s: FakeServer, sender: Peer, what: Message) -> None:
        if cluster.clock.now() > deadline:
            votes(s, sender, what)

    monkeypatch.setattr(fake_failover, "hear_vote", lose)
    asked, took = evened(cluster, wanted)
    assert len(asked) == 2
    assert earliest < asked[1] - asked[0] < latest
    assert took < latest + 2
    assert not first.myself.replica


@pytest.mark.parametrize("blind", ["silent", "denied"])
def test_who_does_not_say_how_long_it_has_followed_is_given_the_time(blind: str) -> None:
    """Redis: as with one that led a moment ago; it answers once late, or CLIENT is not allowed."""
    wanted = made("redis")
    cluster, first = led_a_moment_ago(wanted)
    votes, writer = first.requests, writing(cluster)
    asked, _ = evened(cluster, wanted, blind)
    assert len(asked) == 1
    assert first.requests > votes
    assert not writer.check().lost


@pytest.mark.parametrize("product", ["redis", "valkey"])
def test_a_replica_that_led_a_moment_ago_leads_again_by_new_votes_and_nothing_is_lost(product: str) -> None:
    wanted = made(product)
    cluster, first = led_a_moment_ago(wanted)
    votes, writer = first.requests, writing(cluster)
    asked, took = evened(cluster, wanted)
    assert len(asked) == 1
    assert first.requests > votes, "it was elected anew"
    assert not first.myself.replica
    assert took < (12 if product == "redis" else 3)
    assert not writer.check().lost

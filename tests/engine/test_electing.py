"""Manual failovers by a deploy at a bad moment: while links are opened anew, and to a replica that led a moment ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from tests.engine.kit import Lab, client, eventually, fail_over, lab, topology_of
from tests.engine.moves import assert_proved_once_calm
from tests.engine.releases import each_release
from tests.engine.watching import Watching

from shardwright.control.observing import look
from shardwright.model.topology import Node, Topology
from shardwright.testing.servers import Server

pytestmark = pytest.mark.engine
NODE_TIMEOUT = 2.0
TAG = "{b}"
"""Of slot 3300, which is shard-1's."""


def layout(servers: Sequence[Server]) -> Topology:
    """Shard-1 has a member in each zone, the others none in the first: only its preferred primary makes all even."""
    made = topology_of(servers[:6])
    first, second, third = made.shards
    first = replace(first, members=(*first.members, Node(servers[6].endpoint, "h6")))
    zoned = [
        replace(shard, members=tuple(replace(n, zone=z) for n, z in zip(shard.members, zones, strict=True)))
        for shard, zones in ((first, "abc"), (second, "bc"), (third, "cb"))
    ]
    live = tuple((k, str(int(NODE_TIMEOUT * 1000)) if k == "cluster-node-timeout" else v) for k, v in made.live)
    return replace(made, shards=tuple(zoned), live=live)


@contextmanager
def asking_directly(port: int) -> Iterator[list[str]]:
    """Keys that one server took, from a client that asks it alone and goes nowhere else."""
    taken: list[str] = []
    over = threading.Event()

    def ask() -> None:
        one, number = client(port), 0
        while not over.is_set():
            number += 1
            try:
                if one.set(f"{TAG}{number}", "x"):
                    taken.append(f"{TAG}{number}")
            except redis.RedisError:
                continue

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join(30)


def led_by(made: Lab, member: int) -> float:
    """Somebody else makes a member of shard-1 lead, and all have heard of it and follow; gives when it did."""
    members = [client(node.endpoint.port) for node in made.topology.shards[0].members]
    fail_over(members[member])
    led = time.monotonic()
    eventually(lambda: look(made.topology, made.transport).agreed, "all have heard of it")
    eventually(
        lambda: sum(one.info("replication").get("master_link_status") == "up" for one in members) == 2, "both follow"
    )
    return led


def evened(made: Lab) -> int:
    """How many failovers a deploy asks for that spreads primaries evenly."""
    asked: list[tuple[str, ...]] = []
    made.topology = replace(made.topology, even_primaries=True)
    watching = Watching(made, before=lambda commands: asked.extend(c for c in commands if c[1:] == ("FAILOVER",)))
    made.converge(transport=watching)
    return len(asked)


@each_release
def test_a_replica_that_led_a_moment_ago_leads_by_new_votes_and_takes_no_write_before(
    tmp_path: Path, binary: Path
) -> None:
    """Redis counts the votes of its last election: for some milliseconds it takes writes that are lost."""
    with lab(tmp_path, 7, binary=binary, topology=layout) as made:
        made.converge()
        first = led_by(made, 1)
        led_by(made, 0)
        time.sleep(max(0.0, first + 2 * NODE_TIMEOUT + 0.2 - time.monotonic()))
        led_by(made, 2)
        port = made.topology.shards[0].primary.endpoint.port
        with asking_directly(port) as taken:
            assert evened(made) == 1
            eventually(lambda: len(taken) > 100, "it takes writes once it leads")
        assert_proved_once_calm(made)
        one = client(port)
        assert [key for key in taken if not one.exists(key)] == []


@each_release
def test_no_vote_is_lost_to_meetings_that_close_links(tmp_path: Path, binary: Path) -> None:
    """The second meeting of two that know each other: whoever is met closes the link that a vote would come over."""
    with lab(tmp_path, 7, binary=binary, topology=layout) as made:
        made.converge()
        heir = made.topology.shards[0].primary.endpoint
        led_by(made, 1)
        for port in {*made.ports} - {heir.port}:
            client(port).execute_command("CLUSTER", "MEET", heir.host, heir.port)
        began = time.monotonic()
        assert evened(made) == 1
        assert time.monotonic() - began < 4 * NODE_TIMEOUT
        assert_proved_once_calm(made)

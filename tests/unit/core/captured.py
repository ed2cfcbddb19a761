"""Replies of real servers, captured by `python -m tests.engine.capture`, and what redis-py said of the same moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shardwright.core.consolidation import consolidate
from shardwright.core.parsing import parse_view
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import NodeView, Observation, Silence
from shardwright.model.state import ClusterState
from shardwright.model.topology import Node, Shard, Topology
from shardwright.model.wire import Reply, ReplyError

REPLIES = Path(__file__).resolve().parents[2] / "data" / "replies"
VERSIONS = sorted({path.name.rpartition("-")[0] for path in REPLIES.glob("*.json")})


@dataclass(frozen=True)
class Asked:
    """One node that was asked: its replies, or why there are none, and what is to be found in them."""

    endpoint: Endpoint
    replies: tuple[Reply, ...]
    expected: dict[str, Any]
    silence: str = ""

    def view(self) -> NodeView:
        return parse_view(self.endpoint, self.endpoint.host, self.replies)


def nodes(version: str, state: str) -> list[Asked]:
    document = json.loads((REPLIES / f"{version}-{state}.json").read_text())
    return [_asked(row) for row in sorted(document["nodes"], key=lambda row: row["port"])]


def _asked(row: dict[str, Any]) -> Asked:
    endpoint = Endpoint("127.0.0.1", row["port"], row["port"] + 10_000)
    replies = tuple(_reply(reply) for reply in row.get("replies", ()))
    return Asked(endpoint, replies, row.get("expected", {}), row.get("silence", ""))


def _reply(plain: Any) -> Reply:
    if isinstance(plain, dict):
        return ReplyError(plain["error"])
    if isinstance(plain, list):
        return [_reply(item) for item in plain]
    return plain.encode() if isinstance(plain, str) else plain


def observation(version: str, state: str) -> Observation:
    asked = nodes(version, state)
    views = {one.endpoint: one.view() for one in asked if one.replies}
    silences = {one.endpoint: Silence(one.endpoint, one.silence, "captured") for one in asked if one.silence}
    return Observation(views, silences)


def state_of(version: str, state: str) -> ClusterState:
    return consolidate(observation(version, state))


def topology(version: str, *, quota: int = 0) -> Topology:
    """What the captured cluster was formed as: three shards of two in the order of the ports, six hosts, three zones."""
    endpoints = [one.endpoint for one in nodes(version, "formed")]
    members = [Node(endpoint, f"h{n}", zone="abc"[(n % 3 + n // 3) % 3]) for n, endpoint in enumerate(endpoints)]
    quotas = [quota or q for q in (5462, 5461, 5461)]
    shards = tuple(Shard(f"shard-{n + 1}", (members[n], members[n + 3]), quotas[n]) for n in range(3))
    product, _, _ = version.partition("-")
    return Topology("test", shards, live=(("cluster-node-timeout", "15000"),), product=product)


def changed(seen: Observation, endpoint: Endpoint, **fields: Any) -> Observation:
    """The same observation with one view's fields replaced; those of `PeerView` go to the node's own line."""
    own = {
        name: fields.pop(name) for name in list(fields) if name in {"role", "primary_id", "slots", "epoch", "importing"}
    }
    view = seen.views[endpoint]
    view = replace(view, myself=replace(view.myself, **own), **fields)
    return Observation({**seen.views, endpoint: view}, seen.silences)


def lines(asked: Asked) -> Iterator[str]:
    """The node's list of nodes, a line each."""
    reply = asked.replies[2]
    assert isinstance(reply, bytes)
    yield from reply.decode().splitlines()

"""A canary key in every shard: written at the primary, read back at each replica, removed. With a TTL, and a reserved name.

It is the one check that shows a client's view: slots can be covered, views agree and links be up while writes are refused
(no memory, no disk, too few replicas) or do not arrive.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping

from ..core.verification.copies import primary_of
from ..model.endpoint import Endpoint
from ..model.observation import Role, Silence
from ..model.report import Finding, Severity
from ..model.slots import SlotSet, slot_of
from ..model.state import ClusterState, NodeState
from ..model.topology import Shard, Topology
from ..ports import Answer, Clock, Command, ReplyError, Transport

PREFIX = "shardwright:canary:"
TTL = 60
"""Seconds after which a canary that a killed run left behind is gone."""
LIMIT = 5.0
"""Seconds that a written canary has to reach the replicas."""
TIMEOUT = 5.0
SIZE = 16_384
"""Bytes of a canary: more than any packet holds, since paths that lose large packets only let small ones look well."""


def key_in(slots: SlotSet, prefix: str = PREFIX) -> str:
    """A key of that prefix that hashes into `slots`.

    Raises:
        ValueError: `slots` is empty.
    """
    if not slots:
        raise ValueError("no slots")
    number = 0
    while True:
        key = f"{prefix}{{{number}}}"
        if slot_of(key.encode()) in slots:
            return key
        number += 1


def canaries(topology: Topology, state: ClusterState, transport: Transport, clock: Clock) -> tuple[Finding, ...]:
    """Write, read back at all replicas, remove, in all shards at once; a finding for each shard that fails."""
    value = secrets.token_hex(SIZE // 2)
    shards = {shard: node for shard in topology.shards if (node := primary_of(shard, state)) is not None}
    keys = {shard.name: key_in(node.slots) for shard, node in shards.items()}
    written = transport.ask(
        {node.endpoint: [("SET", keys[shard.name], value, "EX", TTL)] for shard, node in shards.items()},
        timeout=TIMEOUT,
    )
    refused = {shard.name: why for shard, node in shards.items() if (why := _refusal(written[node.endpoint]))}
    good = {shard: node for shard, node in shards.items() if shard.name not in refused}
    missing = _await_replicas(good, keys, value, state, transport, clock)
    removed = transport.ask(
        {node.endpoint: [("DEL", keys[shard.name])] for shard, node in good.items()}, timeout=TIMEOUT
    )
    left = {shard.name for shard, node in good.items() if _refusal(removed[node.endpoint])}
    problems = [*_problems(refused, missing, left)]
    if problems or len(shards) < len(topology.shards):
        return tuple(problems)
    asked = sum(1 for _ in _replicas(shards, state))
    message = f"a key was written in each of {len(shards)} shards, read back from {asked} replicas, and removed"
    return (Finding("canary-read-back", Severity.OK, topology.name, message),)


def _problems(refused: Mapping[str, str], missing: Mapping[Endpoint, str], left: set[str]) -> Iterator[Finding]:
    for name, why in refused.items():
        message = f"{name} refuses writes: {why}"
        yield Finding("canary-refused", Severity.ERROR, name, message, "mend what the server names, then verify again")
    for endpoint, why in missing.items():
        message = f"{endpoint} did not show the canary of its shard within {LIMIT:g} s: {why}"
        yield Finding(
            "canary-not-replicated", Severity.ERROR, str(endpoint), message, "look at the replica's link and load"
        )
    for name in sorted(left):
        message = f"the canary of {name} could not be removed; it is gone by itself after {TTL} s"
        yield Finding("canary-left", Severity.WARNING, name, message)


def _await_replicas(
    shards: Mapping[Shard, NodeState],
    keys: Mapping[str, str],
    value: str,
    state: ClusterState,
    transport: Transport,
    clock: Clock,
) -> dict[Endpoint, str]:
    """The replicas that do not show the value in time, and what they showed."""
    pending: dict[Endpoint, Command] = {e: ("GET", keys[shard.name]) for shard, e in _replicas(shards, state)}
    missing: dict[Endpoint, str] = {}
    started = clock.now()
    while pending:
        answers = transport.ask({e: [("READONLY",), get] for e, get in pending.items()}, timeout=TIMEOUT)
        missing = {e: why for e, a in answers.items() if (why := _unread(a, value))}
        pending = {e: get for e, get in pending.items() if e in missing}
        if pending and clock.now() - started > LIMIT:
            break
        if pending:
            clock.sleep(0.05)
    return missing


def _replicas(shards: Iterable[Shard], state: ClusterState) -> Iterator[tuple[Shard, Endpoint]]:
    for shard in shards:
        for node in shard.members:
            seen = state.nodes.get(node.endpoint)
            if seen is not None and seen.role is Role.REPLICA:
                yield shard, node.endpoint


def _refusal(answer: Answer) -> str:
    if isinstance(answer, Silence):
        return f"{answer.reason}: {answer.detail}"
    return answer[0].message if isinstance(answer[0], ReplyError) else ""


def _unread(answer: Answer, value: str) -> str:
    if isinstance(answer, Silence):
        return f"{answer.reason}: {answer.detail}"
    reply = answer[1]
    if isinstance(reply, ReplyError):
        return reply.message
    return "" if reply == value.encode() else "the key is not there" if reply is None else "another value"

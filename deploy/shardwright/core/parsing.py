"""From a server's replies to a `NodeView`. The wire's words (`master`, `slave`, `fail?`) live here and nowhere else.

Knows nothing of sockets. Raises `Unreadable` on a reply that is not what a server sends; whoever observes makes that a
silence, so that one odd server can't end the look at all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

from ..model.endpoint import Endpoint, NodeId
from ..model.observation import Health, NodeView, PeerView, Role
from ..model.slots import SlotRange, SlotSet
from ..model.wire import Command, Reply, ReplyError

_ID = re.compile(r"[0-9a-f]{40}")
_NUMBER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
"""What a server's 64-bit counters look like; `str.isdigit` takes digits that `int` refuses."""

_WRITES = (
    ("rdb_last_bgsave_status", "its last snapshot failed"),
    ("aof_last_write_status", "its last write to the append-only file failed"),
    ("aof_last_bgrewrite_status", "its last rewrite of the append-only file failed"),
)

INFO_SECTIONS = ("server", "replication", "persistence", "keyspace", "memory", "stats")


class Unreadable(ValueError):
    """A reply is not of the form that the command has."""


def look_commands(settings: Sequence[str]) -> tuple[Command, ...]:
    """The commands whose replies `parse_view` reads; `settings` are the names to ask `CONFIG GET` for."""
    config: tuple[Command, ...] = (("CONFIG", "GET", *settings),) if settings else ()
    return (("CLUSTER", "MYID"), ("CLUSTER", "INFO"), ("CLUSTER", "NODES"), ("INFO", *INFO_SECTIONS), *config)


def parse_view(endpoint: Endpoint, address: str, replies: Sequence[Reply]) -> NodeView:
    """One node's view from the replies to `look_commands`, asked at `endpoint`, whose IP is `address`.

    Raises:
        Unreadable: a reply is missing, an error, or not of its form.
    """
    if len(replies) < 4:
        raise Unreadable(f"{len(replies)} replies, wanted 4 or 5")
    node_id = _id(text_of(replies[0]))
    cluster = parse_fields(text_of(replies[1]))
    myself, peers = parse_nodes(text_of(replies[2]))
    info = parse_fields(text_of(replies[3]))
    if myself.id != node_id:
        raise Unreadable(f"says that it is {node_id[:8]}, but lists itself as {myself.id[:8]}")
    product, version = product_of(info)
    replica = info.get("role") == "slave"
    return NodeView(
        endpoint=endpoint,
        address=address,
        id=node_id,
        myself=myself,
        peers=peers,
        product=product,
        version=version,
        cluster_ok=cluster.get("cluster_state") == "ok",
        keys=count_keys(info),
        offset=number(info, "slave_repl_offset" if replica else "master_repl_offset"),
        primary_link_up=not replica or info.get("master_link_status") == "up",
        syncing=info.get("master_sync_in_progress", "0") == "1",
        loading=info.get("loading", "0") == "1",
        replicas_linked=number(info, "connected_slaves"),
        memory_used=number(info, "used_memory"),
        memory_exempt=number(info, "mem_not_counted_for_evict"),
        aof_enabled=info.get("aof_enabled") == "1",
        aof_rewriting=info.get("aof_rewrite_in_progress") == "1" or info.get("aof_rewrite_scheduled") == "1",
        settings=parse_settings(replies[4]) if len(replies) > 4 else {},
        run_id=printable(info.get("run_id", ""), 40),
        pid=number(info, "process_id"),
        failing=tuple(words for name, words in _WRITES if info.get(name) == "err"),
        full_copies=number(info, "sync_full"),
        cut_off=number(info, "client_output_buffer_limit_disconnections"),
        history=printable(info.get("master_replid", ""), 40),
        former_history=printable(info.get("master_replid2", ""), 40),
        former_until=number(info, "second_repl_offset") or -1,
    )


def text_of(reply: Reply) -> str:
    """The text of a bulk or simple string.

    Raises:
        Unreadable: it is an error or no text.
    """
    if isinstance(reply, ReplyError):
        raise Unreadable(reply.message)
    if not isinstance(reply, bytes):
        raise Unreadable(f"a {type(reply).__name__} where text was wanted")
    return reply.decode("utf-8", "replace")


def parse_fields(text: str) -> dict[str, str]:
    """`name:value` lines, as of INFO and CLUSTER INFO; other lines are passed over."""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def printable(text: str, limit: int = 200) -> str:
    """`text` without what could steer a terminal, cut to `limit` characters: for a server's words that are shown."""
    return "".join(c if c.isprintable() else "?" for c in text[:limit])


def parse_settings(reply: Reply) -> dict[str, str]:
    """The flat list of `CONFIG GET`; empty where the server refused it."""
    if not isinstance(reply, list):
        return {}
    texts = [text_of(item) for item in reply]
    return dict(zip(texts[::2], texts[1::2], strict=False))


def product_of(info: Mapping[str, str]) -> tuple[str, str]:
    """Product and version from INFO's server section; Valkey also names the Redis version that it speaks."""
    if "valkey_version" in info:
        return "valkey", printable(info["valkey_version"], 40)
    return printable(info.get("server_name", "redis"), 40), printable(info.get("redis_version", ""), 40)


def count_keys(info: Mapping[str, str]) -> int:
    """Keys in all databases, from INFO's keyspace section (`db0:keys=3,expires=0,...`)."""
    total = 0
    for name, value in info.items():
        if name.startswith("db") and name[2:].isdigit() and value.startswith("keys="):
            total += _int(value[5:].partition(",")[0])
    return total


def number(info: Mapping[str, str], name: str) -> int:
    """An integer field, 0 where it is absent or not a number."""
    return _int(info.get(name, "0"))


def _int(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else 0


def _id(text: str) -> NodeId:
    if not _ID.fullmatch(text):
        raise Unreadable(f"{printable(text, 60)!r} is no identity of a node")
    return NodeId(text)


def parse_nodes(text: str) -> tuple[PeerView, tuple[PeerView, ...]]:
    """The reply to CLUSTER NODES: the node itself, and its peers in the order of their ids.

    Raises:
        Unreadable: a line is cut short or garbled, or none is marked as the node itself.
    """
    myself: PeerView | None = None
    peers: list[PeerView] = []
    for line in text.splitlines():
        words = line.split(" ", 6)
        peer = _peer_of(tuple(words[:4]), words[-1])
        if "myself" in words[2].split(","):
            myself = peer
        else:
            peers.append(peer)
    if myself is None:
        raise Unreadable("a list of nodes in which none is the node itself")
    return myself, tuple(sorted(peers, key=attrgetter("id")))


@lru_cache(maxsize=8_192)
def _peer_of(head: tuple[str, ...], tail: str) -> PeerView:
    """A line without the times of its last ping and pong: then the lines of all views are few, and each is read once."""
    return parse_peer((*head, "0", "0", *tail.split(" ")))


def parse_peer(words: Sequence[str]) -> PeerView:
    """One line of CLUSTER NODES, split at its spaces.

    Raises:
        Unreadable: it has not the form of such a line.
    """
    try:
        node_id, address, flags, primary_id, _, _, epoch, link = words[:8]
        host, port, bus_port = split_address(address)
        slots, migrating, importing = parse_slots(words[8:])
        marks = flags.split(",")
        health = Health.FAILED if "fail" in marks else Health.SUSPECT if "fail?" in marks else Health.OK
        return PeerView(
            id=_id(node_id),
            address=printable(host, 100),
            port=port,
            bus_port=bus_port,
            role=Role.REPLICA if "slave" in marks else Role.PRIMARY,
            primary_id=None if primary_id == "-" else _id(primary_id),
            health=health,
            handshake="handshake" in marks,
            linked=link == "connected",
            epoch=int(epoch),
            slots=slots,
            migrating=migrating,
            importing=importing,
        )
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"a line of the list of nodes: {printable(str(error))}") from error


def split_address(text: str) -> tuple[str, int, int]:
    """`ip:port@busport,hostname,name=value` to IP, port and bus port; all after the comma is passed over.

    Raises:
        ValueError: the ports are no numbers.
    """
    where, _, bus = text.partition(",")[0].partition("@")
    host, _, port = where.rpartition(":")
    return host.strip("[]"), int(port), int(bus or 0)


def _slot(text: str) -> int:
    return SlotRange(int(text), int(text)).first


def parse_slots(
    words: Sequence[str],
) -> tuple[SlotSet, tuple[tuple[int, NodeId], ...], tuple[tuple[int, NodeId], ...]]:
    """The slot words of a line: owned ranges, `[slot->-id]` migrating, `[slot-<-id]` importing.

    Raises:
        ValueError: a word is none of these.
    """
    ranges: list[SlotRange] = []
    migrating: list[tuple[int, NodeId]] = []
    importing: list[tuple[int, NodeId]] = []
    for word in words:
        if not word:
            continue
        if word.startswith("["):
            for mark, found in (("->-", migrating), ("-<-", importing)):
                slot, arrow, peer = word[1:-1].partition(mark)
                if arrow:
                    found.append((_slot(slot), _id(peer)))
            continue
        first, dash, last = word.partition("-")
        ranges.append(SlotRange(int(first), int(last) if dash else int(first)))
    return SlotSet.from_ranges(ranges), tuple(migrating), tuple(importing)

"""The finishing line of the forming benchmark: the servers themselves, asked over bare sockets. Imports nothing of ours.

Formed means, on *every* node: all nodes known, none in handshake, `CLUSTER NODES` the same as everywhere else (identities,
roles, primaries, slots), all slots owned, `cluster_state:ok`, nobody failing, on replicas `master_link_status:up`.
Few nodes are asked at a time until those few are good, so that judging takes little from the servers, and the same from
each tool.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

SLOTS = 16_384
FEW = 6
_QUESTION = (b"CLUSTER INFO", b"INFO replication", b"CLUSTER NODES")

Line = tuple[str, bool, str, tuple[str, ...]]
"""Of a list of nodes: identity, whether it is a replica, its primary, its slots."""


@dataclass
class _Node:
    link: socket.socket
    replies: BinaryIO

    def send(self, commands: Sequence[bytes]) -> None:
        self.link.sendall(b"".join(command + b"\r\n" for command in commands))

    def receive(self) -> str:
        head = self.replies.readline()
        if not head.startswith(b"$"):
            raise ConnectionError(f"a server answered {head!r}")
        return self.replies.read(int(head[1:]) + 2)[:-2].decode()


@dataclass
class Judge:
    """Watches the servers at `ports` of 127.0.0.1 become a cluster with so many replicas."""

    ports: Sequence[int]
    replicas: int
    _nodes: list[_Node] = field(default_factory=list)
    _first: int = 0

    def __post_init__(self) -> None:
        for port in self.ports:
            link = socket.create_connection(("127.0.0.1", port), 30)
            self._nodes.append(_Node(link, link.makefile("rb")))

    def close(self) -> None:
        """Close the connections."""
        for node in self._nodes:
            node.replies.close()
            node.link.close()

    def formed(self) -> bool:
        """Whether all nodes are good now; asks few of them as long as those are not."""
        few = [self._nodes[(self._first + n) % len(self._nodes)] for n in range(min(FEW, len(self._nodes)))]
        for node in few:
            node.send(_QUESTION[:2])
        good = [self._good(node.receive(), node.receive()) for node in few]
        if not all(good):
            self._first = (self._first + good.index(False)) % len(self._nodes)
            return False
        return self._all_formed()

    def _all_formed(self) -> bool:
        for node in self._nodes:
            node.send(_QUESTION)
        good, pictures = True, set()
        for number, node in enumerate(self._nodes):
            cluster, replication, nodes = node.receive(), node.receive(), node.receive()
            if not self._good(cluster, replication):
                good, self._first = False, number
            pictures.add(frozenset(lines(nodes)))
        return good and len(pictures) == 1 and self._right(next(iter(pictures)))

    def _good(self, cluster: str, replication: str) -> bool:
        said = dict(line.split(":", 1) for line in (cluster + replication).split("\r\n") if ":" in line)
        linked = said["role"] == "master" or said["master_link_status"] == "up"
        calm = said["cluster_slots_pfail"] == said["cluster_slots_fail"] == "0"
        return (
            said["cluster_state"] == "ok" and int(said["cluster_known_nodes"]) == len(self._nodes) and linked and calm
        )

    def _right(self, picture: frozenset[Line]) -> bool:
        replicas = {identity: primary for identity, replica, primary, _ in picture if replica}
        primaries = {identity for identity, replica, _, slots in picture if not replica and slots}
        covered = sum(_size(words) for _, _, _, slots in picture for words in slots)
        return (
            len(picture) == len(self._nodes)
            and len(replicas) == self.replicas
            and len(primaries) == len(self._nodes) - self.replicas
            and set(replicas.values()) <= primaries
            and covered == SLOTS
        )


def lines(nodes: str) -> list[Line]:
    """A reply to CLUSTER NODES without what differs from node to node; a node in handshake makes it no one else's."""
    rows = [row.split(" ") for row in nodes.splitlines()]
    return [
        (row[0] + ("?" if "handshake" in row[2] else ""), "slave" in row[2], row[3], tuple(row[8:])) for row in rows
    ]


def _size(slots: str) -> int:
    first, _, last = slots.partition("-")
    return int(last or first) - int(first) + 1

"""Clients for acknowledged-write accounting in tests: of a `FakeCluster`, and of real servers over any transport.

The account itself, and the `Writer` that keeps it, are `control.accounting`: a drill keeps the same one.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..control.accounting import Account, Client, Indeterminate, Refused, Writer
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.slots import slot_of
from ..model.wire import Command, Reply, ReplyError
from ..ports import Transport
from .fake_cluster import FakeCluster
from .fake_commands import Session, execute
from .fake_replies import Later

__all__ = ["Account", "Client", "FakeClient", "Indeterminate", "Refused", "TransportClient", "Writer"]


class FakeClient:
    """A client of a `FakeCluster` that takes no virtual time, so that it can write while time passes.

    A server that holds its answer back (frozen, or paused for a failover) makes the write wait: `set` raises `Refused`
    where the command had not been taken yet, and the server never sees it.
    """

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._owners: dict[int, Endpoint] = {}

    def set(self, key: str, value: str) -> None:
        """See `Client.set`."""
        self._call(key, [b"SET", key.encode(), value.encode()])

    def get(self, key: str) -> str | None:
        """See `Client.get`."""
        reply = self._call(key, [b"GET", key.encode()])
        return reply.decode() if isinstance(reply, bytes) else None

    def _call(self, key: str, argv: list[bytes]) -> Reply:
        slot = slot_of(key.encode())
        known = self._owners.get(slot)
        why = "nobody answers"
        for endpoint in [*([known] if known else []), *self._cluster.endpoints]:
            reply = self._follow(endpoint, slot, argv)
            if not isinstance(reply, ReplyError):
                return reply
            why = reply.message
        self._owners.pop(slot, None)
        raise Refused(why)

    def _follow(self, endpoint: Endpoint, slot: int, argv: list[bytes]) -> Reply:
        asking = False
        for _ in range(5):
            server = self._cluster.at(endpoint)
            if server is None or not server.running or server.frozen or not self._cluster.reaches_clients(server):
                return ReplyError(f"no answer from {endpoint}")
            reply = execute(server, Session(logged_in=True, asking=asking), argv)
            if isinstance(reply, Later):
                return ReplyError("paused")
            if not isinstance(reply, ReplyError) or not reply.message.startswith(("MOVED ", "ASK ")):
                if not isinstance(reply, ReplyError):
                    self._owners[slot] = endpoint
                return reply
            word, _, at = reply.message.split(" ")
            host, _, port = at.rpartition(":")
            endpoint, asking = Endpoint(host, int(port), 0), word == "ASK"
        return ReplyError("too many redirections")


class TransportClient:
    """A client over any `ports.Transport`, real servers' included; asks one node at a time and follows what it says."""

    def __init__(self, transport: Transport, endpoints: Iterable[Endpoint], timeout: float = 1.0) -> None:
        self._transport = transport
        self._endpoints = list(endpoints)
        self._timeout = timeout
        self._owners: dict[int, Endpoint] = {}

    def set(self, key: str, value: str) -> None:
        """See `Client.set`."""
        self._call(key, ("SET", key, value))

    def get(self, key: str) -> str | None:
        """See `Client.get`."""
        try:
            reply = self._call(key, ("GET", key))
        except Indeterminate as error:
            raise Refused(str(error)) from error
        return reply.decode() if isinstance(reply, bytes) else None

    def _call(self, key: str, command: Command) -> Reply:
        slot = slot_of(key.encode())
        known = self._owners.pop(slot, None)
        why = "nobody answers"
        for first in [*([known] if known else []), *self._endpoints]:
            endpoint, batch = first, [command]
            for _ in range(5):
                answer = self._transport.ask({endpoint: batch}, timeout=self._timeout)[endpoint]
                if isinstance(answer, Silence):
                    if answer.reason != "refused":
                        raise Indeterminate(f"{endpoint}: {answer.detail}")
                    why = answer.detail
                    break
                reply = answer[-1]
                if not isinstance(reply, ReplyError):
                    self._owners[slot] = endpoint
                    return reply
                why = reply.message
                if not why.startswith(("MOVED ", "ASK ")):
                    raise Refused(why)
                endpoint = self._place(why.split(" ")[2])
                batch = [("ASKING",), command] if why.startswith("ASK ") else [command]
        raise Refused(why)

    def _place(self, at: str) -> Endpoint:
        host, _, port = at.rpartition(":")
        found = (e for e in self._endpoints if (e.host, e.port) == (host, int(port)))
        return next(found, Endpoint(host, int(port), 0))

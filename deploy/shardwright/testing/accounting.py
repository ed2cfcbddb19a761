"""Acknowledged-write accounting: what a writer was told, and whether the end bears it out.

A write has one of three outcomes: acknowledged (it must be there at the end), refused (it must not be), indeterminate (it
may be either: the connection broke, or no answer came). The same `Writer` works on a `FakeCluster` through `FakeClient` and
on real servers through `TransportClient`; neither retries a write, so that nothing hides a failure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.slots import slot_of
from ..model.wire import Command, Reply, ReplyError
from ..ports import Transport
from .fake_cluster import FakeCluster
from .fake_commands import Later, Session, execute


class Refused(Exception):
    """The server said no, or nothing was sent: the write did not happen."""


class Indeterminate(Exception):
    """No answer came after the write was sent."""


class Client(Protocol):
    """Writes and reads single keys in a cluster, following redirections."""

    def set(self, key: str, value: str) -> None:
        """Write; returns when it is acknowledged.

        Raises:
            Refused: it did not happen.
            Indeterminate: nobody knows.
        """
        ...

    def get(self, key: str) -> str | None:
        """Read from the primary.

        Raises:
            Refused: there was no answer.
        """
        ...


@dataclass
class Account:
    """What came of the writes: values by key. `lost` and `resurrected` are filled by `Writer.check`."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    indeterminate: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    resurrected: tuple[str, ...] = ()
    longest_gap: float = 0.0

    def window(self, since: float) -> tuple[float, float] | None:
        """First and last moment after `since` at which a write was acknowledged that is lost."""
        moments = [self.times[key] - since for key in self.lost]
        return (min(moments), max(moments)) if moments else None


class Writer:
    """Writes unique keys `<name>:<number>`, one at a time, and remembers what it was told."""

    def __init__(self, client: Client, name: str = "w") -> None:
        self._client = client
        self._name = name
        self._number = 0
        self._last: float | None = None
        self.account = Account()

    def write(self, now: float) -> None:
        """One write; `now` is the moment, for the account."""
        self._number += 1
        key, value = f"{self._name}:{self._number}", str(self._number)
        account = self.account
        try:
            self._client.set(key, value)
        except Refused:
            account.refused[key] = value
            return
        except Indeterminate:
            account.indeterminate[key] = value
            return
        account.acknowledged[key] = value
        account.times[key] = now
        if self._last is not None:
            account.longest_gap = max(account.longest_gap, now - self._last)
        self._last = now

    def check(self) -> Account:
        """Read everything back; call it when the cluster is whole again.

        Raises:
            Refused: a key could not be read.
        """
        account = self.account
        account.lost = tuple(k for k, value in account.acknowledged.items() if self._client.get(k) != value)
        account.resurrected = tuple(k for k in account.refused if self._client.get(k) is not None)
        return account


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

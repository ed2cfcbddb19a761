"""Acknowledged-write accounting: what a writer was told, and whether the end bears it out.

A write has one of three outcomes: acknowledged (it must be there at the end), refused (it must not be), indeterminate (it
may be either: the connection broke, or no answer came). No client here retries a write, so that nothing hides a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.wire import Command, Reply, ReplyError
from ..ports import Clock, Transport


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
    """What came of the writes: values by key. `lost` and `resurrected` are filled by `Writer.check`.

    Gaps are in seconds, between the starts of two acknowledged writes, or answered reads, with none between.
    """

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    indeterminate: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    resurrected: tuple[str, ...] = ()
    longest_gap: float = 0.0
    longest_read_gap: float = 0.0

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
        self._last_read: float | None = None
        self.last: float | None = None
        """When the newest acknowledged write was sent."""
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
        if self.last is not None:
            account.longest_gap = max(account.longest_gap, now - self.last)
        self.last = now

    def read(self, now: float) -> None:
        """One read of the newest key, for the account of gaps; what it says is judged at the end."""
        try:
            self._client.get(f"{self._name}:{self._number}")
        except Refused:
            return
        if self._last_read is not None:
            self.account.longest_read_gap = max(self.account.longest_read_gap, now - self._last_read)
        self._last_read = now

    def check(self) -> Account:
        """Read everything back; call it when the cluster is whole again.

        Raises:
            Refused: a key could not be read.
        """
        account = self.account
        account.lost = tuple(k for k, value in account.acknowledged.items() if self._client.get(k) != value)
        account.resurrected = tuple(k for k in account.refused if self._client.get(k) is not None)
        return account


class MemberClient:
    """A client of one shard that knows its members and asks one of them once for each call.

    One that gave no answer is passed over for `FORGIVE` seconds, also where another says that it leads: so a new primary is
    found by the next call after it leads, and not when a dead one has used up its timeout.

    Args:
        transport: its own: calls of several clients at a time must not share a connection.
        members: of the shard, the primary first.
        clock: for the passing over.
        ttl: seconds after which what was written is gone.
        timeout: seconds that one call may take.
    """

    FORGIVE = 1.0

    def __init__(
        self, transport: Transport, members: Sequence[Endpoint], clock: Clock, *, ttl: int, timeout: float
    ) -> None:
        self._transport = transport
        self._members = list(members)
        self._clock = clock
        self._ttl = ttl
        self._timeout = timeout
        self._silent: dict[Endpoint, float] = {}
        self._at = self._members[0]

    def set(self, key: str, value: str) -> None:
        """See `Client.set`."""
        self._call(("SET", key, value, "EX", self._ttl))

    def get(self, key: str) -> str | None:
        """See `Client.get`."""
        try:
            reply = self._call(("GET", key))
        except Indeterminate as error:
            raise Refused(str(error)) from error
        return reply.decode() if isinstance(reply, bytes) else None

    def _call(self, command: Command) -> Reply:
        asked = self._at
        answer = self._transport.ask({asked: [command]}, timeout=self._timeout)[asked]
        if isinstance(answer, Silence):
            self._silent[asked] = self._clock.now()
            self._at = self._next(asked)
            raise (Refused if answer.reason == "refused" else Indeterminate)(answer.detail)
        reply = answer[0]
        if not isinstance(reply, ReplyError):
            return reply
        self._at = self._told(reply.message, asked)
        raise Refused(reply.message)

    def _told(self, message: str, asked: Endpoint) -> Endpoint:
        """Where a refusal sends us, if that is a member that may answer; else the next member."""
        if message.startswith("MOVED "):
            host, _, port = message.split(" ")[2].rpartition(":")
            named = [e for e in self._members if e.port == int(port)]
            told = next((e for e in named if e.host == host), named[0] if len(named) == 1 else None)
            if told is not None and not self._passed_over(told):
                return told
        return self._next(asked)

    def _next(self, asked: Endpoint) -> Endpoint:
        place = self._members.index(asked) + 1
        others = [*self._members[place:], *self._members[:place]]
        return next((e for e in others if not self._passed_over(e)), others[0])

    def _passed_over(self, endpoint: Endpoint) -> bool:
        return self._clock.now() - self._silent.get(endpoint, -self.FORGIVE) < self.FORGIVE

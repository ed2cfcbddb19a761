"""`FakeTransport`: `ports.Transport` to fake servers, with numbered effects and faults at a number.

An effect is one pipeline to one node that changes anything there. Nodes of one call are served in an order that the seed
decides, as they would be over a network: whoever dies at effect *n* leaves any of the others done or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.secret import Secret
from ..model.wire import Answer, Command, Reply, ReplyError
from ..ports import Unreachable
from .fake_commands import Session, execute, is_effect, words
from .fake_replies import Later

if TYPE_CHECKING:
    from .fake_cluster import FakeCluster
    from .fake_server import FakeServer

LATENCY = 0.001
"""Seconds of a round trip."""
POLL = 0.005
_LOGIN_REFUSED = ("NOAUTH", "WRONGPASS", "ERR AUTH <password> called without any password")


class Killed(BaseException):
    """Whoever ran the deploy died here. No `Exception`, so that nothing on the way mistakes it for a failure."""


@dataclass
class _Fate:
    """What happens at which effect, and how many were begun."""

    faults: dict[int, str] = field(default_factory=dict)
    effects: int = 0


class FakeTransport:
    """One client of the servers of a `FakeCluster`. `effects` counts those that were begun."""

    def __init__(self, cluster: FakeCluster, password: Secret | None, fate: _Fate | None = None) -> None:
        self._cluster = cluster
        self._password = password
        self._sessions: dict[Endpoint, tuple[int, Session]] = {}
        self._fate = fate or _Fate()

    @property
    def effects(self) -> int:
        """How many were begun."""
        return self._fate.effects

    def logging_in_with(self, password: Secret | None) -> FakeTransport:
        """Another one of the same client: new connections, the same count of effects and the same fate."""
        return FakeTransport(self._cluster, password, self._fate)

    def fail_before(self, number: int) -> None:
        """Raise `Killed` in place of effect `number`, counted from 1."""
        self._fate.faults[number] = "before"

    def fail_after(self, number: int) -> None:
        """Raise `Killed` after effect `number`."""
        self._fate.faults[number] = "after"

    def lose_reply(self, number: int) -> None:
        """Let the connection break after effect `number`, before its reply arrives."""
        self._fate.faults[number] = "reply"

    def lose_request(self, number: int) -> None:
        """Let the connection break before effect `number` reaches its node."""
        self._fate.faults[number] = "request"

    def count(self) -> str:
        """Begin one more effect, also one by other means than a command; gives the fault that it meets."""
        self._fate.effects += 1
        return self._fate.faults.get(self.effects, "")

    def address(self, endpoint: Endpoint) -> str:
        """See `ports.Transport.address`: hosts are IP addresses here."""
        return endpoint.host

    def close(self) -> None:
        """See `ports.Transport.close`."""
        self._sessions.clear()

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        """See `ports.Transport.ask`."""
        clock = self._cluster.clock
        deadline = clock.now() + timeout
        wanted = {endpoint: batch for endpoint, batch in requests.items() if batch}
        clock.sleep(LATENCY / 2)
        effects = {endpoint for endpoint, batch in wanted.items() if is_effect(batch)}
        order = list(wanted)
        if effects:
            self._cluster.random.shuffle(order)
        calls = {e: self._begin(e, wanted[e], timeout, effect=e in effects) for e in order}
        open_calls = [call for call in calls.values() if isinstance(call, _Call) and call.waits]
        while open_calls and clock.now() < deadline:
            clock.sleep(min(POLL, deadline - clock.now()))
            open_calls = [call for call in open_calls if call.go_on()]
        if any(isinstance(call, Silence) and call.reason == "timed-out" for call in calls.values()):
            clock.run_until(deadline)
        clock.sleep(LATENCY / 2)
        return {endpoint: _answer(endpoint, calls[endpoint], timeout) for endpoint in wanted}

    def _begin(self, endpoint: Endpoint, batch: Sequence[Command], timeout: float, *, effect: bool) -> _Call | Silence:
        fault = self.count() if effect else ""
        if fault == "before":
            raise Killed(f"before effect {self.effects} at {endpoint}")
        if fault == "request":
            return Silence(endpoint, "closed", "Connection closed by server.")
        call = self._call(endpoint, batch, timeout)
        if isinstance(call, _Call):
            call.go_on()
        if fault == "after":
            raise Killed(f"after effect {self.effects} at {endpoint}")
        return Silence(endpoint, "closed", "Connection closed by server.") if fault == "reply" else call

    def _call(self, endpoint: Endpoint, batch: Sequence[Command], timeout: float) -> _Call | Silence:
        server = self._cluster.at(endpoint)
        if server is not None and not self._cluster.reaches_clients(server):
            return Silence(endpoint, "timed-out", f"no answer within {timeout:g} s")
        if server is None or not server.running:
            self._sessions.pop(endpoint, None)
            return Silence(endpoint, "refused", "nothing listens on that port")
        boot, session = self._sessions.get(endpoint, (0, Session()))
        if boot != server.boot:
            session = Session()
            if self._password is not None:
                reply = execute(server, session, [b"AUTH", b"default", self._password.reveal().encode()])
                if isinstance(reply, ReplyError):
                    return _unauthorised(endpoint)
            self._sessions[endpoint] = (server.boot, session)
        return _Call(server, session, [words(command) for command in batch])


class _Call:
    """One pipeline at one server; goes on where the server answers later."""

    def __init__(self, server: FakeServer, session: Session, pipeline: list[list[bytes]]) -> None:
        self._server, self._boot, self._session = server, server.boot, session
        self._left = pipeline
        self._queued = False
        self.replies: list[Reply] = []
        self.broken = False

    @property
    def waits(self) -> bool:
        """Whether there is more to come."""
        return bool(self._left) and not self.broken

    def go_on(self) -> bool:
        """Execute what can be; whether there is more to come."""
        server = self._server
        if not server.running or server.boot != self._boot:
            self.broken = bool(self._left)
        elif server.frozen:
            if not self._queued:
                self._queued = True
                server.inbox.append(self._resume)
        else:
            self._queued = False
            while self._left:
                reply = execute(server, self._session, self._left[0])
                if isinstance(reply, Later):
                    break
                self._left.pop(0)
                self.replies.append(reply)
        return self.waits

    def _resume(self) -> None:
        self.go_on()


def _answer(endpoint: Endpoint, call: _Call | Silence, timeout: float) -> Answer:
    if isinstance(call, Silence):
        return call
    for reply in call.replies:
        if isinstance(reply, ReplyError) and reply.message.startswith(_LOGIN_REFUSED):
            return _unauthorised(endpoint)
        if isinstance(reply, ReplyError) and reply.message.startswith("LOADING"):
            return Silence(endpoint, "loading", "the server is loading its data")
    if call.broken:
        return Silence(endpoint, "closed", "Connection closed by server.")
    return Silence(endpoint, "timed-out", f"no answer within {timeout:g} s") if call.waits else call.replies


def _unauthorised(endpoint: Endpoint) -> Silence:
    return Silence(endpoint, "unauthorised", "the server refuses the password that cluster.yml names")


class FakeProber:
    """`ports.BusProber` on the network of a `FakeCluster`."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
        """See `ports.BusProber.probe`."""
        found = []
        ends = list(targets)
        for source in sources:
            for target in ends:
                reason = self._reason(source, target) if source != target else ""
                found += [Unreachable(source, target, reason)] if reason else []
        return tuple(found)

    def _reason(self, source: Endpoint, target: Endpoint) -> str:
        one, other = self._cluster.at(source), self._cluster.at(target)
        if other is None or not other.running:
            return "Connection refused"
        if one is not None and (self._cluster.is_cut(one, other) or self._cluster.is_cut(other, one)):
            return "Connection timed out"
        return ""

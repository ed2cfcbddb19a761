"""The transport over TCP: redis-py's connections, one a node, one pipeline a round, all nodes at once in threads.

Commands that wait for each other in nothing go over several: what a server holds back stops only its own connection.

Threads and not asyncio, on purpose: inside pyinfra these threads are greenlets, which is what lets the same code run over
pyinfra's ssh channels. Connections are redis-py's low-level ones: its clients would retry, reconnect and follow redirects,
and a step that was perhaps carried out must not be sent again unseen.

What answers may be anything: each node has one deadline for its whole pipeline, and one measure of bytes.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    InvalidResponse,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from ..core.parsing import printable
from ..errors import ObservationError
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.secret import Secret
from ..ports import Answer, Command, Reply, ReplyError, Unordered
from .bounded_stream import BoundedStream, TooMuch

Connect = Callable[[Endpoint, float], socket.socket]
"""Opens a stream to an endpoint within so many seconds; in place of a plain TCP connection (ssh channels)."""

MOST_BYTES = 64 << 20
"""Bytes that one node may answer to one pipeline: ten times the names of keys that a move lists at a time."""
MOST_LANES = 16
"""Connections to one node."""
LEAST_COMMANDS = 8
"""Commands that are worth a connection more."""
MOST_WORDS = 500
"""Characters of a server's error that are kept."""
_PROTECTED = "running in protected mode"
"""What a server without a password says to other machines before it closes the connection."""


class _Bounded(Connection):
    """A redis-py connection whose exchanges end in time, over TCP or over a stream that somebody else opens."""

    def __init__(self, open_stream: Callable[[], socket.socket] | None, deadline: float, **options: Any) -> None:
        super().__init__(**options)
        self._open_stream = open_stream
        self._deadline = deadline
        self.stream: BoundedStream | None = None

    def begin(self, deadline: float) -> None:
        """One exchange begins."""
        if self.stream is not None:
            self.stream.begin(deadline, MOST_BYTES)

    def _connect(self) -> BoundedStream:
        opened: socket.socket = self._open_stream() if self._open_stream else super()._connect()
        self.stream = BoundedStream(opened, self._deadline, MOST_BYTES)
        return self.stream


class RespTransport:
    """`ports.Transport` over TCP, or over the streams that `connect` opens.

    Args:
        password: sent with AUTH where given; never logged.
        user: whom to log in as. Without a name, a server that is open to all refuses every password; with it, it takes any.
        connect: opens streams in place of TCP.
        workers: how many nodes are spoken to at the same moment.
    """

    def __init__(
        self,
        password: Secret | None = None,
        *,
        user: str | None = None,
        connect: Connect | None = None,
        workers: int = 64,
    ) -> None:
        self._password = password
        self._user = user if password is not None else None
        self._connect = connect
        self._connections: dict[tuple[Endpoint, int], _Bounded] = {}
        self._addresses: dict[str, str] = {}
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="resp")

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        """See `ports.Transport.ask`."""
        wanted = {endpoint: _parts(batch) for endpoint, batch in requests.items() if batch}
        futures = {
            endpoint: [
                self._pool.submit(self._ask_one, (endpoint, lane), part, timeout) for lane, part in enumerate(parts)
            ]
            for endpoint, parts in wanted.items()
        }
        return {endpoint: _joined([future.result() for future in these]) for endpoint, these in futures.items()}

    def address(self, endpoint: Endpoint) -> str:
        """See `ports.Transport.address`; a name is looked up once."""
        if endpoint.host not in self._addresses:
            self._addresses[endpoint.host] = resolve(endpoint.host)
        return self._addresses[endpoint.host]

    def close(self) -> None:
        """See `ports.Transport.close`."""
        for connection in self._connections.values():
            connection.disconnect()
        self._connections.clear()
        self._pool.shutdown(wait=False)

    def _ask_one(self, lane: tuple[Endpoint, int], batch: Sequence[Command], timeout: float) -> Answer:
        endpoint = lane[0]
        try:
            connection = self._connection(lane, timeout, time.monotonic() + timeout)
            connection.send_packed_command(connection.pack_commands([_revealed(c) for c in batch]), check_health=False)
            return [_read(connection) for _ in batch]
        except TooMuch as error:
            self._drop(lane)
            return Silence(endpoint, "unreadable", f"it answers without end: {error} to {len(batch)} commands")
        except (RedisError, OSError, ObservationError, ValueError, IndexError, RecursionError, MemoryError) as error:
            self._drop(lane)
            return _silence(endpoint, error, timeout)

    def _connection(self, lane: tuple[Endpoint, int], timeout: float, deadline: float) -> _Bounded:
        found = self._connections.get(lane)
        if found is not None:
            found.begin(deadline)
            if _stale(found):
                self._drop(lane)
                found = None
        if found is None:
            found = self._make(lane[0], timeout, deadline)
            found.connect()
            self._connections[lane] = found
        return found

    def _make(self, endpoint: Endpoint, timeout: float, deadline: float) -> _Bounded:
        options: dict[str, Any] = {
            "host": self.address(endpoint),
            "port": endpoint.port,
            "username": self._user,
            "password": self._password.reveal() if self._password else None,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "decode_responses": False,
            "driver_info": None,
        }
        connect = self._connect
        return _Bounded((lambda: connect(endpoint, timeout)) if connect else None, deadline, **options)

    def _drop(self, lane: tuple[Endpoint, int]) -> None:
        found = self._connections.pop(lane, None)
        if found is not None:
            found.disconnect()


def _parts(batch: Sequence[Command]) -> list[Sequence[Command]]:
    """What goes over one connection each: every n-th command, where their order is nothing to the node."""
    lanes = min(MOST_LANES, len(batch) // LEAST_COMMANDS) if isinstance(batch, Unordered) else 1
    return [batch[lane::lanes] for lane in range(lanes)] if lanes > 1 else [batch]


def _joined(answers: Sequence[Answer]) -> Answer:
    """The answer to what was sent in parts; a silence of one is the silence of all."""
    replies: list[Sequence[Reply]] = []
    for answer in answers:
        if isinstance(answer, Silence):
            return answer
        replies.append(answer)
    count = sum(map(len, replies))
    return tuple(replies[n % len(replies)][n // len(replies)] for n in range(count)) if len(replies) > 1 else replies[0]


def resolve(host: str) -> str:
    """The IP of a host name, or the literal address as it is.

    Raises:
        ObservationError: the name has no address, or several (code ``name-unresolved``).
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        found = sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except OSError as error:
        raise ObservationError(
            "name-unresolved", f"{host} has no address: {error}", hint="write its IP as `address` in cluster.yml"
        ) from error
    fours = [address for address in found if ":" not in address] or found
    if len(fours) != 1:
        raise ObservationError(
            "name-unresolved",
            f"{host} has {len(found)} addresses ({', '.join(found)}); nodes are introduced by one",
            hint="write the right one as `address` in cluster.yml",
        )
    return fours[0]


def _revealed(command: Command) -> tuple[str | bytes | int, ...]:
    return tuple(word.reveal() if isinstance(word, Secret) else word for word in command)


def _stale(connection: Connection) -> bool:
    """Whether the server closed it, or left an answer that nobody asked for."""
    try:
        return bool(connection.can_read(timeout=0))
    except (RedisError, OSError, TooMuch):
        return True


def _read(connection: Connection) -> Reply:
    try:
        reply: Reply = connection.read_response(disable_decoding=True)
        return reply
    except (ConnectionError, TimeoutError):
        raise
    except ResponseError as error:
        text = _server_text(error)
        if _PROTECTED in text.lower():
            raise
        return ReplyError(printable(text, MOST_WORDS))


def _server_text(error: ResponseError) -> str:
    """The server's own words: redis-py takes known prefixes off and keeps them as `status_code`."""
    status = getattr(error, "status_code", "") or ""
    return f"{status} {error}" if status else str(error)


def _silence(endpoint: Endpoint, error: Exception, timeout: float) -> Silence:
    if isinstance(error, AuthenticationError):
        return Silence(endpoint, "unauthorised", "the server refuses the password that cluster.yml names")
    if isinstance(error, ObservationError):
        return Silence(endpoint, "unresolved", error.message)
    if isinstance(error, BusyLoadingError):
        return Silence(endpoint, "loading", "the server is loading its data")
    text = printable(str(error))
    if _PROTECTED in text.lower():
        return Silence(endpoint, "protected", "it has no password, and in protected mode answers its own machine only")
    if isinstance(error, (ValueError, IndexError, RecursionError, MemoryError, InvalidResponse)):
        return Silence(endpoint, "unreadable", f"what answers there does not speak the protocol: {text}")
    if isinstance(error, (TimeoutError, socket.timeout)) or "timed out" in text.lower():
        return Silence(endpoint, "timed-out", f"no whole answer within {timeout:g} s")
    if "refused" in text.lower():
        return Silence(endpoint, "refused", "nothing listens on that port")
    if isinstance(error, ResponseError):
        return Silence(endpoint, "unreadable", text)
    return Silence(endpoint, "unreachable" if "No route" in text or "unreachable" in text else "closed", text)

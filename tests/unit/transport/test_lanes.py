"""Commands that wait for nothing go over several connections: whose replies come in order, and whose silence counts.

The server is a few lines of sockets here. It answers a command with its own words, and can wait until it has seen others.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from shardwright.adapters.resp import RespTransport
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import Silence
from shardwright.ports import Answer, Command, Unordered

Answers = Callable[[list[bytes]], bytes | None]
"""What is sent for a command's words; nothing: the connection is closed."""
COUNT = 128


class Server:
    """Speaks RESP to many at once; `heard` are the numbers of the commands by connection, in the order they came."""

    def __init__(self, answers: Answers) -> None:
        self.heard: list[list[int]] = []
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        port = self._listener.getsockname()[1]
        self.endpoint = Endpoint("127.0.0.1", port, port + 10_000)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            mine: list[int] = []
            self.heard.append(mine)
            while first := lines.readline():
                words = []
                for _ in range(int(first[1:])):
                    size = int(lines.readline()[1:])
                    words.append(lines.read(size + 2)[:-2])
                mine.append(int(words[1]))
                said = self._answers(words)
                if said is None:
                    return
                client.sendall(b"+%s\r\n" % said)


@contextmanager
def asked(answers: Answers) -> Iterator[tuple[Server, Callable[[Sequence[Command]], Answer]]]:
    server, transport = Server(answers), RespTransport()
    try:
        yield server, lambda batch: transport.ask({server.endpoint: batch}, timeout=5)[server.endpoint]
    finally:
        transport.close()
        server.close()


def commands(count: int = COUNT) -> tuple[Command, ...]:
    return tuple(("NUMBER", n) for n in range(count))


def replies(count: int = COUNT) -> list[bytes]:
    return [str(n).encode() for n in range(count)]


@pytest.mark.parametrize("count", [1, 7, 8, 16, 17, 100, 127, 128, 129, 1000])
def test_replies_come_in_the_order_of_the_commands(count: int) -> None:
    with asked(lambda words: words[1]) as (server, ask):
        assert list(ask(Unordered(commands(count)))) == replies(count)
        assert sorted(n for heard in server.heard for n in heard) == list(range(count)), "each was sent once"


def test_what_is_held_back_stops_only_its_own_connection() -> None:
    """The server answers nobody before sixteen of them have spoken: over one connection nobody would ever be."""
    together = threading.Barrier(16)

    def wait(words: list[bytes]) -> bytes:
        together.wait(4)
        return words[1]

    with asked(wait) as (server, ask):
        assert list(ask(Unordered(commands()))) == replies()
        assert len(server.heard) == 16


def test_ordered_commands_go_over_one_connection_in_their_order() -> None:
    with asked(lambda words: words[1]) as (server, ask):
        ask(Unordered(commands()))
        for heard in server.heard:
            heard.clear()
        ask(commands())
        assert [heard for heard in server.heard if heard] == [list(range(COUNT))]


@pytest.mark.parametrize("silent", [0, 1, 77, COUNT - 1])
def test_one_connection_that_breaks_is_the_silence_of_all_and_the_next_exchange_is_whole(silent: int) -> None:
    """Whether the others were carried out is known to nobody then; their replies are not taken for those of the next."""
    broken = [silent]

    def answers(words: list[bytes]) -> bytes | None:
        return None if int(words[1]) in broken else words[1]

    with asked(answers) as (_, ask):
        silence = ask(Unordered(commands()))
        assert isinstance(silence, Silence)
        assert silence.reason == "closed"
        broken.clear()
        assert list(ask(Unordered(commands()))) == replies()

"""What answers at a port may be anything: an exchange with it ends, and what it says can't steer a terminal."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shardwright.adapters.resp import RespTransport
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import Silence
from shardwright.model.wire import Answer, Command, ReplyError

Speaker = Callable[[socket.socket, threading.Event], None]


@contextmanager
def speaking(says: Speaker) -> Iterator[Endpoint]:
    """A server that sends what `says` sends, to the first who connects."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                try:
                    client.recv(1000)
                    says(client, over)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            port = listener.getsockname()[1]
            yield Endpoint("127.0.0.1", port, port + 10_000)
        finally:
            over.set()
            thread.join(10)


def answer(says: Speaker, *commands: Command, timeout: float = 10.0) -> Answer:
    transport = RespTransport()
    try:
        with speaking(says) as endpoint:
            return transport.ask({endpoint: commands or (("PING",),)}, timeout=timeout)[endpoint]
    finally:
        transport.close()


def test_a_server_that_sends_a_byte_at_a_time_is_given_up() -> None:
    """No single read takes long, and what it sends would be right in the end."""

    def trickle(client: socket.socket, over: threading.Event) -> None:
        for byte in b"$100\r\n" + b"x" * 100 + b"\r\n":
            client.sendall(bytes([byte]))
            over.wait(0.02)

    silence = answer(trickle, timeout=0.5)
    assert isinstance(silence, Silence)
    assert silence.reason == "timed-out"
    assert "0.5 s" in silence.detail


def test_a_server_that_sends_each_reply_late_is_given_up() -> None:
    """Each reply alone is in time."""

    def late(client: socket.socket, over: threading.Event) -> None:
        for _ in range(10):
            over.wait(0.2)
            client.sendall(b"+PONG\r\n")

    silence = answer(late, *[("PING",)] * 10, timeout=0.5)
    assert isinstance(silence, Silence)
    assert silence.reason == "timed-out"


def test_a_server_in_protected_mode_says_why_it_does_not_answer() -> None:
    """It sends one error whatever is asked, and closes."""

    def deny(client: socket.socket, over: threading.Event) -> None:
        client.sendall(
            b"-DENIED Redis is running in protected mode because protected mode is enabled and no password\r\n"
        )

    silence = answer(deny, ("CLUSTER", "INFO"), ("PING",))
    assert isinstance(silence, Silence)
    assert silence.reason == "protected"
    assert "no password" in silence.detail


def test_a_reply_without_end_is_cut_off() -> None:
    def flood(client: socket.socket, over: threading.Event) -> None:
        client.sendall(b"$1000000000\r\n")
        while not over.is_set():
            client.sendall(b"x" * 65_536)

    silence = answer(flood, timeout=60)
    assert isinstance(silence, Silence)
    assert silence.reason == "unreadable"
    assert "64 MiB" in silence.detail


def test_an_array_without_end_is_cut_off() -> None:
    def flood(client: socket.socket, over: threading.Event) -> None:
        client.sendall(b"*1000000000\r\n")
        while not over.is_set():
            client.sendall(b"$200\r\n" + b"x" * 200 + b"\r\n")

    silence = answer(flood, timeout=2)
    assert isinstance(silence, Silence)


def test_words_of_a_server_hold_nothing_that_a_terminal_obeys() -> None:
    def steer(client: socket.socket, over: threading.Event) -> None:
        client.sendall(b"-ERR \x1b]0;owned\x07\x1b[2J" + b"x" * 5_000 + b"\r\n")

    replies = answer(steer)
    assert not isinstance(replies, Silence)
    (reply,) = replies
    assert isinstance(reply, ReplyError)
    assert reply.message.isprintable()
    assert len(reply.message) <= 500


def test_the_next_exchange_has_its_own_time() -> None:
    """The time of an exchange that is over does not end one on the same connection."""

    def slow(client: socket.socket, over: threading.Event) -> None:
        for _ in range(3):
            over.wait(0.3)
            client.sendall(b"+PONG\r\n")
            client.recv(1000)  # the next question, or the end

    transport = RespTransport()
    with speaking(slow) as endpoint:
        try:
            answers = [transport.ask({endpoint: [("PING",)]}, timeout=0.8)[endpoint] for _ in range(3)]
        finally:
            transport.close()
    assert answers == [[b"PONG"]] * 3

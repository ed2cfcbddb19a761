"""`FakeCluster`: servers in memory that answer as Redis and Valkey do, on virtual time, with faults where tests want them.

Everything is a function of the seed: delays, losses, draws of gossip, elections. The network between servers, and the one
between clients and servers, fail apart from each other. `tests/contract` holds the same tests against this and against real
servers; docs/testing-kit.md says what is simulated and what is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Literal

from ..model.endpoint import Endpoint
from ..model.secret import Secret
from ..model.topology import Topology
from . import fake_gossip, fake_instant, fake_replication
from .clock import VirtualClock
from .fake_server import FakeServer
from .fake_transport import FakeProber, FakeTransport
from .fake_wire import Address, Link, Message, Peer

RESEND = 0.2
"""Seconds after which what a healed network swallowed of a stream is sent again."""


class FakeCluster:
    """Servers that were just started, each alone.

    Args:
        endpoints: where they listen, or how many are wanted; hosts are IP addresses.
        seed: of everything that is drawn.
        product: ``valkey`` or ``redis``.
        version: of the server; decides on commands, texts and forms.
        settings: configuration of every server, beside the defaults.
        delay: least and most seconds that a message takes.
        loss: part of the bus messages that are lost.
        gossip: ``messages`` simulates the bus; ``instant`` makes everybody hear everything at once, for clusters of
            hundreds of servers.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint] | int = 6,
        *,
        seed: int = 0,
        product: str = "valkey",
        version: str = "9.1.2",
        settings: Mapping[str, str] | None = None,
        delay: tuple[float, float] = (0.0002, 0.002),
        loss: float = 0.0,
        gossip: Literal["messages", "instant"] = "messages",
    ) -> None:
        self.clock = VirtualClock()
        self.random = Random(seed)  # noqa: S311
        self.instant = gossip == "instant"
        self.loss = loss
        self._delay = delay
        self._flavour = (product, version, dict(settings or {}))
        self._cuts: set[tuple[FakeServer, FakeServer]] = set()
        self._client_cuts: set[FakeServer] = set()
        self._at: dict[tuple[str, int], FakeServer] = {}
        self.servers: list[FakeServer] = []
        self._instantly = fake_instant.Instant(self)
        if isinstance(endpoints, int):
            endpoints = [Endpoint(f"10.0.0.{n}", 6379, 16379) for n in range(1, endpoints + 1)]
        for endpoint in endpoints:
            self.add(endpoint)

    @classmethod
    def of(cls, topology: Topology, **options: object) -> FakeCluster:
        """Fresh servers for every node of a topology; `options` as for the class."""
        return cls([node.endpoint for node in topology.nodes], product=topology.product, **options)  # type: ignore[arg-type]

    def __getitem__(self, which: int | Endpoint) -> FakeServer:
        if isinstance(which, int):
            return self.servers[which]
        return next(server for server in self.servers if server.endpoint == which)

    @property
    def endpoints(self) -> list[Endpoint]:
        """Where the servers listen, or listened."""
        return [server.endpoint for server in self.servers]

    def add(self, endpoint: Endpoint) -> FakeServer:
        """One more server, started."""
        product, version, settings = self._flavour
        server = FakeServer(self, endpoint, product, version, settings)
        self.servers.append(server)
        self._listen(server)
        server.start()
        return server

    def transport(self, password: Secret | None = None) -> FakeTransport:
        """A client of all servers, as `ports.Transport`; faults are injected on it."""
        return FakeTransport(self, password)

    def prober(self) -> FakeProber:
        """`ports.BusProber` on this network."""
        return FakeProber(self)

    # Lives of servers.

    def kill(self, server: FakeServer, *, host_lost: bool = False) -> None:
        """End a process at once, or lose its whole host: then nobody is told, and what was on its way is gone."""
        fake_replication.end(server, host_lost=host_lost)
        server.stop()
        server.host_lost = host_lost
        if not host_lost:
            for other in self.servers:
                for peer in list(other.peers.values()):
                    if peer.link is not None and server in (peer.link.target, peer.link.source):
                        fake_gossip.close(peer.link)
        self._instantly.gone(server)

    def start(self, server: FakeServer) -> None:
        """Start a process that ended."""
        server.start()
        self._instantly.back(server)

    def restart(self, server: FakeServer) -> None:
        """End and start a process."""
        self.kill(server)
        self.start(server)

    def wipe(self, server: FakeServer) -> None:
        """The machine comes back empty: the process is ended, its directory emptied, and started as a new identity."""
        self.kill(server)
        server.forget_everything()
        self.start(server)

    def move(self, server: FakeServer, endpoint: Endpoint) -> None:
        """Restart a server under another address."""
        self.kill(server)
        self._at = {at: other for at, other in self._at.items() if other is not server}
        server.endpoint = endpoint
        server.myself.at = ("", endpoint.port, endpoint.bus_port)
        self._listen(server)
        self.start(server)

    def clone(self, server: FakeServer, endpoint: Endpoint) -> FakeServer:
        """A second server with the directory of the first: the same id, epochs, peers and slots."""
        twin = self.add(endpoint)
        self.kill(twin)
        twin.myself = _copy(server.myself)
        twin.myself.at = twin.at
        twin.peers = {peer.id: _copy(peer) for peer in server.peers.values()}
        twin.current_epoch, twin.vote_epoch = server.current_epoch, server.vote_epoch
        twin.dataset = server.store.values()
        self.start(twin)
        return twin

    def freeze(self, server: FakeServer) -> None:
        """Stop a process as SIGSTOP does: it keeps its connections and does nothing."""
        server.frozen = True

    def thaw(self, server: FakeServer) -> None:
        """Let it go on; it answers what came meanwhile."""
        server.frozen = False
        waiting, server.inbox = server.inbox, []
        for action in waiting:
            action()

    # The network.

    def cut(self, one: FakeServer, other: FakeServer, *, one_way: bool = False) -> None:
        """Nothing gets from `one` to `other` any more, nor back unless `one_way`."""
        self._cuts |= {(one, other)} if one_way else {(one, other), (other, one)}

    def isolate(self, *inside: FakeServer, clients: bool = False) -> None:
        """Cut some servers off all others; from the clients too where `clients`."""
        for server in inside:
            for other in self.servers:
                if other not in inside:
                    self.cut(server, other)
        self._client_cuts |= set(inside) if clients else set()

    def heal(self) -> None:
        """The network is whole again."""
        self._cuts.clear()
        self._client_cuts.clear()

    def is_cut(self, source: FakeServer, target: FakeServer) -> bool:
        """Whether nothing gets from one server to another."""
        return bool(source.host_lost or target.host_lost or (self._cuts and (source, target) in self._cuts))

    def reaches_clients(self, server: FakeServer) -> bool:
        """Whether clients and the server hear each other."""
        return not (server in self._client_cuts or server.host_lost)

    def listening(self, at: Address, *, client: bool = False) -> FakeServer | None:
        """The server that listens on the client or bus port of an address."""
        server = self._at.get((at[0], at[1] if client else at[2]))
        return server if server is not None and server.running else None

    def at(self, endpoint: Endpoint) -> FakeServer | None:
        """The server at an endpoint, running or not."""
        return self._at.get((endpoint.host, endpoint.port))

    def swallows(self, server: FakeServer, at: Address) -> bool:
        """Whether a connection to an address on which nobody listens hangs, in place of being refused."""
        other = self._at.get((at[0], at[2]))
        return other is not None and self.is_cut(server, other)

    def _listen(self, server: FakeServer) -> None:
        host, port, bus_port = server.at
        self._at[host, port] = self._at[host, bus_port] = server

    # What servers use.

    def new_id(self) -> str:
        """Forty hexadecimal digits."""
        return f"{self.random.getrandbits(160):040x}"

    def delay(self) -> float:
        """Seconds that the next message takes."""
        return self.random.uniform(*self._delay)

    def later(self, link: Link, outbound: bool, action: Callable[[], None]) -> None:
        """Carry out `action` when what was sent over a link arrives; what was sent first arrives first."""
        when = max(self.clock.now() + self.delay(), link.woken[outbound])
        link.woken[outbound] = when
        receiver = link.target if outbound else link.source

        def arrive() -> None:
            target_boot = link.target.boot if link.target else 0
            if not link.open or link.boots != (link.source.boot, target_boot) or receiver is None:
                return
            if receiver.frozen:
                receiver.inbox.append(action)
            elif receiver.running:
                action()

        self.clock.after(when - self.clock.now(), arrive)

    def carry(
        self, sender: FakeServer, receiver: FakeServer, link: Link, outbound: bool, action: Callable[[], None]
    ) -> None:
        """One message of the bus on its way, or lost."""
        if self.is_cut(sender, receiver) or (self.loss and self.random.random() < self.loss):
            return
        self.later(link, outbound, action)

    def linked(self, peer: Peer) -> bool:
        """Whether there is a link to a peer."""
        return peer.link is not None

    def meet(self, server: FakeServer, host: str, port: int, bus_port: int) -> None:
        """CLUSTER MEET at `server`."""
        if self.instant:
            self._instantly.meet(server, (host, port, bus_port))
        else:
            fake_gossip.meet(server, host, port, bus_port)

    def post(self, server: FakeServer, peer: Peer, what: Message) -> None:
        """A message without a link, where gossip is instant."""
        self._instantly.post(server, peer, what)

    def changed(self, server: FakeServer) -> None:
        """What a server is has changed; everybody hears it, where gossip is instant."""
        self._instantly.changed(server)

    def left(self, server: FakeServer) -> None:
        """A server knows nobody any more."""
        self._instantly.gone(server)


def _copy(peer: Peer) -> Peer:
    twin = Peer(peer.id, peer.at, peer.made)
    for name in ("replica", "primary_id", "epoch", "slots", "no_address", "fail", "fail_time"):
        setattr(twin, name, getattr(peer, name))
    return twin

"""`Bench`: some servers, fresh and alone, fake or real, behind one face, so that one test function runs against both."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

from shardwright.adapters.clock import RealClock
from shardwright.adapters.resp import RespTransport
from shardwright.core.parsing import parse_fields, parse_nodes
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import PeerView, Silence
from shardwright.model.secret import Secret
from shardwright.model.wire import Reply, ReplyError
from shardwright.ports import Clock, Transport
from shardwright.testing.fake_cluster import FakeCluster
from shardwright.testing.servers import Servers

Release = tuple[str, str]
"""Product and series, such as ``("valkey", "9.1")``."""
VERSIONS: dict[Release, str] = {
    ("valkey", "9.1"): "9.1.2",
    ("valkey", "8.1"): "8.1.1",
    ("redis", "8.0"): "8.0.2",
    ("redis", "7.0"): "7.0.15",
}
SETTINGS = {"cluster-node-timeout": "1000", "repl-diskless-sync-delay": "0"}


class Bench:
    """Servers and a client of each. `say` speaks to one of them; `until` waits for what must come."""

    def __init__(self, release: Release, transport: Transport, clock: Clock, endpoints: list[Endpoint]) -> None:
        self.release = release
        self.transport = transport
        self.clock = clock
        self.endpoints = endpoints
        self.log: list[str] = []
        self._names: dict[str, str] = {}
        self.ids = [self.text(i, "CLUSTER MYID") for i in range(len(endpoints))]
        for number, node_id in enumerate(self.ids):
            self.name(node_id, f"<{number}>")

    @property
    def valkey(self) -> bool:
        return self.release[0] == "valkey"

    @property
    def atomic(self) -> bool:
        """Whether these servers move slots as a whole."""
        return self.release == ("valkey", "9.1")

    def connect(self, password: str | None) -> Transport:
        raise NotImplementedError

    def kill(self, i: int) -> None:
        raise NotImplementedError

    def start(self, i: int) -> None:
        raise NotImplementedError

    def freeze(self, i: int) -> None:
        raise NotImplementedError

    def thaw(self, i: int) -> None:
        raise NotImplementedError

    def recognises(self, i: int, j: int) -> bool:
        """Whether server `i` knows which of the links that others opened is that of `j`: from its first ping on."""
        raise NotImplementedError

    def name(self, node_id: str, name: str) -> None:
        self._names[node_id] = name

    def pipeline(self, i: int, *commands: str | tuple[object, ...], timeout: float = 5.0) -> list[Reply] | Silence:
        endpoint = self.endpoints[i]
        batch = [tuple(c.split(" ")) if isinstance(c, str) else c for c in commands]
        answer = self.transport.ask({endpoint: batch}, timeout=timeout)[endpoint]  # type: ignore[dict-item]
        return answer if isinstance(answer, Silence) else list(answer)

    def ask(self, i: int, command: str) -> Reply | Silence:
        answer = self.pipeline(i, command)
        return answer if isinstance(answer, Silence) else answer[0]

    def text(self, i: int, command: str) -> str:
        """The reply in words; a server that was just started may have to load its data first."""
        deadline = self.clock.now() + 10
        reply = self.ask(i, command)
        while isinstance(reply, Silence) and reply.reason == "loading" and self.clock.now() < deadline:
            self.clock.sleep(0.02)
            reply = self.ask(i, command)
        assert isinstance(reply, bytes), reply
        return reply.decode()

    def ok(self, i: int, *commands: str) -> None:
        for command in commands:
            assert self.ask(i, command) == b"OK", (command, self.ask(i, command))

    def error(self, i: int, command: str) -> str:
        reply = self.ask(i, command)
        assert isinstance(reply, ReplyError), (command, reply)
        return reply.message

    def say(self, i: int, *commands: str) -> None:
        """Ask and write down the reply, with ids, addresses and times made comparable."""
        for command in commands:
            self.log.append(f"{i} {self._plain(command)}: {self._plain(self._shown(self.ask(i, command)))}")

    def _shown(self, reply: Reply | Silence) -> str:
        if isinstance(reply, Silence):
            return f"silence {reply.reason}"
        if isinstance(reply, ReplyError):
            return f"(error) {reply.message}"
        if isinstance(reply, list):
            return "[" + ", ".join(self._shown(item) for item in reply) + "]"
        if isinstance(reply, bytes):
            lines = sorted(map(self._plain, reply.decode().splitlines()))
            return "\n   ".join(["", *lines]) if b"\n" in reply else reply.decode()
        return repr(reply)

    def _plain(self, text: str) -> str:
        for node_id, name in self._names.items():
            text = text.replace(node_id, name)
        for number, endpoint in enumerate(self.endpoints):
            text = text.replace(f"{endpoint.host}:{endpoint.port}", f"at{number}").replace(
                f"@{endpoint.bus_port}", "@bus"
            )
            text = text.replace(f":{endpoint.port}@", f":port{number}@")
            text = text.replace(f"{endpoint.host} {endpoint.port}", f"at{number}")
        text = re.sub(r"\b[0-9a-f]{40}\b", "<id>", text)
        return re.sub(r" \d+ \d+ (\d+ (?:dis)?connected)", r" t t \1", text)

    def nodes(self, i: int) -> dict[str, PeerView]:
        myself, peers = parse_nodes(self.text(i, "CLUSTER NODES"))
        return {peer.id: peer for peer in (myself, *peers)}

    def peer(self, i: int, j: int) -> PeerView:
        """What server `i` believes of server `j`."""
        return self.nodes(i)[self.ids[j]]

    def info(self, i: int, section: str = "replication") -> dict[str, str]:
        return parse_fields(self.text(i, f"INFO {section}"))

    def state(self, i: int) -> str:
        return parse_fields(self.text(i, "CLUSTER INFO"))["cluster_state"]

    def until(self, done: Callable[[], object], what: str, limit: float = 15.0) -> None:
        deadline = self.clock.now() + limit
        while not done():
            assert self.clock.now() < deadline, f"not within {limit:g} s: {what}"
            self.clock.sleep(0.02)

    def stays(self, holds: Callable[[], object], what: str, seconds: float) -> None:
        deadline = self.clock.now() + seconds
        while self.clock.now() < deadline:
            assert holds(), what
            self.clock.sleep(0.05)

    def meet(self, i: int, j: int) -> None:
        e = self.endpoints[j]
        self.ok(i, f"CLUSTER MEET {e.host} {e.port} {e.bus_port}")

    def acquaint(self, *members: int) -> None:
        """All of them know each other."""
        for j in members[1:]:
            self.meet(members[0], j)
        wanted = {self.ids[j] for j in members}
        self.until(
            lambda: all(
                wanted <= {p.id for p in self.nodes(i).values() if not p.handshake and p.linked} for i in members
            ),
            "everybody knows everybody",
        )

    def form(self, primaries: int = 3, replicas: int = 0) -> None:
        """A cluster of so many primaries; server `primaries + n` replicates server `n % primaries`."""
        for i in range(primaries):
            first, last = i * 16384 // primaries, (i + 1) * 16384 // primaries - 1
            self.ok(i, f"CLUSTER ADDSLOTSRANGE {first} {last}", f"CLUSTER SET-CONFIG-EPOCH {i + 100}")
        for n in range(replicas):
            self.ok(primaries + n, f"CLUSTER SET-CONFIG-EPOCH {n + 1}")
        members = range(primaries + replicas)
        self.acquaint(*members)
        for n in range(replicas):
            self.ok(primaries + n, f"CLUSTER REPLICATE {self.ids[n % primaries]}")
        self.until(lambda: self.whole(*members), "the cluster is whole")

    def whole(self, *members: int) -> bool:
        pictures = {
            frozenset((p.id, p.role, p.primary_id, p.slots.mask) for p in self.nodes(i).values() if not p.handshake)
            for i in members
        }
        links = [self.info(i).get("master_link_status", "up") == "up" for i in members]
        return len(pictures) == 1 and all(self.state(i) == "ok" for i in members) and all(links)


class FakeBench(Bench):
    """In memory, on virtual time."""

    def __init__(self, release: Release, count: int, settings: dict[str, str], password: str | None) -> None:
        endpoints = [Endpoint("127.0.0.1", 7000 + n, 17000 + n) for n in range(count)]
        wanted = {**SETTINGS, **settings}
        if password:
            wanted |= {"requirepass": password, "masterauth": password}
        self.cluster = FakeCluster(
            endpoints, product=release[0], version=VERSIONS[release], settings=wanted, seed=count
        )
        super().__init__(release, self.connect(password), self.cluster.clock, endpoints)

    def connect(self, password: str | None) -> Transport:
        return self.cluster.transport(Secret(password) if password else None)

    def kill(self, i: int) -> None:
        self.cluster.kill(self.cluster[i])

    def start(self, i: int) -> None:
        self.cluster.start(self.cluster[i])

    def freeze(self, i: int) -> None:
        self.cluster.freeze(self.cluster[i])

    def thaw(self, i: int) -> None:
        self.cluster.thaw(self.cluster[i])

    def recognises(self, i: int, j: int) -> bool:
        link = self.cluster[i].peers[self.ids[j]].inbound
        return link is not None and link.open


class RealBench(Bench):
    """Server processes on loopback."""

    def __init__(self, release: Release, servers: Servers, password: str | None) -> None:
        self.servers = servers
        self.transports: list[RespTransport] = []
        endpoints = [server.endpoint for server in servers.servers]
        super().__init__(release, self.connect(password), RealClock(), endpoints)

    def connect(self, password: str | None) -> Transport:
        self.transports.append(RespTransport(Secret(password) if password else None))
        return self.transports[-1]

    def kill(self, i: int) -> None:
        self.servers[i].kill()

    def start(self, i: int) -> None:
        self.servers[i].start()

    def freeze(self, i: int) -> None:
        process = self.servers[i].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)

    def thaw(self, i: int) -> None:
        process = self.servers[i].process
        assert process is not None
        process.send_signal(signal.SIGCONT)

    def recognises(self, i: int, j: int) -> bool:
        links = self.ask(i, "CLUSTER LINKS")
        assert isinstance(links, list)
        rows = [dict(zip(row[::2], row[1::2], strict=True)) for row in links if isinstance(row, list)]
        return any(row[b"direction"] == b"from" and row[b"node"] == self.ids[j].encode() for row in rows)


def servers(directory: Path, binary: Path, ports: range, settings: dict[str, str], password: str | None) -> Servers:
    """Real servers for a bench."""
    return Servers(directory, ports, binary=binary, settings={**SETTINGS, **settings}, password=password)

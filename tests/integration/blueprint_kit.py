"""Lays a blueprint out on this machine as any interpreter of it would, without one: directories, files, the server."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.golden.specs import BUNDLE, local

from shardwright.core.blueprint import blueprint
from shardwright.core.engine_choice import engine_install
from shardwright.core.placement import place
from shardwright.model.blueprint import Blueprint, Instance
from shardwright.model.secret import Secret
from shardwright.model.spec import ClusterSpec, Paths, Persistence, Security
from shardwright.testing.servers import bundled_binary


def connect(host: str, port: int, password: str | None = None) -> redis.Redis:
    """A client that tries once: its own default is to try a refusal again for seconds."""
    return redis.Redis(host, port, password=password, socket_timeout=10, retry=Retry(NoBackoff(), 0))


@dataclass
class Site:
    """One host's files below `root`. `spec` may be changed, and the files written again with `write`."""

    root: Path
    spec: ClusterSpec
    shell: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def blueprint(self) -> Blueprint:
        spec = self.spec
        return blueprint(spec, place(spec), spec.hosts[0].name, engine_install(spec, BUNDLE))

    def instance(self, number: int = 0) -> Instance:
        return self.blueprint.instances[number]

    def write(self) -> None:
        """Directories and files, owners and modes."""
        found = self.blueprint
        for d in found.directories:
            Path(d.path).mkdir(parents=True, exist_ok=True)
            self._own(d.path, d.owner, d.group, d.mode)
        for f in found.files:
            if not f.path.startswith("/etc/"):
                Path(f.path).write_text(f.content, "utf-8")
                self._own(f.path, f.owner, f.group, f.mode)
        server = Path(found.engine.server)
        if not server.exists():
            server.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(bundled_binary(), server)

    def _own(self, path: str, owner: str, group: str, mode: str) -> None:
        if owner:
            shutil.chown(path, owner, group)
        os.chmod(path, int(mode, 8))

    def guard(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run(self.blueprint.guard, *words)

    def control(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self._run(self.blueprint.control, *words, **env)

    def _run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        merged = {**os.environ, **self.env, **env}
        return subprocess.run(
            [*self.shell, *words], capture_output=True, text=True, timeout=60, env=merged, check=False
        )

    def client(self, number: int = 0) -> redis.Redis:
        secret = self.spec.security.password
        where = self.instance(number).endpoint
        return connect(where.host, where.port, secret.reveal() if secret else None)

    def pid(self, number: int = 0) -> int:
        return int(self.client(number).info("server")["process_id"])

    def keep(self, *, aof: bool, save: tuple[tuple[int, int], ...] = ((3600, 1),)) -> None:
        """Other persistence in the files, as a careless tool would write it."""
        self.spec = replace(self.spec, persistence=Persistence(aof=aof, save=save))
        self.write()


def site(root: Path, first_port: int, password: str | None = "a password", count: int = 6) -> Site:
    """A host like `local`, with its files below `root`."""
    spec = local()
    host = replace(spec.hosts[0], ports=tuple(range(first_port, first_port + count)))
    paths = Paths(*(root / name for name in ("prefix", "etc", "data", "run", "log")))
    security = Security(Secret(password) if password is not None else None)
    return Site(root, replace(spec, hosts=(host,), paths=paths, security=security))


def hash_without_passwords(config: str) -> str:
    """The hash of a configuration but for what is changed live on running servers."""
    lines = [
        x
        for x in config.splitlines(keepends=True)
        if x.split(" ")[0] not in ("requirepass", "masterauth", "user", "protected-mode")
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()

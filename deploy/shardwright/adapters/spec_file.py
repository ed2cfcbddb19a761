"""`load`: from the file `cluster.yml` to a `ClusterSpec`, or to every mistake in it at once, each with its line.

Reads that file, the password that it points to, and nothing else; contacts nothing and resolves no names. What each
field may be is in `spec_schema`, what must hold between fields in `spec_checks`, `spec_storage` and `spec_security`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from shardwright.errors import Problem, SpecError
from shardwright.model.secret import Secret
from shardwright.model.spec import (
    ClusterSpec,
    Domain,
    EngineChoice,
    HostSpec,
    MountSpec,
    Persistence,
    Product,
    Security,
    ServiceManager,
    Ssh,
    Transport,
)

from . import spec_checks, spec_security, spec_storage
from .regular_files import read_regular
from .spec_draft import Draft, draft
from .spec_schema import EngineSection, HostSection, MountSection, PersistenceSection, SecuritySection
from .spec_yaml import read_yaml

MAX_BYTES = 4 * 1024 * 1024
"""Largest file that is read; 2,000 hosts take about 200 kB."""


def load(path: Path | str, env: Mapping[str, str] | None = None) -> ClusterSpec:
    """The spec in the file at `path`.

    Args:
        path: of a `cluster.yml`; what it names by relative paths is relative to its directory.
        env: where passwords are looked up; the process's environment unless given.

    Raises:
        SpecError: with every problem that was found.
    """
    return load_with_warnings(path, env)[0]


def load_with_warnings(
    path: Path | str, env: Mapping[str, str] | None = None
) -> tuple[ClusterSpec, tuple[Problem, ...]]:
    """Like `load`, with what should be thought about although it is allowed (a short password, no replicas).

    Raises:
        SpecError: with every problem that was found.
    """
    file = Path(path)
    return loads(_read(file), file=str(path), directory=file.absolute().parent, env=env)


def loads(
    text: str, *, file: str = "cluster.yml", directory: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[ClusterSpec, tuple[Problem, ...]]:
    """The spec in `text`, as if it stood in `file` in `directory` (the current one unless given).

    Raises:
        SpecError: with every problem that was found.
    """
    made = draft(read_yaml(text), (directory or Path.cwd()).absolute())
    secrets: dict[str, Secret] = {}
    if made.sections or made.hosts:
        spec_checks.check(made)
        spec_storage.check(made)
        secrets = spec_security.check(made, os.environ if env is None else env)
    if made.problems:
        raise SpecError(made.problems, file=file)
    return _spec(made, secrets), tuple(sorted(made.warnings, key=lambda p: (p.line, p.path, p.code)))


def _read(file: Path) -> str:
    """The file's text; a byte order mark is dropped."""
    code, hint = "spec-unreadable", ""
    try:
        return read_regular(file, MAX_BYTES)[0].decode("utf-8-sig")
    except FileNotFoundError:
        code, found, hint = "spec-missing", "no such file", "shardwright init NAME  writes a new environment"
    except UnicodeDecodeError as error:
        code, found = "spec-not-text", f"not UTF-8 text at byte {error.start}"
    except OSError as error:
        found = error.strerror or "not readable"
    except ValueError:
        found = "a path with a NUL in it"
    raise SpecError([Problem(code, "", found, "a YAML file that can be read", hint)], file=str(file))


def _spec(made: Draft, secrets: Mapping[str, Secret]) -> ClusterSpec:
    """The frozen spec of a draft without problems."""
    at = made.sections
    engine, kept, security = at["engine"], at["persistence"], at["security"]
    assert isinstance(engine, EngineSection)
    assert isinstance(kept, PersistenceSection)
    assert isinstance(security, SecuritySection)
    bundle = str(spec_security.local_path(made, engine.bundle)) if engine.bundle else None
    return ClusterSpec(
        name=at["name"],
        engine=EngineChoice(Product(engine.product), engine.version, bundle, engine.suite or None),
        shards=at["shards"],
        replicas=at["replicas"],
        hosts=tuple(_host(made, host) for _, host in made.hosts),
        bus_offset=at["bus_offset"],
        settings=tuple(sorted((name.lower(), value) for name, value in at["settings"].items())),
        persistence=Persistence(kept.aof, str(kept.fsync), tuple(kept.save)),
        mounts=tuple(_mount(mount) for mount in at["mounts"]),
        security=Security(secrets.get("password"), security.open, secrets.get("previous"), secrets.get("retired")),
        service_manager=ServiceManager(at["service_manager"]),
        transport=Transport(at["transport"]),
        spread=Domain(at["spread"]),
        paths=spec_storage.paths_of(made),
        user=at["user"],
        canary=at["canary"],
    )


def _host(made: Draft, host: HostSection) -> HostSpec:
    ssh = spec_checks.ssh_of(made, host)
    key, known = (str(spec_security.local_path(made, p)) if p else None for p in (ssh.key, ssh.known_hosts))
    return HostSpec(
        name=host.name,
        address=host.address,
        ports=spec_checks.ports_of(made, host),
        zone=host.zone,
        rack=host.rack,
        connect=host.connect or host.address,
        ssh=Ssh(ssh.user or None, ssh.port, key, known, ssh.strict_host_key, ssh.sudo, ssh.jump or None),
        leaving=host.leaving,
    )


def _mount(mount: MountSection) -> MountSpec:
    return MountSpec(mount.source, os.path.normpath(mount.target), mount.fstype, tuple(mount.options))

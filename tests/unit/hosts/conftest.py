from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shardwright.adapters.environment import Environment, load
from shardwright.core.host.state import HostState, parse
from shardwright.model.blueprint import Blueprint
from shardwright.model.spec import ServiceManager

DATA = Path(__file__).parent / "data"
PASSWORD = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The cluster of which the looks in data/ were taken."""
    monkeypatch.setenv("SHARDWRIGHT_TEST_PASSWORD", PASSWORD)
    return load(DATA / "cluster.yml")


@pytest.fixture
def blueprint(environment: Environment) -> Blueprint:
    """Of h1, which is where the looks were taken."""
    return environment.blueprints(environment.spec.hosts[0])[ServiceManager.SYSTEMD]


def seen(name: str, **changed: object) -> HostState:
    """A captured look, with fields replaced."""
    text = (DATA / f"{name}.txt").read_text(encoding="utf-8")
    return replace(parse(text.splitlines()), **changed)  # type: ignore[arg-type]


@pytest.fixture
def bare() -> HostState:
    """A freshly installed Debian 12."""
    return seen("bare-debian-12")


@pytest.fixture
def running(blueprint: Blueprint) -> HostState:
    """The same host after a deploy, with the files as they would be rendered today."""
    import hashlib

    state = seen("running-debian-12")
    sums = {f.path: hashlib.sha256(f.content.encode()).hexdigest() for f in blueprint.files}
    paths = tuple((p, replace(s, sha256=sums[p]) if p in sums else s) for p, s in state.paths)
    instance = blueprint.instances[0]
    return replace(state, paths=paths, started=((instance.name, sums[instance.config]),))


@pytest.fixture
def password() -> str:
    """The cluster's."""
    return PASSWORD

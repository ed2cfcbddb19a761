"""Benches: each test function runs against fake and real servers of each release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contract.bench import Bench, FakeBench, RealBench, Release, servers
from tests.engine.ports import block
from tests.engine.releases import RELEASES, release_or_skip

MakeBench = Callable[..., Bench]
MARKS = {"fake": (), "real": (pytest.mark.engine,)}
KINDS = [
    pytest.param((kind, release), id="-".join((kind, *release)), marks=marks)
    for kind, marks in MARKS.items()
    for release in RELEASES
]


class Workshop:
    """Makes benches, and ends their servers with the test."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def make(
        self,
        kind: str,
        release: Release,
        count: int,
        settings: dict[str, str] | None = None,
        password: str | None = None,
    ) -> Bench:
        if kind == "fake":
            return FakeBench(release, count, settings or {}, password)
        found = release_or_skip(*release)
        ports = self._stack.enter_context(block(count))
        running = servers(self._directory, found, ports, settings or {}, password)
        self._stack.enter_context(running)
        bench = RealBench(release, running, password)
        for transport in bench.transports:
            self._stack.callback(transport.close)
        return bench

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest, workshop: Workshop) -> MakeBench:
    """`bench(count, settings=..., password=...)`: servers of the kind and release of this run."""
    kind, release = request.param

    def make(count: int, settings: dict[str, str] | None = None, password: str | None = None) -> Bench:
        return workshop.make(kind, release, count, settings, password)

    return make

"""Benches: each test function runs against fake and real servers of each product."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contract.bench import Bench, FakeBench, RealBench, servers
from tests.contract.engines import Missing, binary

MakeBench = Callable[..., Bench]
KINDS = [
    pytest.param(("fake", "valkey"), id="fake-valkey"),
    pytest.param(("fake", "redis"), id="fake-redis"),
    pytest.param(("real", "valkey"), id="real-valkey", marks=pytest.mark.engine),
    pytest.param(("real", "redis"), id="real-redis", marks=pytest.mark.engine),
]


def first_port() -> int:
    """Each worker of a parallel run has ports of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return 16_000 + 100 * int(worker)


class Workshop:
    """Makes benches, and ends their servers with the test."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()
        self._made = 0

    def make(
        self, kind: str, product: str, count: int, settings: dict[str, str] | None = None, password: str | None = None
    ) -> Bench:
        if kind == "fake":
            return FakeBench(product, count, settings or {}, password)
        try:
            found = binary(product)
        except Missing as missing:
            pytest.skip(str(missing))
        start = first_port() + self._made
        self._made += count
        running = servers(self._directory, product, found, range(start, start + count), settings or {}, password)
        self._stack.enter_context(running)
        bench = RealBench(product, running, password)
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
    """`bench(count, settings=..., password=...)`: servers of the kind and product of this run."""
    kind, product = request.param

    def make(count: int, settings: dict[str, str] | None = None, password: str | None = None) -> Bench:
        return workshop.make(kind, product, count, settings, password)

    return make

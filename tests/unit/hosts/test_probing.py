"""Bus ports tried from hosts: the real script on this machine, what it says understood, and hosts that can't try."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from shardwright.adapters.bus_prober import ShellProber
from shardwright.adapters.environment import Environment
from shardwright.core.host import probing
from shardwright.core.host.entering import Output
from shardwright.model.endpoint import Endpoint
from shardwright.model.spec import ClusterSpec, Domain, EngineChoice, HostSpec, Product


def here(script: str, seconds: float) -> Output:
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, timeout=seconds, check=False)
    return Output(done.returncode == 0, tuple(done.stdout.splitlines()), tuple(done.stderr.splitlines()))


def test_the_script_tells_an_open_port_from_a_closed_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        opened, shut = (Endpoint("127.0.0.1", 1, s.getsockname()[1]) for s in (listening, bound))
        output = here(probing.probe([opened, shut]), probing.deadline([opened, shut]))
        found = probing.closed(output.lines, [opened, shut])
    assert found is not None
    assert [target for target, _ in found] == [shut]
    assert "refused" in found[0][1].lower()


def test_what_nobody_asked_for_is_passed_over_and_no_end_is_no_answer() -> None:
    target = Endpoint("10.0.0.1", 6379, 16379)
    assert probing.closed(["no-means"], [target]) is None
    assert probing.closed(["closed\t10.0.0.9\t16379\tx", "closed\t10.0.0.1", "end"], [target]) == []


@pytest.fixture
def environment() -> Environment:
    hosts = tuple(HostSpec(f"h{n}", f"10.0.0.{n}", (6379, 6380)) for n in (1, 2, 3))
    return Environment(Path(), ClusterSpec("test", EngineChoice(Product.VALKEY), 3, 1, hosts, spread=Domain.HOST))


def test_every_server_of_a_host_that_reaches_somebody_not_is_named(environment: Environment) -> None:
    """h2 can't open h1's first port; h3 has nothing to try with; h1 is away."""
    said: list[str] = []

    def shell(host: HostSpec, boot: str, script: str, seconds: float) -> Output:
        assert "10.0.0.1 16379" in script
        assert "10.0.0.3 16380" in script
        if host.name == "h1":
            raise TimeoutError("no end within 15 s")
        lines = ("closed\t10.0.0.1\t16379\tNo route to host", "end") if host.name == "h2" else ("no-means",)
        return Output(True, lines, ())

    nodes = [node.endpoint for node in environment.topology.nodes]
    found = ShellProber(environment, shell, said.append).probe(nodes, nodes)
    assert {(str(u.source), str(u.target), u.reason) for u in found} == {
        ("10.0.0.2:6379", "10.0.0.1:6379", "No route to host"),
        ("10.0.0.2:6380", "10.0.0.1:6379", "No route to host"),
    }
    assert sorted(said) == [
        "h1 (10.0.0.1): the bus ports could not be tried from there: no end within 15 s",
        "h3 (10.0.0.3): the bus ports could not be tried from there: no bash, python3 or nc",
    ]

"""Whatever the servers are at the start, the end is the proved cluster with nothing lost, or a refusal that says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.engine.kit import (
    Lab,
    assert_kept,
    assert_proved,
    eventually,
    fill,
    lab,
    laid_out,
    nodes_of,
    shape,
    without_zones,
)

from shardwright.model.endpoint import Endpoint

pytestmark = pytest.mark.engine


def ids(made: Lab) -> list[str]:
    return [made[n].execute_command("CLUSTER MYID") for n in range(len(made.servers))]


def meet(made: Lab, *pairs: tuple[int, int]) -> None:
    for a, b in pairs:
        assert made[a].execute_command("CLUSTER", "MEET", "127.0.0.1", made.ports[b]) in (True, "OK")


def add_slots(made: Lab, index: int, *bounds: int) -> None:
    made[index].execute_command("CLUSTER", "ADDSLOTSRANGE", *bounds)


def some_meets(made: Lab) -> None:
    meet(made, (0, 1), (0, 2), (3, 4))


def two_halves(made: Lab) -> None:
    """Both groups have met for long, and are empty."""
    meet(made, (0, 1), (0, 2), (3, 4), (3, 5))
    eventually(lambda: len(nodes_of(made[1])) == 3 and len(nodes_of(made[4])) == 3, "two groups of three")


def some_slots(made: Lab) -> None:
    add_slots(made, 0, 0, 5461)
    add_slots(made, 1, 5462, 6000)


def scattered_slots(made: Lab) -> None:
    """Fewer than its quota on each, and not what we would have chosen."""
    add_slots(made, 0, 16000, 16383)
    add_slots(made, 1, 100, 200)
    add_slots(made, 2, 0, 9, 5000, 5100)


def slots_on_a_replica_to_be(made: Lab) -> None:
    add_slots(made, 3, 0, 5461)


def like_the_cli_before_its_replicas(made: Lab) -> None:
    """Slots, epochs counted from the first primary to the last replica, all met by one seed; no replica attached."""
    for n, bounds in enumerate([(0, 5460), (5461, 10922), (10923, 16383)]):
        add_slots(made, n, *bounds)
    for n in range(6):
        made[n].execute_command("CLUSTER", "SET-CONFIG-EPOCH", n + 1)
    meet(made, *((n, 0) for n in range(1, 6)))
    eventually(lambda: all(len(nodes_of(made[n])) == 6 for n in range(6)), "all know all")


def some_replicas(made: Lab) -> None:
    like_the_cli_before_its_replicas(made)
    made[3].execute_command("CLUSTER", "REPLICATE", ids(made)[0])


def replicas_of_the_wrong_primaries(made: Lab) -> None:
    like_the_cli_before_its_replicas(made)
    for replica, primary in ((3, 1), (4, 2), (5, 1)):
        made[replica].execute_command("CLUSTER", "REPLICATE", ids(made)[primary])


def left_over_settings(made: Lab) -> None:
    """What a killed run has changed for a while, and nothing else."""
    for n in range(6):
        made[n].config_set("cluster-node-timeout", "2000")
        made[n].config_set("cluster-replica-no-failover", "yes")


STARTS: dict[str, Callable[[Lab], None]] = {
    function.__name__: function
    for function in (
        some_meets,
        two_halves,
        some_slots,
        scattered_slots,
        slots_on_a_replica_to_be,
        like_the_cli_before_its_replicas,
        some_replicas,
        replicas_of_the_wrong_primaries,
        left_over_settings,
    )
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_half_formed_cluster_is_finished(tmp_path: Path, start: Callable[[Lab], None]) -> None:
    with lab(tmp_path) as made:
        start(made)
        assert made.deploy().healthy
        assert_proved(made)
        assert not made.converge().changed


def test_slots_that_were_given_out_stay_where_they_are(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        scattered_slots(made)
        made.converge()
        owned = made.primary_ports()
        assert {0, 9, 5000, 5100} <= owned[made.ports[2]]
        assert {100, 200} <= owned[made.ports[1]]
        assert {16000, 16383} <= owned[made.ports[0]]


def wipe(made: Lab, index: int) -> str:
    """Kill a server and start it with nothing: a new identity at the old address. Gives the old one."""
    server = made.servers[index]
    old: str = made[index].execute_command("CLUSTER MYID")
    server.kill()
    for file in server.directory.iterdir():
        file.unlink()
    server.start()
    assert made[index].execute_command("CLUSTER MYID") != old
    return old


@pytest.mark.usefixtures("short_ban")
def test_a_replica_that_lost_everything_is_taken_back_and_its_old_identity_forgotten(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.converge()
        pairs = fill(made)
        ghost = wipe(made, 4)
        assert made.deploy().healthy
        assert_kept(made, pairs)
        assert_proved(made)
        assert not any(ghost in nodes_of(made[n]) for n in range(6))


def test_a_failover_is_no_drift(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        made.topology = without_zones(made.topology)
        made.converge()
        pairs = fill(made)
        made[3].execute_command("CLUSTER", "FAILOVER")
        eventually(lambda: made[3].info("replication")["role"] == "master", "the replica leads")
        eventually(lambda: shape(made)[made.ports[0]][0] == "slave", "the old primary follows")
        assert not made.converge().changed
        assert made[3].info("replication")["role"] == "master"
        assert_kept(made, pairs)


def test_a_primary_that_died_and_came_back_as_a_replica_is_no_drift(tmp_path: Path) -> None:
    with lab(tmp_path, settings={"cluster-node-timeout": "1000"}) as made:
        live = tuple((n, "1000" if n == "cluster-node-timeout" else v) for n, v in made.topology.live)
        made.topology = replace(without_zones(made.topology), live=live)
        made.converge()
        pairs = fill(made)
        for n in range(3):
            made[n].execute_command("WAIT", 1, 2000)
        made.servers[1].kill()
        eventually(lambda: made[4].info("replication")["role"] == "master", "the replica leads")
        made.servers[1].start()
        report = made.deploy()
        assert report.healthy, report.findings
        assert made[4].info("replication")["role"] == "master"
        assert_kept(made, pairs)
        assert_proved(made)


def test_all_nodes_with_other_addresses_find_each_other_again(tmp_path: Path) -> None:
    """Every server is stopped and comes back at another address: nobody knows a right one any more."""
    with lab(tmp_path) as made:
        made.converge()
        before = ids(made)
        for server in made.servers:
            server.stop()
        moved = [Endpoint(f"127.0.0.{n + 2}", s.port, s.port + 10_000) for n, s in enumerate(made.servers)]
        for server, endpoint in zip(made.servers, moved, strict=True):
            server.settings = {
                **server.settings,
                "bind": f"{endpoint.host} 127.0.0.1",
                "cluster-announce-ip": endpoint.host,
            }
            server.start()
        made.topology = replace(laid_out(moved, 1), live=made.topology.live)
        report = made.deploy()
        assert report.healthy, report.findings
        assert ids(made) == before
        rows = nodes_of(made[0])
        assert {r["address"] for r in rows.values()} == {f"{e.host}:{e.port}" for e in moved}
        assert_proved(made)


@pytest.mark.usefixtures("short_ban")
def test_a_primary_that_lost_everything_is_replaced_by_its_replica_and_taken_back(tmp_path: Path) -> None:
    """Asked for while the servers are still settling it: the run waits for the failover, and forgets the old identity."""
    with lab(tmp_path, settings={"cluster-node-timeout": "1000"}) as made:
        live = tuple((n, "1000" if n == "cluster-node-timeout" else v) for n, v in made.topology.live)
        made.topology = replace(without_zones(made.topology), live=live)
        made.converge()
        pairs = fill(made)
        for n in range(3):
            made[n].execute_command("WAIT", 1, 2000)
        old = made[1].execute_command("CLUSTER MYID")
        server = made.servers[1]
        server.kill()
        eventually(lambda: "fail" in nodes_of(made[0])[old]["flags"], "it is failed")
        for file in server.directory.iterdir():
            file.unlink()
        server.start()
        report = made.deploy()
        assert report.healthy, report.findings
        assert made[4].info("replication")["role"] == "master"
        assert_kept(made, pairs)
        assert_proved(made)
        assert not any(old in nodes_of(made[n]) for n in range(6))


KILLED_AT = ["prepare", "introduce", "replicate", "join", "settle"]


@pytest.mark.parametrize("phase", KILLED_AT)
def test_a_process_that_is_killed_in_a_phase_leaves_what_the_next_one_finishes(tmp_path: Path, phase: str) -> None:
    child = """
import sys
from pathlib import Path
from tests.engine.kit import Lab, topology_of
from shardwright.control.converging import converge
from shardwright.testing.servers import Server
from dataclasses import replace
made = Lab([Server(int(p), Path("."), Path(sys.argv[1])) for p in sys.argv[2:]], None)
made.topology = topology_of(made.servers)
def tell(event):
    print(event.phase, flush=True)
    if event.phase == "@":
        sys.stdin.read()
converge(made.topology, replace(made.means(), progress=tell))
print("done", flush=True)
sys.stdin.read()
""".replace("@", phase)
    with lab(tmp_path) as made:
        command = [sys.executable, "-c", child, str(made.servers[0].binary), *map(str, made.ports)]
        root = Path(__file__).resolve().parents[2]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, text=True)
        assert process.stdout is not None
        told = next(line.strip() for line in process.stdout if line.strip() in {phase, "done"})
        process.kill()
        process.wait(10)
        assert told == phase
        made.converge()
        assert_proved(made)
        assert not made.converge().changed

"""What the role `cluster` made of the servers, as a plain client sees it."""

import redis
from tests.lab import Lab

HOST = Lab().host("h1")
PASSWORD = "a-password-for-molecule-only-0123456789"
PORTS = range(6379, 6385)


def ask(port: int, *words: str) -> str:
    with redis.Redis(HOST.address, port, password=PASSWORD, decode_responses=True, socket_timeout=5) as client:
        client.response_callbacks.clear()
        return str(client.execute_command(*words))


def test_every_server_says_that_every_slot_is_served() -> None:
    for port in PORTS:
        told = ask(port, "CLUSTER INFO")
        assert "cluster_state:ok" in told
        assert "cluster_slots_ok:16384" in told
        assert "cluster_known_nodes:6" in told
        assert "cluster_size:3" in told


def test_each_primary_has_a_replica_whose_link_is_up() -> None:
    infos = [ask(port, "INFO", "replication") for port in PORTS]
    assert sum("role:master" in info and "connected_slaves:1" in info for info in infos) == 3
    assert sum("master_link_status:up" in info for info in infos) == 3


def test_no_canary_was_left() -> None:
    assert [ask(port, "DBSIZE") for port in PORTS] == ["0"] * 6

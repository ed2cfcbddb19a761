"""What a removal takes, and what it leaves to servers that `cluster.yml` does not name any more."""

from __future__ import annotations

from dataclasses import replace

from shardwright.core.host.removal import Removal, removals, unnamed
from shardwright.core.host.state import HostState
from shardwright.model.blueprint import Blueprint


def taken(blueprint: Blueprint, state: HostState, stage: Removal) -> str:
    return "; ".join(c.text for c in removals(blueprint, state, with_data=False) if c.stage is stage)


def test_everything_of_a_host_goes(blueprint: Blueprint, running: HostState) -> None:
    seen = replace(running, adopted=(6379,))
    assert unnamed(blueprint, seen) == ()
    files = taken(blueprint, seen, Removal.FILES)
    for path in ("/etc/shardwright/captured/6379.conf", "/etc/systemd/system/shardwright-captured@.service"):
        assert path in files


def test_what_servers_share_stays_while_one_is_there_that_is_not_named(
    blueprint: Blueprint, running: HostState
) -> None:
    seen = replace(running, adopted=(6379, 6380))
    assert unnamed(blueprint, seen) == (6380,)
    assert "stop h1:6379" in taken(blueprint, seen, Removal.SERVICES)
    assert taken(blueprint, seen, Removal.FILES) == "remove 1 files: /etc/shardwright/captured/6379.conf"

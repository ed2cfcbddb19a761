"""What a removal takes."""

from __future__ import annotations

from shardwright.core.host.removal import Removal, removals
from shardwright.core.host.state import HostState
from shardwright.model.blueprint import Blueprint


def test_everything_of_a_host_goes_but_its_data(blueprint: Blueprint, running: HostState) -> None:
    taken = {c.stage: c.text for c in removals(blueprint, running, with_data=False)}
    assert "stop h1:6379" in taken[Removal.SERVICES]
    for path in ("/etc/shardwright/captured/6379.conf", "/etc/systemd/system/shardwright-captured@.service"):
        assert path in taken[Removal.FILES]
    assert blueprint.instances[0].data not in "".join(taken.values())

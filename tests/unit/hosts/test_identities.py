"""When a lost identity may come back without a consent: judged on the views of real servers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.core.captured import VERSIONS, nodes

from shardwright.control.identities import judge
from shardwright.core.host.kept_nodes import RestoreIdentity
from shardwright.core.parsing import parse_view
from shardwright.model.blueprint import Instance
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import NodeView


@pytest.fixture(params=VERSIONS)
def views(request: pytest.FixtureRequest) -> dict[Endpoint, NodeView]:
    """Of six formed servers."""
    return {
        one.endpoint: parse_view(one.endpoint, one.endpoint.host, one.replies) for one in nodes(request.param, "formed")
    }


def lost(views: dict[Endpoint, NodeView]) -> tuple[RestoreIdentity, dict[Endpoint, NodeView]]:
    """The first server's restoration, and the views of the others."""
    first, *others = views
    instance = Instance("h1", first, "", "", "/data", "", "", "")
    return RestoreIdentity(instance, views[first].id), {e: views[e] for e in others}


def test_it_is_safe_where_the_others_wait_for_it(views: dict[Endpoint, NodeView]) -> None:
    change, others = lost(views)
    assert judge(change, "127.0.0.1", others) == (False, "")
    one = dict(list(others.items())[:1])
    assert judge(change, "127.0.0.1", one) == (False, "")


def test_it_is_doubtful_where_nobody_can_vouch(views: dict[Endpoint, NodeView]) -> None:
    change, others = lost(views)
    assert judge(change, "127.0.0.1", {}) == (False, "none of the 0 other servers that answer knows that identity")
    forgotten = {e: replace(v, peers=tuple(p for p in v.peers if p.id != change.id)) for e, v in others.items()}
    assert "none of the 5 other servers" in judge(change, "127.0.0.1", forgotten)[1]


def test_it_is_doubtful_where_they_know_it_elsewhere(views: dict[Endpoint, NodeView]) -> None:
    change, others = lost(views)
    elsewhere, doubt = judge(change, "127.0.0.9", others)
    assert not elsewhere
    assert f"knows that identity at 127.0.0.1:{change.instance.endpoint.port}" in doubt
    endpoint, view = next(iter(others.items()))
    moved = tuple(replace(p, address="") if p.id == change.id else p for p in view.peers)
    assert "no address" in judge(change, "127.0.0.1", {**others, endpoint: replace(view, peers=moved)})[1]


def test_nobody_may_where_it_answers_elsewhere(views: dict[Endpoint, NodeView]) -> None:
    change, others = lost(views)
    endpoint, view = list(others.items())[-1]
    elsewhere, doubt = judge(change, "127.0.0.1", {**others, endpoint: replace(view, id=change.id)})
    assert elsewhere
    assert doubt == f"{endpoint} answers under that identity now"

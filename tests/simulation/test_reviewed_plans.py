"""A plan that is foreseen, kept, and carried out: once, and only while it fits. On servers in memory."""

from __future__ import annotations

import pytest
from tests.simulation.kit import judge, servers_for

from shardwright.control.converging import Means
from shardwright.control.run import Foreseen, foresee, form_and_verify
from shardwright.errors import PlanError
from shardwright.model.saved_plan import SavedPlan
from shardwright.testing.strategies import topology


def kept(seen: Foreseen) -> SavedPlan:
    steps = tuple(str(step) for step in seen.made.steps)
    return SavedPlan("test", "", "", "", "", seen.made.fingerprint, seen.basis, steps)


def test_a_plan_is_carried_out_once_and_only_while_it_fits() -> None:
    wanted = topology(3, 1)
    cluster = servers_for(wanted)
    means = Means(cluster.transport(), cluster.clock, cluster.prober())
    seen = foresee(wanted, means)
    assert len(seen.price.phases) == len(seen.made.phases) > 3
    form_and_verify(wanted, means, fitting=kept(seen))
    assert judge(wanted, cluster) == []
    with pytest.raises(PlanError) as refused:
        form_and_verify(wanted, means, fitting=kept(seen))
    assert refused.value.code == "stale-plan"
    assert "owned no slots and owns" in refused.value.message
    assert form_and_verify(wanted, means, fitting=kept(foresee(wanted, means))).outcome is not None


def test_a_step_that_was_not_read_is_not_done() -> None:
    wanted = topology(3, 1)
    cluster = servers_for(wanted)
    means = Means(cluster.transport(), cluster.clock, cluster.prober())
    seen = kept(foresee(wanted, means))
    fewer = SavedPlan("test", "", "", "", "", seen.fingerprint, seen.basis, seen.steps[1:])
    with pytest.raises(PlanError) as refused:
        form_and_verify(wanted, means, fitting=fewer)
    assert refused.value.code == "stale-plan"
    assert not any(server.owned for server in cluster.servers)

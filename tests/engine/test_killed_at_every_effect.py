"""The forming of six nodes, killed at every single effect and run again: the end is always that of an undisturbed run.

Where the number of effects is not the same in two runs (how often gossip had to be helped on), the numbers that are left
over are those of an undisturbed run.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.engine.dying import Death, Dying, Fate
from tests.engine.kit import Lab, assert_proved, lab, shape

pytestmark = pytest.mark.engine

MOST = 28
"""An undisturbed forming of six nodes has 21 effects; on a busy machine some more, where gossip is helped on."""
STEP = int(os.environ.get("SHARDWRIGHT_KILL_STEP", "1"))
"""1 kills at every effect; n at every n-th only."""


def run_until_death(made: Lab, dying: Dying) -> bool:
    """Whether the run died."""
    try:
        made.converge(transport=dying)
    except Death:
        return True
    return False


def masked(made: Lab) -> list[tuple[int, str, int | None, frozenset[int]]]:
    """The end state without identities and epochs, and with ports as their places in the list of servers."""
    place = {port: n for n, port in enumerate(made.ports)}
    rows = shape(made).items()
    return sorted((place[p], role, None if of is None else place[of], slots) for p, (role, of, slots) in rows)


WHOLE = [range(5462), range(5462, 10923), range(10923, 16384)]
EXPECTED = [(n, "master", None, frozenset(WHOLE[n])) for n in range(3)] + [
    (n + 3, "slave", n, frozenset()) for n in range(3)
]


def test_an_undisturbed_run_has_effects_and_a_second_one_none(tmp_path: Path) -> None:
    with lab(tmp_path) as made:
        counting = Dying(made.transport)
        assert not run_until_death(made, counting)
        assert len(counting.effects) >= 21
        assert masked(made) == EXPECTED
        steps = len(counting.effects)
        assert not made.converge(transport=counting).changed
        assert len(counting.effects) == steps


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("fatal", range(1, MOST + 1, STEP))
def test_killed_and_run_again_ends_as_undisturbed(tmp_path: Path, fatal: int, fate: Fate) -> None:
    with lab(tmp_path) as made:
        dying = Dying(made.transport, fatal, fate)
        died = run_until_death(made, dying)
        if fate is Fate.REPLY_LOST or len(dying.effects) < fatal:
            assert not died
        else:
            assert died
            made.converge()
        assert masked(made) == EXPECTED
        assert_proved(made)
        again = Dying(made.transport)
        assert not made.converge(transport=again).changed
        assert again.effects == []

"""What pyinfra's options ask of a run: what can't be meant is refused before any host is contacted."""

from __future__ import annotations

import pytest
from pyinfra.api.inventory import Inventory

from shardwright.adapters.environment import Environment
from shardwright.errors import ShardwrightError
from shardwright.hosts import asked
from shardwright.hosts.results import Run
from shardwright.model.drill import DrillKind
from shardwright.model.run import Command


def read(environment: Environment, command: Command, *words: str, limit: int | None = None, **given: object) -> Run:
    """A run of two hosts; `limit`: how many of them are left."""
    run = Run.of(environment)
    run.command = command
    inventory = Inventory((["h1", "h2"], {}), cluster=(["h1", "h2"], {}))
    left = None if limit is None else list(inventory)[:limit]
    asked.read(run, given, words, inventory, left)
    return run


def refused(environment: Environment, command: Command, *words: str, limit: int | None = None, **given: object) -> str:
    with pytest.raises(ShardwrightError) as caught:
        read(environment, command, *words, limit=limit, **given)
    return f"{caught.value.exit_code} {caught.value}"


@pytest.mark.parametrize(
    "words",
    [
        ("--limit", "h1,h2"),
        ("--limit=typo",),
        ("--limit", "h1", "--limit", "typo"),
        ("--exclude", "h3"),
    ],
)
def test_a_limit_that_matches_nothing_is_no_green_run(environment: Environment, words: tuple[str, ...]) -> None:
    text = refused(environment, Command.VERIFY, *words, limit=1)
    assert "[limit-matches-nothing]" in text
    assert "--limit h1 --limit h2" in text


def test_limits_that_match(environment: Environment) -> None:
    words = ("--limit", "h1", "--limit=h*", "--limit", "cluster", "--exclude", "h2")
    assert read(environment, Command.DEPLOY, *words, limit=1).command is Command.DEPLOY
    assert "[limit-matches-nothing]" in refused(environment, Command.DEPLOY, "--exclude", "h*", limit=0)


def test_data_goes_by_the_name_of_the_cluster_alone(environment: Environment) -> None:
    name = environment.spec.name
    assert not read(environment, Command.REMOVE).with_data
    assert read(environment, Command.REMOVE, confirm_data=name).with_data
    for other in ("another", "", True):
        assert "[confirmation-differs]" in refused(environment, Command.REMOVE, confirm_data=other)
    assert not read(environment, Command.DEPLOY, confirm_data=name).with_data


def test_what_a_pruning_keeps(environment: Environment) -> None:
    assert [read(environment, Command.PRUNE, keep=n).keep for n in (0, "2")] == [0, 2]
    assert read(environment, Command.PRUNE).keep == 1
    for other in ("-1", 1.5, "", "all"):
        assert refused(environment, Command.PRUNE, keep=other).startswith("4 [keep-invalid]")


def test_a_drill_needs_its_consent_and_a_fault_that_there_is(environment: Environment) -> None:
    name = environment.spec.name
    run = read(environment, Command.DRILL, confirm_drill=name, drill="host", drill_target="h1")
    assert (run.drill, run.drill_target) == (DrillKind.HOST, "h1")
    assert read(environment, Command.DRILL, confirm_drill=name).drill is DrillKind.PROCESS
    assert "[drill-unconfirmed]" in refused(environment, Command.DRILL)
    assert "[drill-unconfirmed]" in refused(environment, Command.DRILL, confirm_drill="another")
    assert "[drill-kind-unknown]" in refused(environment, Command.DRILL, confirm_drill=name, drill="planet")


def test_a_wish_that_is_no_yes_and_no_no(environment: Environment) -> None:
    assert read(environment, Command.DEPLOY, restart="off").restart is False
    assert refused(environment, Command.DEPLOY, restart="nope").startswith("2 restart: 1 mistake")
    assert "[data-unknown]" in refused(environment, Command.DEPLOY, restrat="no")
    assert read(environment, Command.DEPLOY, ssh_user="root", team="blue").restart


@pytest.mark.parametrize("word", ["--serial", "--no-wait", "--retry=3"])
def test_options_that_break_the_order_are_refused(environment: Environment, word: str) -> None:
    assert "[option-refused]" in refused(environment, Command.DEPLOY, word)

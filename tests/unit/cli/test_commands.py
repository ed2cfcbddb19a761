"""The command line without a cluster: what it prints, where, and with which exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shardwright.cli import main

INVENTORIES = Path(__file__).resolve().parents[3] / "inventories"
PASSWORD = 'a "quoted" pass#word $with% everything'


def run(*words: str, password: str | None = PASSWORD) -> Result:
    environment = {"SHARDWRIGHT_PASSWORD": password}
    return CliRunner().invoke(main, list(words), env=environment)


@pytest.mark.parametrize("environment", ["lab", "staging"])
def test_rendered_files_hold_no_secret_and_the_unit_is_among_them(environment: str) -> None:
    done = run("render", str(INVENTORIES / environment))
    assert done.exit_code == 0, done.output
    assert "requirepass ***" in done.stdout
    assert "pass#word" not in done.output
    assert "/etc/systemd/system/shardwright-" in done.stdout


def test_a_host_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = run("render", str(INVENTORIES / "lab"), "h9")
    assert done.exit_code == 4
    assert "[host-unknown]" in done.stderr
    assert "h1, h2, h3, h4, h5, h6" in done.stderr


def test_a_missing_password_is_a_mistake_in_the_file_and_nothing_is_contacted() -> None:
    done = run("plan", str(INVENTORIES / "lab"), password=None)
    assert done.exit_code == 2
    assert "[password-env-missing]" in done.stderr
    assert "nothing was contacted" in done.stderr


def test_a_new_environment_can_be_planned_for_and_is_not_overwritten(tmp_path: Path) -> None:
    assert run("init", "mine", "--directory", str(tmp_path)).exit_code == 0
    first = (tmp_path / "mine" / "cluster.yml").read_text()
    again = run("init", "mine", "--directory", str(tmp_path), "--shards", "5")
    assert again.exit_code == 2
    assert (tmp_path / "mine" / "cluster.yml").read_text() == first
    assert run("render", str(tmp_path / "mine")).exit_code == 0


def test_an_unknown_code_names_those_that_are_near() -> None:
    done = run("explain", "bus-port-close")
    assert done.exit_code == 2
    assert "bus-port-closed" in done.stderr


def test_a_mistyped_environment_is_told_which_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("local", "staging"):
        (tmp_path / "inventories" / name).mkdir(parents=True)
        (tmp_path / "inventories" / name / "cluster.yml").write_text("")
    monkeypatch.chdir(tmp_path)
    done = run("plan", "lcoal")
    assert (done.exit_code, "[spec-missing]" in done.stderr) == (2, True)
    assert "one of local, staging" in done.stderr
    assert "local is meant?" in done.stderr
    assert "shardwright init" in run("plan", "other").stderr


def test_where_there_are_no_environments_the_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("verify", "local")
    assert done.exit_code == 2
    assert f"{tmp_path} has none" in done.stderr
    assert "top of the checkout" in done.stderr


def test_a_bundle_that_is_not_there_is_said_in_words() -> None:
    done = run("bundle", "verify", "none.tar.gz")
    assert done.exit_code == 2
    assert "found:  no such file" in done.stderr


@pytest.mark.parametrize("page", sorted(path.name for path in (INVENTORIES.parent / "docs").glob("*.md")))
def test_options_of_our_commands_that_a_page_shows_are_there(page: str) -> None:
    text = (INVENTORIES.parent / "docs" / page).read_text(encoding="utf-8")
    lines = [line.split("#")[0] for line in re.findall(r"^    (shardwright .*)$", text, re.M)]
    shown = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    shown |= set(re.findall(r"\(`(--[a-z-]+)`\)", text))
    groups = [main, main.commands["bundle"]]  # type: ignore[attr-defined]
    commands = [command for group in groups for command in group.commands.values()]
    known = {option for command in commands for parameter in command.params for option in parameter.opts}
    assert shown - known == set()

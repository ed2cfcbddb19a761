"""The pages hold together: links lead somewhere, tables agree with the code, the CI examples do what the README does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.docs.pages import ROOT, anchors, commands, first_cells, pages, section, without_code

from shardwright.adapters import spec_file, spec_schema
from shardwright.errors import ApplyError, ObservationError, PlanError, SpecError

README = (ROOT / "README.md").read_text()
CI = ["github-actions.yml", "gitlab-ci.yml"]


@pytest.mark.parametrize("page", pages(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found.read_text())):
            dead.append(target)
    assert dead == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    found = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*") if p.is_file()} - {"README.md"}
    assert {name for name in found if f"]({name})" not in index} == set()


def test_the_readme_has_every_field_of_the_spec() -> None:
    cells = first_cells(section(README, "cluster.yml"))
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(spec_schema.SpecSection.model_fields)


def test_the_readme_has_every_exit_code() -> None:
    codes = [int(cell) for cell in first_cells(section(README, "Exit codes"))]
    assert codes == [0, 1, *(e.exit_code for e in (SpecError, ObservationError, PlanError, ApplyError))]


@pytest.mark.parametrize("env", ["local", "lab", "staging"])
def test_the_environments_that_ship_are_right(env: str) -> None:
    password = "hTq0-Zr7w.correct-horse"
    spec = spec_file.load(ROOT / "inventories" / env / "cluster.yml", env={"SHARDWRIGHT_PASSWORD": password})
    assert spec.name == env


# --- CI examples -------------------------------------------------------------------------------------------------------


def lines(value: object) -> list[str]:
    """Every line of every text anywhere in a document."""
    if isinstance(value, dict):
        return [line for item in value.values() for line in lines(item)]
    if isinstance(value, list):
        return [line for item in value for line in lines(item)]
    return str(value).splitlines()


@pytest.mark.parametrize("name", CI)
def test_ci_examples_deploy_as_the_readme_says(name: str) -> None:
    said = lines(yaml.safe_load((ROOT / "docs" / "ci" / name).read_text()))
    deploy = next(c for c in commands(README) if c.startswith(".venv/bin/pyinfra"))
    assert said.count(deploy) == 1
    assert said.count(deploy.replace(" -y ", " --dry ")) == 1


@pytest.mark.parametrize("name", CI)
def test_ci_examples_install_what_is_locked(name: str) -> None:
    said = lines(yaml.safe_load((ROOT / "docs" / "ci" / name).read_text()))
    installs = [line for line in said if "pip install" in line]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert all((ROOT / word).exists() for line in installs for word in line.split() if word.startswith("requirements/"))
    assert not [line for line in said if "strict" in line or "ssh-keyscan" in line]


@pytest.mark.parametrize("name", CI)
def test_ci_examples_show_no_secret(name: str) -> None:
    """Secrets come from variables of the CI system and are in no command line but the one that writes a file."""
    said = lines(yaml.safe_load((ROOT / "docs" / "ci" / name).read_text()))
    commands_with_password = [line for line in said if "PASSWORD" in line and "${{ secrets." not in line]
    assert commands_with_password == []
    assert not [line for line in said if re.search(r"set -x|echo .*(KEY|PASSWORD)", line)]


def test_the_gitlab_example_reads_the_report_that_runs_write() -> None:
    document = yaml.safe_load((ROOT / "docs" / "ci" / "gitlab-ci.yml").read_text())
    assert document[".staging"]["artifacts"]["reports"]["junit"] == "reports/latest.xml"
    assert "`reports/latest.html`, `.json` and `.xml`" in (ROOT / "docs" / "reports.md").read_text()

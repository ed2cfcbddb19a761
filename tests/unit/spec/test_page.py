"""docs/spec.md says of every field what the schema does: it is there, and its default is the one that is applied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from shardwright.adapters import spec_schema as schema
from shardwright.adapters.spec_file import loads

PAGE = (Path(__file__).parents[3] / "docs" / "spec.md").read_text("utf-8")
TABLES = {
    "Fields": {
        "": schema.SpecSection,
        "engine.": schema.EngineSection,
        "persistence.": schema.PersistenceSection,
        "security.": schema.SecuritySection,
        "paths.": schema.PathsSection,
    },
    "hosts[]": {"": schema.HostSection},
    "ssh": {"": schema.SshSection},
    "mounts[]": {"": schema.MountSection},
}
WHOLE = {"persistence", "security", "paths"}


def rows(title: str) -> dict[str, str]:
    """Field to default, of the table under a heading."""
    part = re.split(r"^##+ (.*)$", PAGE, flags=re.MULTILINE)
    text = dict(zip(part[1::2], part[2::2], strict=True))[title]
    found = re.findall(r"^\| (`[^|]*`) \| [^|]* \| ([^|]*) \|", text, re.MULTILINE)
    return {name: default for names, default in found for name in re.findall(r"`([^`]*)`", names)}


def fields(models: dict[str, type[BaseModel]]) -> set[str]:
    return {prefix + name for prefix, model in models.items() for name in model.model_fields} - WHOLE


@pytest.mark.parametrize("title", TABLES)
def test_the_page_has_every_field_and_no_other(title: str) -> None:
    assert set(rows(title)) == fields(TABLES[title])


@pytest.mark.parametrize("title", TABLES)
def test_required_is_what_has_no_default(title: str) -> None:
    required = {p + n for p, m in TABLES[title].items() for n, i in m.model_fields.items() if i.is_required()}
    assert {name for name, default in rows(title).items() if default == "required"} == required


def test_defaults_written_out_change_nothing() -> None:
    """A file with every literal default of the page is the same spec as one without."""
    base = "name: x\nengine: {product: redis%s}\nsecurity: {password: {env: P}%s}\nssh: {%s}\nhosts:\n"
    base += "".join(f"- {{name: h{n}, address: 10.0.0.{n}%s}}\n" for n in range(1, 7))
    literal = {title: {n: d for n, d in rows(title).items() if re.fullmatch(r"`[^`]+`", d)} for title in TABLES}

    def joined(title: str, prefix: str = "") -> str:
        own = {n.removeprefix(prefix): d for n, d in literal[title].items() if n.startswith(prefix)}
        return ", ".join(f"{name}: {value.strip('`')}" for name, value in own.items() if "." not in name)

    ssh = ", ".join(part for part in joined("ssh").split(", ") if "~" not in part)
    without = base % ("", "", "", *[""] * 6)
    hosts = [", " + joined("hosts[]").replace("connect: address", f"connect: 10.0.0.{n}") for n in range(1, 7)]
    hosts = [re.sub(r", connect: [^,]*", "", row) for row in hosts]
    full = base % (", " + joined("Fields", "engine."), ", " + joined("Fields", "security."), ssh, *hosts)
    full += f"persistence: {{{joined('Fields', 'persistence.')}}}\npaths: {{{joined('Fields', 'paths.')}}}\n"
    full += joined("Fields").replace(", ", "\n") + "\n"
    env = {"P": "correct horse battery staple"}
    assert full.count(":") > without.count(":") + 25
    assert loads(full, env=env) == loads(without, env=env)

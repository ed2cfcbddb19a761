"""The renderer refuses whatever would land in a file as something else than was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardwright.core.rendering import Renderer, render, template_root
from shardwright.errors import SpecError
from shardwright.model.secret import Secret


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    return tmp_path / "templates"


def refusal(root: Path, template: str, **values: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        Renderer(root).render(template, values)
    return caught.value


def test_a_missing_value_is_named_with_its_line(root: Path) -> None:
    (root / "a.j2").write_text("one\ntwo {{ pasword }}\n")
    problem = refusal(root, "a.j2", password="x").problems[0]
    assert (problem.code, problem.line) == ("template-undefined", 2)
    assert "'pasword' is undefined" in problem.found


def test_a_missing_value_is_not_silently_false_either(root: Path) -> None:
    (root / "a.j2").write_text("{% if pasword %}requirepass{% endif %}")
    assert refusal(root, "a.j2").code == "template-undefined"


def test_broken_syntax_is_named_with_its_line(root: Path) -> None:
    (root / "a.j2").write_text("one\n\n{% if x %}\n")
    problem = refusal(root, "a.j2", x=1).problems[0]
    assert (problem.code, problem.line) == ("template-syntax", 3)


def test_no_way_out_of_the_root(root: Path) -> None:
    (root.parent / "secret").write_text("hunter2")
    (root / "link.j2").symlink_to(root.parent / "secret")
    (root / "includes.j2").write_text('{% include "../secret" %}')
    for template in ("../secret", "link.j2", "includes.j2", str(root.parent / "secret")):
        error = refusal(root, template)
        assert error.code == "template-outside-root"
        assert str(root.parent / "secret") in str(error)
        assert "hunter2" not in str(error)


def test_a_template_that_is_not_there(root: Path) -> None:
    assert refusal(root, "no.j2").code == "template-missing"


def test_editors_of_other_systems_leave_no_trace(root: Path) -> None:
    (root / "a.j2").write_bytes(b"\xef\xbb\xbfport 1\r\n# {{ x }}\r\n\r\n")
    assert Renderer(root).render("a.j2", {"x": "é"}) == "port 1\n# é\n"


def test_what_is_not_utf8_is_refused(root: Path) -> None:
    (root / "a.j2").write_bytes(b"\xff\xfe")
    assert refusal(root, "a.j2").code == "template-not-utf8"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\u2029", "\x85"])
def test_a_value_with_a_newline_is_refused_and_not_shown(root: Path, end: str) -> None:
    (root / "a.j2").write_text("title {{ x }}")
    error = refusal(root, "a.j2", x=f"hunter2{end}protected-mode no")
    assert error.code == "value-has-newline"
    assert "hunter2" not in str(error)
    assert "position 7" in str(error)


@pytest.mark.parametrize("char", ["\0", "\x1b", "\x7f", "\x08"])
def test_other_control_characters_are_refused(root: Path, char: str) -> None:
    (root / "a.j2").write_text("title {{ x }}")
    assert refusal(root, "a.j2", x=f"a{char}b").code == "value-has-control-character"


def test_a_secret_is_never_written_as_stars(root: Path) -> None:
    (root / "a.j2").write_text("requirepass {{ x }}")
    error = refusal(root, "a.j2", x=Secret("hunter2"))
    assert error.code == "value-is-secret"
    assert "hunter2" not in str(error)


def test_values_are_not_rendered_again(root: Path) -> None:
    (root / "a.j2").write_text("{{ x }}")
    assert Renderer(root).render("a.j2", {"x": "{{ 1 + 1 }} {% raw %} <&>"}) == "{{ 1 + 1 }} {% raw %} <&>\n"


def test_pages_are_escaped_and_may_have_newlines(root: Path) -> None:
    (root / "a.html.j2").write_text("<p>{{ x }}</p>")
    assert Renderer(root).render("a.html.j2", {"x": "<script>\n&"}) == "<p>&lt;script&gt;\n&amp;</p>\n"


def test_the_packages_own_templates_are_found() -> None:
    assert (template_root() / "server/node.conf.j2").is_file()
    assert render("kernel/tmpfiles.conf.j2", {"cluster": "x", "word": "never"}).endswith("never\n")

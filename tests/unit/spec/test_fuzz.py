"""Whatever stands in the file: a spec or a `SpecError` whose problems are complete, and no secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

import yaml as pyyaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shardwright.adapters.spec_file import loads
from shardwright.adapters.spec_schema import SpecSection
from shardwright.core.placement import place
from shardwright.errors import SpecError

HERE = Path(__file__).parent
FULL, MINIMAL = ((HERE / name).read_text() for name in ("full.yml", "minimal.yml"))
PASSWORD = "correct horse battery staple"

SECRET = "s3cr3t-Canary-7c41"
OTHER_FIELDS = (
    "product version name address zone rack instances ports connect user key aof fsync save source target fstype "
    "options password env file open base data sudo maxmemory"
)
FIELDS = [*SpecSection.model_fields, *OTHER_FIELDS.split()]

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["redis", "bundled", "10.0.0.1", "127.0.0.1", "@local", "host", "/srv", "no", "3600 1", "8.1", "{host}"]
    )
    | st.integers(0, 70_000)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)
documents = st.dictionaries(st.sampled_from(list(SpecSection.model_fields)) | st.text(max_size=8), trees, max_size=8)


def outcome(text: str) -> str:
    """The error's text, or empty; anything but a spec or a proper error fails the test."""
    try:
        spec, warnings = loads(text, env={"PASSWORD": PASSWORD})
    except SpecError as error:
        return complete(error, text)
    assert len(place(spec).nodes) == spec.nodes_wanted
    return str(warnings)


def complete(error: SpecError, text: str) -> str:
    assert error.problems
    for problem in error.problems:
        assert problem.code
        assert problem.found
        assert problem.wanted
        assert 0 <= problem.line <= text.count("\n") + text.count("\r") + 3
        assert (problem.found + problem.path + problem.hint).isprintable()
    return str(error)


@given(st.text())
@example("\ufeff")
@example("a: &a\n  b: *a")
@example("- - - -\n -")
def test_any_text(text: str) -> None:
    outcome(text)


@given(st.text("{}[]:,-&*!|>'\"%@#? \n\tab1~.<=", max_size=60))
@settings(max_examples=500)
def test_any_text_of_yamls_own_characters(text: str) -> None:
    outcome(text)
    outcome("name: " + text)


@given(documents)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_tree_of_known_fields(data: dict[str, object]) -> None:
    outcome(pyyaml.safe_dump(data, allow_unicode=True))
    outcome(json.dumps(data))


@given(st.sampled_from([FULL, MINIMAL]), st.data())
@settings(max_examples=400)
def test_a_good_file_with_a_bad_edit(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 12)))
    outcome(text[:start] + data.draw(st.text(max_size=4)) + text[end:])


@given(st.sampled_from([FULL, MINIMAL]), trees, st.data())
@settings(max_examples=300)
def test_a_good_file_with_a_bad_field(text: str, tree: object, data: st.DataObject) -> None:
    document = pyyaml.safe_load(text)
    place_in = document
    while True:
        key = data.draw(st.sampled_from(list(place_in) if isinstance(place_in, dict) else list(range(len(place_in)))))
        inner = place_in[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place_in = inner
    place_in[key] = tree
    outcome(pyyaml.safe_dump(document))


@given(
    st.sampled_from(["{}", "[{}]", "{{env: {}}}", "{{env: [{}]}}", "{{file: {}, x: {}}}", "{{{}: x}}", "{{x: {}}}"]),
    st.data(),
)
def test_what_stands_for_a_password_is_never_shown(form: str, data: st.DataObject) -> None:
    wrap = data.draw(
        st.sampled_from(["{}", "'{}'", '"{}"', "!x {}", "*{}", "!{} x", "{}: y", "'{}", "[{}", "{} #", "{}$", "{} {}"])
    )
    written = form.format(*[wrap.format(SECRET, SECRET)] * 2)
    body = MINIMAL.split("security:")[0]
    for text in (
        f"{body}security: {{password: {written}}}\n",
        f"{body}security: {written}\n",
        f"{body}security:\n  password: {written}\n",
        f"{body}settings: {{requirepass: {written}}}\n",
        f"{body}password: {written}\n",
        f"{body}ssh: {{password: {written}}}\n",
    ):
        assert SECRET not in outcome(text)

"""What could be understood of a `cluster.yml`: valid sections, the problems so far, and the lines to report more of them.

Knows the schema's shape but no rule across fields. Sections and hosts are validated one by one; what failed is left out, and
the checks that follow look only at what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shardwright.errors import Problem

from .spec_names import nearest
from .spec_scalars import is_secret, key_shown, printable, shown
from .spec_schema import (
    EngineSection,
    HostSection,
    MountSection,
    PasswordSection,
    PathsSection,
    PersistenceSection,
    Section,
    SecuritySection,
    SpecSection,
    SshSection,
)
from .spec_yaml import Document, Path, path_text

MAX_HOSTS = 2_000
_MODELS: Mapping[tuple[str, ...], type[Section]] = {
    (): SpecSection,
    ("engine",): EngineSection,
    ("ssh",): SshSection,
    ("hosts", "*"): HostSection,
    ("hosts", "*", "ssh"): SshSection,
    ("persistence",): PersistenceSection,
    ("mounts", "*"): MountSection,
    ("security",): SecuritySection,
    ("security", "password"): PasswordSection,
    ("security", "previous"): PasswordSection,
    ("security", "retired"): PasswordSection,
    ("paths",): PathsSection,
}
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
S = TypeVar("S", bound=Section)


@dataclass(slots=True)
class Draft:
    """`sections` holds the valid top-level fields but for hosts; `hosts` the valid ones with their index."""

    document: Document
    directory: FilePath
    sections: dict[str, Any] = field(default_factory=dict)
    hosts: list[tuple[int, HostSection]] = field(default_factory=list)
    hosts_complete: bool = False
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def get(self, name: str, kind: type[S]) -> S | None:
        """The section `name`; none where it was not valid."""
        value = self.sections.get(name)
        return value if isinstance(value, kind) else None

    def number(self, name: str) -> int | None:
        """The number at top-level field `name`; none where it was not valid."""
        value = self.sections.get(name)
        return value if isinstance(value, int) else None

    def refuse(self, code: str, path: Path, found: str, wanted: str, hint: str = "", *, key: bool = False) -> None:
        """Adds a problem at the line of the value (or key) at `path`."""
        self.problems.append(self._problem(code, path, found, wanted, hint, key))

    def warn(self, code: str, path: Path, found: str, wanted: str, hint: str = "") -> None:
        """Adds what should be thought about but does not stop the run."""
        self.warnings.append(self._problem(code, path, found, wanted, hint, False))

    def line(self, path: Path) -> int:
        """Line of the value at `path`."""
        return self.document.line(path)

    def _problem(self, code: str, path: Path, found: str, wanted: str, hint: str, key: bool) -> Problem:
        line = self.document.key_line(path) if key else self.document.line(path)
        return Problem(code, path_text(path), printable(found), wanted, printable(hint), line)


def draft(document: Document, directory: FilePath) -> Draft:
    """Validates every section on its own. Problems of the YAML itself come first and win over those they cause."""
    made = Draft(document, directory, problems=list(document.problems))
    data = document.data
    if data is None:
        if not made.problems:
            made.refuse(
                "spec-empty", (), "nothing, or only comments", "a cluster's description", "shardwright init NAME"
            )
        return made
    if not isinstance(data, dict):
        made.refuse("wrong-type", (), _found(data, (), document), "a map of fields, such as  name: cache")
        return made
    for key in data:
        if key not in SpecSection.model_fields:
            _unknown(made, (key,))
    for name, info in SpecSection.model_fields.items():
        if name in data:
            _section(made, name, data[name])
        elif info.is_required():
            made.refuse("field-missing", (name,), "nothing", str(info.description), f"add  {name}:")
        else:
            made.sections[name] = info.get_default()
    broken = {p.path for p in document.problems}
    made.problems = [p for n, p in enumerate(made.problems) if n < len(document.problems) or p.path not in broken]
    return made


def _section(made: Draft, name: str, value: object) -> None:
    if name in ("hosts", "mounts") and isinstance(value, list):
        _items(made, name, value)
        return
    if name == "settings" and isinstance(value, dict):
        made.sections[name] = _settings(made, value)
        return
    try:
        made.sections[name] = _adapter(name).validate_python(value, strict=True)
    except ValidationError as error:
        _report(made, (name,), error)


def _items(made: Draft, name: str, value: list[object]) -> None:
    if len(value) > MAX_HOSTS:
        made.refuse(f"too-many-{name}", (name,), f"{len(value):,}", f"at most {MAX_HOSTS:,}")  # each would be validated
        return
    items = []
    for n, item in enumerate(value):
        try:
            items.append((n, _adapter(f"{name}[]").validate_python(item, strict=True)))
        except ValidationError as error:
            _report(made, (name, n), error)
    if name == "hosts":
        made.hosts, made.hosts_complete = items, len(items) == len(value)
    else:
        made.sections[name] = [item for _, item in items]
        made.sections[f"{name}_at"] = [n for n, _ in items]


def _settings(made: Draft, value: dict[str, object]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for key, item in value.items():
        try:
            settings |= _adapter("settings").validate_python({key: item}, strict=True)
        except ValidationError as error:
            _report(made, ("settings",), error)
    return settings


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    if name.endswith("[]"):
        return TypeAdapter(HostSection if name == "hosts[]" else MountSection)
    return TypeAdapter(SpecSection.model_fields[name].rebuild_annotation())


def _report(made: Draft, at: Path, error: ValidationError) -> None:
    for detail in error.errors(include_url=False, include_input=False):
        path = (*at, *(p for p in detail["loc"] if p != "[key]"))
        kind, context = detail["type"], detail.get("ctx", {})
        if kind == "extra_forbidden":
            _unknown(made, path)
        elif kind == "missing":
            field_name = path[-1]
            made.refuse("field-missing", path, "nothing", _description(path) or "a value", f"add  {field_name}:")
        elif "wanted" in context:
            made.refuse(kind, path, context["found"], context["wanted"], context["hint"])
        else:
            wanted = " ".join(filter(None, [_WANTED.get(kind, detail["msg"]), _bracketed(_description(path))]))
            value = _value_at(made.document.data, path)
            made.refuse("wrong-type", path, _found(value, path, made.document), wanted, _type_hint(kind, value, path))


def _unknown(made: Draft, path: Path) -> None:
    key = str(path[-1])
    found = key_shown(path[:-1], key)
    model = _MODELS.get(_pattern(path[:-1]))
    known = list(model.model_fields) if model else []
    hint = nearest(key, known)
    if not hint:
        homes = [p for p, m in _MODELS.items() if key in m.model_fields and m is not model]
        hint = f"{found} belongs under {_home(homes[0])}" if homes else "take it out"
    made.refuse("unknown-key", path, found, "one of " + ", ".join(known), hint, key=True)


def _home(pattern: tuple[str, ...]) -> str:
    return ".".join(pattern).replace(".*", "[]") or "the top level"


def _pattern(path: Path) -> tuple[str, ...]:
    return tuple("*" if isinstance(part, int) else part for part in path)


def _description(path: Path) -> str:
    while path and isinstance(path[-1], int):
        path = path[:-1]
    model = _MODELS.get(_pattern(path[:-1])) if path else None
    info = model.model_fields.get(str(path[-1])) if model else None
    return str(info.description or "") if info else ""


def _bracketed(text: str) -> str:
    return f"({text})" if text else ""


def _value_at(data: object, path: Path) -> object:
    for part in path:
        try:
            data = data[part]  # type: ignore[index]
        except (LookupError, TypeError):
            return data
    return data


def _found(value: object, path: Path, document: Document) -> str:
    """What stands there, by its YAML type; of a secret only type and length."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    written = document.written.get(path, str(value))
    kind = "text" if isinstance(value, str) else "the truth value" if isinstance(value, bool) else "the number"
    if is_secret(path):
        return shown(path, written, "text")
    text = shown(path, written, kind)
    return f'{kind} "{text}"' if isinstance(value, str) else f"{kind} {text}"


def _type_hint(kind: str, value: object, path: Path) -> str:
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "quote it" if is_secret(path) else f'write "{str(value).lower()}", with quotes'
    if kind == "int_type" and isinstance(value, str) and value.strip().isdecimal():
        return f"write {value.strip()}, without quotes or blanks"
    if kind == "int_type" and isinstance(value, float) and value.is_integer() and abs(value) < 10**9:
        return f"write {int(value)}"
    if kind == "bool_type":
        return "write true or false, without quotes"
    if kind == "list_type":
        return "write [...], or one item a line, each after '- '"
    return "take the line out for the default" if value is None else ""

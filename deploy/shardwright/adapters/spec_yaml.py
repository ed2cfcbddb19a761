"""YAML text to plain data that remembers its lines: the only module that imports a YAML library.

Knows no fields of a spec. It composes the parser's events itself instead of using a constructor, because that is where the
lines, the duplicate keys and the text as it was written are still known, and nothing but plain data can come out: no tags
are followed, and what aliases expand to is counted before it is used.
Scalars follow YAML 1.2; what YAML 1.1 would have read differently is refused rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from shardwright.errors import Problem

from .spec_scalars import Read, is_secret, key_shown, read_plain, shown

MAX_DEPTH = 12
MAX_VALUES = 200_000
"""Scalars and containers after aliases are expanded; a spec of 2,000 hosts has about 40,000."""

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """What a file says: its data, the line of every value and key, plain scalars as written, and what was wrong."""

    data: object = None
    lines: dict[Path, int] = field(default_factory=dict)
    key_lines: dict[Path, int] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Line of the value at `path`, else of the nearest thing around it (1-based)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def key_line(self, path: Path) -> int:
        """Line of the key that ends `path`."""
        return self.key_lines.get(path) or self.line(path)


def path_text(path: Path) -> str:
    """``hosts[2].ports[0]``; keys that may be a secret by their length only."""
    text = ""
    for n, part in enumerate(path):
        text += f"[{part}]" if isinstance(part, int) else "." + key_shown(path[:n], part)
    return text.removeprefix(".")


def read_yaml(text: str) -> Document:
    """The first document in `text`; whatever is wrong with it is in `problems`, and nothing is raised."""
    document = Document()
    try:
        _Composer(YAML(typ="safe", pure=True).parse(text), document).run()
    except _Stop as stop:
        document.problems.append(stop.problem)
    except MarkedYAMLError as error:
        document.problems.append(_syntax(error))
    except Exception as error:  # the library has raised bare ValueError, AttributeError and AssertionError on odd text
        document.problems.append(_unreadable(error))
    else:
        return document
    document.data = None
    return document


class _Stop(Exception):
    """Nothing after this can be understood."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(slots=True)
class _Value:
    """A composed value, and how many values it is made of."""

    data: object
    size: int


class _Composer:
    """Turns events into data. Aliases share one object: the data is only read."""

    def __init__(self, events: Iterator[Event], document: Document) -> None:
        self.events, self.document = events, document
        self.anchors: dict[str, _Value] = {}

    def run(self) -> None:
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    found, hint = "a second document ('---')", "keep one; every environment has a file of its own"
                    raise _Stop(Problem("yaml-several-documents", "", found, "one document", hint, _line(event)))
                self._check_version(event)
            elif isinstance(event, AliasEvent | ScalarEvent | MappingStartEvent | SequenceStartEvent):
                self.document.data = self._value(event, ()).data

    def _check_version(self, event: DocumentStartEvent) -> None:
        if event.version not in (None, (1, 2)):
            found = "a %YAML directive for version " + ".".join(map(str, event.version))
            self._report("yaml-version", (), found, "YAML 1.2", "take the directive out", _line(event))

    def _value(self, event: Event, path: Path) -> _Value:
        self.document.lines[path] = _line(event)
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        if len(path) > MAX_DEPTH:
            found = f"more than {MAX_DEPTH} levels"
            raise _Stop(Problem("yaml-too-deep", path_text(path[:4]), found, f"at most {MAX_DEPTH}", "", _line(event)))
        if getattr(event, "tag", None) is not None and not isinstance(event, ScalarEvent):
            self._tag(event, path)
        if isinstance(event, MappingStartEvent):
            value = self._mapping(path)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(path)
        else:
            assert isinstance(event, ScalarEvent)
            value = _Value(self._scalar(event, path), 1)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def _alias(self, event: AliasEvent, path: Path) -> _Value:
        value = self.anchors.get(event.anchor)
        if value is None:
            found = shown(path, f"*{event.anchor}", "an alias")
            wanted = "an alias to an anchor that stands before it and does not hold the alias"
            self._report("yaml-unknown-alias", path, found, wanted, "quote it if text is meant", _line(event))
            return _Value(None, 1)
        return value

    def _mapping(self, path: Path) -> _Value:
        data: dict[str, object] = {}
        size = 1
        for event in self.events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._key(event, path)
            inner = (*path, key)
            if key in data:
                found = f"{path_text(inner)} again; first on line {self.document.key_lines[inner]}"
                self._report("yaml-duplicate-key", inner, found, "each key once", "keep one of them", _line(event))
            self.document.key_lines.setdefault(inner, _line(event))
            value = self._value(next(self.events), inner)
            data[key] = value.data
            size = self._counted(size + value.size, inner)
        return _Value(data, size)

    def _sequence(self, path: Path) -> _Value:
        data: list[object] = []
        size = 1
        for event in self.events:
            if isinstance(event, SequenceEndEvent):
                break
            inner = (*path, len(data))
            value = self._value(event, inner)
            data.append(value.data)
            size = self._counted(size + value.size, inner)
        return _Value(data, size)

    def _counted(self, size: int, path: Path) -> int:
        if size > MAX_VALUES:
            found = f"more than {MAX_VALUES:,} values, aliases expanded"
            raise _Stop(
                Problem("yaml-too-large", path_text(path), found, f"at most {MAX_VALUES:,}", "", self._at(path))
            )
        return size

    def _at(self, path: Path) -> int:
        return self.document.line(path)

    def _key(self, event: Event, path: Path) -> str:
        if not isinstance(event, ScalarEvent):
            found = "a key that is a list, a map or an alias"
            raise _Stop(Problem("yaml-key-not-text", path_text(path), found, "a word as key", "", _line(event)))
        if event.tag is not None:
            self._tag(event, path)
        key = self._text(event, path)
        if key == "<<" and not event.style:
            hint = "write the fields out; what is the same for all hosts goes to the top level (ssh, port)"
            self._report(
                "yaml-merge-key", path, "a merge key (<<)", "plain keys: YAML 1.2 has no merge", hint, _line(event)
            )
        return key

    def _scalar(self, event: ScalarEvent, path: Path) -> object:
        if event.tag is not None:
            self._tag(event, path)
        text = self._text(event, path)
        if event.style or event.tag is not None:
            return text
        self.document.written[path] = text
        read: Read = read_plain(text, path)
        if read.wanted:
            found = shown(path, text, "unquoted text")
            hint = "quote it" if is_secret(path) else read.hint
            self._report(read.code, path, found, read.wanted, hint, _line(event))
        return read.value

    def _text(self, event: ScalarEvent, path: Path) -> str:
        """The scalar's text, with the halves of characters beyond U+FFFF that JSON escapes one by one put together."""
        text = str(event.value)
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._report(
                "yaml-character", path, "half of a surrogate pair", "whole characters", "take it out", _line(event)
            )
            return text.encode("utf-8", "replace").decode()

    def _tag(self, event: Event, path: Path) -> None:
        found = shown(path, f"the tag {getattr(event, 'tag', None)}", "a tag")
        self._report(
            "yaml-tag", path, found, "plain YAML without tags", "take the tag out, or quote the text", _line(event)
        )

    def _report(self, code: str, path: Path, found: str, wanted: str, hint: str, line: int) -> None:
        self.document.problems.append(Problem(code, path_text(path), found, wanted, hint, line))


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _syntax(error: MarkedYAMLError) -> Problem:
    """The parser's complaint without the text around it, which may hold a secret."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    raw = str(error.problem or error.context or "not YAML")
    said = re.sub(r"'([^']*)'", lambda m: m[0] if len(m[1]) < 2 or m[1][0] == "<" else "'...'", raw)
    if "\\t" in raw:
        return Problem("yaml-tab", "", "a tab", "blanks: YAML does not indent with tabs", "indent with blanks", line)
    column = f" (column {mark.column + 1})" if mark else ""
    hint = "quote values that hold any of  : # { } [ ] , & * ! | > ' \" % @ `"
    return Problem("yaml-syntax", "", f"{said}{column}", "YAML 1.2", hint, line)


def _unreadable(error: Exception) -> Problem:
    character = getattr(error, "character", None)
    if isinstance(character, int):
        return Problem("yaml-character", "", f"the character U+{character:04X}", "printable text", "take it out")
    return Problem("yaml-syntax", "", f"text that the parser can't read ({type(error).__name__})", "YAML 1.2")

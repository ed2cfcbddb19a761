"""Whether a setting of the spec is one that the engine takes: the question every server answers only when it starts.

Pure; knows no server but the tables. Offers no opinion on whether a value is wise.
With a version range it answers for the newest server in the range first, and a setting is right if any server in the
range takes it: which one a host will have is not known before it is contacted, and it is checked again then.
"""

from __future__ import annotations

import difflib
import re

from shardwright.errors import Problem

from . import owned, values
from .directives import Directive, Table, tables, tables_in
from .product import Engine
from .quoting import quote
from .version import Version, VersionRange


def check_setting(engine: Engine, version: Version | VersionRange, name: str, value: str) -> tuple[Problem, ...]:
    """Every reason why `name value` must not stand in the configuration; `Problem.path` is the directive's name.

    What only some builds refuse (`activedefrag yes` without the servers' own jemalloc) is refused for the bundled engine
    alone: a distribution's build is asked when the configuration is tried on the host.

    Args:
        engine: whose configuration.
        version: exact where it is known, else the range that the spec allows.
        name: a directive; case does not matter to the servers.
        value: as the spec has it.

    Returns:
        Problems with codes ``setting-owned``, ``setting-unknown``, ``setting-not-in-version``, ``setting-value``,
        ``setting-control-character``, ``setting-refused-by-build``.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name):
        return (_problem("setting-unknown", name, repr(name[:60]), "a directive's name"),)
    if owned.owner(name) is not None:
        return (_problem("setting-owned", name, name.lower(), "shardwright writes it itself", owned.advice(name)),)
    if bad := re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        place = f"{len(value)} characters, {bad[0]!a} at position {bad.start()}"
        return (_problem("setting-control-character", name, place, "one line of text", "take it out"),)
    answers = [_check(engine, t, name, value) for t in reversed(tables_in(engine.product, version))]
    return () if () in answers else answers[0]


def config_line(engine: Engine, version: Version | VersionRange, name: str, value: str) -> str:
    """The line for the configuration file, without newline; a directive of several arguments keeps them apart."""
    directive = tables_in(engine.product, version)[-1].get(name)
    if directive is not None and (directive.words or directive.kind == "special") and value.split():
        return " ".join([name, *(quote(word) for word in value.split())])
    return f"{name} {quote(value)}"


def is_live(engine: Engine, version: Version, name: str) -> bool:
    """Whether `CONFIG SET` may change it on a running server of this version; unknown names are not live."""
    directive = tables_in(engine.product, version)[-1].get(name)
    return directive is not None and directive.live


def same(engine: Engine, version: Version, name: str, wanted: str, found: str) -> bool:
    """Whether `wanted`, as the spec has it, is what `CONFIG GET` shows as `found` (1gb is 1073741824)."""
    directive = tables_in(engine.product, version)[-1].get(name)
    return values.same(directive, wanted, found) if directive else wanted == found


def _check(engine: Engine, table: Table, name: str, value: str) -> tuple[Problem, ...]:
    directive = table.get(name)
    if directive is None:
        return (_unknown(engine, table, name),)
    for refused, reason in directive.refuses if engine.name == "bundled" else ():
        if value.lower() == refused:
            found = f"{name} {value}"
            return (_problem("setting-refused-by-build", name, found, "another value", reason),)
    wrong = values.check(directive, value)
    if wrong is None:
        return ()
    wanted, hint = wrong
    return (_problem("setting-value", name, repr(value[:80]), wanted, hint),)


def _unknown(engine: Engine, table: Table, name: str) -> Problem:
    """Not in this table: somewhere else, or nowhere."""
    lower = name.lower()
    holders = [t for product in ("redis", "valkey") for t in tables(product) if t.get(lower)]
    if holders:
        places = ", ".join(t.series for t in holders)
        hint = _elsewhere(engine, table, holders)
        return _problem("setting-not-in-version", name, f"{lower}, in {table.series}", f"known to {places}", hint)
    candidates = [d for d in table.directives if owned.owner(d) is None]
    near = difflib.get_close_matches(lower, candidates, n=1, cutoff=0.6)
    of_all = difflib.get_close_matches(lower, table.directives, n=1, cutoff=0.8)
    if of_all and of_all[0] not in near and owned.owner(of_all[0]) is not None:
        hint = f"{of_all[0]} is meant? then {owned.advice(of_all[0])}"
    else:
        hint = f"{near[0]} is meant?" if near else "take it out"
    guess = "" if table.known else " (nearest table to the wanted version)"
    return _problem("setting-unknown", name, lower, f"a directive of {table.series}{guess}", hint)


def _elsewhere(engine: Engine, table: Table, holders: list[Table]) -> str:
    own = [t.version.series for t in holders if t.product == engine.product]
    if not own:
        return f"take it out, or choose {holders[0].product}"
    if min(own) > table.version.series:
        return f'take it out, or ask for version ">={min(own)[0]}.{min(own)[1]}"'
    return f"take it out; last known to {engine.product} {max(own)[0]}.{max(own)[1]}"


def _problem(code: str, path: str, found: str, wanted: str, hint: str = "") -> Problem:
    return Problem(code, path, found, wanted, hint)


def directive_of(engine: Engine, version: Version | VersionRange, name: str) -> Directive | None:
    """What the newest fitting server knows of a directive."""
    return tables_in(engine.product, version)[-1].get(name)

"""What servers tell of their settings: which to ask for, and which were set although nobody declared them.

Knows the engines' tables, not the spec. Secrets are never asked for: an answer would be kept in views, and views are
printed. So the names come from the tables, and not from ``CONFIG GET *``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache

from ..engines import Directive, Table, Version, engine_of, owner, same, table, tables
from ..errors import SpecError
from ..model.observation import NodeView

SECRETS = frozenset(
    {"requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass", "user"}
)
FORMED = frozenset({"cluster-node-timeout", "cluster-replica-no-failover", "repl-diskless-sync-delay"})
"""Settings that a topology always has a wish for."""


@cache
def asked_names() -> tuple[str, ...]:
    """Every setting that some server tells by `CONFIG GET`, but secrets; a server is silent on those it does not have."""
    known = {
        d.name for product in ("redis", "valkey") for t in tables(product) for d in t.directives.values() if _told(d)
    }
    return tuple(sorted(known - SECRETS))


def table_of(view: NodeView) -> Table | None:
    """The table of a server's product and version; none where it is neither Redis nor Valkey."""
    try:
        return table(engine_of(view.product).product, Version.parse(view.version))
    except SpecError:
        return None


def undeclared(view: NodeView, declared: Collection[str] = ()) -> Iterator[tuple[Directive, str]]:
    """Settings that may be set freely and differ from the engine's default, with what the server has.

    Args:
        view: of a server that was asked for `asked_names`.
        declared: names that somebody has a wish for, in any spelling.
    """
    known = table_of(view)
    if known is None:
        return
    wished = {known.canonical(name) for name in declared}
    for directive in known.directives.values():
        found = view.settings.get(directive.name)
        free = _told(directive) and owner(directive.name) is None and directive.name not in wished
        if free and found is not None and directive.default is not None and not _same(view, directive, found):
            yield directive, found


def _told(directive: Directive) -> bool:
    return not (directive.alias or directive.hidden or directive.file_only)


def _same(view: NodeView, directive: Directive, found: str) -> bool:
    assert directive.default is not None
    return same(engine_of(view.product), Version.parse(view.version), directive.name, directive.default, found)

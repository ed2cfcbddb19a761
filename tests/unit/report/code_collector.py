"""Collects the codes that the package's source can give out, by reading its syntax trees.

A code is what is handed to a parameter or field called `code`: of an error class, `Finding`, `Problem`, `Hazard`, or of a
function that passes it on. Names are followed to the literals that they are bound to in the same function or module. Outside
of the engines' tables, a code is also what leads a tuple with a sentence that is returned, yielded or appended.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
Function = ast.FunctionDef | ast.AsyncFunctionDef
_ERRORS = {"ShardwrightError", "ObservationError", "PlanError", "ApplyError", "PydanticCustomError"}


def collect(package: Path) -> dict[str, set[str]]:
    """The codes, each with the files (relative to `package`) that name it; ``*`` stands for a part made at run time."""
    files = [f for f in sorted(package.rglob("*.py")) if "testing" not in f.relative_to(package).parts]
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    positions: dict[str, set[int]] = defaultdict(set)
    for name in _ERRORS:
        positions[name].add(0)
    for tree in trees.values():
        for name, position in _takers(tree):
            positions[name].add(position)
    found: dict[str, set[str]] = defaultdict(set)
    for file, tree in trees.items():
        given = set(_given(tree, positions))
        if file.parent.name != "engines":
            given |= set(_led(tree))
        for code in given:
            found[code].add(str(file.relative_to(package)))
    return dict(found)


def _takers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions and dataclasses with a `code`, and its position among the positional arguments."""
    methods = {
        id(m): node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for m in node.body
        if isinstance(m, Function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            fields = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
            if "code" in fields:
                yield node.name, fields.index("code")
        elif isinstance(node, Function):
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
            bound = id(node) in methods and names[:1] in (["self"], ["cls"])
            if "code" in names:
                yield node.name, names.index("code") - bound


def _given(tree: ast.Module, positions: dict[str, set[int]]) -> Iterator[str]:
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Call) and getattr(node.func.func, "id", "") == "type":
            name = "ShardwrightError"
        if name not in positions:
            continue
        values = [k.value for k in node.keywords if k.arg == "code"]
        values += [node.args[p] for p in positions[name] if p < len(node.args)]
        for value in values:
            yield from _literals(value, node, parents, tree)


def _led(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        value: ast.expr | None = None
        if isinstance(node, ast.Return | ast.Yield):
            value = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
            value = node.args[0]
        if isinstance(value, ast.Tuple) and len(value.elts) > 1:
            first = value.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and CODE.fullmatch(first.value):
                yield first.value


def _literals(value: ast.expr, at: ast.AST, parents: dict[ast.AST, ast.AST], tree: ast.Module) -> Iterator[str]:
    if isinstance(value, ast.Constant):
        if isinstance(value.value, str) and WORD.fullmatch(value.value):
            yield value.value
    elif isinstance(value, ast.JoinedStr):
        pattern = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in value.values)
        yield from [pattern] if CODE.fullmatch(pattern.replace("*", "x")) else []
    elif isinstance(value, ast.Name):
        yield from _bound(value.id, _scope(at, parents, tree))
        yield from _bound(value.id, tree, only_top=True)
    elif isinstance(value, ast.IfExp | ast.BoolOp | ast.Subscript | ast.Call | ast.Dict):
        keys = {id(n.slice) for n in ast.walk(value) if isinstance(n, ast.Subscript)}
        for part in ast.walk(value):
            if id(part) in keys:
                continue
            if isinstance(part, ast.Constant):
                yield from _literals(part, at, parents, tree)
            elif isinstance(part, ast.Name):
                yield from _bound(part.id, tree, only_top=True)


def _scope(node: ast.AST, parents: dict[ast.AST, ast.AST], tree: ast.Module) -> ast.AST:
    while node in parents:
        node = parents[node]
        if isinstance(node, Function):
            return node
    return tree


def _bound(name: str, scope: ast.AST, *, only_top: bool = False) -> Iterator[str]:
    """All code-like literals in what `name` is assigned from, or loops over, in a function or at a module's top."""
    for node in ast.iter_child_nodes(scope) if only_top else ast.walk(scope):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from _words(node.value) if any(_names(t, name) for t in targets) else ()
        elif isinstance(node, ast.For | ast.comprehension) and _names(node.target, name):
            yield from _words(node.iter)
            if isinstance(node.iter, ast.Name) and node.iter.id != name:
                yield from _bound(node.iter.id, scope)
                yield from _appended(node.iter.id, scope)


def _appended(name: str, scope: ast.AST) -> Iterator[str]:
    for node in ast.walk(scope):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("append", "extend")
        ):
            if isinstance(node.func.value, ast.Name) and node.func.value.id == name:
                yield from _words(node.args[0])
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            yield from _words(node.value)


def _names(target: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(target))


def _words(value: ast.expr) -> Iterator[str]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
            yield node.value

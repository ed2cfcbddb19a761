"""The whole error tree; imports nothing of ours.

Split by what the caller can do about it: fix the file, look again, decide, investigate. *Not healthy* is not an
exception: `verify` returns a `Report`. Every error has a stable kebab-case code, so that tests and scripts never match
on prose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class ShardwrightError(Exception):
    """Base of all errors that shardwright raises on purpose.

    Args:
        code: stable kebab-case code, such as ``bus-port-closed``.
        message: what was found and what was wanted, with numbers; may have several lines.
        hint: what to type or change next; empty only where nothing can be done.
        context: further facts as ``name: value``, printed one a line.
    """

    exit_code = 5

    def __init__(self, code: str, message: str, *, hint: str = "", context: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.context: dict[str, str] = dict(context or {})
        self.done: tuple[str, ...] = ()
        """Steps on the cluster that were done before, in words, for the record."""

    def after(self, done: Iterable[str]) -> None:
        """Keep what was done before, and don't say that it was nothing: rules that refuse know only their own look."""
        self.done = (*done, *self.done)
        if self.done:
            self.message = self.message.replace("nothing was changed", "nothing more was changed")
            self.args = (self.message,)

    def __str__(self) -> str:
        lines = [f"[{self.code}] {self.message}"]
        lines += [f"  {name}: {value}" for name, value in self.context.items()]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a spec.

    Attributes:
        code: stable kebab-case code, such as ``port-out-of-range``.
        path: where in the document, as ``hosts[2].ports[0]``; empty for the whole file.
        found: what stands there; of a secret only its length.
        wanted: what is allowed.
        hint: the nearest right thing to write; may be empty.
        line: 1-based line in the file; 0 where there is none.
    """

    code: str
    path: str
    found: str
    wanted: str
    hint: str = ""
    line: int = 0


class SpecError(ShardwrightError):
    """The file must be changed. Holds every problem that was found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], *, file: str = "cluster.yml") -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(problems, key=lambda p: (p.line, p.path, p.code)))
        self.file = file
        count = len(self.problems)
        code = self.problems[0].code if count == 1 else "spec-invalid"
        noun = "mistake" if count == 1 else "mistakes"
        super().__init__(code, f"{file}: {count} {noun}; nothing was contacted")

    def __str__(self) -> str:
        lines = [self.message]
        for problem in self.problems:
            where = f"{self.file}:{problem.line}" if problem.line else self.file
            path = f" {problem.path}" if problem.path else ""
            lines.append(f"{where}:{path} [{problem.code}]")
            lines.append(f"  found:  {problem.found}")
            lines.append(f"  wanted: {problem.wanted}")
            if problem.hint:
                lines.append(f"  hint:   {problem.hint}")
        return "\n".join(lines)


class ObservationError(ShardwrightError):
    """Look again: a host or node was unreachable, refused us, or answered what can't be read."""

    exit_code = 3


class PlanError(ShardwrightError):
    """Decide: a hazard is not allowed, no safe plan exists, or the plan is stale."""

    exit_code = 4


class ApplyError(ShardwrightError):
    """Investigate: a step failed or a wait ended unmet."""

    exit_code = 5


def merged(errors: Iterable[ShardwrightError], *, subject: str = "hosts") -> ShardwrightError:
    """One error that names every failure of several hosts, of the class of the gravest (highest exit code).

    Args:
        errors: at least one error.
        subject: what failed, in the plural, for the first line.

    Raises:
        ValueError: there was no error to merge.
    """
    found = list(errors)
    if not found:
        raise ValueError("no errors to merge")
    if len(found) == 1:
        return found[0]
    gravest = max(found, key=lambda e: e.exit_code)
    codes = {e.code for e in found}
    tags = [f"[{e.code}] " if len(codes) > 1 else "" for e in found]
    hints = [f"\n    hint: {e.hint}" if e.hint else "" for e in found]
    text = "\n".join(f"- {tag}{e.message}{hint}" for tag, e, hint in zip(tags, found, hints, strict=True))
    message = f"{len(found)} {subject} failed:\n{text}"
    if isinstance(gravest, SpecError):
        return SpecError([p for e in found if isinstance(e, SpecError) for p in e.problems], file=gravest.file)
    return type(gravest)(gravest.code if len(codes) == 1 else "several-failures", message)

"""Which environments there are, and which one a name means. Looks at names of files only; reads none."""

from __future__ import annotations

from pathlib import Path

from ..errors import Problem, SpecError
from .spec_names import nearest

PLACE = Path("inventories")


def names() -> list[str]:
    """The environments in the working directory, in order."""
    return sorted(path.parent.name for path in PLACE.glob("*/cluster.yml"))


def find(environment: str) -> Path:
    """The cluster.yml that `environment` means: a name under inventories/, a directory, or the file itself.

    Raises:
        SpecError: ``spec-missing``, with the environments that there are.
    """
    given = Path(environment)
    for path in (given, given / "cluster.yml", PLACE / environment / "cluster.yml"):
        if path.is_file():
            return path
    wanted, hint = there(environment)
    sought = given if given.suffix in (".yml", ".yaml") else PLACE / environment / "cluster.yml"
    raise SpecError([Problem("spec-missing", "", "no such file", wanted, hint)], file=str(sought))


def there(meant: str) -> tuple[str, str]:
    """What could have been meant by `meant`, as (wanted, hint) of a problem."""
    known = names()
    if not known:
        return (
            f"an environment under {PLACE}/, and {Path.cwd()} has none",
            "cd to the top of the checkout, or give the path of a cluster.yml",
        )
    near = nearest(meant, known)
    return f"one of {', '.join(known)}", near or "shardwright init NAME  writes a new environment"

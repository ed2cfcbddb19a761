"""What was asked of this run by pyinfra's options and ``--data``: read, and judged, before any host is contacted.

Judged here and not in the scripts of `deploy/`: pyinfra runs those once a host, and when it runs them hosts are connected
already. An option that can't be meant is refused, because what pyinfra does with it is to go on without it: a limit that
matches no host is a run of nothing, and it ends with 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from ..adapters.plan_file import fitting_plan
from ..core import wishes
from ..core.host.carrying import LOCK_WAIT_SECONDS
from ..core.host.pruning import KEPT
from ..errors import PlanError
from ..model.drill import DrillKind
from ..model.run import Command
from .results import Run

NAMES = frozenset(
    [
        "allow",
        "apt_lock_wait",
        "bandwidth",
        "confirm_data",
        "confirm_drill",
        "drill",
        "drill_target",
        "keep",
        "plan",
        "rebalance_primaries",
        "reports",
        "restart",
    ]
)
"""What ``--data`` may have of ours."""
UNSAFE_OPTIONS = ("--no-wait", "--serial", "--retry")


def read(
    run: Run, given: Mapping[str, object], words: Sequence[str], inventory: Inventory, limit: Sequence[Host] | None
) -> None:
    """Keep in `run` what was asked of it.

    Args:
        run: whose command is known.
        given: pyinfra's ``--data``.
        words: the command line.
        inventory: all hosts.
        limit: those that ``--limit`` and ``--exclude`` leave; None without them.

    Raises:
        ShardwrightError: something that can't be meant, or is not safe; nothing was contacted.
    """
    wishes.names(given, NAMES)
    run.allow = wishes.consents(str(given.get("allow", "")).split(","))
    if "bandwidth" in given:
        run.bytes_per_second = wishes.bytes_a_second(str(given["bandwidth"]))
    run.restart = wishes.switch("restart", given.get("restart", "yes"))
    run.even_primaries = wishes.switch("rebalance_primaries", given.get("rebalance_primaries", "no"))
    run.apt_lock_wait = wishes.seconds("apt_lock_wait", given.get("apt_lock_wait", LOCK_WAIT_SECONDS))
    if run.command is None:
        return
    _refuse_order(words)
    _refuse_limits(words, inventory, limit)
    plan = given.get("plan")
    if plan is not None and run.command is Command.DEPLOY:
        run.fitting = fitting_plan(Path(str(plan)), run.environment.path, run.environment.spec)
    elif run.command is Command.REMOVE:
        run.with_data = _confirmed(run, given.get("confirm_data"))
    elif run.command is Command.PRUNE:
        run.keep = _kept(str(given.get("keep", KEPT)))
    elif run.command is Command.DRILL:
        run.drill = _fault(run, given.get("confirm_drill"), str(given.get("drill", DrillKind.PROCESS)))
        run.drill_target = str(given.get("drill_target", ""))


def _refuse_order(words: Sequence[str]) -> None:
    """Refuse the options with which a failed host would not stop the others: what is then proved may not be true."""
    given = [word for word in words if word.partition("=")[0] in UNSAFE_OPTIONS]
    if given:
        raise PlanError(
            "option-refused",
            f"{' and '.join(given)}: with it a host that failed would not stop the others; nothing was changed",
            hint="run the same command without it; all hosts are worked on at once, one step after the other",
        )


def _refuse_limits(words: Sequence[str], inventory: Inventory, limit: Sequence[Host] | None) -> None:
    hosts = [host.name for host in inventory]
    hint = f"one of: {', '.join(hosts)}; several: --limit {hosts[0]} --limit {hosts[-1]}"
    for option, pattern in _patterns(words):
        if pattern not in inventory.groups and not any(fnmatch(name, pattern) for name in hosts):
            text = f"{option} {pattern} matches no host of cluster.yml; nothing was contacted"
            raise PlanError("limit-matches-nothing", text, hint=hint)
    if limit is not None and not limit:
        text = "--limit and --exclude leave no host; nothing was contacted"
        raise PlanError("limit-matches-nothing", text, hint=hint)


def _patterns(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What stands behind ``--limit`` and ``--exclude``, in either way of writing it."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        option, equals, value = word.partition("=")
        if option in ("--limit", "--exclude"):
            yield option, value if equals else following


def _confirmed(run: Run, given: object) -> bool:
    """Whether data may go; a name that is not the cluster's is refused."""
    name = run.environment.spec.name
    if given is None or str(given) == name:
        return given is not None
    raise PlanError(
        "confirmation-differs",
        f"confirm_data is {str(given)!r}, and this cluster is {name!r}; nothing was removed",
        hint=f"to delete its data: --data confirm_data={name}",
    )


def _kept(given: str) -> int:
    """How many unused versions stay."""
    if given.isdecimal():
        return int(given)
    text = f"keep is {given!r}, wanted a number of versions; nothing was removed"
    raise PlanError("keep-invalid", text, hint="--data keep=0")


def _fault(run: Run, consent: object, kind: str) -> DrillKind:
    """What to break; without the cluster's name as consent, nothing is."""
    cluster = run.environment.spec.name
    if str(consent or "") != cluster:
        found = "without a consent" if consent is None else f"confirm_drill is {str(consent)!r}"
        raise PlanError(
            "drill-unconfirmed",
            f"a drill breaks {cluster} on purpose: {found}; nothing was broken",
            hint=f"in staging, if clients may feel it: --data confirm_drill={cluster}",
        )
    if kind not in [k.value for k in DrillKind]:
        kinds = ", ".join(DrillKind)
        raise PlanError("drill-kind-unknown", f"drill is {kind!r}; nothing was broken", hint=f"one of: {kinds}")
    return DrillKind(kind)

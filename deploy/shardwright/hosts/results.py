"""What a run has found and done so far, host by host: the registry that operations write and the forming step reads.

Knows nothing of shells or clusters. There is one `Run` for a pyinfra `State`; operations of several hosts write to it at
the same time, each to its own host's entry only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from ..adapters import run_context
from ..adapters.environment import Environment
from ..adapters.lock import Held
from ..core.config_lines import ConfigFile
from ..core.host.carrying import LOCK_WAIT_SECONDS
from ..core.host.changes import HostChanges
from ..core.host.pruning import KEPT
from ..core.host.state import HostState
from ..errors import ShardwrightError
from ..model.blueprint import Blueprint
from ..model.drift import Drift
from ..model.drill import DrillKind
from ..model.endpoint import Endpoint
from ..model.plan import Phase
from ..model.run import Command
from ..model.saved_plan import SavedPlan
from ..model.spec import HostSpec
from ..model.topology import Topology


@dataclass
class HostResult:
    """One host in this run. `changes` are done, in words; `warnings` are (code, text); `execs` counts round trips.

    `drift` and `config_files` are what a comparison found, where one was asked for. `wanted` are the changes that the state
    asks for, by whether live switches are settled; every stage asks for them, so they are worked out once a state.
    """

    spec: HostSpec
    state: HostState | None = None
    blueprint: Blueprint | None = None
    wanted: dict[bool, HostChanges] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    restart_needed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deferred: tuple[str, ...] = ()
    changes_wanted: int = 0
    errors: tuple[ShardwrightError, ...] = ()
    clock_offset: float = 0.0
    clock_error: float = 0.0
    execs: int = 0
    drift: tuple[Drift, ...] = ()
    config_files: tuple[tuple[Endpoint, ConfigFile], ...] = ()

    def warn(self, code: str, text: str) -> None:
        """Keep a warning for the final report; the same text once."""
        self.warnings.setdefault(text, code)


@dataclass
class Run:
    """One run over all hosts of an environment.

    Attributes:
        environment: what it is for.
        hosts: by name in the spec.
        started: seconds since 1970.
        command: what was asked for; None for pyinfra's own commands.
        reports: directory of the records, on the control machine.
        allow: hazards that are consented to, by name.
        restart: servers may be restarted where that is wanted and safe.
        fitting: a plan that was read before, and that this run is to carry out.
        even_primaries: whether primaries are to be spread evenly.
        bytes_per_second: limit of what slot moves send; None without one.
        apt_lock_wait: seconds to wait while another process installs packages.
        with_data: a removal deletes the data, too.
        keep: unused versions that a pruning leaves.
        drill: what a drill breaks; None where it is none.
        drill_target: which one; empty to have it chosen.
        lock: the cluster's, while it is held.
        admitted: what was done about passwords before files were written.
        undo: what must be called before the process may end, while something is broken on purpose.
        outcome: what the forming step gave.
        error: what ended the run; without one, `exit_code` says how a failed run ends (1: not proved).
        run_id: of the record.
        recorded: the record is written.
        ended: the last words are said.
    """

    environment: Environment
    hosts: dict[str, HostResult]
    started: float = field(default_factory=time.time)
    command: Command | None = None
    reports: Path = Path("reports")
    allow: tuple[str, ...] = ()
    restart: bool = True
    fitting: SavedPlan | None = None
    even_primaries: bool = False
    bytes_per_second: float | None = None
    apt_lock_wait: int = LOCK_WAIT_SECONDS
    with_data: bool = False
    keep: int = KEPT
    drill: DrillKind | None = None
    drill_target: str = ""
    lock: Held | None = None
    admitted: list[Phase] = field(default_factory=list)
    undo: Callable[[], None] | None = None
    outcome: object = None
    error: ShardwrightError | None = None
    exit_code: int = 1
    run_id: str = field(default_factory=lambda: run_context.run_id(run_context.now()))
    recorded: bool = False
    ended: bool = False

    @classmethod
    def of(cls, environment: Environment) -> Run:
        """A run that has not begun."""
        return cls(environment, {h.name: HostResult(h) for h in environment.spec.hosts})

    @property
    def topology(self) -> Topology:
        """What the spec means, with what was asked of this run."""
        return replace(self.environment.topology, even_primaries=self.even_primaries)

    @property
    def errors(self) -> tuple[ShardwrightError, ...]:
        """The errors of all hosts, in the order of the spec."""
        return tuple(e for r in self.hosts.values() for e in r.errors)

    @property
    def host_changes(self) -> tuple[tuple[str, str], ...]:
        """(host, text) of everything that was changed, for the run's record."""
        return tuple((name, text) for name, r in self.hosts.items() for text in r.changes)

    @property
    def warnings(self) -> tuple[tuple[str, str, str], ...]:
        """(host, code, text) of every warning, for the report."""
        return tuple((name, code, text) for name, r in self.hosts.items() for text, code in r.warnings.items())

    @property
    def restart_needed(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """(host, instance, what differs) of servers that a new start would change."""
        return tuple((name, i, what) for name, r in self.hosts.items() for i, what in r.restart_needed.items())


_RUNS: WeakKeyDictionary[State, Run] = WeakKeyDictionary()


def here() -> tuple[Host, State]:
    """Pyinfra's current host and state themselves, not the proxies that operations see."""
    return cast(Host, ctx_host.get()), cast(State, ctx_state.get())  # type: ignore[no-untyped-call]


def begin(state: State, environment: Environment) -> Run:
    """The run of this pyinfra state, new if it has none yet."""
    return _RUNS.setdefault(state, Run.of(environment))


def begun(state: State) -> bool:
    """Whether there is a run of this pyinfra state."""
    return state in _RUNS


def run_of(state: State) -> Run:
    """The run that `begin` made.

    Raises:
        KeyError: the inventory was not loaded by `load_inventory`.
    """
    return _RUNS[state]

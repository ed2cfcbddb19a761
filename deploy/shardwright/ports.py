"""What the effects go through. Adapters make these real; tests make them of memory or of chaos.

A transport carries whole pipelines to many nodes at once, because forming a cluster is bounded by round trips: one write
and one read a node and round, however many commands that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from .model.endpoint import Endpoint
from .model.state import StartState
from .model.wire import Answer, Command, Reply, ReplyError

__all__ = [
    "Answer",
    "BusProber",
    "Clock",
    "Command",
    "Fault",
    "Load",
    "Reply",
    "ReplyError",
    "Supervisor",
    "Transport",
    "Unordered",
    "Unreachable",
]


class Unordered(tuple[Command, ...]):
    """Commands to one node of which none waits for another's effect: a transport may send them over several connections.

    For those that a server holds back one by one, such as `CLUSTER SETSLOT` of Valkey, until its replicas have them too.
    """

    __slots__ = ()


class Transport(Protocol):
    """Carries commands to nodes."""

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        """Send each node its commands as one pipeline, all nodes at once, and gather the replies.

        Args:
            requests: commands by node; a node with none is not contacted. `Unordered` ones may go in several pipelines.
            timeout: seconds for each node, connecting included.

        Returns:
            For each node as many replies as commands, or the `Silence` that says why there are none. After a silence
            the commands may or may not have been carried out.
        """
        ...

    def address(self, endpoint: Endpoint) -> str:
        """The IP under which peers of `endpoint` reach it: its host, or what its name resolves to.

        Raises:
            ObservationError: the name does not resolve to one address (code ``name-unresolved``).
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class Clock(Protocol):
    """Time, real or virtual."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass; called only between two looks of a bounded wait."""
        ...


@dataclass(frozen=True, slots=True)
class Unreachable:
    """`source` could not connect to the bus port of `target`; `reason` as the system says it."""

    source: Endpoint
    target: Endpoint
    reason: str


class BusProber(Protocol):
    """Tries the bus ports from where the nodes are."""

    def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
        """Connect from the host of each source to the bus port of each target; gives the pairs that failed."""
        ...


class Supervisor(Protocol):
    """The service managers of the hosts."""

    def started(self) -> Mapping[Endpoint, StartState]:
        """How the servers that run were started; those whose hosts were not looked at are left out."""
        ...

    def restart(self, nodes: Collection[Endpoint]) -> Mapping[Endpoint, str]:
        """Stop these servers as their service manager does, and start them; all at once.

        Returns:
            Those that could not be restarted, with the reason; those that were may still load their data.
        """
        ...


class Fault(Protocol):
    """Something that is broken on purpose, and mended again."""

    def strike(self) -> None:
        """Break it.

        Raises:
            ApplyError: it could not be broken, or in part only; `lift` mends that too.
        """
        ...

    def lift(self) -> None:
        """Mend it; does nothing where it is whole.

        Raises:
            ApplyError: it could not be mended.
        """
        ...


class Load(Protocol):
    """Lets callables work while time passes."""

    def start(self, steps: Sequence[Callable[[], None]]) -> None:
        """Call each of them over and over, independently of the others."""
        ...

    def stop(self) -> None:
        """Call none any more; returns when none is at work. Raises what one raised."""
        ...

"""What is done about servers' lists of nodes, as changes like any others. Pure.

A server is who its `nodes.conf` says. Without it a server with data comes back under a new identity and claims every slot
it has keys of; a damaged one ends it. So each proved run keeps a copy beside the configuration, and a stopped server that
has lost its list gets the copy back: `identities` decides when that is safe, the guard does both.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...model.blueprint import Instance
from .state import DataState, NodesState


@dataclass(frozen=True, slots=True)
class RestoreIdentity:
    """A stopped server that has lost its list of nodes gets the saved copy back; `id` is who that says it is."""

    instance: Instance
    id: str


@dataclass(frozen=True, slots=True)
class KeepNodes:
    """The lists of nodes of proved servers are copied, each with who its server says it is."""

    pairs: tuple[tuple[Instance, str], ...]


def lost_list(nodes: NodesState, data: DataState) -> bool:
    """Whether a list of nodes is damaged, or lost beside data, and there is a whole copy of it."""
    gone = nodes.live == "damaged" or (nodes.live == "lost" and bool(data.rdb or data.aof_manifest))
    return gone and nodes.saved == "whole"

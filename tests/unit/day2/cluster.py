"""Clusters as their nodes would describe them: replies in the servers' own words, put through parser and consolidation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shardwright.core.consolidation import consolidate
from shardwright.core.parsing import parse_view
from shardwright.engines import Version, owner, table
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import Observation, Silence
from shardwright.model.state import ClusterState
from shardwright.model.wire import Reply

KEPT = {"appendonly": "no", "appendfsync": "everysec", "save": "3600 1"}


@dataclass(frozen=True)
class Member:
    """One node. `follows` is the number of its primary, counted from 0; `settings` differ from the defaults."""

    host: str
    port: int = 6379
    slots: str = ""
    follows: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    version: str = "9.1.2"
    product: str = "valkey"
    bus_offset: int = 10_000
    silent: bool = False

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.host, self.port, self.port + self.bus_offset)


SIX = (
    Member("10.0.0.1", slots="0-5460"),
    Member("10.0.0.2", slots="5461-10922"),
    Member("10.0.0.3", slots="10923-16383"),
    Member("10.0.0.4", follows=0),
    Member("10.0.0.5", follows=1),
    Member("10.0.0.6", follows=2),
)
"""Three shards, each with a replica, a server a host."""


def state_of(members: Iterable[Member]) -> ClusterState:
    """The picture that these members give."""
    everyone = list(members)
    views, silences = {}, {}
    for at, member in enumerate(everyone):
        if member.silent:
            silences[member.endpoint] = Silence(member.endpoint, "refused", "nothing listens on that port")
        else:
            views[member.endpoint] = parse_view(member.endpoint, member.host, _replies(everyone, at))
    return consolidate(Observation(views, silences))


def defaults(member: Member) -> dict[str, str]:
    """What a server without configuration tells, with the member's own settings."""
    known = table(member.product, Version.parse(member.version)).directives.values()
    free = {d.name: d.default for d in known if d.default is not None and not d.alias and owner(d.name) is None}
    return {**free, "port": str(member.port), **KEPT, **member.settings}


def _id(at: int) -> str:
    return f"{at + 1:040x}"


def _replies(everyone: list[Member], at: int) -> list[Reply]:
    me = everyone[at]
    lines = []
    for n, member in enumerate(everyone):
        flags = ("myself," if n == at else "") + ("master" if member.follows is None else "slave")
        primary = "-" if member.follows is None else _id(member.follows)
        bus = member.port + member.bus_offset
        words = [_id(n), f"{member.host}:{member.port}@{bus}", flags, primary, "0", "0", str(n + 1), "connected"]
        lines.append(" ".join([*words, *member.slots.split(",")]).strip())
    info = {"redis_version": "7.2.4"} | ({f"{me.product}_version": me.version})
    info |= {"role": "master"} if me.follows is None else {"role": "slave", "master_link_status": "up"}
    told = [text.encode() for pair in defaults(me).items() for text in pair]
    texts = (_id(at), "cluster_state:ok", "\n".join(lines), "\r\n".join(f"{k}:{v}" for k, v in info.items()))
    return [*(text.encode() for text in texts), told]

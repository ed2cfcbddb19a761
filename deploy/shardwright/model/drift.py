"""One difference between what was declared and what is: `Drift`. Values only; finding them is `core.drifting`.

A drift says who can mend it, because that is what decides when: `LIVE` now, `RESTART` in a quiet hour, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Truth(StrEnum):
    """Where the declared was compared with what is: what the nodes believe of the cluster, what a server runs with, what
    lies in a file, what the kernel has, what the service manager says, what is installed."""

    CLUSTER = "cluster"
    SERVER = "server"
    FILE = "file"
    KERNEL = "kernel"
    SERVICE = "service"
    ENGINE = "engine"


class Mend(StrEnum):
    """`LIVE`: an apply (or CONFIG SET) while it serves. `RESTART`: the server must be started again. `DEPLOY`: files,
    kernel and services are put right by a deploy. `PERSON`: nobody can know what was meant."""

    LIVE = "live"
    RESTART = "restart"
    DEPLOY = "deploy"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `subject` is a node, host or shard; `name` a setting, path or what else differs.

    `hint` says what to type. No value of a secret is in it.
    """

    code: str
    truth: Truth
    subject: str
    name: str
    wanted: str
    found: str
    mend: Mend
    hint: str = ""

"""Trying bus ports from a host, with whatever can open a TCP connection there: the script, and what it says. Pure.

A bus port that is closed between two hosts, even one way, is the commonest reason for a cluster that never forms, and no
server says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...model.endpoint import Endpoint
from .questions import script

CONNECT_SECONDS = 2
PATIENCE_SECONDS = 8
"""For a second try of those that gave no answer: on a busy host it is the trying that is late."""
AT_ONCE = 32
NO_MEANS = "the bus ports could not be tried from there: no bash, python3 or nc"


def probe(targets: Sequence[Endpoint]) -> str:
    """A script that tries the bus ports of `targets`."""
    pairs = "\n".join(f"{host} {port}" for host, port in _places(targets))
    settings = f"limit={CONNECT_SECONDS}\npatience={PATIENCE_SECONDS}\nat_once={AT_ONCE}\ntargets='{pairs}'\n"
    return settings + script("probe.sh")


def deadline(targets: Sequence[Endpoint]) -> float:
    """Seconds that the script has."""
    return 15 + (CONNECT_SECONDS + PATIENCE_SECONDS) * (1 + len(_places(targets)) / AT_ONCE)


def closed(lines: Iterable[str], targets: Sequence[Endpoint]) -> list[tuple[Endpoint, str]] | None:
    """The targets that could not be reached, with the reason; None where nothing could be tried."""
    said = list(lines)
    if "end" not in said:
        return None
    places = _places(targets)
    rows = [line.split("\t") for line in said if line.startswith("closed\t")]
    return [(places[row[1], row[2]], row[3]) for row in rows if len(row) == 4 and (row[1], row[2]) in places]


def _places(targets: Sequence[Endpoint]) -> dict[tuple[str, str], Endpoint]:
    return {(target.host, str(target.bus_port)): target for target in targets}

"""What a drill tells a host: `drill.sh` with what it must know above it. Pure text.

The same text is kept on the host for the timer that mends it, which calls it with another verb in the environment.
"""

from __future__ import annotations

import shlex

from ...model.blueprint import Blueprint
from ...model.drill import DrillKind, DrillTarget
from ...model.topology import Topology
from .questions import script

STRIKE, LIFT = "strike", "lift"
DONE = {STRIKE: "struck", LIFT: "lifted"}
"""The line that says that all was done, by verb."""


def breaking(verb: str, blueprint: Blueprint, topology: Topology, target: DrillTarget, seconds: int) -> str:
    """A script that breaks its part of `target` on the blueprint's host, or mends it.

    Args:
        verb: `STRIKE` or `LIFT`.
        blueprint: of the host.
        topology: for the ports of all nodes.
        target: of the drill.
        seconds: after which the host mends itself.
    """
    mine = [node.endpoint for node in target.nodes if node.host == blueprint.host]
    zone = target.kind is DrillKind.ZONE
    victims = [] if zone else [i for i in blueprint.instances if i.endpoint in mine]
    mates = sorted({n.endpoint.host for n in target.nodes if n.host != blueprint.host}) if zone else []
    ports = sorted({p for n in (*topology.nodes, *topology.spares) for p in (n.endpoint.port, n.endpoint.bus_port)})
    values = {
        "SW_NAME": blueprint.cluster,
        "SW_KIND": target.kind.value,
        "SW_SECONDS": str(seconds),
        "SW_PORTS": " ".join(map(str, ports)),
        "SW_MATES": " ".join(mates),
        "SW_MANAGER": blueprint.manager.value,
        "SW_CONTROL": blueprint.control,
        "SW_VICTIMS": "\n".join(f"{i.endpoint.port}|{i.service}|{i.pidfile}|{i.data}" for i in victims),
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([*lines, f"SW_VERB=${{SW_VERB-{verb}}}", script("drill.sh")])


def failure(lines: tuple[str, ...], errors: tuple[str, ...]) -> str:
    """The host's own words for what went wrong."""
    said = [line.partition("\t")[2] for line in lines if line.startswith("failed\t")]
    return "; ".join(said) or " ".join(errors)[-200:] or "no words"

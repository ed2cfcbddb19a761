"""What a changed `cluster.yml` must not do to servers and data that an earlier one put on a host. Pure.

Files that no longer fit a running server lie in wait for its next start: an engine that can't read its data, an empty
directory in place of it, a user that can't read it. And servers on new ports would form a second, empty cluster that is
proved while the first one is forgotten. All of these are moves of data, which a deploy does not make: it refuses, and says
how to put `cluster.yml` back. Another engine or version is none of them where there is a way to it (`engines.paths`): the
data, the ports and the services stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ...engines import Blocked, Version, VersionRange, blocked, identify_binary
from ...errors import ObservationError, PlanError, ShardwrightError, SpecError
from ...model.blueprint import Blueprint, BundleSource, Instance
from ...model.spec import ServiceManager
from .changes import engine_fits, is_running, server_process
from .state import HostState, ProcessState

PRODUCTS = ("redis", "valkey")


def breaks(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    """Why the blueprint can't follow what is on the host already."""
    yield from _moved_ports(who, blueprint, state)
    yield from engine_paths(who, blueprint, state)
    for instance in blueprint.instances:
        yield from _running(who, blueprint, instance, state)
        yield from _address(who, blueprint, instance, state)
        yield from _bus_port(who, blueprint, instance, state)
        yield from _owner(who, blueprint, instance, state)
        yield from _hidden(who, blueprint, instance, state)


def _moved_ports(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    """Only where a wanted port is new as well: otherwise servers were taken out of cluster.yml, which planning judges."""
    wanted = {instance.endpoint.port for instance in blueprint.instances}
    others = sorted(set(state.adopted) - wanted)
    new = sorted(wanted - set(state.adopted))
    if others and new:
        yield PlanError(
            "ports-moved",
            f"{who}: {blueprint.cluster} has servers there on {_listed(others)}, which cluster.yml does not name, and "
            f"wanted are new ones on {_listed(new)}: a second, empty cluster would come up; nothing was changed",
            hint="put the ports back; or, if the old servers are given up, take them off with the old cluster.yml and "
            "deploy/remove.py first",
        )


def _listed(ports: list[int]) -> str:
    return f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}"


def _running(who: str, blueprint: Blueprint, instance: Instance, state: HostState) -> Iterator[ShardwrightError]:
    process = state.process(server_process(instance, state, blueprint.manager))
    if process is None or not is_running(instance, state, blueprint.manager):
        return
    directory = process.directory.removesuffix(" (deleted)")
    if directory not in ("", "/", instance.data, state.data_of(instance.name).real):
        yield PlanError(
            "data-path-changed",
            f"{who}: {instance.name} runs with its data in {directory}, and cluster.yml now wants {instance.data}, "
            "where it would not find it at the next start; nothing was changed",
            hint=f"put paths.data in cluster.yml back; or stop the server, then: mv {directory} {instance.data}, and deploy",
        )


def _address(who: str, blueprint: Blueprint, instance: Instance, state: HostState) -> Iterator[ShardwrightError]:
    """A server that runs can't be spoken to under an address that it does not listen on, so no later step would mend it."""
    port, wanted = instance.endpoint.port, instance.endpoint.host
    pid = server_process(instance, state, blueprint.manager)
    heard = [address for held, address in state.addresses if held == (port, pid)]
    if (
        pid is None
        or not heard
        or any(ip_address(a) == ip_address(wanted) or ip_address(a).is_unspecified for a in heard)
    ):
        return
    stop = _stop(blueprint, instance, pid)
    yield PlanError(
        "address-changed",
        f"{who}: {instance.name} (pid {pid}) runs and listens on {', '.join(heard)}, and cluster.yml now wants {wanted}: it "
        "would not be heard there, and start there unasked after a crash; nothing was changed",
        hint=f"put the address in cluster.yml back; where the host did get another one, stop its servers first ({stop}), "
        "host by host, and deploy: the others learn the new address from it",
    )


def _stop(blueprint: Blueprint, instance: Instance, pid: int) -> str:
    """What stops a server by hand."""
    ways = {ServiceManager.SYSTEMD: f"systemctl stop {instance.service}", ServiceManager.DIRECT: f"kill {pid}"}
    return ways.get(blueprint.manager, f"rc-service {instance.service} stop")


def _bus_port(who: str, blueprint: Blueprint, instance: Instance, state: HostState) -> Iterator[ShardwrightError]:
    """Servers believe another's new bus port only once they have taken it for failed, and two that have new ones find each
    other by chance: a rolling restart would hang in the middle."""
    port, bus_port = instance.endpoint.port, instance.endpoint.bus_port
    pid = server_process(instance, state, blueprint.manager)
    if pid is None or pid not in state.holders(port) or pid in state.holders(bus_port):
        return
    stop = _stop(blueprint, instance, pid)
    yield PlanError(
        "bus-port-changed",
        f"{who}: {instance.name} (pid {pid}) runs and does not listen on bus port {bus_port}, which cluster.yml now wants: "
        "the others would lose it at its next start; nothing was changed",
        hint="put bus_offset in cluster.yml back; servers that even then run with another one are from a change that was "
        f"broken off: stop these ({stop}), and deploy. For another bus_offset, form a new cluster and move the data",
    )


def engine_paths(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    """Running servers that can't become the wanted engine, in the version that is there or will be as far as it is known."""
    target = blueprint.engine.product
    wanted = _coming(blueprint, state)
    for instance in blueprint.instances:
        process = state.process(server_process(instance, state, blueprint.manager))
        if process is None or not is_running(instance, state, blueprint.manager):
            continue
        product, version = _running_engine(process)
        if version is None:
            reason = (
                None if product in ("", target) else Blocked("upgrade-path", "its version can't be told", "see its log")
            )
        else:
            reason = blocked(product, version, target, wanted)
        if reason is not None:
            runs = f"{process.binary} ({product} {version or 'of an unknown version'})"
            text = f"{who}: {instance.name} runs {runs}, wanted {target} {wanted}: {reason.reason}; nothing was changed"
            yield PlanError(reason.code, text, hint=f"put engine in cluster.yml back; {reason.way}")


def _running_engine(process: ProcessState) -> tuple[str, Version | None]:
    """Product and version of a running server by its own word, else the product by the name of its binary."""
    try:
        return identify_binary(process.version)
    except (ObservationError, SpecError):
        name = process.binary.removesuffix(" (deleted)").rsplit("/", 1)[-1]
        return next((product for product in PRODUCTS if name.startswith(product)), ""), None


def _coming(blueprint: Blueprint, state: HostState) -> Version | VersionRange:
    """What the servers would start as: what is installed if it fits, what a bundle holds, else what may be installed."""
    if isinstance(blueprint.engine.source, BundleSource):
        words = blueprint.engine.source.target.rsplit("/", 1)[-1].split("-")
        if len(words) > 2:
            return Version.parse(words[-2])
    elif engine_fits(blueprint, state):
        return identify_binary(state.engine)[1]
    return VersionRange.parse(blueprint.engine.versions)


def _owner(who: str, blueprint: Blueprint, instance: Instance, state: HostState) -> Iterator[ShardwrightError]:
    """A directory that somebody gave to root is given back; another user's is the user of an earlier cluster.yml."""
    wanted = next((d.owner for d in blueprint.directories if d.path == instance.data), "")
    now = state.path(instance.data)
    if (
        wanted
        and now.kind == "directory"
        and now.owner not in ("", "root", wanted)
        and _in_use(blueprint, instance, state)
    ):
        yield PlanError(
            "user-changed",
            f"{who}: the data of {instance.name} in {instance.data} belongs to {now.owner}, and cluster.yml now wants "
            f"{wanted}, who could not read it; nothing was changed",
            hint="put user in cluster.yml back; to change it, stop the server, then: "
            f"useradd -r {wanted}; chown -R {wanted}: {instance.data}; and deploy",
        )


def _hidden(who: str, blueprint: Blueprint, instance: Instance, state: HostState) -> Iterator[ShardwrightError]:
    for mount in blueprint.mounts:
        below = f"{instance.data}/".startswith(f"{mount.target.rstrip('/')}/")
        if below and mount.target not in dict(state.mounted) and _in_use(blueprint, instance, state):
            yield PlanError(
                "mount-hides-data",
                f"{who}: {mount.source} is wanted on {mount.target} and is not mounted, and the data of {instance.name} "
                f"lies in {instance.data} below it, which the mount would hide; nothing was changed",
                hint="take it out of mounts; or stop the server, move the data away, mount, and move it back",
            )


def _in_use(blueprint: Blueprint, instance: Instance, state: HostState) -> bool:
    data = state.data_of(instance.name)
    held = data.rdb or data.aof_manifest or data.nodes_conf
    return bool(held) or is_running(instance, state, blueprint.manager)

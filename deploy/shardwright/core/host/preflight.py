"""What must stop a run before anything is changed, and what is only worth a warning: judged from one look at a host. Pure.

The order of the checks is the order in which a person would want to hear of them: first whether we may act there at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from ...errors import ObservationError, PlanError, ShardwrightError
from ...model.blueprint import Blueprint, Instance, PackageSource
from ...model.spec import ClusterSpec, HostSpec, ServiceManager
from ..verification.disks import USUAL_CLIENTS
from .changes import is_running, packages_for, server_process
from .continuity import breaks
from .questions import disk_place, parent
from .state import DiskState, HostState
from .words import subject

LEAST_FREE_KIB = 64 * 1024
SKEW_SECONDS = 1.0
SERVER_FILES = 32
"""Files that a server keeps for itself."""
NEEDED = ("paths", "instances", "mounts", "disks")
"""Parts of the look without which nobody knows what is on the host's file systems."""
_UNITS = {"k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3, "b": 1, "": 1}


def refusals(spec: ClusterSpec, host: HostSpec, blueprint: Blueprint, state: HostState) -> tuple[ShardwrightError, ...]:
    """Why nothing may be done on this host; empty where all is well."""
    who = subject(host)
    if not state.complete:
        return (_unseen(who, state),)
    needs_root = blueprint.user is not None
    if needs_root and state.uid != 0:
        return (no_root(host, state),)
    if blind := [part for part in state.silent if part.partition(" ")[0] in NEEDED]:
        return (_hanging(who, blueprint, blind),)
    if state.drill:
        return (_drilled(who, state),)
    found = [
        *_system(who, blueprint, state),
        *_address(who, blueprint, state),
        *_files(who, spec, blueprint, state),
        *_paths(who, blueprint, state),
        *_ports(who, blueprint, state),
    ]
    return (*found, *breaks(who, blueprint, state), *_services(who, blueprint, state))


def cautions(spec: ClusterSpec, blueprint: Blueprint, state: HostState) -> tuple[tuple[str, str], ...]:
    """(code, text) of what the operator should know: disks and memory that are small for the settings, gaps in the look,
    servers that nobody looks after."""
    found = []
    if unnamed := _unnamed(blueprint, state):
        text = (
            f"servers of {blueprint.cluster} were put there on {_ports_in_words(unnamed)}, which cluster.yml does not name "
            f"any more: no deploy looks after them, and deploy/remove.py refuses to begin; {_parting(blueprint, unnamed)}, "
            "or name them again"
        )
        found.append(("servers-unnamed", text))
    if state.silent:
        found.append(("look-incomplete", f"could not see: {', '.join(state.silent)}"))
    if not spec.setting("maxclients", "") and (short := _short_of_files(spec, blueprint, state)):
        found.append(("open-files-low", short))
    limit = memory_limit(spec)
    instances = len(blueprint.instances)
    if limit and state.memory_kib and limit * instances > state.memory_kib * 1024:
        text = f"{instances} x maxmemory {limit >> 20} MiB is more than the host's memory, {state.memory_kib >> 10} MiB"
        found.append(("memory-small", text))
    for text in _killed(blueprint, state):
        found.append(("oom-killed", text))
    kept = spec.persistence.aof or spec.persistence.save
    for point, (disk, sharing) in _data_disks(blueprint, state).items():
        if limit and kept and disk.total * 1024 < 2 * limit * sharing:
            text = (
                f"{point} has {disk.total >> 10} MiB; {sharing} x maxmemory {limit >> 20} MiB needs twice that to save"
            )
            found.append(("disk-small", text))
    return tuple(found)


def _stopping(blueprint: Blueprint, ports: list[int]) -> str:
    """The command that stops servers of this cluster on the host, as on its other ports."""
    if blueprint.manager is ServiceManager.DIRECT:
        return f"{blueprint.control} stop {' '.join(map(str, ports))}"
    instance = blueprint.instances[0]
    head, _, tail = instance.service.rpartition(str(instance.endpoint.port))
    services = [f"{head}{port}{tail}" for port in ports]
    if blueprint.manager is ServiceManager.SYSTEMD:
        return f"systemctl disable --now {' '.join(services)}"
    return "; ".join(f"rc-service {s} stop; rc-update del {s}" for s in services)


def _killed(blueprint: Blueprint, state: HostState) -> Iterator[str]:
    """In words, the servers that the kernel has killed for lack of memory, or probably has."""
    for instance in blueprint.instances:
        unit = state.unit(instance.service)
        if unit.result == "oom-kill":
            how = "was killed for lack of memory, by the word of its service manager"
        elif not state.oom_kills:
            continue
        elif unit.restarts:
            how = f"has died and was started again by its service manager ({unit.restarts} times)"
        elif _died(blueprint, instance, state):
            how = "does not run and did not end in order"
        else:
            continue
        count = (
            f"; the kernel there has killed {state.oom_kills} processes for lack of memory" if state.oom_kills else ""
        )
        yield (
            f"{instance.name} {how}{count} (journalctl -k -g oom-kill has their names): lower maxmemory, since saving and "
            "copying need memory beside it, have fewer servers there, or add memory"
        )


def _died(blueprint: Blueprint, instance: Instance, state: HostState) -> bool:
    """Whether a server that is down was killed: one that ends in order takes its pidfile away."""
    if state.unit(instance.service).result == "signal":
        return True
    left = blueprint.manager is ServiceManager.DIRECT and instance.name in dict(state.pidfiles)
    return left and not is_running(instance, state, blueprint.manager)


def memory_limit(spec: ClusterSpec) -> int:
    """`maxmemory` of the spec in bytes; 0 where there is none."""
    text = spec.setting("maxmemory", "0").lower()
    digits = text.rstrip("kmgb")
    return int(digits) * _UNITS.get(text[len(digits) :], 1) if digits.isdigit() else 0


def skewed(clocks: dict[str, tuple[float, float]]) -> str:
    """In words, the hosts whose clocks are furthest apart, if that is surely more than a second; else nothing.

    Args:
        clocks: by host, its clock minus ours, and how far off that may be, both in seconds: a slow look tells little.
    """
    if len(clocks) < 2:
        return ""
    slow = min(clocks, key=lambda h: sum(clocks[h]))
    fast = max(clocks, key=lambda h: clocks[h][0] - clocks[h][1])
    surely = (clocks[fast][0] - clocks[fast][1]) - sum(clocks[slow])
    apart = clocks[fast][0] - clocks[slow][0]
    return f"the clock of {fast} is {apart:.1f} s ahead of that of {slow}" if surely > SKEW_SECONDS else ""


def _unseen(who: str, state: HostState) -> ShardwrightError:
    parts = ", ".join(state.silent) or "everything"
    text = f"{who}: the host could not be looked at (late or failed: {parts}); nothing was changed"
    return ObservationError("look-failed", text, hint="log in there and see whether sh works and disks answer")


def _hanging(who: str, blueprint: Blueprint, blind: list[str]) -> ShardwrightError:
    """Without having seen what is there, a deploy would take data for absent."""
    places = ", ".join(dict.fromkeys(parent(i.data) for i in blueprint.instances))
    return ObservationError(
        "storage-silent",
        f"{who}: a file system does not answer (not seen: {', '.join(blind)}), probably the one of {places}; nothing was "
        "changed",
        hint=f"see which one hangs: timeout 5 df {places}; bring its server back, or: umount -l; then run again",
    )


def _files(who: str, spec: ClusterSpec, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    """Only where maxclients is written in cluster.yml; else it is a warning."""
    if spec.setting("maxclients", "") and (short := _short_of_files(spec, blueprint, state)):
        yield PlanError(
            "open-files-low",
            f"{who}: {short}; nothing was changed",
            hint="raise the hard limit of whoever deploys (limits.conf; container: --ulimit nofile), or lower maxclients",
        )


def _short_of_files(spec: ClusterSpec, blueprint: Blueprint, state: HostState) -> str:
    """In words, if servers that we start ourselves, without root, would take fewer clients than wanted; else nothing."""
    wanted = int(spec.setting("maxclients", str(USUAL_CLIENTS)))
    ours = blueprint.manager is ServiceManager.DIRECT and state.uid != 0
    if not ours or not state.files or state.files >= wanted + SERVER_FILES:
        return ""
    return (
        f"a process may open {state.files:,} files (ulimit -Hn); maxclients {wanted:,} needs {wanted + SERVER_FILES:,}, so "
        f"servers would take {max(1, state.files - SERVER_FILES):,} clients"
    )


def half_named(host: HostSpec, blueprint: Blueprint, state: HostState) -> tuple[ShardwrightError, ...]:
    """Why a removal may not begin: servers whose unit and guard it would take, and which it would leave running."""
    unnamed = _unnamed(blueprint, state)
    if not unnamed:
        return ()
    named = ", ".join(map(str, sorted({i.endpoint.port for i in blueprint.instances} | set(unnamed))))
    text = (
        f"{subject(host)}: {blueprint.cluster} has servers there on {_ports_in_words(unnamed)}, which cluster.yml does not "
        "name any more: they would be left without their unit, and run on; nothing was removed"
    )
    hint = f"name them again (ports: [{named}]), then remove; or {_parting(blueprint, unnamed)}"
    return (PlanError("removal-incomplete", text, hint=hint),)


def _unnamed(blueprint: Blueprint, state: HostState) -> list[int]:
    """Ports of servers that were put on the host, and that the blueprint does not have."""
    return sorted(set(state.adopted) - {i.endpoint.port for i in blueprint.instances})


def _ports_in_words(ports: list[int]) -> str:
    return f"port{'s' if len(ports) > 1 else ''} {', '.join(map(str, ports))}"


def _parting(blueprint: Blueprint, ports: list[int]) -> str:
    """How a person takes such servers off."""
    where = parent(blueprint.instances[0].config)
    return f"stop them ({_stopping(blueprint, ports)}), and delete their files (<port>.*) in {where}"


def _drilled(who: str, state: HostState) -> ShardwrightError:
    return PlanError(
        "drill-left",
        f"{who}: a drill has cut it off and has not mended it yet ({state.drill}): it is at work, or was killed; "
        "nothing was changed",
        hint="wait: the host mends itself in a few minutes; or at once, there: sudo env SW_VERB=lift sh "
        f"{state.drill}/script",
    )


def no_root(host: HostSpec, state: HostState) -> ShardwrightError:
    """Why we may not act as root there, with the rule that would let us."""
    who = subject(host)
    user = state.login or host.ssh.user or "the user"
    if state.sudo_refusal:
        seen = f"{user} may not use sudo without a password ({state.sudo_refusal})"
    else:
        seen = f"{user} is not root, and cluster.yml says sudo: false"
    rule = f"put into /etc/sudoers.d/shardwright: {user} ALL=(root) NOPASSWD: ALL"
    return ObservationError("sudo-refused", f"{who}: {seen}; nothing was changed", hint=rule)


def _system(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    source = blueprint.engine.source
    if isinstance(source, PackageSource) and not packages_for(source, state):
        known = ", ".join(family for family, names in source.packages if names)
        yield PlanError(
            "os-unsupported",
            f"{who}: {state.os_name or state.os_id or 'an unknown system'} is not of a family whose packages are known "
            f"({known}); nothing was changed",
            hint="engine: bundled needs no packages",
        )
    if blueprint.manager is ServiceManager.SYSTEMD and state.init != "systemd":
        yield PlanError(
            "no-systemd",
            f"{who}: cluster.yml wants systemd, and it does not run there (init: {state.init}); nothing was changed",
            hint="service_manager: auto or direct",
        )


def _address(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    """Before anything is written: what is made on a host that is another one would carry the wrong node's mark for good."""
    lacking = {
        i.endpoint.host
        for i in blueprint.instances
        if i.endpoint.host not in state.own
        and not ip_address(i.endpoint.host).is_loopback
        and not is_running(i, state, blueprint.manager)
    }
    if state.own and lacking:
        seen = [a for a in state.own if not (ip_address(a).is_loopback or ip_address(a).is_link_local)]
        yield PlanError(
            "address-not-there",
            f"{who}: cluster.yml gives it {', '.join(sorted(lacking))}, and the host that answers has "
            f"{', '.join(seen) or 'no address but loopback'}: its servers could not listen; nothing was changed",
            hint="see which host is entered under that name (address and connect in cluster.yml, ansible_host, "
            "~/.ssh/config); two may be mixed up",
        )


def _paths(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    for point, (free, read_only, paths) in _places(state).items():
        if read_only and any(state.path(d.path).kind == "absent" or d.path in paths for d in blueprint.directories):
            yield ObservationError(
                "read-only",
                f"{who}: the file system on {point}, which has {paths[0]}, is mounted read-only; nothing was changed",
                hint=f"find out why (dmesg), then: mount -o remount,rw {point}",
            )
        elif free < LEAST_FREE_KIB:
            yield ObservationError(
                "disk-full",
                f"{who}: {free >> 10} MiB are free on {point}, which has {paths[0]}; wanted at least "
                f"{LEAST_FREE_KIB >> 10} MiB; nothing was changed",
                hint=f"make room there: df -h {point}",
            )
    for directory in blueprint.directories:
        if state.path(directory.path).kind in ("file", "other"):
            text = f"{who}: {directory.path} is there and no directory; nothing was changed"
            yield PlanError("path-in-the-way", text, hint="move it away, or change paths in cluster.yml")


def _places(state: HostState) -> dict[str, tuple[int, bool, list[str]]]:
    found: dict[str, tuple[int, bool, list[str]]] = {}
    for path, disk in state.disks:
        found.setdefault(disk.point, (disk.free, disk.read_only, []))[2].append(path)
    return found


def _data_disks(blueprint: Blueprint, state: HostState) -> dict[str, tuple[DiskState, int]]:
    """By mount point: the file system that has data directories, and how many."""
    disks = dict(state.disks)
    found: dict[str, tuple[DiskState, int]] = {}
    for instance in blueprint.instances:
        disk = disks.get(disk_place(blueprint, instance))
        if disk is not None:
            found[disk.point] = (disk, found.get(disk.point, (disk, 0))[1] + 1)
    return found


def _ports(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    told = _distribution_services(blueprint, state)
    for instance in blueprint.instances:
        ours = server_process(instance, state, blueprint.manager)
        taken: dict[int | None, list[int]] = {}
        for port in (instance.endpoint.port, instance.endpoint.bus_port):
            holders = state.holders(port)
            if holders and ours not in holders and holders[0] not in told:
                taken.setdefault(holders[0], []).append(port)
        for pid, ports in taken.items():
            yield _port_taken(who, instance, ports, pid, state)


def _distribution_services(blueprint: Blueprint, state: HostState) -> dict[int, str]:
    """The distribution's own servers that run, by process: an alias is the same one."""
    found: dict[int, str] = {}
    for unit in blueprint.engine.masked_units:
        if state.unit(unit).active == "active":
            found.setdefault(state.unit(unit).pid, unit)
    return found


def _port_taken(who: str, instance: Instance, ports: list[int], pid: int | None, state: HostState) -> ShardwrightError:
    process = state.process(pid)
    program = f"pid {pid}, {process.program}" if process else f"pid {pid}" if pid else "a process that we can't see"
    named = f"port {ports[0]} is" if len(ports) == 1 else f"ports {' and '.join(map(str, ports))} are"
    return PlanError(
        "port-taken",
        f"{who}: {named} wanted by {instance.name} and held by {program}; nothing was changed",
        hint="stop that program, or give other ports in cluster.yml",
    )


def _services(who: str, blueprint: Blueprint, state: HostState) -> Iterator[ShardwrightError]:
    for pid, unit in _distribution_services(blueprint, state).items():
        yield PlanError(
            "distribution-service-running",
            f"{who}: {unit} runs (pid {pid}) and may hold data; it was left alone and nothing was changed",
            hint=f"when nobody needs it: systemctl disable --now {unit}; then run again",
        )

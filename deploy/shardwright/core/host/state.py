"""What was found on one host: `HostState` and its parts, and `parse`, which makes it of the lines of `gather.sh`.

Pure; knows neither pyinfra nor what is wanted. Parsing is total: an odd line is dropped and a part that fell silent is
named in `silent`, because half a picture with its gaps named is worth more than an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from ...model.spec import ServiceManager


@dataclass(frozen=True, slots=True)
class PathState:
    """One path. `kind`: ``absent``, ``file``, ``directory``, ``link``, ``other``; `mode`: octal digits, no zero first."""

    kind: str = "absent"
    mode: str = ""
    owner: str = ""
    group: str = ""
    modified: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class UnitState:
    """One systemd or OpenRC service. `active`, `enabled` and `result` (how it last ended, ``success`` while it runs) are the
    manager's own words, ``""`` where it knows none."""

    load: str = ""
    active: str = ""
    sub: str = ""
    enabled: str = ""
    pid: int = 0
    restarts: int = 0
    needs_reload: bool = False
    result: str = ""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """A process: its program's name, when it started (seconds since 1970), where it works, its binary; and what that says
    to `--version`, where it is a server."""

    pid: int
    program: str
    started: int
    directory: str
    binary: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class DataState:
    """What an instance's data directory holds, of what matters. Sizes in bytes, None where the file is absent.

    `real` is the directory's path without symbolic links, empty where it is not there.
    """

    rdb: int | None = None
    aof_manifest: bool = False
    nodes_conf: int | None = None
    real: str = ""


@dataclass(frozen=True, slots=True)
class NodesState:
    """A server's list of nodes on disk, and the copy that was saved of it when it was proved, by the guard's word.

    `live` and `saved` are ``whole``, ``damaged`` or ``lost`` (empty where nobody told); `same`: they name the same nodes.
    """

    live: str = ""
    live_id: str = ""
    saved: str = ""
    saved_id: str = ""
    same: bool = False


@dataclass(frozen=True, slots=True)
class DiskState:
    """The file system under a path, in KiB; `read_only` by its mount options."""

    total: int
    free: int
    point: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class MountState:
    """A mount as it is now, or as fstab has it."""

    source: str
    fstype: str
    options: str


@dataclass(frozen=True, slots=True)
class KernelState:
    """A kernel setting: its value (of several words, the chosen one), and whether we may write it."""

    value: str
    writable: bool


@dataclass(frozen=True, slots=True)
class HostState:
    """One host, seen once.

    Attributes:
        uid: of who runs our scripts there (0: root, directly or by sudo).
        login: the user that we came as.
        sudo_refusal: what sudo said where it was needed and refused; empty where it worked or was not needed.
        os_id, os_version, os_like, os_codename, os_name: of ``/etc/os-release``.
        init: ``systemd``, ``openrc`` or ``none``.
        epoch: the host's clock, seconds since 1970.
        memory_kib, available_kib: MemTotal, MemAvailable.
        oom_kills: processes that the kernel has killed for lack of memory since it started; in a container, of its machine.
        files: how many files a process of ours may open at most; 0 where that is not known or has no limit.
        own: the host's addresses; empty where they are not known.
        drill: the directory of a drill that has cut the host off and not mended it yet; empty without one.
        packages: installed ones of those asked for, with versions.
        engine: first line of the server binary's ``--version``; empty where there is no such binary.
        server: that binary's path without links.
        bundle_current: where the bundle's symlink points; None where there is none.
        nodes: by client port, the servers' lists of nodes.
        adopted: ports of this cluster's servers that were put on the host, by the guard's notes.
        started: by instance, the sha256 of the configuration that the running server started with.
        named: by instance, the directives that its earlier configurations have named.
        listeners: who holds the ports asked for: port -> processes (None: a process that can't be seen).
        addresses: on which addresses each of these processes listens, by port and process.
        silent: parts of the look that failed or were late.
        complete: whether the look came to its end.
    """

    uid: int = -1
    login: str = ""
    sudo_refusal: str = ""
    os_id: str = ""
    os_version: str = ""
    os_like: str = ""
    os_codename: str = ""
    os_name: str = ""
    arch: str = ""
    libc: str = ""
    init: str = "none"
    epoch: float = 0.0
    memory_kib: int = 0
    available_kib: int = 0
    oom_kills: int = 0
    files: int = 0
    own: tuple[str, ...] = ()
    policy_leftover: bool = False
    drill: str = ""
    packages: tuple[tuple[str, str], ...] = ()
    engine: str = ""
    server: str = ""
    bundle_current: str | None = None
    user: bool = False
    group: bool = False
    paths: tuple[tuple[str, PathState], ...] = ()
    data: tuple[tuple[str, DataState], ...] = ()
    nodes: tuple[tuple[int, NodesState], ...] = ()
    appendonly: tuple[tuple[str, str], ...] = ()
    adopted: tuple[int, ...] = ()
    pidfiles: tuple[tuple[str, int], ...] = ()
    units: tuple[tuple[str, UnitState], ...] = ()
    processes: tuple[ProcessState, ...] = ()
    listeners: tuple[tuple[int, int | None], ...] = ()
    addresses: tuple[tuple[tuple[int, int | None], str], ...] = ()
    started: tuple[tuple[str, str], ...] = ()
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kernel: tuple[tuple[str, KernelState], ...] = ()
    mounted: tuple[tuple[str, MountState], ...] = ()
    fstab: tuple[tuple[str, MountState], ...] = ()
    disks: tuple[tuple[str, DiskState], ...] = ()
    silent: tuple[str, ...] = ()
    complete: bool = False

    @property
    def manager(self) -> ServiceManager:
        """What `auto` means here: the service manager that the host has and that we may use."""
        known = {"systemd": ServiceManager.SYSTEMD, "openrc": ServiceManager.OPENRC} if self.uid == 0 else {}
        return known.get(self.init, ServiceManager.DIRECT)

    @property
    def family(self) -> str:
        """``debian``, ``redhat``, ``alpine``, or the system's own id where it is none of these."""
        words = {self.os_id, *self.os_like.split()}
        families = {"debian": {"debian", "ubuntu"}, "redhat": {"rhel", "fedora", "centos"}, "alpine": {"alpine"}}
        return next((name for name, members in families.items() if words & members), self.os_id)

    def path(self, path: str) -> PathState:
        """The state of a path that was asked for; absent where it was not."""
        return dict(self.paths).get(path, PathState())

    def unit(self, name: str) -> UnitState:
        """The state of a service that was asked for."""
        return dict(self.units).get(name, UnitState())

    def data_of(self, instance: str) -> DataState:
        """What the data directory of the instance of this name holds."""
        return dict(self.data).get(instance, DataState())

    def nodes_of(self, port: int) -> NodesState:
        """What the list of nodes of the server on `port` is."""
        return dict(self.nodes).get(port, NodesState())

    def process(self, pid: int | None) -> ProcessState | None:
        """The process of that number, where it was looked at and lives."""
        return next((p for p in self.processes if p.pid == pid), None)

    def holders(self, port: int) -> tuple[int | None, ...]:
        """Process numbers that listen on the port; None for one that can't be seen; empty where nobody does."""
        return tuple(sorted({pid for p, pid in self.listeners if p == port}, key=lambda pid: pid or 0))


def parse(lines: Iterable[str]) -> HostState:
    """The state that the output of `gather.sh` describes. Never raises: what can't be read is left out."""
    return _Reader(lines).state()


def _number(text: str, default: int = 0) -> int:
    return int(text) if text.isascii() and text.isdigit() else default


def _size(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _address(digits: str) -> str:
    """An address as /proc/net writes it: words of 32 bits, each of them little-endian."""
    try:
        words = [bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8)]
        return str(ip_address(b"".join(words)))
    except ValueError:
        return ""


class _Reader:
    """Rows by their first field; each is padded so that a short row reads as empty fields."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.rows: dict[str, list[list[str]]] = {}
        for line in lines:
            key, *fields = line.rstrip("\r\n").split("\t")
            self.rows.setdefault(key, []).append(fields + [""] * 9)

    def all(self, key: str) -> list[list[str]]:
        return self.rows.get(key, [])

    def one(self, key: str) -> list[str]:
        return self.all(key)[-1] if self.all(key) else [""] * 9

    def state(self) -> HostState:
        system, uid = self.one("os"), self.one("uid")
        sockets = self._sockets()
        return HostState(
            uid=_number(uid[0], -1),
            login=self.one("login")[0] or uid[1],
            sudo_refusal=self.one("sudo-refused")[0],
            os_id=system[0],
            os_version=system[1],
            os_like=system[2],
            os_codename=system[3],
            os_name=system[4],
            arch=self.one("arch")[0],
            libc=self.one("libc")[0],
            init=self.one("init")[0] or "none",
            epoch=_number(self.one("epoch")[0]) + _number(self.one("epoch")[1]) / 1e9,
            memory_kib=_number(self.one("memory")[0]),
            available_kib=_number(self.one("available")[0]),
            oom_kills=_number(self.one("oom-kills")[0]),
            files=_number(self.one("files")[0]),
            own=self._own(),
            policy_leftover=bool(self.all("policy-leftover")),
            drill=self.one("drill")[0],
            packages=tuple((r[0], r[1]) for r in self.all("package")),
            engine=self.one("engine")[0],
            server=self.one("engine")[1],
            bundle_current=self.one("bundle-current")[0] if self.all("bundle-current") else None,
            user=bool(self.all("user")),
            group=bool(self.all("group")),
            paths=self._paths(),
            data=self._data(),
            nodes=tuple((_number(r[0]), NodesState(r[1], r[2], r[3], r[4], r[5] == "same")) for r in self.all("nodes")),
            appendonly=tuple((r[0], r[1].strip("\"'")) for r in self.all("appendonly") if r[1]),
            adopted=tuple(sorted({_number(r[0]) for r in self.all("adopted")} - {0})),
            pidfiles=tuple((r[0], _number(r[1])) for r in self.all("pidfile")),
            units=self._units(),
            processes=self._processes(),
            listeners=tuple(sorted({held for held, _ in sockets}, key=lambda held: (held[0], held[1] or 0))),
            addresses=tuple(sorted({(held, a) for held, a in sockets if a}, key=str)),
            started=tuple((r[0], r[1]) for r in self.all("started")),
            named=tuple((r[0], tuple(r[1].split())) for r in self.all("named")),
            kernel=tuple(
                (r[0], KernelState(" ".join(r[2].split()), r[1] == "writable"))
                for r in self.all("kernel")
                if r[1] != "absent"
            ),
            mounted=tuple((r[0], MountState(r[1], r[2], r[3])) for r in self.all("mounted")),
            fstab=tuple((r[0], MountState(r[1], r[2], r[3])) for r in self.all("fstab")),
            disks=self._disks(),
            silent=tuple(f"{r[0]} ({'late' if r[1] in ('124', '137') else r[1]})" for r in self.all("silent")),
            complete=bool(self.all("end")),
        )

    def _own(self) -> tuple[str, ...]:
        """IPv6 addresses stand in /proc/net/if_inet6 as 32 digits, in order; the others are written out."""
        said = [r[0] for r in self.all("address")]
        found = []
        for text in said:
            try:
                found.append(str(ip_address(bytes.fromhex(text) if len(text) == 32 else text)))
            except ValueError:
                continue
        return tuple(dict.fromkeys(found))

    def _paths(self) -> tuple[tuple[str, PathState], ...]:
        sums = {r[1]: r[0] for r in self.all("sum")}
        kinds = {
            "regular file": "file",
            "regular empty file": "file",
            "directory": "directory",
            "symbolic link": "link",
        }
        return tuple(
            (r[0], PathState(kinds.get(r[1], "other"), r[2], r[3], r[4], _number(r[5]), sums.get(r[0], "")))
            for r in self.all("path")
        )

    def _data(self) -> tuple[tuple[str, DataState], ...]:
        sizes = {(r[0], r[1].rsplit("/", 1)[-1]): _size(r[2]) for r in self.all("size")}
        listed = {r[0] for r in self.all("manifest")}
        return tuple(
            (r[0], DataState(sizes.get((r[0], "dump.rdb")), r[0] in listed, sizes.get((r[0], "nodes.conf")), r[1]))
            for r in self.all("data")
        )

    def _units(self) -> tuple[tuple[str, UnitState], ...]:
        blocks: dict[str, dict[str, str]] = {}
        for row in self.all("unit"):
            name, _, value = row[1].partition("=")
            blocks.setdefault(row[0], {})[name] = value
        found = {
            unit: UnitState(
                load=block.get("LoadState", ""),
                active=block.get("ActiveState", ""),
                sub=block.get("SubState", ""),
                enabled=block.get("UnitFileState", ""),
                pid=_number(block.get("MainPID", "")),
                restarts=_number(block.get("NRestarts", "")),
                needs_reload=block.get("NeedDaemonReload", "") == "yes",
                result=block.get("Result", ""),
            )
            for unit, block in blocks.items()
        }
        for row in self.all("openrc"):
            found[row[0]] = UnitState(load="loaded", active="active" if row[1] == "started" else "inactive")
        return tuple(found.items())

    def _processes(self) -> tuple[ProcessState, ...]:
        boot, ticks = _number(self.one("boot")[0]), _number(self.one("ticks")[0], 100) or 100
        rows = self.all("process")
        return tuple(ProcessState(_number(r[0]), r[1], boot + _number(r[2]) // ticks, *r[3:6]) for r in rows)

    def _sockets(self) -> list[tuple[tuple[int, int | None], str]]:
        """Each listening socket: its port with one process that has it, and its address."""
        owners: dict[str, list[int]] = {}
        for row in self.all("socket"):
            owners.setdefault(row[0], []).append(_number(row[1]))
        found: list[tuple[tuple[int, int | None], str]] = []
        for row in self.all("listen"):
            try:
                port = int(row[0], 16)
            except ValueError:
                continue
            pids: list[int | None] = [*owners.get(row[1], [])]
            found += [((port, pid), _address(row[2])) for pid in pids or [None]]
        return found

    def _disks(self) -> tuple[tuple[str, DiskState], ...]:
        rows = self.all("disk")
        return tuple((r[0], DiskState(_number(r[1]), _number(r[2]), r[3], "ro" in r[4].split(","))) for r in rows)

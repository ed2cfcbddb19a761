"""One lab host as this machine sees it: an overlay, a network namespace, cgroups, a systemd-nspawn process.

It knows nothing of the lab around it nor of ssh. Commands enter through the namespaces of the host's first process, so
tests can look by other means than those under test. Which process that is, is found anew each time: a host may reboot
itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.lab.common import LabError, run, wait_for
from tests.lab.network import Network

CGROUPS = Path("/sys/fs/cgroup")
MEMORY_VARIABLE = "SHARDWRIGHT_LAB_MEM"
BOOT_LIMIT = 90.0

# open_tree, setns, move_mount: takes a mount across into another mount namespace, in a process of its own.
MOUNT_ACROSS = """
import ctypes, os, sys
folder, leader, path = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
def do(number):
    if number < 0:
        raise OSError(ctypes.get_errno(), "mounting across")
    return number
tree = do(libc.syscall(428, -100, folder.encode(), 1 | os.O_CLOEXEC))
space = os.open(f"/proc/{leader}/ns/mnt", os.O_RDONLY)
do(libc.setns(space, 0))
do(libc.syscall(429, tree, b"", -100, path.encode(), 4))
"""


@dataclass
class Record:
    """What is remembered of a host between commands; `booted` is false while its making is not finished."""

    suite: str = "bookworm"
    layers: list[str] = field(default_factory=list)
    disks: dict[str, str] = field(default_factory=dict)
    booted: bool = False


class Machine:
    """The effects on one host. Not safe for two threads at once; different machines are independent."""

    def __init__(self, home: Path, network: Network, number: int) -> None:
        self.home, self.network, self.number = home, network, number
        self.name = f"h{number}"
        self.merged = home / "root"
        self.unique = network.namespace(number)
        self._record = home / "host.json"

    # --- what is -------------------------------------------------------------------------------

    def record(self) -> Record:
        """The remembered facts; those of a host never made, if there are none or a kill cut them short."""
        try:
            return Record(**json.loads(self._record.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return Record()

    def remember(self, record: Record) -> None:
        """Write the facts by rename."""
        draft = self._record.with_suffix(".new")
        draft.write_text(json.dumps(asdict(record)))
        draft.rename(self._record)

    def supervisor(self) -> int | None:
        """The pid of what keeps the host going, if it lives. The pid alone is not believed: it may be reused."""
        try:
            pid = int((self.home / "pid").read_text())
            words = re.split(rb"[\0 ]", Path(f"/proc/{pid}/cmdline").read_bytes())
        except (OSError, ValueError):
            return None
        return pid if f"--machine={self.unique}".encode() in words else None

    def leader(self) -> int | None:
        """The pid, on this machine, of the host's pid 1; None while it is down or between two boots."""
        supervisor = self.supervisor()
        for child in _children(supervisor) if supervisor else []:
            for pid in _children(child):
                if _is_first(pid):
                    return pid
        return None

    def alive(self) -> bool:
        """Whether the host's systemd answers, whatever it says of its units."""
        if self.leader() is None:
            return False
        state = self.exec(["systemctl", "is-system-running"], check=False, timeout=20).stdout.strip()
        return state not in ("", "offline", "unknown", "stopping")

    # --- life ----------------------------------------------------------------------------------

    def create(self, suite: str, layers: Sequence[str], host_key: Path | None) -> None:
        """A host without a past on the given layers, and its boot; what was there before is thrown away.

        `host_key` is the ssh host key to give it, with a new identity; None: the layers hold both already.
        """
        self.kill()
        self._drop_disks()
        for name in ("upper", "work"):
            shutil.rmtree(self.home / name, ignore_errors=True)
            (self.home / name).mkdir(parents=True)
        self.remember(Record(suite, list(layers)))
        self.mount()
        if host_key is not None:
            self._identify(host_key)
        self.boot()
        record = self.record()
        record.booted = True
        self.remember(record)

    def _identify(self, host_key: Path) -> None:
        self._write("etc/machine-id", f"{uuid.uuid4().hex}\n")
        self._write("etc/hostname", f"{self.name}\n")
        self._write("etc/hosts", f"127.0.0.1 localhost\n{self.network.address(self.number)} {self.name}\n")
        self._write("etc/resolv.conf", resolver())
        for suffix, mode in (("", 0o600), (".pub", 0o644)):
            text = host_key.with_name(host_key.name + suffix).read_text()
            self._write(f"etc/ssh/ssh_host_ed25519_key{suffix}", text, mode)

    def _write(self, path: str, text: str, mode: int = 0o644) -> None:
        target = self.merged / path
        target.unlink(missing_ok=True)
        target.touch(mode)
        target.chmod(mode)
        target.write_text(text)

    def mount(self) -> None:
        """Mount the overlay, unless it is."""
        if self.merged.is_mount():
            return
        self.merged.mkdir(exist_ok=True)
        lower = ":".join(self.record().layers)
        options = f"lowerdir={lower},upperdir={self.home}/upper,workdir={self.home}/work"
        run("mount", "-t", "overlay", "overlay", "-o", options, self.merged)

    def boot(self) -> None:
        """Boot on the present disk and return when systemd says it is running.

        Raises:
            LabError: if it does not come up, or comes up with failed units (which are named).
        """
        self.mount()
        self.network.plug(self.number)
        (self.home / "pid").unlink(missing_ok=True)
        joins = [f"echo $$ > {group}/cgroup.procs" for group in self._make_cgroups()]
        once = " && ".join([*joins, f"exec {' '.join(self._nspawn())}"])
        # systemd-nspawn ends with 133 when the host reboots itself, and leaves the next boot to its caller.
        # The file is there only with the pid in it: one that is empty for a moment looks like a host that ended.
        pid = self.home / "pid"
        loop = f"echo $$ > {pid}.new; mv {pid}.new {pid}; while :; do sh -c '{once}'; [ $? -eq 133 ] || exit; done"
        env = {**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network", "SYSTEMD_NSPAWN_LOCK": "0"}
        if not (CGROUPS / "cgroup.controllers").exists():
            env["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "0"
        with (self.home / "console.log").open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", loop],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                check=True,
            )
        self._await_running()

    def _nspawn(self) -> list[str]:
        disks = [f"--bind={disk}:{path}" for path, disk in self.record().disks.items()]
        return [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.merged}",
            f"--machine={self.unique}",
            f"--hostname={self.name}",
            "--register=no",
            "--keep-unit",
            "--settings=no",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            "--console=read-only",
            f"--network-namespace-path=/run/netns/{self.unique}",
            "--capability=CAP_NET_ADMIN",
            *disks,
        ]

    def _await_running(self) -> None:
        def settled() -> bool:
            if self.leader() is None:
                if (self.home / "pid").exists() and self.supervisor() is None:
                    raise LabError(f"{self.name}: systemd-nspawn ended at once: {self.console()}")
                return False
            state = self.exec(["systemctl", "is-system-running"], check=False).stdout.strip()
            if state == "degraded":
                failed = self.exec(["systemctl", "--failed", "--plain", "--no-legend"], check=False).stdout
                raise LabError(f"{self.name}: came up degraded: {failed.strip()}")
            return state == "running"

        wait_for(settled, BOOT_LIMIT, f"{self.name} to boot; console: {self.home}/console.log")

    def console(self) -> str:
        """The end of what the host wrote on its console."""
        try:
            return (self.home / "console.log").read_text(errors="replace")[-1500:].strip()
        except FileNotFoundError:
            return ""

    def kill(self) -> None:
        """End every process of the host at once, as a power cut would, and take it off the network."""
        leader, supervisor = self.leader(), self.supervisor()
        for pid in (supervisor, leader):
            if pid is not None:
                _kill(pid)
        wait_for(lambda: self.supervisor() is None, 30, f"the end of {self.name}")
        self._cleanup()

    def shutdown(self, limit: float = 60) -> None:
        """An orderly power-off (systemd's own signal for it: SIGRTMIN+4 to pid 1); limit in seconds."""
        leader = self.leader()
        if leader is not None:
            os.kill(leader, signal.SIGRTMIN + 4)
            wait_for(lambda: self.supervisor() is None, limit, f"{self.name} to shut down")
        self._cleanup()

    def discard(self, keep_key: bool = False) -> None:
        """Kill the host and remove its disks and its memory (but not its ssh host key, with `keep_key`)."""
        self.kill()
        self._drop_disks()
        for entry in self.home.iterdir():
            if not (keep_key and entry.name.startswith("ssh_host_")):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if not keep_key:
            self.home.rmdir()

    def _drop_disks(self) -> None:
        for folder in (self.home / "disks").glob("*"):
            if folder.is_mount():
                run("umount", folder)
        shutil.rmtree(self.home / "disks", ignore_errors=True)

    def attach(self, folder: Path, path: str) -> None:
        """Mount `folder` of this machine on directory `path` of the running host, with a copy of what that holds."""
        leader = self.entry()[2]
        self.exec(["mkdir", "-p", path])
        run("cp", "-a", f"/proc/{leader}/root{path}/.", folder)
        run(sys.executable, "-c", MOUNT_ACROSS, folder, leader, path)

    def _cleanup(self) -> None:
        for group in self._cgroups():
            _empty_cgroup(group)
            with contextlib.suppress(OSError):
                group.parent.rmdir()
        self.network.unplug(self.number)
        wait_for(self._unmounted, 15, f"{self.merged} to be unmounted")
        (self.home / "pid").unlink(missing_ok=True)

    def _unmounted(self) -> bool:
        return not self.merged.is_mount() or run("umount", self.merged, check=False).returncode == 0

    # --- commands ------------------------------------------------------------------------------

    def entry(self) -> list[str]:
        """The words before a command that make it run inside the host, as root, not by way of ssh.

        Raises:
            LabError: if the host is not running.
        """
        leader = self.leader()
        if leader is None:
            raise LabError(f"{self.name} is not running")
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = ["env", "-i", path, "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        return ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-r", "-w", *clean]

    def exec(
        self, command: str | Sequence[str], check: bool = True, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the host as root: words, or a line for its shell; timeout in seconds."""
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        # nsenter's child outlives nsenter, so what hangs is ended from within.
        limited = ["timeout", "--signal=KILL", str(timeout + 1), *words]
        return run(*self.entry(), *limited, check=check, timeout=timeout, stdin=stdin)

    def inside_network(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the host's network namespace."""
        return run("ip", "netns", "exec", self.unique, *argv, check=check)

    # --- cgroups -------------------------------------------------------------------------------

    def _cgroups(self) -> list[Path]:
        """This host's group in every hierarchy but cpuset (a new group there has no cpus, and refuses processes)."""
        own = Path("shardwright-lab") / self.unique
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS / own]
        real = {tree.resolve() for tree in CGROUPS.iterdir() if (tree / "cgroup.procs").exists()}
        return sorted(tree / own for tree in real if tree.name != "cpuset")

    def _make_cgroups(self) -> list[Path]:
        groups = self._cgroups()
        for group in groups:
            wait_for(lambda group=group: _made(group), 5, f"the cgroup {group}")  # type: ignore[misc]
            limit = group / "memory.limit_in_bytes"
            if os.environ.get(MEMORY_VARIABLE) and limit.exists():
                limit.write_text(os.environ[MEMORY_VARIABLE])
        return groups


def _made(group: Path) -> bool:
    """Make a cgroup; another host's end may remove the empty parent in the same moment."""
    with contextlib.suppress(FileNotFoundError):
        group.mkdir(parents=True, exist_ok=True)
    return group.exists()


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _is_first(pid: int) -> bool:
    """Whether a process is pid 1 of a pid namespace."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    spaces = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return len(spaces) > 1 and spaces[-1] == "1"


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _empty_cgroup(group: Path) -> None:
    """End what is still in a host's cgroup, and remove it; only this host's processes are ever put there."""

    def pids() -> list[int]:
        return [int(pid) for file in group.rglob("cgroup.procs") for pid in file.read_text().split()]

    def gone() -> bool:
        if not group.exists():
            return True
        try:
            for pid in pids():
                _kill(pid)
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            group.rmdir()
        except OSError:
            return not group.exists()
        return True

    wait_for(gone, 30, f"the end of the processes in {group}")


def resolver() -> str:
    """This machine's resolv.conf, for the hosts: not that of a local stub, which they could not reach."""
    for file in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        if file.exists():
            text = file.read_text()
            if not any(line.startswith("nameserver 127.") for line in text.splitlines()):
                return text
    return ""

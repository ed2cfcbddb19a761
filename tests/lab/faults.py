"""Faults that a test puts on the lab's hosts and lifts again: network cuts, full disks, a held apt lock.

It acts from outside, in a host's network and mount namespaces, and knows nothing of what runs there. A cut drops
packets silently, as a pulled cable does; `refuse` answers with a reset instead, as a closed port does. Whatever
boots a host ends its network faults.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.lab.common import LabError, run

if TYPE_CHECKING:
    from tests.lab.lab import Lab, LabHost
    from tests.lab.machine import Machine

CHAIN = "SHARDWRIGHT-LAB"
FILLER = ".lab-filler"
LOCK_FILE = "/var/lib/dpkg/lock-frontend"
LOCK_HOLDER = """\
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o640)
fcntl.lockf(handle, fcntl.LOCK_EX)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


class Faults:
    """The faults of one lab; hosts are given as `LabHost` or by name."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._holders: dict[str, subprocess.Popen[str]] = {}

    # --- network -------------------------------------------------------------------------------

    def isolate(self, host: LabHost | str) -> None:
        """Cut a host off from everything, this machine included."""
        self._block(host, [["-j", "DROP"]], [["-j", "DROP"]])

    def partition(self, host: LabHost | str, *peers: LabHost | str, one_way: bool = False) -> None:
        """Cut a host off from its peers (all other hosts of the lab, if none is named); ssh from here still works.

        With `one_way` the host still sends to them, and hears nothing.
        """
        here = self._machine(host)
        named = [self._machine(peer) for peer in peers] or [h.machine for h in self._lab.hosts]
        addresses = [peer.network.address(peer.number) for peer in named if peer.name != here.name]
        inward = [["-s", address, "-j", "DROP"] for address in addresses]
        outward = [["-d", address, "-j", "DROP"] for address in addresses]
        self._block(host, inward, [] if one_way else outward)

    def block_port(self, host: LabHost | str, port: int, *peers: LabHost | str, refuse: bool = False) -> None:
        """Cut TCP connections to `port` of the host, and those it makes to the same port elsewhere.

        With peers, only between it and them: `block_port(host, 17000)` cuts the cluster bus of a node on 7000.
        """
        verdict = ["-j", "REJECT", "--reject-with", "tcp-reset"] if refuse else ["-j", "DROP"]
        # A refusal must not match the host's own answers, or it would eat the reset that it sends.
        sides = ("--dport",) if refuse else ("--dport", "--sport")
        machines = [self._machine(peer) for peer in peers]
        inward, outward = [], []
        for address in [machine.network.address(machine.number) for machine in machines] or ["0.0.0.0/0"]:
            for side in sides:
                inward.append(["-s", address, "-p", "tcp", side, str(port), *verdict])
                outward.append(["-d", address, "-p", "tcp", side, str(port), *verdict])
        self._block(host, inward, outward)

    def block_ssh(self, host: LabHost | str, refuse: bool = False) -> None:
        """Cut ssh to a host: new connections and those that exist hang, or are reset with `refuse`."""
        self.block_port(host, 22, refuse=refuse)

    def lose(self, host: LabHost | str, share: float, *peers: LabHost | str) -> None:
        """Lose a share (0 to 1) of the packets that a host receives, with peers only of theirs."""
        chance = ["-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"]
        self._block(host, [[*source, *chance] for source in self._sources(peers)], [])

    def lose_large(self, host: LabHost | str, port: int, *peers: LabHost | str, size: int = 1400) -> None:
        """Lose what a host receives of `size` bytes and more over connections of TCP `port`: a path with a wrong MTU."""
        large = ["-m", "length", "--length", f"{size}:65535", "-j", "DROP"]
        sides = [["-p", "tcp", side, str(port)] for side in ("--dport", "--sport")]
        self._block(host, [[*source, *side, *large] for source in self._sources(peers) for side in sides], [])

    def dropped(self, host: LabHost | str) -> int:
        """How many packets the host's network faults have dropped so far."""
        said = self._machine(host).inside_network("iptables", "-w", "-nvxL", f"{CHAIN}-INPUT").stdout
        return sum(int(words[0]) for words in map(str.split, said.splitlines()) if "DROP" in words)

    def _sources(self, peers: tuple[LabHost | str, ...]) -> list[list[str]]:
        machines = [self._machine(peer) for peer in peers]
        return [["-s", machine.network.address(machine.number)] for machine in machines] or [[]]

    def heal(self, *hosts: LabHost | str) -> None:
        """Lift every network fault of the hosts (of all running ones, if none is named)."""
        for machine in [self._machine(h) for h in hosts] or [h.machine for h in self._lab.hosts]:
            if machine.supervisor() is None:
                continue
            for chain in (f"{CHAIN}-INPUT", f"{CHAIN}-OUTPUT"):
                machine.inside_network("iptables", "-w", "-F", chain, check=False)

    def _block(self, host: LabHost | str, inward: list[list[str]], outward: list[list[str]]) -> None:
        machine = self._machine(host)
        if machine.supervisor() is None:
            raise LabError(f"{machine.name} is not running")
        for direction, rules in (("OUTPUT", outward), ("INPUT", inward)):
            chain = f"{CHAIN}-{direction}"
            if machine.inside_network("iptables", "-w", "-N", chain, check=False).returncode == 0:
                machine.inside_network("iptables", "-w", "-I", direction, "-j", chain)
            for rule in rules:
                machine.inside_network("iptables", "-w", "-A", chain, *rule)

    # --- disks ---------------------------------------------------------------------------------

    def mount_disk(self, host: LabHost | str, path: str, size: int = 64) -> None:
        """Mount an ext4 disk of `size` MiB, with no reserve for root, on a directory of the host.

        What the directory holds is copied to it. The disk is there again after a reboot, and gone after a reset.
        """
        machine = self._machine(host)
        record = machine.record()
        if path in record.disks:
            raise LabError(f"{machine.name} has a disk on {path} already")
        folder = machine.home / "disks"
        folder.mkdir(exist_ok=True)
        name = f"disk{len(record.disks)}"
        image, outer = folder / f"{name}.img", folder / name
        outer.mkdir()
        with image.open("wb") as file:
            file.truncate(size << 20)
        run("mkfs.ext4", "-q", "-m", "0", "-b", "4096", "-O", "^has_journal", image)
        run("mount", "-o", "loop", image, outer)
        (outer / "lost+found").rmdir()
        machine.attach(outer, path)
        record.disks[path] = str(outer)
        machine.remember(record)

    def fill_disk(self, host: LabHost | str, path: str, size: int = 64) -> None:
        """Leave no block free on the small disk at `path`, which is mounted first if it is not there (`size` MiB)."""
        machine = self._machine(host)
        if path not in machine.record().disks:
            self.mount_disk(host, path, size)
        filler = f"{path}/{FILLER}"
        # One large file, then small ones: the last blocks are too few to lengthen a large file. The count of free
        # blocks proves nothing, as ext4 keeps some that nobody can have; only a failed write does.
        large = f"dd if=/dev/zero of={filler}/0 bs=64k conv=fsync"
        small = (
            f"i=0; while i=$((i+1)); [ $i -lt 1000 ] && head -c 1 /dev/zero > {filler}/$i; do sync {filler}/$i; done"
        )
        done = machine.exec(f"mkdir -p {filler}; {large}; {small}; exit 0")
        if done.stderr.count("No space left") < 2:
            raise LabError(f"{machine.name}: {path} did not become full: {done.stderr.strip()}")

    def free_disk(self, host: LabHost | str, path: str) -> None:
        """Give back what `fill_disk` took; the disk stays mounted."""
        self._machine(host).exec(["rm", "-rf", f"{path}/{FILLER}"])

    def read_only(self, host: LabHost | str, path: str, on: bool = True) -> None:
        """Make the small disk at `path` read-only, or writable again."""
        self._machine(host).exec(["mount", "-o", f"remount,bind,{'ro' if on else 'rw'}", path])

    # --- apt -----------------------------------------------------------------------------------

    def hold_apt_lock(self, host: LabHost | str) -> int:
        """Hold dpkg's lock inside a host, as another apt would; returns the holder's pid as the host sees it.

        It ends with `release_apt_lock`, or with this process.
        """
        machine = self._machine(host)
        words = [*machine.entry(), "python3", "-c", LOCK_HOLDER, LOCK_FILE]
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._holders[machine.name] = holder
        pid = holder.stdout.readline().strip() if holder.stdout else ""
        if not pid:
            raise LabError(f"{machine.name}: could not take {LOCK_FILE}")
        return int(pid)

    def release_apt_lock(self, host: LabHost | str) -> None:
        """Let go of the lock; does nothing if it is not held."""
        holder = self._holders.pop(self._machine(host).name, None)
        if holder is not None and holder.stdin is not None:
            holder.stdin.close()
            holder.wait(timeout=30)

    @contextmanager
    def apt_locked(self, host: LabHost | str) -> Iterator[int]:
        """`hold_apt_lock` for the length of a block."""
        pid = self.hold_apt_lock(host)
        try:
            yield pid
        finally:
            self.release_apt_lock(host)

    def _machine(self, host: LabHost | str) -> Machine:
        return self._lab.host(host if isinstance(host, str) else host.name).machine

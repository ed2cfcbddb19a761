"""The lab as tests use it: hosts by number, made, reset, stopped, started, remembered and thrown away.

It knows machines and layers, not what is deployed on them. Hosts outlive the process that made them and are found
again by the next, so a test module that needs clean ones asks for `fresh`, which is as quick as a boot: a reset drops
an overlay's upper layer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.common import DEFAULT_LAB, LabError, cache_dir, locked, run, wait_for
from tests.lab.faults import Faults
from tests.lab.machine import Machine
from tests.lab.network import Network, network_of
from tests.lab.root import ensure_layers, missing_tools, ssh_key

NAME_VARIABLE = "SHARDWRIGHT_LAB"
ZONES = ("a", "b", "c")
AT_ONCE = 4


@dataclass(frozen=True)
class LabHost:
    """A host of the lab, and what a deployer needs to reach it."""

    name: str
    address: str
    zone: str
    ssh_user: str
    ssh_key: Path
    known_hosts: Path
    machine: Machine = field(repr=False, compare=False)

    def exec(
        self, command: str | Sequence[str], check: bool = True, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root inside the host, entering past ssh and the network; timeout in seconds."""
        return self.machine.exec(command, check=check, timeout=timeout, stdin=stdin)

    def ssh(
        self, command: str, user: str | None = None, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command over ssh with strict host key checking; timeout in seconds."""
        return run(*self.ssh_words(user), command, check=check, timeout=timeout)

    def ssh_words(self, user: str | None = None) -> list[str]:
        """The ssh command line that reaches this host."""
        options = {
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.ssh_key), *flags, f"{user or self.ssh_user}@{self.address}"]

    def facts(self) -> dict[str, str]:
        """The inventory line of this host."""
        return {
            "name": self.name,
            "address": self.address,
            "zone": self.zone,
            "ssh_user": self.ssh_user,
            "ssh_key": str(self.ssh_key),
            "known_hosts": str(self.known_hosts),
        }


class Lab:
    """One lab of this machine. Several may exist side by side under different names, each with its own network."""

    def __init__(self, name: str | None = None, say: Callable[[str], None] = lambda text: None) -> None:
        self.name = name or os.environ.get(NAME_VARIABLE) or DEFAULT_LAB
        self.home = cache_dir() / "labs" / self.name
        self._lock = cache_dir() / "labs" / f"{self.name}.lock"
        self._say = say
        self.faults = Faults(self)

    @staticmethod
    def available() -> str | None:
        """None if the lab can run here, else the reason why not, fit for a skip."""
        if os.geteuid() != 0:
            return "the test lab needs root (network namespaces, overlay mounts)"
        if missing_tools() and not shutil.which("apt-get"):
            return f"the test lab needs {', '.join(missing_tools())}, and there is no apt-get to install them"
        if run("unshare", "--mount", "--net", "--pid", "--fork", "true", check=False).returncode:
            return "the test lab may not make namespaces here"
        if "overlay" not in Path("/proc/filesystems").read_text():
            run("modprobe", "overlay", check=False)
            if "overlay" not in Path("/proc/filesystems").read_text():
                return "the test lab needs overlayfs, which this kernel lacks"
        cache_dir().mkdir(parents=True, exist_ok=True)
        if run("stat", "-f", "-c", "%T", cache_dir()).stdout.strip() == "overlayfs":
            return f"{cache_dir()} lies on overlayfs; set SHARDWRIGHT_LAB_CACHE to a directory that does not"
        return None

    # --- hosts ---------------------------------------------------------------------------------

    def ensure(self, count: int = 6, suite: str = "bookworm") -> list[LabHost]:
        """Hosts h1 to h`count`, up. Those that run are left alone; dead ones are booted on their own disk."""
        with self._changing():
            layers = ensure_layers(suite, self._say).paths()
            self._network().up()
            self._each(range(1, count + 1), lambda number: self._ensure_one(number, suite, layers))
            self._write_known_hosts()
        return [self.host(number) for number in range(1, count + 1)]

    def fresh(self, count: int = 6, suite: str = "bookworm") -> list[LabHost]:
        """Hosts h1 to h`count`, each as if just installed; others, if any, are stopped."""
        with self._changing():
            layers = ensure_layers(suite, self._say).paths()
            self._network().up()
            more = [number for number in self._numbers() if number > count]
            self._each(more, lambda number: self._machine(number).kill())
            self._each(range(1, count + 1), lambda number: self._create(number, suite, layers))
            self._write_known_hosts()
        return [self.host(number) for number in range(1, count + 1)]

    def reset(self, *hosts: LabHost | str, rekey: bool = False) -> None:
        """Reimage hosts: their disks are thrown away and they boot afresh, with a new machine-id.

        With `rekey` they also get a new ssh host key, which known_hosts does not hold until `trust`.
        """
        numbers = [self._number(host) for host in hosts]
        with self._changing():
            for number in numbers if rekey else []:
                self._host_key(number).unlink()

            def one(number: int) -> None:
                suite = self._machine(number).record().suite
                self._create(number, suite, ensure_layers(suite, self._say).paths())

            self._each(numbers, one)

    def trust(self) -> None:
        """Write the present host keys of all hosts to the lab's known_hosts."""
        with self._changing():
            self._write_known_hosts()

    def stop(self, *hosts: LabHost | str) -> None:
        """Lose hosts: cut them off first, so that not a byte of farewell gets out, then kill them."""
        for host in hosts:
            self.faults.isolate(host)
            self._machine(self._number(host)).kill()

    def start(self, *hosts: LabHost | str) -> None:
        """Boot stopped hosts on the disks they had."""
        with self._changing():
            self._each([self._number(host) for host in hosts], lambda number: self._machine(number).boot())

    def restart(self, *hosts: LabHost | str) -> None:
        """Reboot hosts in an orderly way; faults in their network end with it."""

        def one(number: int) -> None:
            self._machine(number).shutdown()
            self._machine(number).boot()

        with self._changing():
            self._each([self._number(host) for host in hosts], one)

    def down(self) -> None:
        """End every host and remove all that this lab made; the cached roots stay."""
        with self._changing():
            if not (self.home / "network.json").exists():
                return
            self._each(self._numbers(), lambda number: self._machine(number).discard())
            self._network().down()
            shutil.rmtree(self.home)

    # --- snapshots -----------------------------------------------------------------------------

    def snapshot(self, name: str, *hosts: LabHost | str) -> None:
        """Remember the disks of hosts (which are rebooted for it) under `name`, until `down`."""

        def one(number: int) -> None:
            machine = self._machine(number)
            kept = self.home / "snapshots" / name / machine.name
            record = machine.record()
            if record.disks or kept.exists():
                why = f"a disk on {', '.join(record.disks)}" if record.disks else f"a snapshot {name} already"
                raise LabError(f"{machine.name} has {why}")
            kept.parent.mkdir(parents=True, exist_ok=True)
            machine.shutdown()
            (machine.home / "upper").rename(kept)
            layers = [str(kept), *record.layers]
            kept.with_suffix(".json").write_text(json.dumps({"suite": record.suite, "layers": layers}))
            machine.create(record.suite, layers, None)

        with self._changing():
            self._each([self._number(host) for host in hosts], one)

    def throwaway(self, name: str, *hosts: LabHost | str) -> None:
        """Boot hosts on the disks that `snapshot` remembered; what happened since is thrown away."""

        def one(number: int) -> None:
            machine = self._machine(number)
            kept = self.home / "snapshots" / name / f"{machine.name}.json"
            if not kept.exists():
                raise LabError(f"{machine.name} has no snapshot {name}")
            facts = json.loads(kept.read_text())
            machine.create(facts["suite"], facts["layers"], None)

        with self._changing():
            self._each([self._number(host) for host in hosts], one)

    # --- looking -------------------------------------------------------------------------------

    @property
    def known_hosts(self) -> Path:
        """The known_hosts file that holds the key of every host of the lab."""
        return self.home / "known_hosts"

    @property
    def hosts(self) -> list[LabHost]:
        """Every host that was made, running or not."""
        return [self.host(number) for number in self._numbers()]

    def host(self, which: int | str) -> LabHost:
        """A host by number or name."""
        number = self._number(which) if isinstance(which, str) else which
        zone = ZONES[(number - 1) % len(ZONES)]
        address = self._network().address(number)
        return LabHost(f"h{number}", address, zone, "deploy", ssh_key(), self.known_hosts, self._machine(number))

    # --- inside --------------------------------------------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with locked(self._lock):
            yield

    def _network(self) -> Network:
        return network_of(self.home)

    def _machine(self, number: int) -> Machine:
        return Machine(self.home / "hosts" / f"h{number}", self._network(), number)

    def _numbers(self) -> list[int]:
        return sorted(int(folder.name[1:]) for folder in (self.home / "hosts").glob("h*"))

    def _number(self, host: LabHost | str) -> int:
        name = host if isinstance(host, str) else host.name
        if not (name[:1] == "h" and name[1:].isdigit() and int(name[1:]) in self._numbers()):
            raise LabError(f"no host {name} in lab {self.name}; there are: {len(self._numbers())}")
        return int(name[1:])

    def _each(self, numbers: Iterable[int], action: Callable[[int], None]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(action, numbers))

    def _ensure_one(self, number: int, suite: str, layers: list[str]) -> None:
        machine = self._machine(number)
        record = machine.record()
        if not record.booted or record.suite != suite:
            self._create(number, suite, layers)
        elif not machine.alive():
            machine.kill()
            machine.boot()

    def _create(self, number: int, suite: str, layers: list[str]) -> None:
        machine = self._machine(number)
        machine.home.mkdir(parents=True, exist_ok=True)
        machine.discard(keep_key=True)
        machine.create(suite, layers, self._host_key(number))
        wait_for(lambda: _answers(machine), 30, f"sshd of {machine.name}")

    def _host_key(self, number: int) -> Path:
        key = self.home / "hosts" / f"h{number}" / "ssh_host_ed25519_key"
        if not key.exists():
            key.with_suffix(".pub").unlink(missing_ok=True)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.parent.name, "-f", key)
        return key

    def _write_known_hosts(self) -> None:
        lines = []
        for number in self._numbers():
            kind, key, *_ = self._host_key(number).with_suffix(".pub").read_text().split()
            lines.append(f"h{number},{self._network().address(number)} {kind} {key}\n")
        draft = self.known_hosts.with_suffix(".new")
        draft.write_text("".join(lines))
        draft.rename(self.known_hosts)


def _answers(machine: Machine) -> bool:
    done = machine.exec(["ss", "-Hltn", "sport", "=", ":22"], check=False)
    return "LISTEN" in done.stdout

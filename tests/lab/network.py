"""The lab's private network: one bridge with NAT, and a network namespace per host.

It knows addresses and names, not hosts. The namespace is made before the host boots and carries a fixed hardware
address: a host made again under a random one is unreachable for up to 40 s behind its neighbours' stale ARP entries.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from tests.lab.common import DEFAULT_LAB, LabError, cache_dir, locked, run

SUBNETS = 64
FIRST_HOST = 10
RAISED = {
    "net/ipv4/ip_forward": 1,
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 524288,
    "kernel/keys/maxkeys": 20000,
    "kernel/keys/maxbytes": 2000000,
    "kernel/pty/max": 16384,
    "net/ipv4/neigh/default/gc_thresh1": 1024,
    "net/ipv4/neigh/default/gc_thresh2": 4096,
    "net/ipv4/neigh/default/gc_thresh3": 8192,
}


@dataclass(frozen=True)
class Network:
    """The names and addresses of one lab; `index` is unique among the labs of this machine."""

    index: int

    @property
    def subnet(self) -> str:
        """The lab's /24."""
        return f"10.213.{self.index}.0/24"

    @property
    def gateway(self) -> str:
        """The bridge's own address: this machine, as hosts see it."""
        return f"10.213.{self.index}.1"

    @property
    def bridge(self) -> str:
        """The bridge device."""
        return f"swl{self.index}"

    def address(self, number: int) -> str:
        """The address of host `number` (from 1)."""
        return f"10.213.{self.index}.{FIRST_HOST + number}"

    def namespace(self, number: int) -> str:
        """The network namespace of host `number`, as `ip netns` names it."""
        return f"{self.bridge}-h{number}"

    def port(self, number: int) -> str:
        """The bridge's side of host `number`'s cable."""
        return f"{self.bridge}h{number}"

    def hardware_address(self, number: int) -> str:
        """Host `number`'s MAC address (0: the bridge's)."""
        return f"02:53:57:{self.index:02x}:00:{number:02x}"

    # --- effects -------------------------------------------------------------------------------

    def up(self) -> None:
        """Make the bridge, forwarding and NAT; does nothing that is done already."""
        for name, least in RAISED.items():
            file = Path("/proc/sys") / name
            if file.exists() and int(file.read_text()) < least:
                file.write_text(str(least))
        if not Path(f"/sys/class/net/{self.bridge}").exists():
            mac = self.hardware_address(0)
            run("ip", "link", "add", self.bridge, "address", mac, "type", "bridge", "forward_delay", "0")
        run("ip", "address", "replace", f"{self.gateway}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for table, chain, rule in self._rules():
            if run("iptables", "-w", "-t", table, "-C", chain, *rule, check=False).returncode:
                run("iptables", "-w", "-t", table, "-I", chain, *rule)

    def down(self) -> None:
        """Remove the namespaces, the bridge and the rules, as far as they are there."""
        listed = run("ip", "netns", "list", check=False).stdout.split()
        for name in listed:
            if name.startswith(f"{self.bridge}-h"):
                run("ip", "netns", "delete", name, check=False)
        run("ip", "link", "delete", self.bridge, check=False)
        for table, chain, rule in self._rules():
            while run("iptables", "-w", "-t", table, "-D", chain, *rule, check=False).returncode == 0:
                pass

    def _rules(self) -> list[tuple[str, str, list[str]]]:
        tag = ["-m", "comment", "--comment", f"shardwright-lab-{self.index}"]
        return [
            ("nat", "POSTROUTING", ["-s", self.subnet, "!", "-d", self.subnet, *tag, "-j", "MASQUERADE"]),
            ("filter", "FORWARD", ["-i", self.bridge, *tag, "-j", "ACCEPT"]),
            ("filter", "FORWARD", ["-o", self.bridge, *tag, "-j", "ACCEPT"]),
        ]

    def plug(self, number: int) -> None:
        """A fresh network namespace for host `number`, connected to the bridge."""
        self.unplug(number)
        space, port = self.namespace(number), self.port(number)
        run("ip", "netns", "add", space)
        peer = ["peer", "name", "eth0", "netns", space, "address", self.hardware_address(number)]
        run("ip", "link", "add", port, "type", "veth", *peer)
        run("ip", "link", "set", port, "master", self.bridge, "up")
        lines = (
            "link set lo up",
            f"address add {self.address(number)}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {self.gateway}",
        )
        run("ip", "-n", space, "-batch", "-", stdin="\n".join(lines) + "\n")

    def unplug(self, number: int) -> None:
        """Remove host `number`'s namespace; the kernel drops what its dead processes still had to send."""
        run("ip", "link", "delete", self.port(number), check=False)
        if Path(f"/run/netns/{self.namespace(number)}").exists():
            run("ip", "netns", "delete", self.namespace(number), check=False)


def network_of(lab: Path) -> Network:
    """The network of the lab whose state is in directory `lab`: as recorded, or a free one, then recorded.

    Raises:
        LabError: if every candidate subnet overlaps a route of this machine or belongs to another lab.
    """
    record = lab / "network.json"
    with locked(cache_dir() / "networks.lock"):
        if record.exists():
            return Network(int(json.loads(record.read_text())["index"]))
        taken = {json.loads(f.read_text())["index"] for f in lab.parent.glob("*/network.json")}
        routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all").stdout)
        used = [_route(route["dst"]) for route in routes if route.get("dst", "default") != "default"]
        # The first network is kept for the lab without a name of its own, which inventories/lab describes.
        for index in range(SUBNETS) if lab.name == DEFAULT_LAB else range(1, SUBNETS):
            network = Network(index)
            own = ipaddress.ip_network(network.subnet)
            if index in taken or Path(f"/sys/class/net/{network.bridge}").exists():
                continue
            if not any(own.overlaps(other) for other in used):
                lab.mkdir(parents=True, exist_ok=True)
                draft = record.with_suffix(".draft")
                draft.write_text(json.dumps({"index": index}))
                draft.replace(record)
                return network
    raise LabError("no free 10.213.x.0/24 for the lab: every one is routed or used by another lab")


def _route(destination: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(destination, strict=False)

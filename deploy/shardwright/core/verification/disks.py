"""Can the servers write what they must keep, and take the clients they should? By their own word."""

from __future__ import annotations

from collections.abc import Iterator

from ...model.report import Finding, Severity
from ...model.state import ClusterState
from ...model.topology import Topology

MAXCLIENTS = "maxclients"
USUAL_CLIENTS = 10_000
"""Of both engines, where nobody sets it; a server that may open too few files takes fewer, and says so only in its log."""
FAILING_HINT = (
    "make room or mend the disk there (df -h, dmesg), or, where its log says that it can't fork, memory: sysctl "
    "vm.overcommit_memory=1; then on that node: BGSAVE, and BGREWRITEAOF if it keeps an append-only file; don't restart "
    "it before: what it has in memory is not on its disk"
)


def disks(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Nodes that could not write to their disk, and those that take fewer clients than wanted."""
    names = {node.endpoint: node.name for node in topology.nodes}
    for endpoint, node in state.nodes.items():
        name = names.get(endpoint, str(endpoint))
        if node.view.failing:
            message = (
                f"{name} can't write to its disk ({', '.join(node.view.failing)}) and may refuse writes with MISCONF"
            )
            yield Finding("persistence-failing", Severity.ERROR, name, message, FAILING_HINT)
        wanted = dict(topology.settings).get(MAXCLIENTS)
        found = node.view.settings.get(MAXCLIENTS, "")
        least = int(wanted) if wanted and wanted.isdigit() else USUAL_CLIENTS
        if found.isdigit() and int(found) < least:
            message = f"{name} takes {int(found):,} clients at once, wanted {least:,}: it may not open more files"
            hint = (
                f"allow its process {least + 32:,} open files and restart it (systemd: LimitNOFILE is in its unit; "
                "service_manager: direct: ulimit -Hn of whoever deploys), or set maxclients in cluster.yml"
            )
            severity = Severity.ERROR if wanted else Severity.WARNING
            yield Finding("open-files-low", severity, name, message, hint)

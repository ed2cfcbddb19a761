"""Tries every node's bus port from where the nodes are: one exec a host, with whatever can open a TCP connection there.

Asked for only when the cluster is to be joined or does not join: a bus port that is closed between two hosts, even one
way, is the commonest reason for a cluster that never forms, and no server says so.
"""

from __future__ import annotations

from collections.abc import Iterable

import gevent
from pyinfra.api.host import Host
from pyinfra.api.state import State

from ..errors import ShardwrightError
from ..model.endpoint import Endpoint
from ..ports import Unreachable
from . import shell
from .results import Run

CONNECT_SECONDS = 2
PATIENCE_SECONDS = 8
"""For a second try of those that gave no answer: on a busy host it is the trying that is late."""
AT_ONCE = 32

_PROBE = r"""
export LC_ALL=C
if command -v bash >/dev/null && bash -c ': 3<>/dev/null' 2>/dev/null; then how=bash
elif command -v python3 >/dev/null; then how=python3
elif command -v nc >/dev/null; then how=nc
else echo 'no-means'; exit 0; fi
try() {
  case $how in
    bash) timeout "$limit" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1 ;;
    python3) timeout "$limit" python3 -c '
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()
except OSError as error:
    sys.exit(str(error))' "$1" "$2" 2>&1 ;;
    nc) nc -z -w "$limit" "$1" "$2" 2>&1 ;;
  esac
}
one() {
  said=$(try "$1" "$2") && return
  code=$?
  if [ $code = 124 ]; then
    limit=$patience
    said=$(try "$1" "$2") && return
    code=$?
  fi
  [ $code = 124 ] && said='no answer within '$limit' s'
  printf 'closed\t%s\t%s\t%s\n' "$1" "$2" "$(printf %s "${said##*: }" | tail -n 1 | tr '\t' ' ')"
}
running=0
while read -r host port; do
  one "$host" "$port" &
  running=$((running + 1))
  if [ $running -ge $at_once ]; then wait; running=0; fi
done <<END
$targets
END
wait
echo end
"""


class HostProber:
    """`ports.BusProber` by way of the hosts."""

    def __init__(self, state: State, run: Run) -> None:
        self._run = run
        self._hosts: dict[str, Host] = {h.data.get("shardwright_host"): h for h in state.inventory if h.connected}
        topology = run.environment.topology
        self._names = {node.endpoint: node.host for node in (*topology.nodes, *topology.spares)}

    def probe(self, sources: Iterable[Endpoint], targets: Iterable[Endpoint]) -> tuple[Unreachable, ...]:
        """See `ports.BusProber.probe`. A host from where nothing can be tried gives no pairs, and a warning."""
        wanted = sorted(set(targets))
        by_host: dict[str, list[Endpoint]] = {}
        for source in sources:
            by_host.setdefault(self._names.get(source, ""), []).append(source)
        asked = {name: gevent.spawn(self._from, name, wanted) for name in by_host if name in self._hosts}
        gevent.joinall(asked.values(), raise_error=True)
        return tuple(
            Unreachable(source, target, reason)
            for name, job in asked.items()
            for target, reason in job.value
            for source in by_host[name]
            if source != target
        )

    def _from(self, name: str, targets: list[Endpoint]) -> list[tuple[Endpoint, str]]:
        result = self._run.hosts[name]
        others = {(t.host, str(t.bus_port)): t for t in targets}
        pairs = "\n".join(f"{host} {port}" for host, port in others)
        settings = f"limit={CONNECT_SECONDS}\npatience={PATIENCE_SECONDS}\nat_once={AT_ONCE}\ntargets='{pairs}'\n"
        deadline = 15 + (CONNECT_SECONDS + PATIENCE_SECONDS) * (1 + len(others) / AT_ONCE)
        try:
            output = shell.read(self._hosts[name], result.spec, settings + _PROBE, deadline=deadline)
        except ShardwrightError as error:
            result.warn("bus-not-probed", error.message)
            return []
        result.execs += 1
        if "end" not in output.lines:
            result.warn("bus-not-probed", "the bus ports could not be tried from there: no bash, python3 or nc")
        rows = [line.split("\t") for line in output.lines if line.startswith("closed\t")]
        return [(others[row[1], row[2]], row[3]) for row in rows if len(row) == 4 and (row[1], row[2]) in others]

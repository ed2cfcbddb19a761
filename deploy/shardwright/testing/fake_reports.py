"""What fake servers print of themselves: CLUSTER NODES, CLUSTER INFO, INFO, in the products' forms and words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from ..model.slots import SlotSet
from .fake_wire import Peer

if TYPE_CHECKING:
    from .fake_server import FakeServer

EPOCH_MS = 1_700_000_000_000
"""What the virtual second 0 is in the servers' clocks."""


@lru_cache(maxsize=4096)
def ranges(slots: int) -> str:
    """The slots as CLUSTER NODES prints them, with a space before each range."""
    return "".join(f" {part}" for part in SlotSet(slots).ranges())


def nodes(s: FakeServer) -> str:
    """CLUSTER NODES."""
    return "".join([node_line(s, peer) for peer in s.everyone])


def node_line(s: FakeServer, peer: Peer) -> str:
    """One line of it."""
    own = peer is s.myself
    role = "slave" if peer.replica else "master"
    marks = [
        *(["myself"] if own else []),
        *([role] if not peer.handshake else []),
        *(["fail?"] if peer.pfail else []),
        *(["fail"] if peer.fail else []),
        *(["handshake"] if peer.handshake else []),
        *(["noaddr"] if peer.no_address else []),
    ]
    host, port, bus_port = peer.at if not peer.no_address else ("", 0, 0)
    lead = s.peers.get(peer.primary_id or "", s.myself) if peer.replica and peer.primary_id else peer
    sent = _ms(peer.ping_sent) if peer.ping_sent and not own else 0
    pong = _ms(peer.pong_received) if peer.pong_received else 0
    link = "connected" if own or peer.link is not None else "disconnected"
    line = f"{peer.id} {host}:{port}@{bus_port} {','.join(marks)} {peer.primary_id or '-'} {sent} {pong} {lead.epoch} {link}"
    if peer.slots and not peer.replica:
        line += ranges(peer.slots)
    if own:
        line += "".join(f" [{slot}->-{target}]" for slot, target in sorted(s.migrating.items()))
        line += "".join(f" [{slot}-<-{source}]" for slot, source in sorted(s.importing.items()))
    return line + "\n"


def _ms(seconds: float) -> int:
    return EPOCH_MS + int(seconds * 1000)


def cluster_info(s: FakeServer) -> str:
    """CLUSTER INFO."""
    counts = {"assigned": 0, "ok": 0, "pfail": 0, "fail": 0}
    for peer in s.voters():
        size = peer.slots.bit_count()
        counts["assigned"] += size
        counts["fail" if peer.fail else "pfail" if peer.pfail else "ok"] += size
    size = len(s.voters())
    lead = s.peers.get(s.myself.primary_id or "", s.myself)
    fields = {
        "cluster_state": "ok" if s.ok else "fail",
        **{f"cluster_slots_{name}": count for name, count in counts.items()},
        "cluster_known_nodes": len(s.peers) + 1,
        "cluster_size": size if size or s.product == "valkey" else 1,
        "cluster_current_epoch": s.current_epoch,
        "cluster_my_epoch": lead.epoch,
        **({"cluster_stats_messages_auth-req_sent": s.requests} if s.requests else {}),
    }
    return _lines(fields)


def info(s: FakeServer, sections: set[str]) -> str:
    """INFO of some sections, all of them where none is named."""
    made = {
        "server": _server,
        "memory": _memory,
        "persistence": _persistence,
        "replication": _replication,
        "keyspace": _keyspace,
        "cluster": _cluster,
    }
    wanted = set(made) if not sections or sections & {"all", "default", "everything"} else sections
    texts = [f"# {name.title()}\r\n{_lines(make(s))}" for name, make in made.items() if name in wanted]
    return "\r\n".join(texts)


def _lines(fields: Mapping[str, object]) -> str:
    return "".join(f"{name}:{value}\r\n" for name, value in fields.items())


def _server(s: FakeServer) -> dict[str, object]:
    mode = "server_mode" if s.product == "valkey" else "redis_mode"
    names: dict[str, object] = {"redis_version": s.version}
    if s.product == "valkey":
        names = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": s.version}
    uptime = int(s.clock.now() - s.started)
    return {
        **names,
        mode: "cluster",
        "process_id": s.pid,
        "run_id": s.run_id,
        "tcp_port": s.endpoint.port,
        "uptime_in_seconds": uptime,
        "config_file": "/etc/fake.conf",
    }


def _memory(s: FakeServer) -> dict[str, object]:
    used = 2_000_000 + sum(len(k) + len(v) + 80 for k, v in s.store.values().items())
    return {
        "used_memory": used,
        "maxmemory": s.settings["maxmemory"],
        "maxmemory_policy": s.settings["maxmemory-policy"],
    }


def _persistence(s: FakeServer) -> dict[str, object]:
    return {
        "loading": 0,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_bgsave_status": "ok",
        "aof_enabled": int(s.settings["appendonly"] == "yes"),
        "aof_rewrite_in_progress": int(s.clock.now() < s.rewriting_until),
        "aof_rewrite_scheduled": 0,
        "aof_last_bgrewrite_status": "ok",
        "aof_last_write_status": "ok",
    }


def _replication(s: FakeServer) -> dict[str, object]:
    c = s.copying
    fields: dict[str, object] = {"role": "slave" if s.myself.replica else "master"}
    if s.myself.replica:
        at = s.peers[s.myself.primary_id].at if s.myself.primary_id in s.peers else ("?", 0, 0)
        heard = int(c.age()) if c.up else -1
        fields |= {
            "master_host": at[0],
            "master_port": at[1],
            "master_link_status": "up" if c.up else "down",
            "master_last_io_seconds_ago": heard,
            "master_sync_in_progress": int(c.syncing),
            "slave_read_repl_offset": c.offset,
            "slave_repl_offset": c.offset,
            **({} if c.up else {"master_link_down_since_seconds": int(c.age())}),
            "slave_priority": 100,
            "slave_read_only": 1,
        }
    fields["connected_slaves"] = len(c.feeds)
    if int(s.settings["min-replicas-to-write"]):
        fields["min_slaves_good_slaves"] = good_replicas(s)
    for number, feed in enumerate(c.feeds):
        host, port, _ = feed.replica.at
        state = "online" if feed.online else "wait_bgsave"
        kind = ",type=replica" if s.valkey_9 else ""
        fields[f"slave{number}"] = f"ip={host},port={port},state={state},offset={feed.acked},lag={feed.lag}{kind}"
    return fields | {
        "master_failover_state": "no-failover",
        "master_replid": c.replid,
        "master_replid2": c.replid2,
        "master_repl_offset": c.offset,
        "second_repl_offset": c.second_offset,
        "repl_backlog_active": int(c.active),
        "repl_backlog_size": s.settings["repl-backlog-size"],
        "repl_backlog_first_byte_offset": c.backlog_start if c.active else 0,
        "repl_backlog_histlen": c.offset - c.backlog_start + 1 if c.active else 0,
    }


def good_replicas(s: FakeServer) -> int:
    """Replicas that are online and have said lately how far they are."""
    limit = int(s.settings["min-replicas-max-lag"])
    return sum(feed.online and feed.lag <= limit for feed in s.copying.feeds)


def _keyspace(s: FakeServer) -> dict[str, object]:
    return {"db0": f"keys={len(s.store)},expires=0,avg_ttl=0"} if len(s.store) else {}


def _cluster(_s: FakeServer) -> dict[str, object]:
    return {"cluster_enabled": 1}

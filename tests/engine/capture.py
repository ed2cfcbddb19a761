"""Captures what real servers reply to a look, as data for unit tests: tests/data/replies/<product>-<version>-<state>.json.

    python -m tests.engine.capture SERVER_BINARY ...

States: ``fresh`` (one shard's servers, which nobody has met), ``formed`` (six, with keys), ``broken`` (the same with a slot
open at both ends, a dead replica, and a replica that can't log in at its primary). Expected values are asked in another way,
by redis-py and by hand, and kept beside the replies.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.engine.kit import Lab, eventually, fill, lab, nodes_of

from shardwright.core.parsing import look_commands
from shardwright.model.observation import Silence
from shardwright.ports import ReplyError

DATA = Path(__file__).resolve().parents[1] / "data" / "replies"
ASKED = ("cluster-node-timeout", "maxmemory", "no-such-setting")


def capture(made: Lab, state: str) -> None:
    asked = look_commands(ASKED)
    answers = made.transport.ask({n.endpoint: asked for n in made.topology.nodes}, timeout=5)
    nodes = []
    for node in made.topology.nodes:
        answer = answers[node.endpoint]
        at = made.ports.index(node.endpoint.port)
        if isinstance(answer, Silence):
            nodes.append({"port": node.endpoint.port, "silence": answer.reason})
            continue
        nodes.append(
            {"port": node.endpoint.port, "replies": list(map(_plain, answer)), "expected": _expected(made, at)}
        )
    info = made[0].info("server")
    name = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version", info["redis_version"])
    DATA.mkdir(exist_ok=True)
    document = {"product": name, "version": version, "nodes": nodes}
    (DATA / f"{name}-{version}-{state}.json").write_text(json.dumps(document, indent=1) + "\n")


def _expected(made: Lab, at: int) -> dict[str, Any]:
    one = made[at]
    rows = nodes_of(one)
    replication = one.info("replication")
    return {
        "id": one.execute_command("CLUSTER MYID"),
        "ok": one.execute_command("CLUSTER INFO")["cluster_state"] == "ok",
        "role": replication["role"],
        "link": replication.get("master_link_status", "up"),
        "keys": one.dbsize(),
        "peers": {
            i: [r["role"], r["primary"], len(r["slots"]), r["flags"]] for i, r in rows.items() if not r["myself"]
        },
        "slots": next(len(r["slots"]) for r in rows.values() if r["myself"]),
    }


def _plain(reply: Any) -> Any:
    if isinstance(reply, ReplyError):
        return {"error": reply.message}
    if isinstance(reply, list):
        return [_plain(item) for item in reply]
    return reply.decode() if isinstance(reply, bytes) else reply


def main(binary: Path) -> None:
    with tempfile.TemporaryDirectory() as place, lab(Path(place), binary=binary) as made:
        whole = made.topology
        made.topology = type(whole)("one", whole.shards[:1])
        capture(made, "fresh")
        made.topology = whole
        made.converge()
        fill(made, 60)
        capture(made, "formed")
        ids = {row["port"]: i for i, row in nodes_of(made[0]).items()}
        made[0].execute_command("CLUSTER", "SETSLOT", "7", "MIGRATING", ids[made.ports[1]])
        made[1].execute_command("CLUSTER", "SETSLOT", "7", "IMPORTING", ids[made.ports[0]])
        for n in range(6):
            made[n].config_set("cluster-node-timeout", "1000")
        made[3].config_set("masterauth", "not-the-password")
        made[0].execute_command("CLIENT", "KILL", "TYPE", "replica")
        made.servers[5].kill()
        eventually(lambda: any("fail" in r["flags"] for r in nodes_of(made[1]).values()), "the replica is failed")
        eventually(lambda: made[3].info("replication")["master_link_status"] == "down", "the link is down")
        capture(made, "broken")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        main(Path(path))

"""Is everyone there, does everyone know everyone, and nobody else?"""

from __future__ import annotations

from collections.abc import Iterator

from ...model.report import Finding, Severity
from ...model.state import ClusterState
from ...model.topology import Topology
from ..losses import owner_count, owners_gone, votes_missing

_BRING_BACK = {
    "unauthorised": "give the password that the servers have; to change it, see docs/rotating.md",
    "refused": "start it: deploy/cluster.py does, or names what keeps it from starting",
    "timed-out": "see whether the host is up and its client port is open from here, then run again",
    "loading": "wait until it has loaded its data, then run again",
}
"""By the reason of a silence, what to do; for others it is in the detail."""


def membership(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Silent nodes, shared identities, strangers, missing acquaintances and links, wrong addresses, differing views."""
    problems = [
        *_silent(topology, state),
        *_voters(topology, state),
        *_duplicates(state),
        *_strangers(state),
        *_spares(topology, state),
        *_acquaintance(topology, state),
    ]
    yield from problems
    if not problems:
        yield Finding("all-nodes-know-all", Severity.OK, topology.name, f"{len(state.nodes)} nodes, each linked to all")
    if state.agreed and not state.silences:
        yield Finding("views-agree", Severity.OK, topology.name, "every node has the same picture of the cluster")
    elif not state.agreed:
        yield Finding(
            "views-differ",
            Severity.ERROR,
            topology.name,
            "the nodes have different pictures of who is in the cluster, who is primary, or who owns which slots",
            "wait a node timeout and verify again; if it stays, compare CLUSTER NODES on the nodes",
        )


def _silent(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    for node in topology.nodes:
        if node.endpoint in state.nodes:
            continue
        silence = state.silences.get(node.endpoint)
        why = f"{silence.reason}: {silence.detail}" if silence else "was not asked"
        hint = _BRING_BACK.get(silence.reason if silence else "", "bring it back")
        yield Finding("node-silent", Severity.ERROR, node.name, f"{node.endpoint} gave no view ({why})", hint)


def _voters(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    """Without a majority no replica takes over, however long one waits."""
    missing, gone = votes_missing(state), owners_gone(state)
    if missing:
        places = ", ".join(f"{s.address or 'no address'}:{s.port}" for s in gone)
        message = f"{len(gone)} of {owner_count(state)} primaries are gone ({places}): no replica can be elected"
        hint = (
            f"bring back at least {missing} of them with their data; the rest is settled by votes. If they are lost for "
            "good: docs/growing.md, When most primaries are gone"
        )
        yield Finding("majority-lost", Severity.ERROR, topology.name, message, hint)


def _duplicates(state: ClusterState) -> Iterator[Finding]:
    for node_id, places in state.duplicates:
        where = " and ".join(map(str, places))
        yield Finding(
            "duplicate-node-id", Severity.ERROR, where, f"both say that they are {node_id[:8]}", "stop the clone"
        )


def _strangers(state: ClusterState) -> Iterator[Finding]:
    silent = {(e.host, e.port) for e in state.silences}
    for stranger in state.strangers:
        if (stranger.address, stranger.port) in silent:
            continue
        dead = stranger.dead
        where = f"{stranger.address or 'no address'}:{stranger.port}"
        yield Finding(
            "dead-member" if dead else "unknown-member",
            Severity.WARNING if dead and not stranger.slots else Severity.ERROR,
            where,
            f"{len(stranger.known_by)} of our nodes list {stranger.id[:8]} at {where}, which cluster.yml does not name"
            + (" (dead)" if dead else ""),
            "CLUSTER FORGET it on every node" if dead else "add its host to cluster.yml, or take it out of the cluster",
        )


def _spares(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    for node in topology.spares:
        seen = state.nodes.get(node.endpoint)
        if seen is not None:
            message = f"{node.name} holds no place any more, and is a {seen.role.value} with {len(seen.slots):,} slots"
            hint = "run the deploy: it drains and dismisses it"
            yield Finding("spare-in-cluster", Severity.WARNING, node.name, message, hint)


def _acquaintance(topology: Topology, state: ClusterState) -> Iterator[Finding]:
    names = {state.nodes[n.endpoint].id: n.name for n in topology.nodes if n.endpoint in state.nodes}
    for node in topology.nodes:
        seen = state.nodes.get(node.endpoint)
        if seen is None:
            continue
        others = names.keys() - {seen.id}
        for code, ids, text, hint in (
            ("node-unknown", others - seen.knows, "does not know", "run the deploy again: it introduces them"),
            ("address-differs", others & seen.misplaced, "has an old or wrong address of", "check cluster-announce-ip"),
            (
                "link-down",
                (others & seen.cut) - seen.misplaced,
                "has no bus link to",
                "is the bus port open both ways?",
            ),
        ):
            if ids:
                found = ", ".join(sorted(names[i] for i in ids))
                yield Finding(code, Severity.ERROR, node.name, f"{node.name} {text} {found}", hint)

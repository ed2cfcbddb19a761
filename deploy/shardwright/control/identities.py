"""Who a server is that lost its list of nodes, and the copy that is kept against that.

Restoring needs no consent where it is provably safe: at least one other server answers, all that know the identity of the
copy know it at this server's address, and it answers nowhere. Then what comes back is what they wait for; its slots and its
role are as old as the copy, but so are its epochs, by which the others put it right as any server that was away. Where
nobody can vouch (all others are down, or they forgot it) the operator may, by ``allow=restores-identity``; where it answers
elsewhere nobody may: two servers of one identity undo each other.
The copy is only taken of a server that a healthy report has just named, and only if it names that server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from ..core.host.changes import Change, Stage
from ..core.host.kept_nodes import KeepNodes, RestoreIdentity
from ..core.host.state import HostState
from ..core.host.words import subject
from ..core.parsing import look_commands
from ..errors import PlanError
from ..model.blueprint import Blueprint, Instance
from ..model.endpoint import Endpoint
from ..model.observation import NodeView
from ..model.spec import HostSpec
from ..model.topology import Topology
from ..ports import Transport
from .observing import read_view
from .run import Proof

SECONDS = 5.0
CONSENT = "restores-identity"


def keeping(blueprint: Blueprint, state: HostState, proof: Proof | None, *, foresee: bool) -> tuple[Change, ...]:
    """The copying that is due on a host.

    Args:
        blueprint: of the host.
        state: as it was last seen.
        proof: what came of the run on the cluster.
        foresee: whether to tell what would be due, before anything was proved.
    """
    came = proof.outcome if proof is not None and proof.report.healthy else None
    return copying(blueprint, state, proved(proof), changed=came is not None and came.changed, foresee=foresee)


def proved(proof: Proof | None) -> dict[Endpoint, str]:
    """Who each server is, by a healthy report; nothing without one."""
    came = proof.outcome if proof is not None and proof.report.healthy else None
    return {e: str(node.id) for e, node in came.state.nodes.items()} if came is not None else {}


def copying(
    blueprint: Blueprint, state: HostState, ids: Mapping[Endpoint, str], *, changed: bool, foresee: bool = False
) -> tuple[Change, ...]:
    """The copying that is due on a host, by who its servers are; after a run that `changed` the cluster all are due."""
    stale = [i for i in blueprint.instances if changed or not state.nodes_of(i.endpoint.port).same]
    pairs = tuple((i, ids.get(i.endpoint, "")) for i in stale if foresee or i.endpoint in ids)
    if not pairs:
        return ()
    text = f"keep a copy of the list of nodes of {', '.join(i.name for i, _ in pairs)}"
    return (Change(Stage.IDENTITIES, text, KeepNodes(pairs)),)


def admit(
    host: HostSpec,
    found: Iterable[Change],
    topology: Topology,
    connect: Callable[[], Transport],
    consents: Collection[str],
) -> None:
    """Let restorations through that are provably safe, or that the operator vouches for.

    Args:
        host: where they would be made.
        found: changes, of which only restorations are looked at.
        topology: whose other servers are asked.
        connect: makes the transport, which is closed here; called only where there is something to ask.
        consents: hazards that are allowed by name.

    Raises:
        PlanError: ``nodes-conf-lost``.
    """
    lost = [change.action for change in found if isinstance(change.action, RestoreIdentity)]
    if not lost:
        return
    gone = {change.instance.endpoint for change in lost}
    others = [n.endpoint for n in (*topology.nodes, *topology.spares) if n.endpoint not in gone]
    transport = connect()
    try:
        answers = transport.ask(dict.fromkeys(others, look_commands(())), timeout=SECONDS)
        seen = {e: read_view(e, answer, transport) for e, answer in answers.items()}
        views = {e: view for e, view in seen.items() if isinstance(view, NodeView)}
        for change in lost:
            elsewhere, doubt = judge(change, transport.address(change.instance.endpoint), views)
            if doubt and (elsewhere or CONSENT not in consents):
                raise _refusal(host, change, doubt, elsewhere=elsewhere)
    finally:
        transport.close()


def judge(change: RestoreIdentity, address: str, views: Mapping[Endpoint, NodeView]) -> tuple[bool, str]:
    """Whether the copy's identity answers elsewhere, and what speaks against restoring it; nothing where it is safe."""
    port = change.instance.endpoint.port
    for endpoint, view in views.items():
        if view.id == change.id:
            return True, f"{endpoint} answers under that identity now"
    lines = [(e, p) for e, view in views.items() for p in view.peers if p.id == change.id]
    for endpoint, peer in lines:
        if (peer.address, peer.port) != (address, port):
            return (
                False,
                f"{endpoint} knows that identity at {f'{peer.address}:{peer.port}' if peer.address else 'no address'}",
            )
    return False, "" if lines else f"none of the {len(views)} other servers that answer knows that identity"


def _refusal(host: HostSpec, change: RestoreIdentity, doubt: str, *, elsewhere: bool) -> PlanError:
    instance: Instance = change.instance
    return PlanError(
        "nodes-conf-lost",
        f"{subject(host)}: {instance.name} has data in {instance.data} and its nodes.conf is lost or damaged; the "
        f"saved copy says that it is {change.id[:8]}, but {doubt}; it was not started",
        hint="find out which of the two is the right one, and stop the other"
        if elsewhere
        else f"start the other servers and run again; or, if the copy is to be trusted: --data allow={CONSENT}",
    )

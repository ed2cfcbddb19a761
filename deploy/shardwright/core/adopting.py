"""From a running cluster that somebody else made to the spec for which nothing is to be done. Pure.

Knows neither how the cluster was asked nor how a spec is written down. What a spec can't say is refused by name, all reasons
at once, rather than rounded to what it can say: the first apply would carry that rounding out on data.
What is in doubt but loses nothing (settings that differ between nodes, members of a shard on one host) is a finding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from ..engines import Version
from ..errors import merged
from ..model.endpoint import Endpoint
from ..model.plan import Plan
from ..model.report import Finding, Severity
from ..model.secret import Secret
from ..model.spec import ClusterSpec, Domain, EngineChoice, HostSpec, Product, Security
from ..model.state import ClusterState, NodeState
from .adopting_refusals import members_of, refusals
from .adopting_settings import adopted_settings
from .fitting import fit
from .placement import place
from .planning import plan
from .planning.resharding import TOLERANCE


@dataclass(frozen=True, slots=True)
class Adoption:
    """The spec, and what whoever adopts must know: gravest first."""

    spec: ClusterSpec
    findings: tuple[Finding, ...]


def adopted_spec(
    name: str, state: ClusterState, *, password: Secret | None = None, unlike: Collection[Endpoint] = ()
) -> Adoption:
    """The spec that says what `state` is.

    Args:
        name: of the cluster, and of its environment.
        state: all members, asked for every setting that `running_settings.asked_names` lists.
        password: the one that they took.
        unlike: nodes whose password for replication is another one.

    Raises:
        PlanError: with every reason why a spec can't say it.
    """
    found = [*refusals(state)]
    if found:
        raise merged(found, subject="preconditions of an adoption")
    teams = members_of(state)
    hosts = _hosts(state)
    settings = adopted_settings(list(state.nodes.values()))
    spread = _spread(hosts, teams)
    loopback = all(ip_address(h.address).is_loopback for h in hosts)
    nodes = list(state.nodes.values())
    spec = ClusterSpec(
        name=name,
        engine=_engine(nodes),
        shards=len(teams),
        replicas=len(teams[0]) - 1,
        hosts=hosts,
        bus_offset=nodes[0].endpoint.bus_port - nodes[0].endpoint.port,
        settings=settings.settings,
        persistence=settings.persistence,
        security=Security(password, open=password is None and not loopback),
        spread=spread,
    )
    notes = [
        *settings.findings,
        *_slots(spec, state),
        *_placement(spec, teams),
        *_access(spec, unlike),
        *_hosts_are_not_ours(spec),
    ]
    order = list(Severity)[::-1]
    return Adoption(spec, tuple(sorted(notes, key=lambda finding: order.index(finding.severity))))


def first_plan(spec: ClusterSpec, state: ClusterState) -> Plan:
    """What an apply of `spec` would do to the cluster as it is.

    Raises:
        ShardwrightError: as `plan` does.
    """
    return plan(fit(place(spec), state), state)


def _hosts(state: ClusterState) -> tuple[HostSpec, ...]:
    """One host an address, with the zone that its servers say they are in (Valkey's `availability-zone`)."""
    ports: dict[str, list[int]] = defaultdict(list)
    zones: dict[str, str] = {}
    for endpoint, node in state.nodes.items():
        ports[endpoint.host].append(endpoint.port)
        zones.setdefault(endpoint.host, node.view.settings.get("availability-zone", ""))
    ordered = sorted(ports, key=lambda address: (ip_address(address).version, int(ip_address(address))))
    return tuple(
        HostSpec(f"h{n}", address, tuple(sorted(ports[address])), zone=zones[address], connect=address)
        for n, address in enumerate(ordered, 1)
    )


def _engine(nodes: list[NodeState]) -> EngineChoice:
    """From the lowest series that runs up to the next one after the highest."""
    series = sorted({Version.parse(node.view.version).series for node in nodes})
    (low, minor), (high, last) = series[0], series[-1]
    return EngineChoice(Product(nodes[0].view.product), f">={low}.{minor},<{high}.{last + 1}")


def _spread(hosts: tuple[HostSpec, ...], teams: list[list[NodeState]]) -> Domain:
    """The widest domain that no two members of any shard share now."""
    by_address = {host.address: host for host in hosts}
    if all(host.zone for host in hosts) and all(
        len({by_address[m.endpoint.host].zone for m in team}) == len(team) for team in teams
    ):
        return Domain.ZONE
    apart = all(len({m.endpoint.host for m in team}) == len(team) for team in teams)
    return Domain.HOST if apart else Domain.NONE


def _slots(spec: ClusterSpec, state: ClusterState) -> Iterator[Finding]:
    shares = {
        str(shard.primary.endpoint): (sum(len(state.nodes[m.endpoint].slots) for m in shard.members), shard.quota)
        for shard in fit(place(spec), state).shards
    }
    off = {where: pair for where, pair in shares.items() if abs(pair[0] - pair[1]) > pair[1] * TOLERANCE}
    if off:
        moved = sum(max(0, owned - quota) for owned, quota in shares.values())
        each = "; ".join(f"{where} owns {owned:,}, its share is {quota:,}" for where, (owned, quota) in off.items())
        yield Finding(
            "adopt-slots-uneven",
            Severity.WARNING,
            spec.name,
            f"a spec gives every shard the same number of slots, and here {each}: the first apply moves {moved:,} slots",
            f"before an apply read what it costs: shardwright plan {spec.name}; until then all works as it is",
        )


def _placement(spec: ClusterSpec, teams: list[list[NodeState]]) -> Iterator[Finding]:
    together = [team for team in teams if len({m.endpoint.host for m in team}) < len(team)]
    if together and len(spec.hosts) > 1:
        where = "; ".join(", ".join(str(m.endpoint) for m in team) for team in together[:6])
        yield Finding(
            "adopt-members-together",
            Severity.WARNING,
            spec.name,
            f"{len(together)} of {len(teams)} shards have several members on one host ({where}), so spread: none is written",
            "one host that dies takes all copies: write  spread: host  and read what shardwright plan would move",
        )


def _access(spec: ClusterSpec, unlike: Collection[Endpoint]) -> Iterator[Finding]:
    if spec.security.open:
        yield Finding(
            "adopt-open",
            Severity.WARNING,
            spec.name,
            "the servers take commands without a password, on addresses beyond loopback; security: {open: true} is written",
            "give it a password, or see that a firewall lets only your clients in",
        )
    if unlike:
        where = ", ".join(str(e) for e in sorted(unlike)[:6])
        yield Finding(
            "adopt-replication-password",
            Severity.WARNING,
            spec.name,
            f"{len(unlike)} nodes have another password for replication (masterauth) than the one given: {where}",
            "shardwright knows one password for both; CONFIG SET masterauth on these nodes, or a failover will cut them off",
        )


def _hosts_are_not_ours(spec: ClusterSpec) -> Iterator[Finding]:
    yield Finding(
        "adopt-hosts-not-managed",
        Severity.INFO,
        spec.name,
        "plan, apply, verify and drift work on this cluster from now on; files and services of its hosts stay with whoever "
        "made them, and deploy/cluster.py refuses ports that another service holds",
        "to hand the hosts over, replace them one at a time by hosts that deploy/cluster.py has made",
    )

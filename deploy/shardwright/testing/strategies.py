"""Hypothesis strategies: topologies, networks, faults. Needs `hypothesis`, which the rest of the kit does not."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from ..model.endpoint import Endpoint
from ..model.slots import SLOT_COUNT
from ..model.topology import Node, Shard, Topology
from .fake_transport import FakeTransport


@dataclass(frozen=True)
class Network:
    """How bad the bus is: seed, seconds a message takes, part of the messages lost."""

    seed: int
    delay: tuple[float, float]
    loss: float


@dataclass(frozen=True)
class Fault:
    """What happens to the deploy at effect `number`.

    ``before`` and ``after`` kill it there; ``reply`` and ``request`` lose the one or the other.
    """

    number: int
    mode: str

    def arm(self, transport: FakeTransport) -> None:
        """Let it happen on that transport."""
        arms = {
            "before": transport.fail_before,
            "after": transport.fail_after,
            "reply": transport.lose_reply,
            "request": transport.lose_request,
        }
        arms[self.mode](self.number)


MODES = ("before", "after", "reply", "request")


def topology(shards: int, replicas: int, product: str = "valkey", zones: int = 3) -> Topology:
    """Shards of equal quotas, each member on a host of its own, its zone the next one for each member."""
    base, extra = divmod(SLOT_COUNT, shards)
    made = []
    for number in range(shards):
        members = []
        for member in range(1 + replicas):
            place = number * (1 + replicas) + member
            host = f"10.{member}.{number // 250}.{number % 250 + 1}"
            members.append(
                Node(Endpoint(host, 6379, 16379), f"host-{place + 1}", f"zone-{(number + member) % zones + 1}")
            )
        made.append(Shard(f"shard-{number + 1}", tuple(members), base + (number < extra)))
    return Topology("simulated", tuple(made), product=product)


def topologies(
    shards: tuple[int, int] = (3, 12),
    replicas: tuple[int, int] = (0, 2),
    products: tuple[str, ...] = ("valkey", "redis"),
) -> st.SearchStrategy[Topology]:
    """Topologies of these products, sizes drawn from the bounds."""
    return st.builds(topology, st.integers(*shards), st.integers(*replicas), st.sampled_from(products))


def networks(loss: float = 0.0, slowest: float = 0.002) -> st.SearchStrategy[Network]:
    """Networks up to that loss and that slowness."""
    return st.builds(
        lambda seed, worst, lost: Network(seed, (0.0002, max(worst, 0.0002)), lost),
        st.integers(0, 2**32),
        st.floats(0.0002, slowest),
        st.floats(0.0, loss) if loss else st.just(0.0),
    )


def faults(effects: int) -> st.SearchStrategy[Fault]:
    """A fault at one of the first `effects` effects."""
    return st.builds(Fault, st.integers(1, effects), st.sampled_from(MODES))

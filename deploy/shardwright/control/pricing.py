"""`price_plan`: weighs on the live cluster what a plan moves. Read-only, and over within three exchanges of `LIMIT` seconds.

Keys are counted slot by slot (CLUSTER COUNTKEYSINSLOT). Bytes are estimated: where a source moves few keys, each of them is
asked for its memory; where many, by the source's memory per key, since a sample of them would miss the few large ones that
often are most of it. A server that does not answer leaves a gap in the price, and no error: planning must not hang on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.parsing import Unreadable, number, parse_fields, text_of
from ..core.pricing import Weight, moving, price
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import Plan, Replicate
from ..model.price import Price
from ..model.slots import SlotSet
from ..model.state import ClusterState
from ..ports import Answer, Command, Reply, Transport

LIMIT = 5.0
"""Seconds that one node has for one exchange."""
FEW = 1_000
"""Keys of one source up to which each is weighed."""


def price_plan(made: Plan, state: ClusterState, transport: Transport) -> Price:
    """The price of `made`, which was planned on `state`."""
    slots = _slots(made)
    copied = {step.primary for step in made.steps if isinstance(step, Replicate)} & state.nodes.keys()
    questions: dict[Endpoint, list[Command]] = {
        e: [("INFO", "memory"), *(("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in slots.get(e, SlotSet()))]
        for e in sorted(slots.keys() | copied)
    }
    answers = transport.ask(questions, timeout=LIMIT)
    gaps = {e: f"{a.reason}: {a.detail}" for e, a in answers.items() if isinstance(a, Silence)}
    counted = {e: _counts(slots.get(e, SlotSet()), a) for e, a in answers.items() if not isinstance(a, Silence)}
    each = _weighed({e: counts for e, counts in counted.items() if 0 < sum(counts.values()) <= FEW}, transport)
    weights = {}
    for endpoint, counts in counted.items():
        dataset, keys = _dataset(answers[endpoint]), state.nodes[endpoint].view.keys
        average = dataset / keys if dataset is not None and keys else None
        weights[endpoint] = Weight(counts, each.get(endpoint, average), dataset)
    return price(made, state, weights, gaps)


def _slots(made: Plan) -> dict[Endpoint, SlotSet]:
    found: dict[Endpoint, SlotSet] = {}
    for step in made.steps:
        if slots := moving(step):
            found[step.node] = found.get(step.node, SlotSet()) | slots
    return found


def _counts(slots: SlotSet, replies: Sequence[Reply]) -> dict[int, int]:
    return {slot: n for slot, n in zip(slots, replies[1:], strict=False) if isinstance(n, int)}


def _dataset(answer: Answer) -> int | None:
    """Bytes of the keys in memory, without what the server itself needs."""
    if isinstance(answer, Silence):
        return None
    try:
        info = parse_fields(text_of(answer[0]))
    except Unreadable:
        return None
    return number(info, "used_memory_dataset") if "used_memory_dataset" in info else None


def _weighed(counted: Mapping[Endpoint, Mapping[int, int]], transport: Transport) -> dict[Endpoint, float]:
    """Bytes per key of those few that move, by asking for each."""
    lists: dict[Endpoint, list[Command]] = {
        e: [("CLUSTER", "GETKEYSINSLOT", slot, n) for slot, n in counts.items() if n] for e, counts in counted.items()
    }
    questions: dict[Endpoint, list[Command]] = {}
    for endpoint, answer in transport.ask(lists, timeout=LIMIT).items():
        if not isinstance(answer, Silence):
            keys = [key for names in answer if isinstance(names, list) for key in names if isinstance(key, bytes)]
            questions[endpoint] = [("MEMORY", "USAGE", key) for key in keys[:FEW]]
    found = {}
    for endpoint, answer in transport.ask(questions, timeout=LIMIT).items():
        sizes = [] if isinstance(answer, Silence) else [size for size in answer if isinstance(size, int)]
        if sizes:
            found[endpoint] = sum(sizes) / len(sizes)
    return found

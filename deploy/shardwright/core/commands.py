"""From a step to the commands that carry it out: the one place that spells CLUSTER commands.

Knows nothing of replies. `FinishSlot` has no fixed commands, since it goes on until the slot is empty: `control.moving`.
"""

from __future__ import annotations

from ..model.plan import AddSlots, CloseSlot, Configure, FinishSlot, Forget, Meet, Replicate, Reset, SetEpoch, Step
from ..model.wire import Command


def commands(step: Step) -> tuple[Command, ...]:
    """The commands of `step`, for the node that it names.

    Raises:
        ValueError: the step is a `FinishSlot`.
    """
    match step:
        case Configure(setting=name, value=value):
            return (("CONFIG", "SET", name, value),)
        case SetEpoch(epoch=epoch):
            return (("CLUSTER", "SET-CONFIG-EPOCH", epoch),)
        case AddSlots(slots=slots):
            bounds = [bound for r in slots.ranges() for bound in (r.first, r.last)]
            return (("CLUSTER", "ADDSLOTSRANGE", *bounds),)
        case Meet(peer=peer, address=address):
            return (("CLUSTER", "MEET", address, peer.port, peer.bus_port),)
        case Replicate(primary_id=primary_id):
            return (("CLUSTER", "REPLICATE", primary_id),)
        case Forget(id=node_id):
            return (("CLUSTER", "FORGET", node_id),)
        case CloseSlot(slot=slot):
            return (("CLUSTER", "SETSLOT", slot, "STABLE"),)
        case Reset(keys=keys):
            emptied: tuple[Command, ...] = (("FLUSHALL",),) if keys else ()
            return (*emptied, ("CLUSTER", "RESET", "HARD"))
        case FinishSlot():
            raise ValueError("a FinishSlot is a loop, not a command")

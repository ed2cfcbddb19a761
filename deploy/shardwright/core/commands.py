"""From a step to the commands that carry it out: the one place that spells CLUSTER commands.

Knows nothing of replies. Moves of slots have no fixed commands, since they go on until the slots are empty, and commands
that hold a password are made where the password is: both in `control`.
"""

from __future__ import annotations

from ..model.plan import (
    AddSlots,
    AdmitPassword,
    CloseSlot,
    Configure,
    Failover,
    FinishSlot,
    Forget,
    Meet,
    MigrateSlots,
    Part,
    Replicate,
    Reset,
    Restart,
    RetirePassword,
    SetEpoch,
    Step,
    UsePassword,
)
from ..model.wire import Command


def commands(step: Step) -> tuple[Command, ...]:
    """The commands of `step`, for the node that it names.

    Raises:
        ValueError: the step moves slots, is not the server's to do, or needs a password.
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
        case Part():
            return (("FUNCTION", "FLUSH", "SYNC"),)
        case Failover():
            return (("CLUSTER", "FAILOVER"),)
        case Forget(id=node_id):
            return (("CLUSTER", "FORGET", node_id),)
        case CloseSlot(slot=slot):
            return (("CLUSTER", "SETSLOT", slot, "STABLE"),)
        case Reset(keys=keys):
            emptied: tuple[Command, ...] = (("FLUSHALL",),) if keys else ()
            return (*emptied, ("CLUSTER", "RESET", "HARD"))
        case FinishSlot() | MigrateSlots():
            raise ValueError(f"a {type(step).__name__} is a loop, not a command")
        case Restart():
            raise ValueError("a restart is the service manager's")
        case AdmitPassword() | UsePassword() | RetirePassword():
            raise ValueError(f"a {type(step).__name__} needs what no step holds: a password")

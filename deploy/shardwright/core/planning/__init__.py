"""`plan`: from what should be and what is to what is to be done. Pure and deterministic; a rule a file.

The order of the phases is the safety argument: refuse first (nothing is touched on a picture that can't be trusted), close
what others left open, restart the outdated that stand alone, prepare each node for itself, introduce, replicate, join, move
slots once whoever gets them has its copies, place what was drained, dismiss and forget what holds no place, put settings
right, restart what only a new start puts right, and hand primaries over at the very end.
Re-planning after any phase gives the rest of the plan, because each rule looks only at what is, never at what an earlier
run intended.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import PlanError
from ...model.plan import Phase, Plan
from ...model.state import ClusterState
from ...model.topology import Topology
from .assigning import Assignment, assign
from .dismissing import dismiss_phase
from .fingerprint import fingerprint
from .forgetting import forget_phase
from .forming import gather_phases, introduce_phase, prepare_phase, replicate_drained_phase
from .giving_up import give_up_phase
from .leading import lead_phases
from .open_slots import arriving, open_slots_phase
from .parting import part_phase
from .refusing import refuse, refuse_failing_disks, refuse_lacking, unsettled
from .resetting import reset_phase
from .resharding import agree_phase, move_phase
from .rolling import renew_phase, roll
from .settings import settle_phase
from .succeeding import succeed_phase

__all__ = ["Assignment", "assign", "plan", "require_consent", "unsettled"]


def plan(topology: Topology, state: ClusterState) -> Plan:
    """What turns `state` into `topology`.

    A plan that resets nodes ends there: a reset node has a new identity, so what follows is planned from a new look.

    Raises:
        ObservationError: a node of the topology gave no view (code ``nodes-silent``).
        PlanError: no safe plan exists; the code says why, the message which nodes and what to do.
    """
    refuse(topology, state)
    print_of = fingerprint(topology, state)
    giving_up, lost, state = give_up_phase(state)
    resets, hazards = reset_phase(topology, state)
    if resets is not None:
        return Plan((resets,), hazards, print_of)
    closing = open_slots_phase(state)
    handed = arriving(closing)
    assignment = assign(topology, state, handed)
    prepare = prepare_phase(topology, state, assignment)
    introduce = introduce_phase(topology, state, assignment)
    gathering, bare = gather_phases(topology, state, assignment)
    move, many = move_phase(topology, state, assignment, handed)
    drained = replicate_drained_phase(topology, state, assignment)
    dismiss, emptied = dismiss_phase(topology, state)
    succeed = succeed_phase(state, (closing, move))
    rolled = roll(topology, state, assignment)
    phases: list[Phase | None] = [
        giving_up,
        succeed,
        closing,
        renew_phase(topology, state),
        prepare,
        introduce,
        part_phase(state, (*gathering, drained)),
        *gathering,
        agree_phase(state, move) if move and not (introduce or gathering) else None,
        move,
        drained,
        dismiss,
        forget_phase(topology, state),
        settle_phase(topology, state, (prepare, succeed)),
        *rolled.phases,
        *lead_phases(topology, state, rolled),
    ]
    hazards = (*lost, *bare, *many, *emptied, *rolled.hazards)
    made = Plan(tuple(phase for phase in phases if phase is not None), hazards, print_of)
    refuse_failing_disks(topology, state, made)
    refuse_lacking(state, made)
    return made


def require_consent(made: Plan, allowed: Iterable[str]) -> None:
    """Refuse a plan whose hazards were not all allowed by name.

    Raises:
        PlanError: code ``hazard-not-allowed``; names each hazard and what to type.
    """
    consents = set(allowed)
    missing = [hazard for hazard in made.hazards if hazard.code not in consents]
    if not missing:
        return
    lines = "\n".join(f"- {hazard.code}: {hazard.message}" for hazard in missing)
    codes = sorted({hazard.code for hazard in missing})
    words, listed = " ".join(f"--allow {code}" for code in codes), ",".join(codes)
    raise PlanError(
        "hazard-not-allowed",
        f"the plan is dangerous and was not allowed; nothing was changed:\n{lines}",
        hint=f"if that is what you want: shardwright apply {words} "
        f"(pyinfra: --data allow={listed}; ansible-playbook: -e cluster_allow={listed})",
    )

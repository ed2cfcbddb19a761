"""What servers make of histories: who may go on where it ended; and whose keys show that its history is not its data's."""

from __future__ import annotations

from ..model.observation import Role
from ..model.state import NodeState

FEW = 1_000
"""Keys of a primary below which nothing is concluded: they are counted at slightly different moments."""
LACKING_HINT = (
    "if it led, the keys that it lacks would be lost: make it take a full copy (CLUSTER RESET HARD on that replica, then "
    "the same command again); if its primary has just been filled, verify again"
)


def lacks_keys(replica: NodeState, primary: NodeState) -> bool:
    """Whether a replica that says to be in step holds less than half of its primary's keys."""
    in_step = replica.view.primary_link_up and not replica.view.syncing and not replica.view.loading
    return in_step and primary.view.keys >= FEW and 2 * replica.view.keys < primary.view.keys


def resumes(node: NodeState, primary: NodeState) -> bool:
    """Whether `node`, which leads itself, would go on in the history that `primary` had as its replica, without a copy.

    That is right where it holds what it held then; but a primary is made a replica only if it holds nothing.
    """
    one, other = node.view, primary.view
    follows = bool(one.history) and one.history == other.former_history and one.offset < other.former_until
    return node.role is Role.PRIMARY and bool(other.keys) and follows

"""What is asked of a play as a whole, judged by its first task: nothing may be changed on one host and refused on another.

Knows no Ansible. A play that works on its hosts in turns, or on each at its own pace, is not what the roles are written for:
the look at all hosts no longer comes before the first change, and a first batch waits for servers of the second for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ..adapters import ledger
from ..core.wishes import consents
from ..errors import PlanError

_OWN_PACE = ("free", "host_pinned")


def judge(
    *, strategy: str, batch: Collection[str], hosts: Collection[str], allow: Sequence[str] = (), reports: str = ""
) -> None:
    """Refuse what can't be meant, or would break the order.

    Args:
        strategy: of the play.
        batch: the hosts that are worked on at a time.
        hosts: all hosts of the play.
        allow: hazards that are consented to, by name.
        reports: directory of the reports; empty where none are to be written.

    Raises:
        ShardwrightError: ``option-refused``, ``consent-unknown`` or ``reports-not-writable``.
    """
    if strategy.endswith(_OWN_PACE):
        raise _refused(f"the play's strategy is {strategy}", "strategy: linear in the play")
    if set(batch) != set(hosts):
        raise _refused(f"the play has serial, {len(batch)} of {len(hosts)} hosts at a time", "take serial out")
    consents(allow)
    if reports:
        ledger.check_writable(Path(reports))


def _refused(found: str, hint: str) -> PlanError:
    text = f"{found}: a host that is not fit would not stop the others before they are changed; nothing was changed"
    more = "servers are restarted one host at a time whatever a play says"
    return PlanError("option-refused", text, hint=f"{hint}; {more}")

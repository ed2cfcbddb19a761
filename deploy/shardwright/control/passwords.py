"""Which nodes would log in to their primary with another password than the cluster's. What they have is never kept.

A link that is up says nothing about that: it was made with the password of then, and breaks at the next failover.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.secret import Secret
from ..ports import Transport
from .observing import TIMEOUT


def unlike(
    transport: Transport, endpoints: Iterable[Endpoint], password: Secret | None, *, timeout: float = TIMEOUT
) -> frozenset[Endpoint]:
    """The nodes whose `masterauth` is not `password`; those that do not tell are left out."""
    wanted = (password.reveal() if password else "").encode()
    answers = transport.ask(dict.fromkeys(endpoints, (("CONFIG", "GET", "masterauth"),)), timeout=timeout)
    return frozenset(
        endpoint
        for endpoint, answer in answers.items()
        if not isinstance(answer, Silence) and isinstance(answer[0], list) and answer[0][1:] != [wanted]
    )

"""From how servers stand to the passwords of `cluster.yml` to the phases of a rotation. Pure; no step holds a password.

Why the order is safe. A server is given a further password before anybody needs it there, and loses one only after every
other server logs in with another: so at any moment each server can log in at each. First all admit the new one, then all
replicate with it, and only once the cluster is whole is the old one refused.

A server without any password knows no "beside": the first one it is given closes it, and `AUTH PASSWORD` is an error
before. But it takes `AUTH default ANYTHING`. So its peers get a user name to log in with, it is closed at the very end, and
then the name is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...model.endpoint import Endpoint
from ...model.plan import AdmitPassword, Phase, RetirePassword, Until, UsePassword
from ...model.standing import Given, Standing

LIMIT = 30.0
DEFAULT = "default"
"""The user that clients are who say no name."""

Standings = Mapping[Endpoint, Standing]


def admit_phase(standings: Standings, valid: frozenset[Given]) -> Phase | None:
    """Where a password of `valid` is not taken yet; open servers are closed later."""
    steps = tuple(AdmitPassword(e) for e, s in sorted(standings.items()) if not s.open and valid - s.takes)
    return Phase("admit the password", steps, Until.LOGGED_IN, LIMIT) if steps else None


def use_phase(standings: Standings) -> Phase | None:
    """Who replicates with another password or name; for a time after every server takes the password."""
    user = DEFAULT if any(s.open for s in standings.values()) else ""
    steps = tuple(UsePassword(e, user) for e, s in sorted(standings.items()) if not s.replicates or s.user != user)
    return Phase("replicate with the password", steps, Until.LOGGED_IN, LIMIT) if steps else None


def retire_phase(standings: Standings, valid: frozenset[Given]) -> Phase | None:
    """Where more is taken than `valid`, or another password would come back by CONFIG REWRITE.

    A password that `cluster.yml` does not name is somebody's: it is reported and stays.
    """
    steps = tuple(
        RetirePassword(endpoint, closing=standing.open)
        for endpoint, standing in sorted(standings.items())
        if standing.takes - valid or (not standing.kept and alone(standing, valid))
    )
    return Phase("refuse the old password", steps, Until.LOGGED_IN, LIMIT) if steps else None


def alone(standing: Standing, valid: frozenset[Given]) -> bool:
    """Whether `security.password` is to be the only one that the server takes."""
    return valid == {Given.PASSWORD} and not standing.unnamed

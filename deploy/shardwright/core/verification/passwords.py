"""Findings on who may log in: the retired password is refused everywhere, the previous one taken everywhere, nobody is open.

Judges what was tried with new logins; holds no password.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...model.endpoint import Endpoint
from ...model.report import Finding, Severity
from ...model.standing import Standing

Tried = Mapping[Endpoint, bool]
"""Whether a server let a new connection in; those that gave no answer are not in it."""


def password_findings(
    names: Mapping[Endpoint, str],
    standings: Mapping[Endpoint, Standing],
    *,
    retired: Tried | None,
    previous: Tried | None,
    stale_files: bool = False,
) -> Iterator[Finding]:
    """What holds and what does not.

    Args:
        names: of all servers that are judged.
        standings: of those that told.
        retired: what came of logging in with `security.retired`; None where there is none.
        previous: the same of `security.previous`.
        stale_files: the running servers were changed by this run, and their files were not.
    """
    if retired is not None:
        yield from _retired(names, retired)
    if previous is not None:
        yield from _previous(names, previous)
    for endpoint, standing in standings.items():
        name = names[endpoint]
        if standing.open:
            text = f"{name} takes commands without a password"
            yield Finding("password-open", Severity.ERROR, name, text, "deploy: it is closed once the cluster is whole")
        if standing.unnamed:
            text = f"{name} takes {standing.unnamed} more passwords that cluster.yml does not name"
            hint = "if one is an old one, name it as security.retired and deploy: it is refused, and proved to be"
            yield Finding("password-unnamed", Severity.WARNING, name, text, hint)
    if stale_files:
        text = "the running servers were changed and not their files: one that restarts takes the old password again"
        yield Finding("password-files", Severity.WARNING, "files", text, "run deploy/cluster.py, which writes them")


def _retired(names: Mapping[Endpoint, str], tried: Tried) -> Iterator[Finding]:
    code = "password-retired"
    for endpoint in sorted(e for e, lets_in in tried.items() if lets_in):
        text = f"{names[endpoint]} still takes the retired password"
        yield Finding(code, Severity.ERROR, names[endpoint], text, "deploy: it is refused once the cluster is whole")
    for endpoint in sorted(names.keys() - tried.keys()):
        text = f"{names[endpoint]} was not heard, so it may still take the retired password"
        yield Finding(code, Severity.ERROR, names[endpoint], text, "bring it back, then deploy")
    if len(tried) == len(names) and not any(tried.values()):
        text = f"all {len(names)} servers refused a login with the retired password"
        yield Finding(code, Severity.OK, "passwords", text, "security.retired can be taken out of cluster.yml")


def _previous(names: Mapping[Endpoint, str], tried: Tried) -> Iterator[Finding]:
    code, hint = (
        "password-previous",
        "give every client the new one, then rename security.previous to retired and deploy",
    )
    refusing = sorted(e for e, lets_in in tried.items() if not lets_in)
    for endpoint in refusing:
        text = f"{names[endpoint]} refuses the previous password"
        yield Finding(code, Severity.ERROR, names[endpoint], text, "deploy: it is admitted again")
    if not refusing:
        text = f"{len(tried)} of {len(names)} servers take the previous password, too"
        yield Finding(code, Severity.INFO, "passwords", text, hint)

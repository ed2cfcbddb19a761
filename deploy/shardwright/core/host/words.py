"""How messages name a host, and how they say what failed there. Pure."""

from __future__ import annotations

from ...errors import ApplyError
from ...model.spec import HostSpec, Security
from ..logins import masked
from .batches import Failure


def subject(host: HostSpec) -> str:
    """How messages name a host: ``cache-3 (10.0.0.7, zone b)``."""
    zone = f", zone {host.zone}" if host.zone else ""
    return f"{host.name} ({host.address}{zone})"


def explained(host: HostSpec, failure: Failure, security: Security) -> ApplyError:
    """The error of a change that was not made, without the passwords that a command on the host may have repeated."""
    doing = failure.change.text if failure.change else "a batch of changes"
    text = f"{subject(host)}: {doing}: {masked(failure.seen, security)}; not done, and nothing after it"
    return ApplyError(failure.code, text, hint=masked(failure.hint, security))

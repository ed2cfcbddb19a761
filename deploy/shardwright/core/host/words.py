"""How messages name a host, and how they say what failed there. Pure."""

from __future__ import annotations

from ...errors import ApplyError
from ...model.secret import Secret
from ...model.spec import HostSpec
from .batches import Failure


def subject(host: HostSpec) -> str:
    """How messages name a host: ``cache-3 (10.0.0.7, zone b)``."""
    zone = f", zone {host.zone}" if host.zone else ""
    return f"{host.name} ({host.address}{zone})"


def masked(text: str, password: Secret | None) -> str:
    """The text without the password, should a command on the host have repeated it."""
    return text.replace(password.reveal(), "***") if password is not None and len(password) else text


def explained(host: HostSpec, failure: Failure, password: Secret | None) -> ApplyError:
    """The error of a change that was not made."""
    doing = failure.change.text if failure.change else "a batch of changes"
    text = f"{subject(host)}: {doing}: {masked(failure.seen, password)}; not done, and nothing after it"
    return ApplyError(failure.code, text, hint=masked(failure.hint, password))

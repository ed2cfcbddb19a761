"""What a server that was looked at can do, by its own word of product and version."""

from __future__ import annotations

from ..engines import engine_of
from ..engines.product import Capability
from ..engines.version import Version
from ..errors import SpecError
from ..model.observation import NodeView


def able(view: NodeView, what: Capability) -> bool:
    """Whether the server has the capability; one whose product or version is not known has none."""
    try:
        return engine_of(view.product).can(what, Version.parse(view.version))
    except SpecError:
        return False

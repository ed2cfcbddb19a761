"""Spares a run work that comes out the same without: pyinfra's for every operation on every host, Python's at the end.

It was a quarter of the CPU time of a run that changes nothing on six hosts, and most of it grew with the hosts. What pyinfra
computes stays as it is: only the way there is shorter. Where a version of it no longer has these names, nothing is spared.
"""

from __future__ import annotations

import atexit
import gc
import inspect
from functools import cache, partial

from pyinfra.api import arguments, util


def spare() -> None:
    """Shorten the way; once a process."""
    # The order of operations comes from the lines that called them: file and number are used, the line's text never.
    for name in ("stack", "getframeinfo"):
        if getattr(util, name, None) is getattr(inspect, name):
            setattr(util, name, partial(getattr(inspect, name), context=0))
    # Which arguments every operation takes is written in pyinfra's code, and read out of its annotations.
    if hasattr(arguments, "all_global_arguments"):
        arguments.all_global_arguments = cache(arguments.all_global_arguments)
    # A process that ends needs no search for cycles in all that it has loaded; what is open is closed by who opened it.
    atexit.register(gc.freeze)

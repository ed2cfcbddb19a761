"""All entries by code. What an entry is stands in `entry.py`; this file only joins the tables.

One table for each place where codes arise, so that whoever adds a code finds the table beside its likes. A code with a star
stands for one of each level of failure domains. A test reads the package's source and asks that every code has an entry, and
every entry a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .bundle_entries import BUNDLE_ENTRIES
from .cluster_entries import CLUSTER_ENTRIES
from .day2_entries import DAY2_ENTRIES
from .engine_entries import ENGINE_ENTRIES
from .entry import Entry
from .fault_entries import FAULT_ENTRIES
from .file_entries import FILE_ENTRIES
from .finding_entries import FINDING_ENTRIES
from .host_entries import HOST_ENTRIES
from .plan_entries import PLAN_ENTRIES
from .spec_entries import SPEC_ENTRIES

_LEVELS = ("host", "rack", "zone")

TABLES = (
    FILE_ENTRIES,
    SPEC_ENTRIES,
    ENGINE_ENTRIES,
    BUNDLE_ENTRIES,
    HOST_ENTRIES,
    FAULT_ENTRIES,
    CLUSTER_ENTRIES,
    FINDING_ENTRIES,
    DAY2_ENTRIES,
    PLAN_ENTRIES,
)

CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        code.replace("*", level): entry
        for table in TABLES
        for code, entry in table.items()
        for level in (_LEVELS if "*" in code else ("",))
    }
)

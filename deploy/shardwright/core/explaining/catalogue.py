"""All entries by code. What an entry is stands in `entry.py`; this file only joins the tables.

One table for each place where codes arise, so that whoever adds a code finds the table beside its likes. A test reads the
package's source and asks that every code has an entry, and every entry a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .cluster_entries import CLUSTER_ENTRIES
from .engine_entries import ENGINE_ENTRIES
from .entry import Entry
from .file_entries import FILE_ENTRIES
from .finding_entries import FINDING_ENTRIES
from .host_entries import HOST_ENTRIES
from .spec_entries import SPEC_ENTRIES

TABLES = (FILE_ENTRIES, SPEC_ENTRIES, ENGINE_ENTRIES, HOST_ENTRIES, CLUSTER_ENTRIES, FINDING_ENTRIES)

CATALOGUE: Mapping[str, Entry] = MappingProxyType({code: entry for table in TABLES for code, entry in table.items()})

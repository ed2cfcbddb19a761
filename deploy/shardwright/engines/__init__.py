"""What differs between Redis, Valkey and the bundled Valkey, in one place, as data and pure rules.

Knows nothing of hosts, sockets or specs beyond plain text. The one part with effects is `engines.bundle`, which makes and
checks archives on the control machine and is not imported from here.
"""

from .advisories import Advisory, advisories
from .directives import Directive, Table, table, tables, tables_in
from .owned import OWNED, owner
from .passwords import check_password, is_placeholder
from .paths import Blocked, blocked
from .product import (
    BUNDLED,
    ENGINES,
    REDIS,
    VALKEY,
    Capability,
    Engine,
    Family,
    engine_of,
    identify,
    identify_binary,
)
from .quoting import quote, unquote
from .settings import check_setting, config_line, directive_of, is_live, same
from .values import same as same_value
from .version import Version, VersionRange

__all__ = [
    "BUNDLED",
    "ENGINES",
    "OWNED",
    "REDIS",
    "VALKEY",
    "Advisory",
    "Blocked",
    "Capability",
    "Directive",
    "Engine",
    "Family",
    "Table",
    "Version",
    "VersionRange",
    "advisories",
    "blocked",
    "check_password",
    "check_setting",
    "config_line",
    "directive_of",
    "engine_of",
    "identify",
    "identify_binary",
    "is_live",
    "is_placeholder",
    "owner",
    "quote",
    "same",
    "same_value",
    "table",
    "tables",
    "tables_in",
    "unquote",
]

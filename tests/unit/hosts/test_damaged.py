"""What servers say that can't read their data, captured from Redis 7.0.15 and Valkey 9.1.2, and what is said of it, by each
shell that is here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.hosts.test_batches import sh

from shardwright.core.host.questions import script

__all__ = ["sh"]

START = "28864:C 26 Nov 2026 10:59:55.281 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n"
FIX = "make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>"
BASE = """28864:M 26 Nov 2026 10:59:55.284 # Short read or OOM loading DB. Unrecoverable error, aborting now.
28864:M 26 Nov 2026 10:59:55.284 # Internal error in RDB reading offset 0, function at rdb.c:3249 -> Unexpected EOF
[offset 0] Checking RDB file appendonly.aof.2.base.rdb
"""
SNAPSHOT = """29856:M 26 Nov 2026 11:00:14.101 # Internal error in RDB reading offset 0, function at rdb.c:586 -> Unknown RDB
[offset 0] Checking RDB file dump.rdb
[offset 3999] AUX FIELD slot-info = '8331,1,0,0'
--- RDB ERROR DETECTED ---
[offset 4027] Internal error in RDB reading offset 0, function at rdb.c:586 -> Unknown RDB string encoding type 53
[additional info] Reading key 'of-a-customer'
[info] 0 functions
29856:M 26 Nov 2026 11:00:14.859 # Terminating server after rdb file reading failure.
"""
MANIFEST = """29836:M 26 Nov 2026 11:00:11.689 #
*** FATAL AOF MANIFEST FILE ERROR ***

29836:M 26 Nov 2026 11:00:11.689 # >>> 'hello'

29836:M 26 Nov 2026 11:00:11.689 # Invalid AOF manifest file format
"""
LOADED = "28853:M 26 Nov 2026 10:59:53.623 * DB loaded from base file appendonly.aof.2.base.rdb: 0.001 seconds\n"
MIDDLE = (
    f"28853:M 26 Nov 2026 10:59:53 # Bad file format reading the append only file appendonly.aof.2.incr.aof: {FIX}\n"
)
MISSING = (
    "29536:M 26 Nov 2026 11:00:10.894 # Unable to obtain the AOF file appendonly.aof.2.incr.aof length. stat: No such\n"
)
SIGNATURE = "29906:M 26 Nov 2026 11:00:17.285 # Wrong signature trying to load DB from file: HELLOHELL\n"
REASONS = {
    BASE: "appendonly.aof.2.base.rdb (Short read or OOM loading DB. Unrecoverable error, aborting now.)",
    SNAPSHOT: "dump.rdb (Internal error in RDB reading offset 0, function at rdb.c:586 -> Unknown RDB)",
    MANIFEST: "appendonly.aof.manifest (Invalid AOF manifest file format)",
    LOADED
    + MIDDLE: "appendonly.aof.2.incr.aof (Bad file format reading the append only file appendonly.aof.2.incr.aof)",
    MISSING: "appendonly.aof.2.incr.aof (Unable to obtain the AOF file appendonly.aof.2.incr.aof length. stat: No such)",
    SIGNATURE: "dump.rdb (Wrong signature trying to load DB from file: HELLOHELL)",
}


def judged(sh: Path, log: str) -> subprocess.CompletedProcess[str]:
    text = f"{script('services.sh')}\ndamaged /data/7000\n"
    path = f"{sh}:/usr/bin:/bin"
    return subprocess.run(
        [str(sh / "sh"), "-c", text], input=log, env={"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("log", REASONS, ids=["base", "snapshot", "manifest", "middle", "missing", "signature"])
def test_the_file_and_the_servers_words_are_told_and_never_to_repair_in_place(sh: Path, log: str) -> None:
    done = judged(sh, START + log)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert said.startswith(f"[data-damaged] the server can't read its data in /data/7000: {REASONS[log]}; nothing")
    assert "move all of /data/7000 but .shardwright-node away and deploy again" in said
    assert "--fix" not in said
    assert "customer" not in said


@pytest.mark.parametrize(
    "log",
    [
        "",
        START + LOADED,
        START + BASE + START + LOADED,
        START
        + SNAPSHOT
        + "*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nBad directive or wrong number of arguments\n",
        START + "1:M 26 Nov 2026 11:00:17.285 # Can't handle RDB format version 80\n",
        START
        + "1:M 26 Nov 2026 10:59:53.623 # !!! Warning: short read while loading the AOF file appendonly.aof.2.incr.aof!!!\n",
    ],
    ids=["nothing", "loaded", "mended-since", "another-cause-since", "newer-format", "tail-cut"],
)
def test_other_words_are_left_to_others(sh: Path, log: str) -> None:
    done = judged(sh, log)
    assert (done.returncode, done.stderr) == (0, "")

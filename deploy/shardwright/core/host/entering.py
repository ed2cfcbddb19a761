"""How our scripts enter a host: the words that are given to `sh -c` there, and what came back. Pure text.

Scripts go by stdin and never by argv, because argv is seen by every user of the host. What may hold secrets is run from a
private directory, which is the script's `$1` and is removed at the end; a script that did not arrive whole is not run.
A directory that is there while we hold the lock is what a killed run has left, with its secrets, and goes at once; without a
lock (no `flock`) only after an hour.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

COMPLETE = "#complete"
"""The last line of a script that has arrived whole."""

AS_ROOT = """
export LC_ALL=C
say() { printf '%s\\t%s\\n' "$1" "$(printf %s "$2" | tr '\\n\\t' '  ')"; }
say login "$(id -un)"
root=
if [ "$(id -u)" != 0 ] && [ "$1" = sudo ]; then
  if refusal=$(sudo -n true 2>&1 </dev/null); then root='sudo -n -H'; else say sudo-refused "$refusal"; fi
fi
"""
READ = AS_ROOT + "exec $root sh -c 'eval \"$(cat)\"'"
"""Not the text as an argument of sudo, which would write all of it to the host's log at every run."""

CHANGE = (
    AS_ROOT
    + """
exec $root sh -c '
umask 077
base=${XDG_RUNTIME_DIR:-${TMPDIR:-/tmp}}
if [ "$(id -u)" = 0 ] && [ -d /run ] && [ -w /run ]; then base=/run; fi
exec 9>"$base/shardwright-change.$(id -u).lock"
left=120 older=
until ! command -v flock >/dev/null || flock -n 9; do
  left=$((left - 1))
  [ $left -gt 0 ] || { echo "an interrupted deploy is still at work here" >&2; exit 96; }
  sleep 1
done
command -v flock >/dev/null || older="-mmin +60"
find "$base" -maxdepth 1 -name "shardwright-run.*" -user "$(id -u)" $older -exec rm -rf {} + 2>/dev/null
work=$(mktemp -d "$base/shardwright-run.XXXXXX") || exit 97
trap "rm -rf \\"$work\\"" EXIT
trap "exit 98" HUP INT TERM PIPE
cat >"$work/script"
if [ "$(tail -n 1 "$work/script")" != "#complete" ]; then echo truncated; exit 99; fi
sh "$work/script" "$work" </dev/null 9>&-
'
"""
)
# All but tab, printable ASCII, and U+0080 to U+FFFF; put the other way round it takes 8 ms to compile.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Output:
    """What the script printed, line by line, without control characters; `ok` if it ended with exit code 0."""

    ok: bool
    lines: tuple[str, ...]
    errors: tuple[str, ...]


def command(boot: str, *, sudo: bool) -> str:
    """The command line that runs the script on its stdin.

    Args:
        boot: `READ`, or `CHANGE` for a script that ends with `COMPLETE`.
        sudo: become root by sudo where the login is not root.
    """
    return f"sh -c {shlex.quote(boot)} shardwright {'sudo' if sudo else 'plain'}"


def clean(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines without control characters."""
    return tuple(_CONTROL.sub("?", line) for line in lines)

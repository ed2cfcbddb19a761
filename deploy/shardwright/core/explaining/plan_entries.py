"""Codes of plans that are written down to be read, and carried out later."""

from __future__ import annotations

from .entry import table

_FILES = table(
    "shardwright apply --plan and deploy/cluster.py with --data plan=: nothing was contacted (exit code 2)",
    {
        "plan-unreadable": (
            "The file that should hold a plan can't be read.",
            "Another path, no right to read it (plans are private to their owner), or a directory.",
            "Name the file that plan --out wrote, as the user who wrote it.",
        ),
        "plan-foreign": (
            "The file is no plan of shardwright.",
            "Another file was named.",
            "Name the file that plan --out wrote.",
        ),
        "plan-damaged": (
            "The file is not as plan --out wrote it.",
            "It was cut short on its way, or edited.",
            "Make the plan again; to change what is done, change cluster.yml.",
        ),
        "plan-schema": (
            "The file was written by a version of shardwright that writes plans in another form.",
            "The tool was upgraded, or differs between the machine that plans and the one that applies.",
            "Use one version for both, and make the plan again.",
        ),
    },
)

_REFUSED = table(
    "shardwright apply --plan and deploy/cluster.py with --data plan=: nothing was changed (exit code 4)",
    {
        "plan-of-another-cluster": (
            "The plan was made for another cluster than the one that was named.",
            "The file of another environment was given.",
            "Name the environment of the plan, or a plan of this environment.",
        ),
        "stale-plan": (
            "What would be done now is not what was read: cluster, cluster.yml or shardwright have changed since.",
            "A failover, another run or an edit came in between; or the first part of the plan was carried out already.",
            "Run plan again and read the new one.",
        ),
    },
)

_WRITING = table(
    "shardwright plan --out (exit code 5)",
    {
        "plan-not-writable": (
            "The plan can't be written.",
            "No right to write there, or no room.",
            "Free space there, or name another file.",
        ),
    },
)

PLAN_ENTRIES = _FILES | _REFUSED | _WRITING

"""Reports and runs for tests of what people read: a healthy cluster, a broken one with hostile names, a large one.

Made by hand, not by verification: a rendering must show what it is given, whatever the cluster.
"""

from __future__ import annotations

from dataclasses import replace

from ..model.report import Finding, MemberRow, Report, Severity, ShardRow
from ..model.run import Command, RunRecord, Verdict
from ..model.slots import SLOT_COUNT, SlotRange, SlotSet

HOSTILE = "<script>alert('x')</script>\x1b[31m&\x00\"{{ 7*7 }}"
"""A name that markup, a terminal, XML or a template engine could take for an order."""


def member(number: int, role: str, *, zone: str = "", lag: int | None = 0, link_up: bool = True) -> MemberRow:
    """The node on host ``cache-<number>``, 10.0.0.`number`:6379."""
    name = f"cache-{number}"
    address = f"10.0.{number // 250}.{number % 250}:6379"
    return MemberRow(f"{name}:6379", address, name, zone, "", role, "9.1.2", link_up, lag, 4_200 + number)


def healthy() -> Report:
    """Three shards with a replica each on six hosts in three zones; all slots served; every finding holds."""
    zones = ("eu-1a", "eu-1b", "eu-1c")
    ranges = ("0-5460", "5461-10922", "10923-16383")
    shards = tuple(
        ShardRow(
            f"shard-{n + 1}",
            SlotSet.parse(ranges[n]),
            member(n + 1, "primary", zone=zones[n]),
            (member(n + 4, "replica", zone=zones[(n + 1) % 3]),),
        )
        for n in range(3)
    )
    findings = [Finding("slots-served", Severity.OK, "cache", "all 16,384 slots have an owner in every node's view")]
    for shard in shards:
        findings.append(Finding("replicas-in-sync", Severity.OK, shard.name, "1 of 1 replica linked and in sync"))
        findings.append(
            Finding("canary-read-back", Severity.OK, shard.name, "written, read back from cache replica, removed")
        )
    return Report("cache", "valkey", tuple(findings), shards)


def run() -> RunRecord:
    """The deploy that ended in `healthy`."""
    return RunRecord(
        run_id="20260131T174205Z-3f9a",
        cluster="cache",
        command=Command.DEPLOY,
        started="2026-01-31T17:42:05Z",
        seconds=2.9,
        actor="ci@runner-7, https://ci.example.org/jobs/4711",
        tool_version="0.1.0",
        verdict=Verdict.PROVED,
        exit_code=0,
        spec_sha256="4f2d1a" * 10 + "9b0c",
        plan_fingerprint="b81c7e" * 10 + "0d1e",
        host_changes=tuple((f"cache-{n}", "installed valkey 9.1.2") for n in range(1, 7)),
        steps=("introduce 10.0.0.2:6379 to 10.0.0.1:6379", "assign 5,461 slots (0-5460) to 10.0.0.1:6379"),
        warnings=("cache-3: vm.overcommit_memory can't be set in this container; it is 0, wanted 1",),
    )


def broken() -> Report:
    """Slots 6000, 7000-7001 and 12000-12999 have no owner, slot 100 has two; a link is down, a shard has no primary,
    and a node is named `HOSTILE`."""
    good = healthy()
    first, second, third = good.shards
    hostile = replace(second.replicas[0], node=HOSTILE, link_up=False, lag=None, keys=0)
    assert third.primary is not None
    shards = (
        first,
        replace(second, slots=(second.slots - SlotSet.parse("6000,7000-7001")) | SlotSet.of(100), replicas=(hostile,)),
        ShardRow("shard-3", third.slots - SlotSet.parse("12000-12999"), None, third.replicas),
    )
    findings = (
        Finding(
            "slots-uncovered",
            Severity.ERROR,
            "cache",
            "1,003 slots have no owner: 6000, 7000-7001, 12000-12999",
            "run shardwright plan",
        ),
        Finding(
            "replica-link-down",
            Severity.ERROR,
            HOSTILE,
            f"{HOSTILE} has lost its primary 10.0.0.2:6379",
            "look at its log",
        ),
        Finding("version-differs", Severity.WARNING, "cache-4:6379", "runs 9.1.1, wanted 9.1.2", "restart it"),
        Finding("canary-off", Severity.INFO, "cache", "the canary is switched off in cluster.yml"),
        *good.findings[1:3],
    )
    return Report("cache", "valkey", findings, shards)


def broken_run() -> RunRecord:
    """The verify that ended in `broken`."""
    return replace(
        run(), command=Command.VERIFY, verdict=Verdict.NOT_PROVED, exit_code=1, host_changes=(), steps=(), warnings=()
    )


def failed_run() -> RunRecord:
    """A deploy that an error ended before there was a report."""
    error = (
        "[bus-port-closed] cache-2 (10.0.0.2) can't reach 10.0.0.5:16379: timed out after 3 s\n  hint: open 16379/tcp"
    )
    return replace(
        run(), verdict=Verdict.FAILED, exit_code=5, error_code="bus-port-closed", error=error, steps=(), host_changes=()
    )


def large(shards: int = 40) -> Report:
    """`shards` shards of three nodes each, one slot after the other lying in another shard at the end of the space."""
    size = (SLOT_COUNT - 1_024) // shards
    rows = []
    for n in range(shards):
        last = SLOT_COUNT - 1_025 if n == shards - 1 else (n + 1) * size - 1
        slots = SlotSet.from_ranges([SlotRange(n * size, last)])
        slots |= SlotSet.of(*range(SLOT_COUNT - 1_024 + n, SLOT_COUNT, shards))
        replicas = tuple(member(n + shards * k, "replica", zone=f"zone-{k + 1}", lag=1_500 * n) for k in (1, 2))
        rows.append(ShardRow(f"shard-{n + 1}", slots, member(n, "primary", zone="zone-1"), replicas))
    finding = Finding("slots-served", Severity.OK, "cache", "all 16,384 slots have an owner in every node's view")
    return Report("cache", "redis", (finding,), tuple(rows))

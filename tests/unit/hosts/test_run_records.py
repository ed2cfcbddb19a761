"""What a run leaves and says beside the cluster's own findings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from shardwright.adapters.environment import Environment
from shardwright.core.host.state import HostState
from shardwright.errors import ApplyError, PlanError
from shardwright.hosts.forming import findings
from shardwright.hosts.recording import record_failure
from shardwright.hosts.results import Run
from shardwright.model.run import Command


def test_an_error_after_the_proof_is_what_the_record_says(environment: Environment, tmp_path: Path) -> None:
    run = replace(Run.of(environment), command=Command.DEPLOY, reports=tmp_path, recorded=True)
    run.error = ApplyError("change-failed", "h1: rewrite 6379.conf: no; not done", hint="run again")
    record_failure(run)
    last = json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[-1])["run"]
    assert (last["verdict"], last["exit_code"], last["error_code"]) == ("failed", 5, "change-failed")


def test_hosts_that_were_left_out_are_named(environment: Environment, bare: HostState) -> None:
    run = Run.of(environment)
    for name in ("h1", "h2", "h3", "h5"):
        run.hosts[name].state = bare
    (found,) = [f for f in findings(run) if f.code == "host-left-out"]
    assert found.message.endswith(": h4, h6")


def test_of_a_whole_run_nobody_was_left_out(environment: Environment, bare: HostState) -> None:
    run = Run.of(environment)
    for result in run.hosts.values():
        result.state = bare
    assert [f for f in findings(run) if f.code == "host-left-out"] == []


def test_a_refusal_after_steps_is_no_run_that_changed_nothing(environment: Environment, tmp_path: Path) -> None:
    run = replace(Run.of(environment), command=Command.DEPLOY, reports=tmp_path)
    run.error = PlanError("hazard-not-allowed", "dangerous; nothing was changed")
    run.error.after(["meet h1:6379"])
    record_failure(run)
    last = json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[-1])["run"]
    assert (last["verdict"], last["steps"]) == ("failed", ["meet h1:6379"])
    assert "nothing more was changed" in last["error"]

"""What a play as a whole asks for: what would break the order of its tasks is refused by the first of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from shardwright.ansible.asking import judge
from shardwright.errors import ShardwrightError

HOSTS = ["h1", "h2"]


def refused(**asked: object) -> str:
    with pytest.raises(ShardwrightError) as caught:
        judge(**({"strategy": "linear", "batch": HOSTS, "hosts": HOSTS} | asked))  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("strategy", ["linear", "ansible.builtin.linear", "debug", "mitogen_linear", ""])
def test_hosts_in_step_are_taken(strategy: str) -> None:
    judge(strategy=strategy, batch=["h2", "h1"], hosts=HOSTS, allow=["moves-most-slots"])


@pytest.mark.parametrize("strategy", ["free", "ansible.builtin.free", "host_pinned", "ansible.builtin.host_pinned"])
def test_each_host_at_its_own_pace_is_refused(strategy: str) -> None:
    assert f"[option-refused] the play's strategy is {strategy}:" in refused(strategy=strategy)


def test_hosts_in_turns_are_refused() -> None:
    text = refused(batch=["h1"])
    assert "[option-refused] the play has serial, 1 of 2 hosts at a time:" in text
    assert "take serial out" in text


def test_consents_and_reports_are_judged_before_anything_is_changed(tmp_path: Path) -> None:
    assert "[consent-unknown]" in refused(allow=["moves-most-slot"])
    (tmp_path / "file").write_text("")
    assert "[reports-not-writable]" in refused(reports=str(tmp_path / "file" / "reports"))
    judge(strategy="linear", batch=HOSTS, hosts=HOSTS, reports=str(tmp_path / "reports"))
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["ledger.jsonl"]

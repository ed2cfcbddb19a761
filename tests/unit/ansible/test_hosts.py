"""What Ansible's tasks on hosts give, on looks that were taken of real hosts, and what they send."""

from __future__ import annotations

import base64
import re
import signal
import time

import pytest
from tests.unit.ansible.conftest import PASSWORD, Scripted, captured

from shardwright.ansible import hosts
from shardwright.ansible.remote import NoConnection
from shardwright.ansible.results import guarded
from shardwright.errors import ObservationError, PlanError, ShardwrightError

BARE = "bare-debian-12"
RUNNING = "running-debian-12"


def test_a_bare_host_is_entered_once_and_told_what_it_lacks(spec: str) -> None:
    host = Scripted(captured(BARE))
    result = hosts.look(spec, "h1", host)
    assert not result["changed"]
    assert len(host.sent) == 1
    assert any("install redis-server" in text for text in result["wanted"]["engine"])
    assert any("start h1:" in text for text in result["wanted"]["services"])
    assert PASSWORD not in repr(result)
    assert re.search(r"[0-9a-f]{64}", repr(result)) is None, "a hash of a file with the password would give it away"


def test_what_a_look_saw_spares_the_host_a_visit_only_where_it_saw_nothing_to_do(spec: str) -> None:
    looked = hosts.look(spec, "h1", Scripted(captured(BARE)))
    idle = looked | {"wanted": looked["wanted"] | {"kernel": []}}
    assert hosts.bring(spec, "h1", Scripted(), stages=["kernel"], looked=idle)["changed"] is False
    busy = Scripted(captured(BARE))
    assert hosts.bring(spec, "h1", busy, stages=["services"], looked=looked, check=True)["done"]
    assert len(busy.sent) == 1


def test_check_mode_sends_nothing_but_the_look(spec: str) -> None:
    host = Scripted(captured(BARE))
    result = hosts.bring(spec, "h1", host, stages=list(hosts.STAGES), check=True)
    assert result["changed"]
    assert len(host.sent) == 1
    wanted = hosts.look(spec, "h1", Scripted(captured(BARE)))["wanted"]
    assert sorted(result["done"]) == sorted(text for texts in wanted.values() for text in texts)


def test_a_difference_shows_both_texts_but_never_a_secret(spec: str) -> None:
    bare = captured(BARE)
    first = hosts.bring(spec, "h1", Scripted(bare), stages=["files"], check=True, diff=True)
    rows = first["diff"]
    assert PASSWORD not in repr(rows)
    secret = [row["prepared"] for row in rows if "secret" in row.get("prepared", "")]
    assert secret
    assert all(".conf" in text for text in secret)
    guard = next(row for row in rows if row.get("after_header", "").endswith("shardwright-guard"))
    assert guard["before"] == ""
    # The same host, but with another guard there: its text is asked for.
    path = guard["after_header"]
    there = bare.replace("\nend", f"\npath\t{path}\tregular file\t755\troot\troot\t1\nsum\t{'0' * 64}\t{path}\nend")
    old = base64.b64encode(b"#!/bin/sh\nold\n").decode()
    again = hosts.bring(spec, "h1", Scripted(there, f"file\t{path}\t{old}\n"), stages=["files"], check=True, diff=True)[
        "diff"
    ]
    assert next(row for row in again if row.get("after_header") == path)["before"] == "#!/bin/sh\nold\n"


def test_a_change_goes_by_stdin_and_its_failure_names_host_code_and_remedy(spec: str) -> None:
    host = Scripted(captured(BARE), "fail\t0\t[disk-odd] no room; hint: make room\n")
    with pytest.raises(ShardwrightError) as caught:
        hosts.bring(spec, "h1", host, stages=["files"])
    assert caught.value.code == "disk-odd"
    assert "h1 (" in caught.value.message
    assert caught.value.hint == "make room"
    command, script = host.sent[1]
    assert PASSWORD not in command
    assert script.endswith("\n#complete")
    blocks = re.findall(r"<<'SHARDWRIGHT_END_OF_CONTENT'\n(.*?)SHARDWRIGHT_END_OF_CONTENT", script, re.DOTALL)
    assert any(PASSWORD in base64.b64decode(block).decode() for block in blocks)


def test_a_host_that_must_be_left_alone_is_refused(spec: str) -> None:
    user = captured(BARE).replace("uid\t0", "uid\t1000")
    result = guarded(lambda: hosts.look(spec, "h1", Scripted(user)))
    assert result["failed"]
    assert result["code"] == "sudo-refused"
    assert "hint" in result["msg"]
    with pytest.raises(PlanError, match="names no host 'h9'"):
        hosts.look(spec, "h9", Scripted())


@pytest.mark.parametrize(
    ("words", "code", "how"),
    [
        (
            "Failed to connect: ssh: connect to host 10.0.0.1 port 22: No route to host",
            "host-unreachable",
            "unreachable",
        ),
        (
            "@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@\nHost key verification failed.",
            "host-key-changed",
            "unreachable",
        ),
        ("No ED25519 host key is known for h1.\nHost key verification failed.", "host-key-unknown", "unreachable"),
        ("deploy@h1: Permission denied (publickey).", "ssh-refused", "unreachable"),
        ("Missing sudo password", "sudo-refused", "failed"),
    ],
)
def test_what_ssh_says_becomes_a_code(spec: str, words: str, code: str, how: str) -> None:
    result = guarded(lambda: hosts.look(spec, "h1", Scripted(NoConnection(words))))
    assert result["code"] == code
    assert result[how] is True
    assert "h1 (" in result["msg"]
    assert result["hint"]


def test_a_host_that_does_not_answer_is_given_up(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: str, stdin: bytes) -> tuple[int, str, str]:
        signal.pause()
        return 0, "", ""

    monkeypatch.setattr("shardwright.core.host.carrying.LOOK_SECONDS", 0.05)
    begun = time.monotonic()
    with pytest.raises(ObservationError) as caught:
        hosts.look(spec, "h1", hang)
    assert caught.value.code == "host-too-slow"
    assert time.monotonic() - begun < 30
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_without_mounts_the_storage_role_enters_no_host(spec: str) -> None:
    assert hosts.look(spec, "h1", Scripted(), stages=["mounts"])["wanted"] == {}


def test_a_look_that_was_cut_short_is_no_look(spec: str) -> None:
    cut = captured(BARE).rsplit("\n", 3)[0].replace("\nend", "")
    with pytest.raises(ObservationError) as caught:
        hosts.look(spec, "h1", Scripted((255, cut, "client_loop: send disconnect")))
    assert caught.value.code == "look-failed"
    assert "send disconnect" in caught.value.message


def test_a_running_host_names_servers_that_run_with_other_files(spec: str) -> None:
    result = hosts.look(spec, "h1", Scripted(captured(RUNNING)))
    assert set(result) >= {"wanted", "starts", "deferred", "clock", "notes"}
    assert [text for text in result["wanted"]["services"] if "start" in text] == []


def test_a_look_that_was_skipped_spares_no_visit(spec: str) -> None:
    skipped = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}
    host = Scripted(captured(BARE))
    assert hosts.bring(spec, "h1", host, stages=["services"], looked=skipped, check=True)["done"]
    assert len(host.sent) == 1

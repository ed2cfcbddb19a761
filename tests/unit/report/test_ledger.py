"""The ledger's chain, its repair, and what it does when the disk does not take it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shardwright.adapters.ledger import append, check_writable, read_ledger, verify_chain
from shardwright.errors import ApplyError
from shardwright.testing import sample_reports as samples


def fill(directory: Path, count: int = 3) -> Path:
    for number in range(count):
        append(directory, replace(samples.run(), run_id=f"run-{number}"))
    return directory / "ledger.jsonl"


def test_each_line_holds_the_sha256_of_the_line_before(tmp_path: Path) -> None:
    lines = fill(tmp_path).read_bytes().split(b"\n")
    assert lines.pop() == b""
    values = [json.loads(line) for line in lines]
    assert [v["run"]["run_id"] for v in values] == ["run-0", "run-1", "run-2"]
    wanted = ["0" * 64, *(hashlib.sha256(line).hexdigest() for line in lines[:-1])]
    assert [v["previous"] for v in values] == wanted
    assert verify_chain(tmp_path) == ()
    assert [e.run["run_id"] for e in read_ledger(tmp_path)] == ["run-0", "run-1", "run-2"]


def changed(lines: list[bytes]) -> list[bytes]:
    return [lines[0].replace(b"proved", b"failed"), *lines[1:]]


def taken_out(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[1], lines[0], lines[2]]


def rubbish(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"[1, 2]\n", *lines[1:]]


@pytest.mark.parametrize(
    ("spoil", "numbers"), [(changed, {2}), (taken_out, {2}), (swapped, {1, 2, 3}), (rubbish, {2, 3})]
)
def test_the_chain_shows_what_was_done_to_it(tmp_path: Path, spoil, numbers: set[int]) -> None:
    path = fill(tmp_path)
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    assert {b.number for b in verify_chain(tmp_path)} == numbers


def test_lines_of_another_version_stay_in_the_chain(tmp_path: Path) -> None:
    """A newer version may write more, an older one less; neither is changed, and the chain goes on."""
    path = fill(tmp_path, 2)
    last = path.read_bytes().splitlines()[-1]
    run = {"run_id": "run-x", "tool_version": "9.0.0", "new_in_that_version": [1]}
    line = json.dumps({"previous": hashlib.sha256(last).hexdigest(), "run": run}).encode() + b"\n"
    before = path.read_bytes() + line
    path.write_bytes(before)
    append(tmp_path, samples.run())
    assert path.read_bytes().startswith(before)
    assert verify_chain(tmp_path) == ()
    assert [e.run["tool_version"] for e in read_ledger(tmp_path)][2] == "9.0.0"


@pytest.mark.parametrize("keep", [1, 40, -1])
def test_a_torn_last_line_is_moved_aside_and_the_chain_goes_on(tmp_path: Path, keep: int) -> None:
    path = fill(tmp_path)
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    torn = last[:keep]
    path.write_bytes(whole[: len(whole) - len(last)] + torn)
    assert len(read_ledger(tmp_path)) == 2

    said = append(tmp_path, replace(samples.run(), run_id="after"))

    assert (said.number, said.moved_aside) == (3, len(torn))
    assert f"{len(torn):,} bytes were moved to ledger.torn" in said.note
    assert append(tmp_path, samples.run()).note == ""
    assert (tmp_path / "ledger.torn").read_bytes() == torn + b"\n"
    assert [e.run["run_id"] for e in read_ledger(tmp_path)] == ["run-0", "run-1", "after", samples.run().run_id]
    assert verify_chain(tmp_path) == ()


def test_eight_processes_at_once_lose_no_line(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shardwright.adapters.ledger import append;"
        "from shardwright.testing.sample_reports import run\n"
        "for _ in range(5): append(Path(sys.argv[1]), run())"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(8)]
    assert [process.wait(120) for process in running] == [0] * 8
    assert len(read_ledger(tmp_path)) == 40
    assert verify_chain(tmp_path) == ()


def test_a_lock_that_is_held_too_long_is_named(tmp_path: Path) -> None:
    path = fill(tmp_path)
    with subprocess.Popen(
        ["flock", str(path), "sh", "-c", "echo held; cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ApplyError) as caught:
            append(tmp_path, samples.run(), lock_limit=0.1)
        holder.communicate()
    assert caught.value.code == "ledger-locked"
    assert str(path) in caught.value.hint
    assert len(read_ledger(tmp_path)) == 3


def full_disk(size: str) -> list[str]:
    """Mount a small tmpfs in a mount namespace of its own, then run Python there."""
    return [
        "unshare",
        "--mount",
        "--",
        "sh",
        "-c",
        f'mount -t tmpfs -o size={size} none "$1" && shift && exec "$@"',
        "-",
    ]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own: needs root")


@needs_root
def test_a_full_disk_is_found_before_anything_is_deployed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shardwright.adapters.ledger import check_writable\n"
        "from shardwright.errors import ApplyError\n"
        "try: check_writable(Path(sys.argv[1]) / 'reports')\n"
        "except ApplyError as e: print(e.code, e.message)\n"
        "import os; print(os.listdir(Path(sys.argv[1]) / 'reports'))"
    )
    command = [*full_disk("64k"), str(tmp_path), sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first == f"reports-not-writable can't write in {tmp_path}/reports: No space left on device"
    assert second == "[]"


@needs_root
def test_a_disk_that_fills_in_the_middle_of_a_line_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from shardwright.adapters.ledger import append, read_ledger, verify_chain\n"
        "from shardwright.errors import ApplyError\n"
        "from shardwright.testing.sample_reports import run\n"
        "here = Path(sys.argv[1]); append(here, run()); before = (here / 'ledger.jsonl').read_bytes()\n"
        "try: append(here, replace(run(), warnings=('x' * 100_000,)))\n"
        "except ApplyError as e: print(e.code)\n"
        "print((here / 'ledger.jsonl').read_bytes() == before, verify_chain(here))\n"
        "print(append(here, run()).number)"
    )
    command = [*full_disk("32k"), str(tmp_path), sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["reports-not-writable", "True ()", "2"]


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(ApplyError) as caught:
        check_writable(tmp_path / "reports")
    assert caught.value.code == "reports-not-writable"
    assert "File exists" in caught.value.message


def test_a_writable_directory_is_made_and_left_without_a_probe(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "reports")
    assert [p.name for p in (tmp_path / "a" / "reports").iterdir()] == ["ledger.jsonl"]
    assert read_ledger(tmp_path / "a" / "reports") == ()
    assert verify_chain(tmp_path / "nowhere") == ()

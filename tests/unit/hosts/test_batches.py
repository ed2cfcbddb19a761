"""Batches are run for real, by each shell that is here, in a directory of the test's own."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from shardwright.core.host import batches, entering, questions
from shardwright.core.host.changes import Change, Stage
from shardwright.model.blueprint import Blueprint, Directory, File, KernelSetting

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory whose `sh` is the shell in question; with busybox, its other commands too."""
    place = tmp_path / "bin"
    place.mkdir()
    target = shutil.which(request.param)
    assert target is not None
    names = ["sh"]
    if request.param == "busybox":
        listed = subprocess.run([target, "--list"], capture_output=True, text=True, check=True).stdout.split()
        names += [n for n in listed if n != "sh"]
    for name in names:
        (place / name).symlink_to(target)
    return place


def change(action: object, text: str = "something") -> Change:
    return Change(Stage.FILES, text, action)  # type: ignore[arg-type]


def carried_out(sh: Path, found: list[Change], blueprint: Blueprint, script: str | None = None) -> batches.BatchResult:
    look = "printf 'uid\\t0\\troot\\nend\\n'"
    text = script or batches.batch(found, blueprint, "debian", look, lock_wait=1)
    done = subprocess.run(
        [str(sh / "sh"), "-c", entering.CHANGE, "shardwright", "plain"],
        input=f"{text}\n#complete\n",
        env={"PATH": f"{sh}:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": str(sh.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return batches.result(done.stdout.splitlines()[1:], found, done.returncode == 0, done.stderr.splitlines())


def me() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


CONTENT = "one 'two' \"three\" $HOME `id` \\ %s #\n{{ x }}\n\ttab ü 漢\nno newline at the end"


def test_files_arrive_byte_for_byte_with_mode_and_owner(sh: Path, tmp_path: Path, blueprint: Blueprint) -> None:
    path = tmp_path / "with space" / "file"
    result = carried_out(sh, [change(File(str(path), CONTENT, me(), "", "0640"))], blueprint)
    assert result.failure is None
    assert len(result.done) == 1
    assert path.read_bytes() == CONTENT.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    assert result.state is not None
    assert result.state.complete


def test_a_file_is_replaced_and_never_half_written(sh: Path, tmp_path: Path, blueprint: Blueprint) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    link = tmp_path / "link"
    link.symlink_to(path)
    old = path.stat().st_ino
    result = carried_out(sh, [change(File(str(path), CONTENT, "", "", "0600"))], blueprint)
    assert result.failure is None
    assert path.stat().st_ino != old
    result = carried_out(sh, [change(File(str(link), "through", "", "", "0600"))], blueprint)
    assert result.failure is None
    assert not link.is_symlink()
    assert path.read_text() == CONTENT


def test_the_first_failure_ends_the_batch_and_is_named(sh: Path, tmp_path: Path, blueprint: Blueprint) -> None:
    (tmp_path / "taken").mkdir()
    found = [
        change(Directory(str(tmp_path / "made"), "", "", "0750"), "make made"),
        change(File(str(tmp_path / "taken"), "x", "", "", "0600"), "write taken"),
        change(Directory(str(tmp_path / "never"), "", "", "0750"), "make never"),
    ]
    result = carried_out(sh, found, blueprint)
    assert [c.text for c in result.done] == ["make made"]
    assert result.failure is not None
    assert (result.failure.code, result.failure.change) == ("path-in-the-way", found[1])
    assert result.failure.hint == "move it away"
    assert not (tmp_path / "never").exists()
    assert result.state is None


def test_a_full_disk_is_recognised(sh: Path, blueprint: Blueprint) -> None:
    failing = 'set -u\nstep() { :; }\nprintf "fail\\t0\\tcat: write error: No space left on device\\n"; exit 1'
    result = carried_out(sh, [change(File("/x", "", "", "", "0600"))], blueprint, failing)
    assert result.failure is not None
    assert result.failure.code == "disk-full"


def test_a_kernel_setting_that_fails_is_a_warning(sh: Path, tmp_path: Path, blueprint: Blueprint) -> None:
    setting = KernelSetting("vm.x", str(tmp_path / "missing" / "x"), "1")
    result = carried_out(sh, [change(setting)], blueprint)
    assert result.failure is None
    [(code, text)] = result.warnings
    assert code == "kernel-setting-refused"
    assert f"echo 1 > {setting.path}" in text


def test_a_batch_that_did_not_arrive_whole_is_not_run(sh: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    done = subprocess.run(
        [str(sh / "sh"), "-c", entering.CHANGE, "shardwright", "plain"],
        input=f"touch '{marker}'\n",
        env={"PATH": f"{sh}:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert not marker.exists()


def test_nothing_is_left_behind(sh: Path, tmp_path: Path, blueprint: Blueprint) -> None:
    carried_out(sh, [change(File(str(tmp_path / "file"), "secret", "", "", "0600"))], blueprint)
    assert_none_left(tmp_path)


def assert_none_left(base: Path) -> None:
    """No directory of a run stays; those of tests that run beside this one come and go."""
    begun = {path for where in (Path("/run"), base) for path in where.glob("shardwright-run.*")}
    deadline = time.monotonic() + 20
    while left := {path for path in begun if path.exists()}:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_what_a_killed_run_has_left_goes_with_the_next_batch(sh: Path, tmp_path: Path, blueprint: Blueprint) -> None:
    """SIGKILL to the shell itself, as a pipeline gives to a whole process group: no trap cleans up after that."""
    base = Path("/run") if os.geteuid() == 0 else tmp_path
    left = base / "shardwright-run.killed"
    left.mkdir(0o700)
    (left / "script").write_text("a secret")
    carried_out(sh, [change(File(str(tmp_path / "file"), "content", "", "", "0600"))], blueprint)
    assert not left.exists()


def test_nothing_is_left_behind_by_a_deploy_that_dies_while_it_sends(sh: Path, tmp_path: Path) -> None:
    """Nobody reads any more what the host says: the shell would end of that before it has cleaned up."""
    with subprocess.Popen(
        [str(sh / "sh"), "-c", entering.CHANGE, "shardwright", "plain"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": f"{sh}:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
    ) as dying:
        assert dying.stdin is not None
        assert dying.stdout is not None
        dying.stdout.readline()
        dying.stdout.close()
        dying.stdin.write(b"half of a sec")
        dying.stdin.close()
        assert dying.wait(60) != 0
    assert_none_left(tmp_path)


def test_the_script_shows_no_content(blueprint: Blueprint) -> None:
    files = [change(f) for f in blueprint.files]
    text = batches.batch(files, blueprint, "debian", "", lock_wait=1)
    assert "0123456789abcdef0123456789abcdef" not in text


@pytest.mark.parametrize(
    ("versions", "inside", "outside"),
    [
        ("7.0", "5:7.0.15-1~deb12u5", "5:7.2.4-1"),
        (">=8,<9", "8.0.1+dfsg1-1~bpo12+1", "9.0.0-1"),
        ("any", "5:6.0.16-1", None),
        ("7.0.15", "5:7.0.15-1~deb12u10", "5:7.0.16-1"),
    ],
)
@pytest.mark.skipif(not shutil.which("dpkg"), reason="compares versions as Debian does")
def test_bounds_judge_package_versions(versions: str, inside: str, outside: str | None) -> None:
    library = questions.script("apply.sh")
    for version, fits in ((inside, True), (outside, False)):
        if version is None:
            continue
        script = f"{library}\nwithin '{version}' '{batches.bounds(versions)}'"
        done = subprocess.run(["sh", "-c", script, "sh", "/tmp"], check=False)
        assert (done.returncode == 0) is fits


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("[apt-locked] Could not get lock; hint: wait", "apt-locked", "wait"),
        ("mv: cannot move: Read-only file system", "read-only", None),
        ("chown: Operation not permitted", "not-permitted", None),
        ("anything else", "change-failed", None),
    ],
)
def test_what_was_said_becomes_a_code(said: str, code: str, hint: str | None) -> None:
    failure = batches.explain(said, None)
    assert failure.code == code
    assert failure.hint == hint or hint is None


def test_a_look_asks_for_all_that_the_blueprint_names(blueprint: Blueprint) -> None:
    text = questions.look([blueprint])
    for file in blueprint.files:
        assert file.path in text
    assert "18EB 3FFB" in text
    assert replace(blueprint).engine.server in text

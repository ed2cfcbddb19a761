"""The cached file systems that hosts are stacked on: a debootstrap root, and a seed layer above it.

It knows nothing of hosts. Both are keyed by a hash of their recipe and appear under their final name by one rename, so
a killed build leaves only a directory that nobody uses. The seed is a layer of its own because it changes often.
No engine is installed in either: installing one is what the tests prove.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab import sources
from tests.lab.common import TOOLS, cache_dir, install_tools, locked, run
from tests.lab.seed import SEED_SCRIPT, seed_files

SUITES = ("bookworm", "trixie")
BASE_PACKAGES = "systemd,systemd-sysv,dbus,openssh-server,python3-minimal,iproute2,ca-certificates,sudo,procps,netbase"
DEBOOTSTRAP_RECIPE = 1

# A build ends with the process that began it, also when that is killed, and what it mounted goes away with it.
ISOLATED = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]


@dataclass(frozen=True)
class Layers:
    """The read-only directories under a host's overlay, topmost first."""

    seed: Path
    root: Path

    def paths(self) -> list[str]:
        """For overlayfs' lowerdir."""
        return [str(self.seed), str(self.root)]


def ssh_key() -> Path:
    """The private key that opens every lab host, made on first use; the public half lies beside it."""
    key = cache_dir() / "ssh" / "id_ed25519"
    with locked(cache_dir() / "ssh.lock"):
        if not key.exists():
            key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "shardwright-lab", "-f", key)
    return key


def missing_tools() -> list[str]:
    """The programs that the lab needs and this machine lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [tool for tool in TOOLS if not shutil.which(tool, path=path)]


def ensure_layers(suite: str = "bookworm", say: Callable[[str], None] = lambda text: None) -> Layers:
    """The cached layers of a suite, built if they are not there (one to two minutes, once)."""
    cache = cache_dir()
    with locked(cache / "tools.lock", limit=1800):
        missing = missing_tools()
        if missing:
            say(f"installing {', '.join(missing)}")
            install_tools(missing)
    with locked(cache / f"build-{suite}.lock", limit=1800):
        archive = sources.debian_archive()
        if not archive.keyring.exists():
            run("apt-get", "install", "-qy", "debian-archive-keyring", timeout=600)
        root = cache / f"root-{suite}-{_digest(DEBOOTSTRAP_RECIPE, suite, BASE_PACKAGES, asdict(archive))}"
        if not root.exists():
            say(f"debootstrap of {suite} (about a minute, once)")
            _build_root(suite, archive, root)
        files = seed_files(archive, suite, root, ssh_key().with_suffix(".pub").read_text())
        seed = cache / f"seed-{suite}-{_digest(root.name, SEED_SCRIPT, files)}"
        if not seed.exists():
            say(f"seed layer for {suite} (about half a minute, once)")
            _build_seed(root, files, archive.keyring, seed)
    return Layers(seed, root)


def _digest(*recipe: object) -> str:
    text = json.dumps(recipe, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _fresh(final: Path) -> Path:
    """An empty directory to build in; those that killed builds of the same thing left are removed."""
    for left in final.parent.glob(f"{final.name}.building*"):
        shutil.rmtree(left)
    work = final.with_name(f"{final.name}.building")
    work.mkdir(parents=True)
    return work


def _build_root(suite: str, archive: sources.Archive, final: Path) -> None:
    work = _fresh(final)
    settings = dict(line[:-2].split(' "', 1) for line in sources.apt_settings().splitlines())
    env = dict(os.environ)
    for scheme in ("http", "https"):
        if f"Acquire::{scheme}::Proxy" in settings:
            env[f"{scheme}_proxy"] = settings[f"Acquire::{scheme}::Proxy"]
    where = [archive.mirror] if archive.mirror else []
    options = ["--variant=minbase", f"--include={BASE_PACKAGES}", f"--keyring={archive.keyring}"]
    run(*ISOLATED, "--mount-proc", "debootstrap", *options, suite, work, *where, timeout=1500, env=env)
    for pattern in ("etc/ssh/ssh_host_*", "var/cache/apt/archives/*.deb", "etc/machine-id", "etc/hostname"):
        for file in work.glob(pattern):
            file.unlink()
    (work / "etc/machine-id").write_text("")
    work.rename(final)


def _build_seed(root: Path, files: dict[str, tuple[int, str]], keyring: Path, final: Path) -> None:
    work = _fresh(final)
    for name in ("upper", "work", "merged", "files"):
        (work / name).mkdir()
    merged = work / "merged"
    script = [
        f"mount -t overlay overlay -o lowerdir={root},upperdir={work}/upper,workdir={work}/work {merged}",
        f"mount -t proc proc {merged}/proc",
        f"mount --rbind /dev {merged}/dev",
        f"mount -t tmpfs tmpfs {merged}/run",
        f"[ -e {merged}{keyring} ] || install -D -m 644 {keyring} {merged}{keyring}",
        f"rm -f {merged}/etc/resolv.conf",
        f"cp -L /etc/resolv.conf {merged}/etc/resolv.conf",
    ]
    for number, (target, (mode, text)) in enumerate(sorted(files.items())):
        (work / "files" / str(number)).write_text(text)
        script.append(f"install -D -m {mode:o} {work}/files/{number} {merged}{target}")
    script.append(f"chroot {merged} /bin/sh -e <<'SEED'\n{SEED_SCRIPT}\nSEED")
    run(*ISOLATED, "sh", "-e", stdin="\n".join(script) + "\n", timeout=900)
    (work / "upper").rename(final)
    shutil.rmtree(work)

"""Rules on what lies on the hosts' disks: directories, mounts, and what persistence leaves of the data.

Pure over a `Draft`. Directories are made and removed by root on the hosts, so those that belong to the system are refused by
name: a spec must not be able to say `/etc`.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import PurePosixPath

from shardwright.model.spec import Paths

from .spec_checks import all_local
from .spec_draft import Draft
from .spec_schema import MountSection, PathsSection, PersistenceSection
from .spec_yaml import Path

FIELDS = ("prefix", "config", "data", "run", "log")
_SYSTEM_PATHS = (
    "/ /bin /boot /dev /etc /etc/systemd /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp "
    "/usr /usr/bin /usr/lib /usr/local /usr/sbin /usr/share /var /var/cache /var/lib /var/log /var/run /var/tmp"
)
_SYSTEM = frozenset(map(PurePosixPath, _SYSTEM_PATHS.split()))
_NFS = ("nfs", "nfs4")
_SHARED = (*_NFS, "cifs", "smb3", "glusterfs", "ceph", "lustre")
_NFS_OPTION_NAMES = (
    "rw ro hard soft softerr intr nointr fg bg sync async noatime relatime atime nodiratime nosuid nodev "
    "noexec suid dev exec auto noauto nofail _netdev tcp udp rdma lock nolock local_lock ac noac actimeo "
    "acregmin acregmax acdirmin acdirmax timeo retrans retry rsize wsize proto port mountport vers nfsvers "
    "minorversion sec nconnect max_connect sharecache nosharecache resvport noresvport cto nocto fsc nofsc "
    "lookupcache clientaddr migration nomigration rdirplus nordirplus mountproto mountvers namlen bsize "
    "xprtsec x-systemd.automount x-systemd.requires x-systemd.mount-timeout x-systemd.device-timeout "
    "x-systemd.after x-systemd.before defaults"
)
_NFS_OPTIONS = frozenset(_NFS_OPTION_NAMES.split())
_NFS_VERSIONS = ("3", "4", "4.0", "4.1", "4.2")
_NFS_SOURCE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):(/[A-Za-z0-9._/{}@+-]*)")
_SOURCE = re.compile(r"[A-Za-z0-9._:/{}@+=\[\]-]+")


def check(draft: Draft) -> None:
    """Adds every problem about directories, mounts and persistence to `draft`."""
    _paths(draft)
    _mounts(draft)
    _persistence(draft)


def paths_of(draft: Draft) -> Paths:
    """The directories as absolute paths; relative ones are relative to the directory of `cluster.yml`."""
    section = draft.get("paths", PathsSection)
    found = {}
    for name in FIELDS:
        own = getattr(section, name, "")
        base = getattr(section, "base", "")
        text = own or (f"{base}/{name}" if base else "")
        if text:
            found[name] = PurePosixPath(os.path.normpath(draft.directory / text))
    return Paths(**found)


def _paths(draft: Draft) -> None:
    section = draft.get("paths", PathsSection)
    if section is None or not draft.hosts_complete:
        return
    refused = set()
    for name in ("base", *FIELDS):
        text, before = getattr(section, name), len(draft.problems)
        if text.startswith("~"):
            draft.refuse("path-not-absolute", ("paths", name), text, "a path without '~': it would be one user's own")
        elif text and not text.startswith("/") and not all_local(draft):
            wanted = "an absolute path; relative ones only where every host is this machine"
            draft.refuse("path-not-absolute", ("paths", name), text, wanted)
        if len(draft.problems) > before:
            refused.add(name)
    if "base" not in refused:
        paths = paths_of(draft)
        _apart(draft, section, [(name, getattr(paths, name)) for name in FIELDS if name not in refused])


def _apart(draft: Draft, section: PathsSection, named: list[tuple[str, PurePosixPath]]) -> None:
    """No directory of the system, and each for one purpose."""
    for n, (name, where) in enumerate(named):
        at = _at(section, name)
        if where in _SYSTEM:
            draft.refuse(
                "path-system", at, f"{name} is {where}", "a directory of its own", f"write {where / 'shardwright'}"
            )
        for other, there in named[:n]:
            if where == there:
                draft.refuse("path-shared", at, f"{name} and {other} are both {where}", "a directory for each")
            elif "run" in (name, other) and (where in there.parents or there in where.parents):
                inner, outer = (name, other) if there in where.parents else (other, name)
                wanted = "run apart from the others: it is emptied when the machine starts"
                draft.refuse("path-nested", at, f"{inner} lies in {outer}", wanted)


def _at(section: PathsSection, name: str) -> Path:
    for field_name in (name, "base"):
        if getattr(section, field_name):
            return ("paths", field_name)
    return ("paths",)


def _mounts(draft: Draft) -> None:
    mounts, indexes = draft.sections.get("mounts"), draft.sections.get("mounts_at", [])
    if not isinstance(mounts, list):
        return
    seen: list[tuple[int, PurePosixPath]] = []
    for index, mount in zip(indexes, mounts, strict=True):
        _source(draft, index, mount)
        _options(draft, index, mount)
        target = PurePosixPath(os.path.normpath(mount.target)) if mount.target.startswith("/") else None
        at = ("mounts", index, "target")
        if target is None or ".." in mount.target.split("/"):
            draft.refuse("mount-target", at, mount.target, "an absolute path without '..'")
            continue
        if target in _SYSTEM - {PurePosixPath("/srv"), PurePosixPath("/mnt")}:
            draft.refuse(
                "mount-over-system", at, str(target), "a directory of its own; the mount would hide what is there"
            )
            continue
        for other, there in seen:
            if target == there or target in there.parents or there in target.parents:
                line = draft.line(("mounts", other, "target"))
                found = f"{target}, and mounts[{other}] on line {line} is {there}"
                draft.refuse("mount-nested", at, found, "mounts that are not in one another")
        seen.append((index, target))
        _one_place_for_all(draft, index, mount, target)


def _source(draft: Draft, index: int, mount: MountSection) -> None:
    at = ("mounts", index, "source")
    bare = mount.source.replace("{host}", "")
    if "{" in bare or "}" in bare:
        draft.refuse("mount-placeholder", at, mount.source, "no placeholder but {host}")
    elif mount.fstype in _NFS and not _NFS_SOURCE.fullmatch(mount.source):
        hint = "for example  nfs1:/export/{host};  an IPv6 server stands in brackets"
        draft.refuse("mount-source", at, mount.source, "SERVER:/PATH", hint)
    elif not _SOURCE.fullmatch(mount.source) or mount.source.startswith("-"):
        draft.refuse("mount-source", at, ascii(mount.source)[:80], "a device, label or server without blanks")


def _options(draft: Draft, index: int, mount: MountSection) -> None:
    for n, option in enumerate(mount.options):
        at = ("mounts", index, "options", n)
        name, _, value = option.partition("=")
        if mount.fstype not in _NFS:
            continue
        if name in ("soft", "softerr"):
            wanted = "hard: a soft mount gives the server an error in the midst of a write, and the data is torn"
            draft.refuse("mount-soft", at, option, wanted)
        elif name not in _NFS_OPTIONS:
            near = difflib.get_close_matches(name, _NFS_OPTIONS, n=1)
            draft.refuse(
                "mount-option-unknown", at, option, "an option of nfs(5)", f"{near[0]} is meant?" if near else ""
            )
        elif name in ("vers", "nfsvers") and value not in _NFS_VERSIONS:
            draft.refuse("mount-option-value", at, option, f"{name}= one of " + ", ".join(_NFS_VERSIONS))


def _one_place_for_all(draft: Draft, index: int, mount: MountSection, target: PurePosixPath) -> None:
    """A shared file system under the data must have a directory for each host: two servers would write one file."""
    if mount.fstype not in _SHARED or "{host}" in mount.source or len(draft.hosts) < 2:
        return
    paths = paths_of(draft)
    held = [
        name
        for name in ("data", "log", "run", "config")
        if target in (where := getattr(paths, name)).parents or target == where
    ]
    if held:
        found = f"one source for all {len(draft.hosts)} hosts, which holds {' and '.join(held)}"
        hint = f"write {mount.source.rstrip('/')}/{{host}}"
        draft.refuse("mount-shared", ("mounts", index, "source"), found, "a source with {host} in it", hint)


def _persistence(draft: Draft) -> None:
    kept, replicas = draft.get("persistence", PersistenceSection), draft.number("replicas")
    if kept is None or kept.aof or kept.save:
        return
    if replicas:
        found = "aof: false and save: [], with replicas and servers that are started again"
        wanted = "an append-only file or at least one save point"
        hint = 'a primary that starts empty makes its replicas empty; write  save: ["3600 1"]'
        draft.refuse("nothing-persisted", ("persistence",), found, wanted, hint)
    else:
        hint = "a restart loses all data of the shard"
        draft.warn("nothing-persisted", ("persistence",), "aof: false and save: []", "something that is kept", hint)

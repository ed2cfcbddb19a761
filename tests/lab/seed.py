"""What turns a bare Debian root into a lab host's image: users, keys, apt sources, units, as text.

Pure data. The reader would question `lab-kernel`: some kernel settings that a deploy wants to change exist once for the
whole machine (vm.overcommit_memory, vm.swappiness, transparent huge pages), so each host gets files of its own bound
over them.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab import sources

KERNEL_SCRIPT = """\
#!/bin/sh
# Files of this host's own in place of kernel settings that all hosts of the lab share.
set -e
mkdir -p /run/lab-kernel
own() {
    [ -e "$1" ] || return 0
    file=/run/lab-kernel/$(basename "$(dirname "$1")")-$(basename "$1")
    echo "$2" > "$file"
    mount --bind "$file" "$1"
}
own /proc/sys/vm/overcommit_memory 0
own /proc/sys/vm/swappiness 60
own /sys/kernel/mm/transparent_hugepage/enabled 'always [madvise] never'
own /sys/kernel/mm/transparent_hugepage/defrag 'always defer defer+madvise [madvise] never'
"""

KERNEL_UNIT = """\
[Unit]
Description=Kernel settings of this lab host alone
DefaultDependencies=no
Before=systemd-sysctl.service sysinit.target lab-hugepages.path
After=systemd-tmpfiles-setup-dev.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab-kernel

[Install]
WantedBy=sysinit.target
"""

# The kernel answers "always madvise [never]" after "never" was written; a plain file needs help to do the same.
HUGEPAGES_SCRIPT = """\
#!/bin/sh
for file in /run/lab-kernel/transparent_hugepage-*; do
    read -r now < "$file" || continue
    case $now in *'['*) continue ;; esac
    words='always madvise never'
    case $file in *defrag) words='always defer defer+madvise madvise never' ;; esac
    shown=
    for word in $words; do
        [ "$word" = "$now" ] && word="[$word]"
        shown="$shown $word"
    done
    echo "${shown# }" > "$file"
done
"""

HUGEPAGES_PATH = """\
[Unit]
Description=Watches the huge page settings of this lab host

[Path]
PathModified=/run/lab-kernel/transparent_hugepage-enabled
PathModified=/run/lab-kernel/transparent_hugepage-defrag

[Install]
WantedBy=multi-user.target
"""

HUGEPAGES_UNIT = """\
[Unit]
Description=Shows the huge page settings as the kernel would
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/usr/local/lib/lab-hugepages
"""

# Without this a container skips systemd-sysctl, and settings of /etc/sysctl.d would not come back after a reboot.
SYSCTL_DROP_IN = "[Unit]\nConditionPathIsReadWrite=\n"

SEED_SCRIPT = """\
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
ls /usr/local/share/ca-certificates/*.crt >/dev/null 2>&1 && update-ca-certificates
rm -f /etc/apt/sources.list
apt-get update -q
apt-get install -qy --no-install-recommends python3 python3-apt iputils-ping logrotate kmod
rm /usr/sbin/policy-rc.d
useradd --create-home --shell /bin/bash deploy
for home in /root /home/deploy; do
    install -d -m 700 "$home/.ssh"
    install -m 600 /usr/local/share/lab.pub "$home/.ssh/authorized_keys"
done
chown -R deploy:deploy /home/deploy
rm -f /etc/ssh/ssh_host_*
systemctl mask console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    fstrim.timer systemd-remount-fs.service dpkg-db-backup.timer
systemctl enable ssh.service lab-kernel.service lab-hugepages.path
apt-get clean
: > /etc/machine-id
# Lists are here, but look old: tools that trust their age still run an update, which then has little to fetch.
touch -d @0 /var/lib/apt/lists
rm -rf /var/lib/apt/periodic
# Else every first boot rebuilds ldconfig's cache, the journal's catalog and users.
touch /etc/.updated /var/.updated
"""


def source_entries(archive: sources.Archive, suite: str, root: Path) -> str:
    """The deb822 sources of a host: the suite, its updates, security fixes and backports."""
    mirror, security = archive.mirror, archive.security
    if mirror is None:
        mirror = _default_mirror(root)
        security = mirror + "-security"
    stanza = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {}\n"
    suites = f"{suite} {suite}-updates {suite}-backports"
    return "\n".join(
        (
            stanza.format(mirror, suites, archive.keyring),
            stanza.format(security, f"{suite}-security", archive.keyring),
        )
    )


def _default_mirror(root: Path) -> str:
    """What debootstrap chose by itself, as it wrote it into the root."""
    text = (root / "etc/apt/sources.list").read_text()
    return next(iter(line.split()[1] for line in text.splitlines() if line.startswith("deb "))).rstrip("/")


def seed_files(archive: sources.Archive, suite: str, root: Path, public_key: str) -> dict[str, tuple[int, str]]:
    """Path in the image to (mode, text)."""
    files = {
        "/usr/local/share/lab.pub": (0o644, public_key),
        "/usr/local/lib/lab-kernel": (0o755, KERNEL_SCRIPT),
        "/usr/local/lib/lab-hugepages": (0o755, HUGEPAGES_SCRIPT),
        "/etc/systemd/system/lab-kernel.service": (0o644, KERNEL_UNIT),
        "/etc/systemd/system/lab-hugepages.path": (0o644, HUGEPAGES_PATH),
        "/etc/systemd/system/lab-hugepages.service": (0o644, HUGEPAGES_UNIT),
        "/etc/systemd/system/systemd-sysctl.service.d/lab.conf": (0o644, SYSCTL_DROP_IN),
        "/etc/sudoers.d/deploy": (0o440, "deploy ALL=(ALL:ALL) NOPASSWD: ALL\n"),
        "/etc/apt/sources.list.d/debian.sources": (0o644, source_entries(archive, suite, root)),
        "/etc/apt/apt.conf.d/90lab": (0o644, 'Acquire::Languages "none";\n' + sources.apt_settings()),
    }
    for name, text in sources.certificates().items():
        files[f"/usr/local/share/ca-certificates/{name}"] = (0o644, text)
    return files

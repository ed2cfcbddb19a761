"""The bundled engine: an archive that travels from the control machine, so that hosts download nothing.

`default_bundle` makes one of the wheel that is installed here, `build_bundle` one of Debian's signed packages;
`install_script` is what a host runs. This is the only part of `engines` with effects, all on the control machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from shardwright.engines.version import Version, VersionRange
from shardwright.errors import ApplyError, Problem, SpecError
from shardwright.model.bundle import BundleFacts
from shardwright.model.spec import EngineChoice

from .archive import sha256_of, verify_bundle, write_bundle
from .build import build_bundle
from .install import install_script
from .manifest import Manifest
from .wheel import default_bundle

__all__ = [
    "BundleFacts",
    "Manifest",
    "build_bundle",
    "cache_directory",
    "default_bundle",
    "facts_for",
    "facts_of",
    "install_script",
    "verify_bundle",
    "write_bundle",
]


def cache_directory() -> Path:
    """Where archives made here are kept: under ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "shardwright" / "bundles"


def facts_for(choice: EngineChoice, cache: Path | None = None) -> BundleFacts:
    """The bundle of a spec, verified: the one that it names, else the default one, made if need be.

    Raises:
        SpecError: the bundle is damaged or its version is not in the wanted range (``bundle-version``).
        ApplyError: the default bundle can't be made, or not be kept here (``cache-not-writable``).
    """
    path = Path(choice.bundle) if choice.bundle else _made(cache or cache_directory())
    facts = facts_of(path)
    wanted = VersionRange.parse(choice.version)
    if not wanted.contains(Version.parse(facts.version)):
        hint = "write the bundle's version, or name another bundle: shardwright bundle build"
        problem = Problem(
            "bundle-version", "engine.version", f"{wanted}; the bundle has {facts.version}", "one that fits", hint
        )
        raise SpecError([problem])
    return facts


def _made(cache: Path) -> Path:
    try:
        return default_bundle(cache)
    except OSError as error:
        raise ApplyError(
            "cache-not-writable",
            f"the engine's archive can't be kept in {cache}: {error.strerror or error}; nothing was changed",
            hint="make room there, or name another place: export XDG_CACHE_HOME=DIRECTORY",
        ) from error


def facts_of(path: Path) -> BundleFacts:
    """What a deploy needs to know of the archive at `path`; verifies the whole of it.

    Raises:
        SpecError: it is damaged.
    """
    manifest = verify_bundle(path)
    return BundleFacts(
        archive=str(path),
        sha256=sha256_of(path),
        name=manifest.name,
        version=manifest.version,
        install_script=install_script(manifest),
        content=manifest.content,
        server=manifest.server,
        notify=manifest.systemd,
    )

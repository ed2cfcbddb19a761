"""`BundleFacts`: what a deploy must know of a bundle's archive on the control machine; data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What is known of a bundle's archive on the control machine.

    Attributes:
        archive: its path there.
        sha256: of the archive, hex.
        name: what it holds, such as ``valkey``.
        version: of the server, such as ``9.1.2``.
        install_script: shell text that unpacks it on the host; see `engines.bundle.install` for its arguments.
        content: sha256 of the manifest, hex: the same for the same content, however the archive was compressed.
        server: path of the server's binary in the bundle.
        notify: the server is built with libsystemd.
    """

    archive: str
    sha256: str
    name: str
    version: str
    install_script: str
    content: str = ""
    server: str = "bin/valkey-server"
    notify: bool = False

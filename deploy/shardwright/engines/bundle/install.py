"""The shell text that installs a bundle on a host: `install.sh` with what it must know of the bundle above it.

The text is pure in the manifest. It is run as ``sh install ARCHIVE SHA256 TARGET CURRENT``: the archive on the host, its
hash, the directory to make, and the link to switch to it.
"""

from __future__ import annotations

import shlex
from importlib.resources import files

from .manifest import MANIFEST, Manifest


def install_script(manifest: Manifest) -> str:
    """POSIX shell text; needs sh, tar, gzip, sha256sum, dd, xargs and mv of any Linux host.

    It verifies the archive and then each file, writes the loader's path into the executables, runs the server's
    ``--version``, renames into place, and switches the link. It prints ``installed TARGET`` or ``unchanged TARGET``, or
    ends with 1 and ``[code] what was seen; hint: remedy`` on stderr (codes ``bundle-...`` and ``path-in-the-way``).
    """
    plain = {
        "arch": manifest.arch,
        "min_glibc": manifest.min_glibc,
        "product": manifest.product,
        "version": manifest.version,
        "server": manifest.server,
        "loader": manifest.loader,
    }
    sums = [f"{f.sha256}  {f.path}" for f in manifest.files]
    interpreters = [f"{i.offset} {i.size} {i.path}" for i in manifest.interpreters]
    parts = [f"{name}={shlex.quote(value)}" for name, value in plain.items()]
    parts += [_function("sums", sums), _function("interpreters", interpreters)]
    body = (files(__package__) / "install.sh").read_text("utf-8")
    return f"# Installs {manifest.directory}; made from its {MANIFEST}.\n" + "\n".join(parts) + "\n" + body


def _function(name: str, lines: list[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    return f"{name}() {{\n  cat <<'END_OF_LIST'\n{text}END_OF_LIST\n}}"

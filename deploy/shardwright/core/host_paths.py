"""Where everything of one cluster lies on a host. The one place that puts paths together.

Every path has the cluster's name in it, so that several clusters share a host without touching each other's files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from shardwright.model.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class HostPaths:
    """Directories of one cluster on its hosts."""

    prefix: PurePosixPath
    programs: PurePosixPath
    config: PurePosixPath
    data: PurePosixPath
    run: PurePosixPath
    log: PurePosixPath

    @classmethod
    def of(cls, spec: ClusterSpec) -> HostPaths:
        """The directories that `spec` means."""
        paths, name = spec.paths, spec.name
        return cls(
            prefix=paths.prefix,
            programs=paths.prefix / name,
            config=paths.config / name,
            data=paths.data / name,
            run=paths.run / name,
            log=paths.log / name,
        )

    @property
    def guard(self) -> str:
        """The script that refuses a start which would lose data."""
        return str(self.programs / "shardwright-guard")

    @property
    def control(self) -> str:
        """The direct manager's script."""
        return str(self.programs / "shardwright-service")

    def config_of(self, port: int) -> str:
        """The server's configuration."""
        return str(self.config / f"{port}.conf")

    def data_of(self, port: int) -> str:
        """The server's data directory."""
        return str(self.data / str(port))

    def run_of(self, port: int) -> str:
        """Where the running server's pid and configuration hash are."""
        return str(self.run / str(port))

    def log_of(self, port: int) -> str:
        """The server's log, where the journal does not have it."""
        return str(self.log / f"{port}.log")

    def all(self) -> tuple[PurePosixPath, ...]:
        """Every directory."""
        return self.prefix, self.config, self.data, self.run, self.log

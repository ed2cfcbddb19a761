"""Who runs shardwright, when, and on whose behalf: the part of a `RunRecord` that comes from outside.

The id starts with the time in UTC, so that files sort by it, and ends in random digits, so that two CI jobs of the same
second do not write over each other's report.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_JOB_URLS = ("CI_JOB_URL", "BUILD_URL", "CIRCLE_BUILD_URL", "BUILDKITE_BUILD_URL")


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def run_id(moment: datetime) -> str:
    """``20260131T174205Z-3f9a``: the second in UTC and four random digits."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def started(moment: datetime) -> str:
    """``2026-01-31T17:42:05Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def actor(environment: Mapping[str, str] = os.environ) -> str:
    """``user@host``, and in CI the job's URL after a comma."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid-{os.getuid()}"
    who = f"{user}@{socket.gethostname()}"
    job = job_url(environment)
    return f"{who}, {job}" if job else who


def job_url(environment: Mapping[str, str]) -> str:
    """The CI job's page, from what GitHub, GitLab, Jenkins, CircleCI, Buildkite set; empty elsewhere. Without user info."""
    server, repository = environment.get("GITHUB_SERVER_URL", ""), environment.get("GITHUB_REPOSITORY", "")
    number = environment.get("GITHUB_RUN_ID", "")
    if server and repository and number:
        return _public(f"{server}/{repository}/actions/runs/{number}")
    return _public(next((environment[name] for name in _JOB_URLS if environment.get(name)), ""))


def tool_version() -> str:
    """Of the installed package; ``unknown`` in a tree that is not installed."""
    try:
        return metadata.version("shardwright")
    except metadata.PackageNotFoundError:
        return "unknown"


def spec_sha256(path: Path) -> str:
    """Of the file's bytes; empty where it can't be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _public(url: str) -> str:
    """The URL without a name and password in it, and without its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https"):
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

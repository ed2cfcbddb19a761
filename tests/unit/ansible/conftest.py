from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

HOSTS = Path(__file__).parents[1] / "hosts" / "data"
PASSWORD = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> str:
    """The cluster.yml of which the captured looks were taken."""
    monkeypatch.setenv("SHARDWRIGHT_TEST_PASSWORD", PASSWORD)
    return str(HOSTS / "cluster.yml")


class Scripted:
    """A host that answers with texts, one a call, and keeps what it was sent."""

    def __init__(self, *answers: str | tuple[int, str, str] | Exception) -> None:
        self.answers: Sequence[str | tuple[int, str, str] | Exception] = answers
        self.sent: list[tuple[str, str]] = []

    def __call__(self, command: str, stdin: bytes) -> tuple[int, str, str]:
        answer = self.answers[len(self.sent)]
        self.sent.append((command, stdin.decode()))
        if isinstance(answer, Exception):
            raise answer
        return (0, answer, "") if isinstance(answer, str) else answer


def captured(name: str) -> str:
    """A look at a real host, as it was printed."""
    return (HOSTS / f"{name}.txt").read_text(encoding="utf-8")

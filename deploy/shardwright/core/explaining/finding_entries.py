"""Codes of findings: what `verify` checks. Where a finding is OK, its entry says what was proved."""

from __future__ import annotations

from .entry import Entry

FINDING_ENTRIES: dict[str, Entry] = {}

"""For all tests: Hypothesis without deadlines, since a busy machine is not a mistake in the code."""

from __future__ import annotations

from hypothesis import settings

# On top of what is active already: Hypothesis takes its own profile, with fixed seeds, where it finds itself in CI.
settings.register_profile("shardwright", parent=settings(), deadline=None)
settings.load_profile("shardwright")

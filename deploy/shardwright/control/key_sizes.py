"""How large the keys of one source are, as far as it matters for how many go into one pipeline.

To ask for each key would cost more than to move it. So the mean of the source counts, of each slot two keys are asked for,
and only where one of those is large is every listed key of that slot: keys with one hash tag are alike, and large ones that
lie among small ones by chance are few in a pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model.wire import Command, Reply

LARGE = 64 * 1024
"""Bytes of a key from which its slot is looked at closely."""
TIMES = 8
"""The same as a multiple of the mean."""

Names = Mapping[int, Sequence[bytes]]
"""Keys by slot."""


class KeySizes:
    """Sizes in bytes of memory."""

    def __init__(self) -> None:
        self.mean = 1000.0
        self._exact: dict[bytes, int] = {}
        self._asked: list[tuple[int, bytes]] = []

    def learn_mean(self, info: Reply, keys: Reply) -> None:
        """Take it from the replies to ``INFO memory`` and ``DBSIZE``."""
        text = info.decode("utf-8", "replace") if isinstance(info, bytes) else ""
        size = next((w.partition(":")[2] for w in text.split() if w.startswith("used_memory_dataset:")), "")
        if isinstance(keys, int) and keys > 0 and size.isdigit():
            self.mean = max(1.0, int(size) / keys)

    def sample(self, held: Names) -> list[Command]:
        """The questions for two keys of each slot."""
        self._exact = {}
        return self._ask([(slot, key) for slot, keys in held.items() for key in dict.fromkeys((keys[0], keys[-1]))])

    def look_closely(self, held: Names) -> list[Command]:
        """The questions for all keys of the slots of which a large one was seen; none where none was."""
        large = max(LARGE, TIMES * self.mean)
        slots = {slot for slot, key in self._asked if self._exact.get(key, 0) > large}
        return self._ask([(slot, key) for slot in slots for key in held.get(slot, ())])

    def learn(self, replies: Sequence[Reply]) -> None:
        """Take in the answers; a key that is gone, or a server that does not tell, leaves the mean."""
        for (_, key), size in zip(self._asked, replies, strict=False):
            if isinstance(size, int):
                self._exact[key] = size

    def of(self, key: bytes) -> float:
        """Of this key, at least the mean."""
        return max(self.mean, self._exact.get(key, 0))

    def _ask(self, wanted: list[tuple[int, bytes]]) -> list[Command]:
        self._asked = wanted
        return [("MEMORY", "USAGE", key) for _, key in wanted]

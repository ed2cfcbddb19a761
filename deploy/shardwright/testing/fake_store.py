"""`Store`: the keys of one fake server, by slot. Strings only; a time to live is kept and looked at when a key is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..model.slots import slot_of


class Store:
    """Keys and values, and when they expire (virtual seconds)."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[bytes, bytes]] = {}
        self._ends: dict[bytes, float] = {}

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def load(self, values: Mapping[bytes, bytes]) -> None:
        """Replace everything."""
        self.clear()
        for key, value in values.items():
            self.put(key, value)

    def values(self) -> dict[bytes, bytes]:
        """A copy of everything."""
        return {key: value for keys in self._slots.values() for key, value in keys.items()}

    def put(self, key: bytes, value: bytes, ends: float | None = None) -> None:
        """Set a key; `ends` is when it expires."""
        self._slots.setdefault(slot_of(key), {})[key] = value
        self._ends.pop(key, None)
        if ends is not None:
            self._ends[key] = ends

    def get(self, key: bytes, now: float) -> bytes | None:
        """The value, none if there is none or it has expired."""
        ends = self._ends.get(key)
        if ends is not None and ends <= now:
            self.drop(key)
        return self._slots.get(slot_of(key), {}).get(key)

    def drop(self, key: bytes) -> bool:
        """Delete a key; whether it was there."""
        slot = slot_of(key)
        keys = self._slots.get(slot, {})
        found = keys.pop(key, None) is not None
        self._ends.pop(key, None)
        if found and not keys:
            del self._slots[slot]
        return found

    def slots(self) -> tuple[int, ...]:
        """Slots that hold keys, ascending."""
        return tuple(sorted(self._slots))

    def in_slot(self, slot: int) -> Mapping[bytes, bytes]:
        """Keys and values of a slot."""
        return self._slots.get(slot, {})

    def drop_slot(self, slot: int) -> None:
        """Delete the keys of a slot."""
        for key in self._slots.pop(slot, {}):
            self._ends.pop(key, None)

    def drop_slots(self, slots: Iterable[int]) -> None:
        """Delete the keys of some slots."""
        for slot in slots:
            self.drop_slot(slot)

    def clear(self) -> None:
        """Delete everything."""
        self._slots.clear()
        self._ends.clear()

"""Hash slots: `SlotRange` and `SlotSet`, with set algebra.

A `SlotSet` is one integer whose bit *n* says whether slot *n* is in it. That makes union, difference and counting single
operations of the interpreter: views of hundreds of nodes are compared many times a second while a cluster forms.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SLOT_COUNT = 16_384


@dataclass(frozen=True, slots=True, order=True)
class SlotRange:
    """Inclusive range of hash slots, `0 <= first <= last <= 16383`.

    Raises:
        ValueError: the bounds are reversed or outside the slots.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last < SLOT_COUNT:
            raise ValueError(f"no slot range: {self.first}-{self.last}; wanted 0 <= first <= last <= 16383")

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True, repr=False)
class SlotSet:
    """Set of hash slots. Build it with `of`, `from_ranges` or `parse`; `mask` is its representation.

    Raises:
        ValueError: a bit outside the 16,384 slots is set.
    """

    mask: int = 0

    def __post_init__(self) -> None:
        if self.mask < 0 or self.mask >> SLOT_COUNT:
            raise ValueError("slots outside 0-16383")

    @classmethod
    def of(cls, *slots: int) -> SlotSet:
        """The set of these single slots."""
        return cls.from_ranges(SlotRange(s, s) for s in slots)

    @classmethod
    def from_ranges(cls, ranges: Iterable[SlotRange]) -> SlotSet:
        """The union of the ranges, which may overlap."""
        mask = 0
        for r in ranges:
            mask |= ((1 << len(r)) - 1) << r.first
        return cls(mask)

    @classmethod
    def parse(cls, text: str) -> SlotSet:
        """From ``"0-5460,6000"``; the empty text is the empty set.

        Raises:
            ValueError: a part is not ``n`` or ``n-m`` within the slots.
        """
        parts = [p for p in text.split(",") if p]
        bounds = [p.partition("-") for p in parts]
        return cls.from_ranges(SlotRange(int(a), int(b) if dash else int(a)) for a, dash, b in bounds)

    def ranges(self) -> tuple[SlotRange, ...]:
        """The canonical form: sorted, disjoint, merged."""
        found: list[SlotRange] = []
        mask, offset = self.mask, 0
        while mask:
            skip = (mask & -mask).bit_length() - 1
            mask >>= skip
            run = (~mask & (mask + 1)).bit_length() - 1
            found.append(SlotRange(offset + skip, offset + skip + run - 1))
            mask >>= run
            offset += skip + run
        return tuple(found)

    def take(self, count: int) -> SlotSet:
        """The lowest `count` slots; all where there are fewer."""
        if count >= len(self):
            return self
        left: list[SlotRange] = []
        for r in self.ranges():
            if count <= 0:
                break
            size = min(count, len(r))
            left.append(SlotRange(r.first, r.first + size - 1))
            count -= size
        return SlotSet.from_ranges(left)

    def __or__(self, other: SlotSet) -> SlotSet:
        return SlotSet(self.mask | other.mask)

    def __and__(self, other: SlotSet) -> SlotSet:
        return SlotSet(self.mask & other.mask)

    def __sub__(self, other: SlotSet) -> SlotSet:
        return SlotSet(self.mask & ~other.mask)

    def __contains__(self, slot: int) -> bool:
        return bool(self.mask >> slot & 1)

    def __len__(self) -> int:
        return self.mask.bit_count()

    def __bool__(self) -> bool:
        return self.mask != 0

    def __iter__(self) -> Iterator[int]:
        for r in self.ranges():
            yield from range(r.first, r.last + 1)

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges()))

    def __repr__(self) -> str:
        return f"SlotSet({str(self)!r})"


def slot_of(key: bytes) -> int:
    """The slot that a key hashes to: CRC-16/XMODEM of the key, or of what stands in its first braces if not empty."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return binascii.crc_hqx(key, 0) % SLOT_COUNT


ALL_SLOTS = SlotSet((1 << SLOT_COUNT) - 1)

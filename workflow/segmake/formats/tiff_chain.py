"""The chain of pages of a TIFF file, read with nothing but Python: what its pages say, and whether it ends properly."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from segmake.formats import CutShort

DESCRIPTION, OFFSETS, COUNTS, SOFTWARE = 270, 273, 279, 305
_NDPI = 65420  # a tag of Hamamatsu's slides
# Bytes of a value of each type, and the letters that `struct` has for whole numbers.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_LETTERS = {3: "H", 4: "I", 16: "Q"}
_MOST_TAGS = 4096


@dataclass(frozen=True)
class Layout:
    """How the numbers of a file are written: `struct`'s letters for the byte order, an offset, a count of tags."""

    order: str
    offset: str
    count: str

    def read(self, kind: str, data: bytes, at: int = 0) -> tuple[int, ...]:
        """Return some numbers."""
        return struct.unpack_from(self.order + kind, data, at)

    @property
    def tag(self) -> int:
        """Bytes of a tag."""
        return 4 + 2 * struct.calcsize(self.order + self.offset)


def layout_of(start: bytes) -> Layout | None:
    """Return how a TIFF is written that begins with these 16 bytes; None if it is none."""
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None:
        return None
    return {
        struct.pack(f"{order}H", 42): Layout(order, "I", "H"),
        struct.pack(f"{order}H", 43): Layout(order, "Q", "Q"),
    }.get(start[2:4])


def pages_of(file: BinaryIO, start: bytes, layout: Layout) -> Iterator[bytes]:
    """Yield the tags of each page as bytes: `tags_of` reads them.

    Of Hamamatsu's slides, which have offsets that the format does not allow, there are none.

    Raises
    ------
    CutShort
        If a page is missing, or was never written.
    ValueError
        If the pages go round in a circle, or one has very many tags.
    """
    width = struct.calcsize(layout.order + layout.offset)
    seen: set[int] = set()
    (offset,) = layout.read(layout.offset, start, 4 if layout.offset == "I" else 8)
    while offset:
        name = f"page {len(seen) + 1}"
        if offset in seen:
            raise ValueError("its pages go round in a circle")
        seen.add(offset)
        file.seek(offset)
        head = file.read(struct.calcsize(layout.order + layout.count))
        if len(head) < struct.calcsize(layout.order + layout.count):
            raise CutShort(f"{name} is missing")
        (number,) = layout.read(layout.count, head)
        if not number:
            raise CutShort(f"{name} was never written")
        if number > _MOST_TAGS:
            raise ValueError(f"{name} has {number} tags")
        rest = file.read(number * layout.tag + width)
        if len(rest) < number * layout.tag + width:
            raise CutShort(f"{name} is missing")
        tags = rest[: number * layout.tag]
        if len(seen) == 1 and _NDPI in {tag.code for tag in tags_of(tags, layout)}:
            return
        yield tags
        (offset,) = layout.read(layout.offset, rest, number * layout.tag)


class Tag(NamedTuple):
    """A tag of a page.

    Attributes
    ----------
    code, kind, number : int
        What it says, the type of its values, and how many there are.
    length : int
        Bytes of its values.
    place : int
        Where they are in the file; 0 where they lie in the tag itself.
    own : bytes
        The values, where they lie in the tag itself.
    """

    code: int
    kind: int
    number: int
    length: int
    place: int
    own: bytes

    def values(self, file: BinaryIO, most: int | None = None) -> bytes:
        """Return the bytes of its values, or so many of them."""
        wanted = self.length if most is None else min(most, self.length)
        if not self.place:
            return self.own[:wanted]
        file.seek(self.place)
        return file.read(wanted)

    def numbers(self, file: BinaryIO, layout: Layout) -> tuple[int, ...]:
        """Return its values, where they are offsets or counts."""
        return layout.read(f"{self.number}{_LETTERS[self.kind]}", self.values(file))


def tags_of(tags: bytes, layout: Layout) -> Iterator[Tag]:
    """Yield the tags of a page."""
    width = struct.calcsize(layout.order + layout.offset)
    for at in range(0, len(tags), layout.tag):
        code, kind, count, place = layout.read(f"HH{layout.offset}{layout.offset}", tags, at)
        length = _SIZES.get(kind, 1) * count
        own = tags[at + layout.tag - width : at + layout.tag]
        inside = length <= width
        yield Tag(code, kind, count, length, 0 if inside else place, own if inside else b"")

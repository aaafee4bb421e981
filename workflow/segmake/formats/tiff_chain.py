"""The chain of pages of a TIFF file, read with nothing but Python: what its pages say, and whether it ends properly."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, NamedTuple

from segmake.formats import CutShort

DESCRIPTION, OFFSETS, COUNTS, SOFTWARE = 270, 273, 279, 305
_NDPI = 65420  # a tag of Hamamatsu's slides
# Bytes of a value of each type, and the letters that `struct` has for whole numbers.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_LETTERS = {3: "H", 4: "I", 16: "Q"}
_MOST_TAGS = 4096
# When it was written differs in each, and is asked of no page that has these alone.
_DATE = 306
# The tags that TIFF itself knows, without palettes: none of them leads to other pages or files.
_PLAIN = {*range(254, 260), 262, 266, *range(269, 275), *range(277, 285), 296, 297, 305, _DATE}
_PLAIN |= {315, 316, 317, *range(322, 326), *range(338, 342)}
# More bytes than these are no words about a picture.
_MOST_WORDS = 1 << 16


@dataclass(frozen=True)
class Layout:
    """How the numbers of a file are written: `struct`'s letters for the byte order, an offset, a count of tags."""

    order: str
    offset: str
    count: str

    def read(self, kind: str, data: bytes, at: int = 0) -> tuple[int, ...]:
        """Return some numbers."""
        return struct.unpack_from(self.order + kind, data, at)

    @cached_property
    def width(self) -> int:
        """Bytes of an offset."""
        return struct.calcsize(self.order + self.offset)

    @property
    def tag(self) -> int:
        """Bytes of a tag."""
        return self.tags.size

    @cached_property
    def tags(self) -> struct.Struct:
        """Reads tags: of each its code, the type and the number of its values, and these or their offset."""
        return struct.Struct(f"{self.order}HH{self.offset}{self.offset}")


_LAYOUTS = {
    struct.pack(f"{order}H", number): Layout(order, offset, count)
    for order in "<>"
    for number, offset, count in ((42, "I", "H"), (43, "Q", "Q"))
}


def layout_of(start: bytes) -> Layout | None:
    """Return how a TIFF is written that begins with these 16 bytes; None if it is none."""
    layout = _LAYOUTS.get(start[2:4])
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    return layout if layout and layout.order == order else None


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
    seen: set[int] = set()
    (offset,) = layout.read(layout.offset, start, 4 if layout.offset == "I" else 8)
    while offset:
        name = f"page {len(seen) + 1}"
        if offset in seen:
            raise ValueError("its pages go round in a circle")
        seen.add(offset)
        file.seek(offset)
        head = file.read(width := struct.calcsize(layout.order + layout.count))
        if len(head) < width:
            raise CutShort(f"{name} is missing")
        (number,) = layout.read(layout.count, head)
        if not number:
            raise CutShort(f"{name} was never written")
        if number > _MOST_TAGS:
            raise ValueError(f"{name} has {number} tags")
        length = number * layout.tag
        rest = file.read(length + layout.width)
        if len(rest) < length + layout.width:
            raise CutShort(f"{name} is missing")
        tags = rest[:length]
        if len(seen) == 1 and _has_code(_NDPI, tags, layout):
            return
        yield tags
        (offset,) = layout.read(layout.offset, rest, length)


def _has_code(code: int, tags: bytes, layout: Layout) -> bool:
    """Whether a page has a tag; in most that have none, not even the bytes of its code are found."""
    if struct.pack(f"{layout.order}H", code) not in tags:
        return False
    return any(each == code for each, *_ in layout.tags.iter_unpack(tags))


def said_by(file: BinaryIO, size: int, start: bytes, tags: bytes, layout: Layout) -> bytes | None:
    """Return all bytes that say what the only page of a file is; None if others may say it, too.

    Files in which they are the same differ in their pixels alone, and in when they were written.

    Parameters
    ----------
    size : int
        Of the file, in bytes.
    start : bytes
        Its first 16 bytes.
    tags : bytes
        The tags of the page; they say where each value lies, so that equal values lie at the same places.
    """
    head = start[:8] if layout.offset == "I" else start
    said = [size.to_bytes(8, "big"), head, tags]
    for code, kind, count, place in layout.tags.iter_unpack(tags):
        if code not in _PLAIN or kind not in _SIZES:
            return None
        length = _SIZES[kind] * count
        if length > layout.width and code != _DATE:
            # A place may be anything, and tifffile passes over what can't be there.
            if length > _MOST_WORDS or place + length > size:
                return None
            file.seek(place)
            said.append(file.read(length))
    return b"".join(said)


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


def tags_of(tags: bytes, layout: Layout, codes: Container[int] | None = None) -> Iterator[Tag]:
    """Yield the tags of a page; of these codes alone, if any are given."""
    width = layout.width
    for number, (code, kind, count, place) in enumerate(layout.tags.iter_unpack(tags), start=1):
        if codes is not None and code not in codes:
            continue
        length = _SIZES.get(kind, 1) * count
        if length > width:
            yield Tag(code, kind, count, length, place, b"")
        else:
            end = number * layout.tag
            yield Tag(code, kind, count, length, 0, tags[end - width : end])

"""What can be seen of a folder of images before a config is written: channels, slices, time points, pixel sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segmake.config.schema import schema, with_defaults
from segmake.core.config import Config
from segmake.formats.believed import Header
from segmake.formats.isolated import headers_of
from segmake.images.listing import Listed, list_images
from segmake.messages import Problem, joined, say
from segmake.messages.numbers import significant

# More say no more, and each takes a look at a disk.
MOST_FILES = 50

# How microscopes call the channel in which bacteria are looked for most often, the surest first. The pH of a buffer
# is none.
_USUAL = (r"phase|\bph ?[1-4]?\b(?!\s*\d|[.,]\d)|\bpc\b", r"bright|\bbf\b|trans|\bdic\b|\btl\b")


@dataclass(frozen=True)
class Seen:
    """What was seen of images.

    Attributes
    ----------
    files : int
        How many there are; no more than `MOST_FILES` were opened.
    channel : str or None
        The channel to segment, as far as names tell.
    notes : dict
        What to write beside settings of the section ``images``, by their names.
    """

    files: int
    channel: str | None = None
    notes: dict[str, str] = field(default_factory=dict)


NONE_SEEN = Seen(0)


def look(folder: Path) -> Seen:
    """Open some of the images in a folder, and return what they hold.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    Problem, Problems
        If the folder is missing or can't be read, or has no images.
    """
    paths = [found.path for found in images_in(folder).found if not found.lost]
    # Those of one day come one after the other: the first, the last and some in between.
    step = max(1, len(paths) / MOST_FILES)
    some = [paths[int(index * step)] for index in range(min(len(paths), MOST_FILES))]
    headers = [one for read in headers_of(some) if not isinstance(read, Problem) for one in read]
    names = list(dict.fromkeys(name for header in headers for name in header.channels))
    several = any(len(header.channels) > 1 and not header.color for header in headers)
    # Images without it would fail.
    of_all = [name for name in names if all(name in header.channels for header in headers)]
    channel = _usual(of_all) if several else None
    return Seen(len(paths), channel, dict(_notes(headers, names if several else [], channel)))


def images_in(folder: Path, include: Sequence[str] | None = None) -> Listed:
    """Return what a config would choose of a folder.

    Parameters
    ----------
    folder : Path
    include : sequence of str, optional
        The patterns of names; without, those of a config that says nothing of it.

    Raises
    ------
    Problems
        If the folder is missing or can't be read, or has no images.
    """
    section = {"folder": str(folder), **({"include": list(include)} if include else {})}
    written = {"images": section}
    (listed,) = list_images(Config(with_defaults(written, schema(), "threshold"), folder))
    return listed


def _usual(names: list[str]) -> str | None:
    """Return the channel whose name is that of phase contrast or brightfield; None if there is none."""
    return next(
        (name for usual in _USUAL for name in names if re.search(usual, name, re.IGNORECASE)), None
    )


def _notes(
    headers: list[Header], channels: list[str], channel: str | None
) -> Iterator[tuple[str, str]]:
    if channels:
        key = "new.channels" if channel else "new.channels.choose"
        yield "channel", say(key, names=", ".join(channels))
    if slices := _numbers(header.slices for header in headers if header.slices > 1):
        yield "z", say("new.slices", number=slices)
    if times := _numbers(header.times for header in headers if header.times > 1):
        yield "time", say("new.times", number=times)
    if pages := _numbers(header.unnamed for header in headers if header.unnamed > 1):
        yield "pages", say("new.pages", number=pages)
    if headers:
        sizes = sorted({h.pixel_size_um for h in headers if h.pixel_size_um})
        written = list(dict.fromkeys(map(significant, sizes)))
        key = "new.pixel_size" if sizes else "new.pixel_size.none"
        yield "pixel_size_um", say(key, sizes=joined(written[:5]))


def _numbers(found: Iterable[int]) -> str:
    numbers = sorted(set(found))
    if len(numbers) > 1:
        return say("new.from_to", first=numbers[0], last=numbers[-1])
    return str(numbers[0]) if numbers else ""

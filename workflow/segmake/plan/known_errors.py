"""Which results of earlier versions of SegMake were wrong, and which images of a results folder are affected.

The errors are in ``known_errors.toml``; ``docs/reference/known-errors*.md`` is made of it. For each of
them a function here tells the circumstances in a results folder that an affected version worked in.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from segmake.core.declared_steps import MASKS, MEASURE, SEGMENT
from segmake.core.journal import Entry
from segmake.core.settings import Images
from segmake.images.selection import channel_key
from segmake.messages import language, say
from segmake.runner.records import looks_whole

if TYPE_CHECKING:
    from segmake.images.image import ImageFile

FILE = Path(__file__).with_suffix(".toml")

# So many images are named; the table of images has all.
NAMED_IMAGES = 10

# What is said of a file whose copy was interrupted, or goes on.
_NOT_ALL_THERE = ("SM-IMG-050", "SM-IMG-052")

# What wrote entries of journals that do not say so.
FIRST_VERSION = "0.1.0"


@dataclass(frozen=True)
class KnownError:
    """Results that were wrong.

    Attributes
    ----------
    code : str
        Such as ``KE-001``.
    before : str
        The first version in which they are right.
    steps : tuple of str
        The steps that made them.
    texts : dict
        ``title``, ``wrong``, ``when`` and ``do``, each in every language.
    """

    code: str
    before: str
    steps: tuple[str, ...]
    texts: Mapping[str, Mapping[str, str]]

    def text(self, part: str, words: str = "") -> str:
        """Return a text in a language: the user's, if none is given."""
        return self.texts[part][words or language()]


@dataclass(frozen=True)
class Seen:
    """An image of a results folder, and what its journals say of it.

    Attributes
    ----------
    image : ImageFile
    entries : mapping
        How the last attempt of each step ended; None where there was none.
    correction : Path or None
        The corrected mask that it has now.
    mask, table : Path
        Its mask, and the table of its cells.
    """

    image: ImageFile
    entries: Mapping[str, Entry | None]
    correction: Path | None
    mask: Path
    table: Path

    def made_before(self, version: str, steps: Iterable[str]) -> bool:
        """Whether what is there of one of the steps was made by a version before this one."""
        done = [entry for step in steps if (entry := self.entries.get(step))]
        return any(
            entry.event == "done" and number_of(version_of(entry)) < number_of(version)
            for entry in done
        )


# Takes the images that an affected version worked on, and the section `images` of the config; gives those that meet the
# circumstances.
Circumstance = Callable[[list[Seen], Images], Iterator[Seen]]

_CIRCUMSTANCES: dict[str, Circumstance] = {}


@cache
def known_errors() -> dict[str, KnownError]:
    """Return all known errors by their codes."""
    parts = ("title", "wrong", "when", "do")
    return {
        code: KnownError(code, each["before"], tuple(each["steps"]), {p: each[p] for p in parts})
        for code, each in tomllib.loads(FILE.read_text(encoding="utf-8")).items()
    }


def affected(images: Iterable[Seen], section: Images) -> dict[str, list[str]]:
    """Return the known errors that results have, or had until this run makes them again.

    Parameters
    ----------
    images : iterable of Seen
        Those that are there.
    section : Images
        The section ``images`` of the config.

    Returns
    -------
    dict
        For each code, the names of the images; only errors with any.
    """
    images = list(images)
    found = {}
    for code, error in known_errors().items():
        # Of some, nothing in the results tells which images are affected.
        if (meets := _CIRCUMSTANCES.get(code)) is None:
            continue
        old = [seen for seen in images if seen.made_before(error.before, error.steps)]
        if names := [seen.image.image for seen in meets(old, section)]:
            found[code] = names
    return found


def describe(found: Mapping[str, Sequence[str]], text: str) -> list[str]:
    """Return a sentence for each known error.

    Parameters
    ----------
    found : mapping
        What `affected` gave.
    text : {"plan.known_error", "warning.known_error"}
    """
    told = []
    for code, images in found.items():
        # A plan of another version may name others.
        if error := known_errors().get(code):
            words = {part: error.text(part) for part in ("title", "wrong", "do")}
            named = ", ".join(images[:NAMED_IMAGES]) + ("..." if images[NAMED_IMAGES:] else "")
            told.append(say(text, code=code, number=len(images), images=named, **words))
    return told


def _circumstance(code: str) -> Callable[[Circumstance], Circumstance]:
    def register(function: Circumstance) -> Circumstance:
        _CIRCUMSTANCES[code] = function
        return function

    return register


@_circumstance("KE-001")
def _not_square(old: list[Seen], section: Images) -> Iterator[Seen]:
    """Yield images that were measured with another pixel size than the file has, or with one side of two."""
    # The config's own is that of both sides.
    for seen in [] if section.pixel_size_um else old:
        header, measured = seen.image.header, seen.entries.get(MEASURE)
        noted = measured.details.get("pixel_size_um") if measured else None
        if header and noted:
            height = getattr(header, "pixel_height_um", None)
            # What an older version took for a size, and this one does not, was none.
            if header.pixel_size_um is None or height not in (None, header.pixel_size_um):
                yield seen


@_circumstance("KE-002")
def _other_experiment(old: list[Seen], section: Images) -> Iterator[Seen]:
    """Yield corrected images of which the correction is older, or that are among those of several folders."""
    # Of several folders in a list, the names of the images say which: only those without folders tell more.
    names = [(str(s.image.path), s.image.file) for s in old if "/" not in s.image.file]
    folders = {path.removesuffix(name) for path, name in names}
    for seen in old:
        made = seen.entries.get(MASKS)
        if made and made.details.get("corrected") and seen.correction:
            older = seen.correction.stat().st_mtime_ns < seen.image.mtime_ns
            if older or len(folders) > 1:
                yield seen


@_circumstance("KE-003")
def _other_channel(old: list[Seen], section: Images) -> Iterator[Seen]:
    """Yield images of another channel than the config names; with a number, than it is in most of the others."""
    named: dict[int, list[tuple[str, Seen]]] = {}
    for seen in old:
        segmented = seen.entries.get(SEGMENT)
        details = segmented.details if segmented else {}
        number, name = details.get("channel_number"), str(details.get("channel", ""))
        # A number for a name says nothing of what it is.
        if number and not name.isdecimal():
            named.setdefault(number, []).append((channel_key(name), seen))
    wanted = section.channel
    if isinstance(wanted, str | tuple):
        right = {channel_key(name) for name in ([wanted] if isinstance(wanted, str) else wanted)}
        yield from (s for pairs in named.values() for name, s in pairs if name not in right)
        return
    for pairs in named.values():
        (most, _), *others = Counter(name for name, _ in pairs).most_common()
        if others:
            yield from (seen for name, seen in pairs if name != most)


@_circumstance("KE-004")
def _damaged(old: list[Seen], section: Images) -> Iterator[Seen]:
    """Yield images with a mask that is empty or cut off, or a table that another program saved."""
    for seen in old:
        # Files that are gone are made again, and were not wrong.
        if any(path.exists() and not looks_whole(path) for path in (seen.mask, seen.table)):
            yield seen


@_circumstance("KE-005")
def _cut_short(old: list[Seen], section: Images) -> Iterator[Seen]:
    """Yield images that were computed from files which are not all there, by what is known now."""
    for seen in old:
        if seen.image.problem and seen.image.problem.code in _NOT_ALL_THERE:
            yield seen


def version_of(entry: Entry) -> str:
    """Return the version of SegMake that noted something."""
    return getattr(entry, "version", FIRST_VERSION)


@cache
def number_of(version: str) -> tuple[int, ...]:
    """Return what versions are compared by; a version that is none counts as the first."""
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return number_of(FIRST_VERSION)

"""Finds the files that programs made from the images, and left beside them: labels, flows, outlines, small pictures.

A name alone decides nothing: a true image may be called ``mask_stain.tif``. A file is looked at if its name is that of
an image beside it with a word such as ``masks``, and it is left out if what it holds fits the word: whole numbers that
are the same all over a cell for labels, a smaller copy for a thumbnail.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from segmake.core.files import result_name, write_atomically
from segmake.formats.isolated import kinds_of
from segmake.formats.made_names import WORDS

if TYPE_CHECKING:
    from segmake.images.image import ImageFile

# The file, in the folder `.segmake`, that keeps what was found in files that were looked at.
RECORD = "derived.json"

_ALL_WORDS = set().union(*WORDS.values())


@dataclass(frozen=True)
class Derived:
    """What is no image beside the images.

    Attributes
    ----------
    kinds : dict
        The names of the files of each kind: ``"labels"``, ``"maps"``, ``"outlines"``, ``"thumbnails"``.
    looked_at : dict
        Size, time of change and kind (empty: an image) of each file that was looked at, for the next run.
    """

    kinds: dict[str, list[str]] = field(default_factory=dict)
    looked_at: dict[str, list[int | str]] = field(default_factory=dict)


def find_derived(files: Sequence[ImageFile], state: Path) -> Derived:
    """Find the files that were made from images beside them.

    Parameters
    ----------
    files : sequence of ImageFile
        What the config takes for images.
    state : Path
        The folder ``.segmake``, which may have what earlier runs found.
    """
    known = _read(state / RECORD)
    suspects = list(_suspects(files))

    kinds: list[str | None] = []
    for suspect in suspects:
        file = suspect.file
        size, mtime_ns, kind = known.get(str(file.path), (0, 0, ""))
        # One that can't be looked at now has neither.
        was_seen = (file.size, file.mtime_ns) in ((size, mtime_ns), (0, 0))
        kinds.append(kind if was_seen else None)
    unseen = [s for s, kind in zip(suspects, kinds, strict=True) if kind is None]
    seen = iter(kinds_of([(s.file.path, s.original.path, s.words) for s in unseen]))
    derived = Derived()
    for suspect, before in zip(suspects, kinds, strict=True):
        file, kind = suspect.file, next(seen) if before is None else before
        derived.looked_at[str(file.path)] = [file.size, file.mtime_ns, kind]
        if kind:
            derived.kinds.setdefault(kind, []).append(file.file)
    return derived


def write_derived(derived: Derived, state: Path) -> None:
    """Write down, in the folder ``.segmake``, what was found in files that were looked at."""
    with write_atomically(state / RECORD) as part:
        part.write_text(json.dumps(derived.looked_at) + "\n", encoding="ascii")


def _read(record: Path) -> dict[str, tuple[int, int, str]]:
    try:
        values = json.loads(record.read_text(encoding="ascii"))
        found = {path: (size, time, kind) for path, (size, time, kind) in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
    return {path: value for path, value in found.items() if value[2] in ("", *WORDS)}


@dataclass(frozen=True)
class _Suspect:
    """A file with the name of an image beside it and words such as ``masks``."""

    file: ImageFile
    original: ImageFile
    words: frozenset[str]


def _suspects(files: Sequence[ImageFile]) -> Iterator[_Suspect]:
    named: dict[str, dict[str, ImageFile]] = {}
    for file in files:
        above, _, name = result_name(file.file).rpartition("/")
        named.setdefault(above, {}).setdefault(name, file)
    folders = {PurePosixPath(above): stems for above, stems in named.items()}
    ordered = {
        folder: sorted(stem for stem in stems if "thumb" not in stem.lower())
        for folder, stems in folders.items()
    }
    beside: dict[PurePosixPath, list[PurePosixPath]] = {}
    for folder in folders:
        if not _words(folder.name):
            for around in {folder.parent, folder}:
                beside.setdefault(around, []).append(folder)
    for folder, stems in folders.items():
        own = _words(folder.name)
        # In a folder `masks`, of the images in the folder around it, or in others beside it.
        places = beside.get(folder.parent, []) if own else [folder]
        for stem, file in stems.items():
            for place in places:
                found = _original(stem, folders[place], own)
                if name := "" if found else _pictured(stem, ordered[place]):
                    found = folders[place][name], _words("thumb")
                if found:
                    yield _Suspect(file, *found)
                    break


def _original(
    stem: str, stems: Mapping[str, ImageFile], own: frozenset[str]
) -> tuple[ImageFile, frozenset[str]] | None:
    """Return the image that a name says a file was made from, and the words that say it."""
    if own and stem in stems:
        return stems[stem], own
    if not own and not _words(stem):
        return None
    for cut in (match.start() for match in re.finditer(r"[^0-9A-Za-z]", stem)):
        for name, rest in ((stem[:cut], stem[cut:]), (stem[cut + 1 :], stem[:cut])):
            words = _words(rest) | own
            if words and name in stems:
                return stems[name], words
    return None


def _pictured(stem: str, stems: Sequence[str]) -> str:
    """Return the image that a thumbnail shows, where each ends in a number of its own: a_w1CE70, a_w1_thumb0F2B.

    Parameters
    ----------
    stem : str
    stems : sequence of str
        The names of the images, in order.
    """
    head, word, _ = stem.lower().partition("thumb")
    head = stem[: len(head)].rstrip("_-. ")
    place = bisect_left(stems, head)
    found = word and head and place < len(stems) and stems[place].startswith(head)
    return stems[place] if found else ""


def _words(text: str) -> frozenset[str]:
    """Return the words in a part of a name that programs use for what they make."""
    found = re.findall(r"[a-z]+", text.lower())
    return frozenset("thumb" if word.startswith("thumb") else word for word in found) & _ALL_WORDS

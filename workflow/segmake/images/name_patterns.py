"""Recognises names of files that look like parts of one image, and says the pattern that would put them together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from segmake.core.files import without_suffix
from segmake.images.file_sets import Pattern, sort_files

# What microscopes and programs write before a number, by what it counts.
_MARKS = {
    "channel": ("channel", "chan", "ch", "c", "w", "wv"),
    "position": ("position", "pos", "p", "xy", "s", "fld", "f", "field"),
    "time": ("time", "t", "frame"),
    "z": ("z", "slice"),
}
_FIELD_OF = {mark: field for field, marks in _MARKS.items() for mark in marks}
_WORDS = "|".join(sorted(_FIELD_OF, key=len, reverse=True))
_MARKED = re.compile(rf"(?:(?<=[-_ .])|^|(?<=\d))({_WORDS})(\d+)(?=$|[-_ .]|[a-z])", re.IGNORECASE)
# MetaMorph writes the name of a channel behind its number.
_METAMORPH = re.compile(r"(?<=_)(w)(\d[^_]*)(?=_|$)", re.IGNORECASE)

# Names whose fields no marks tell, and their patterns: Opera and Harmony, IN Cell, ImageXpress, Micro-Manager 1.4.
_KNOWN_NAMES = (
    (r"r\d+c\d+f\d+p\d+-ch\d+sk\d+", "{well}f{position}p{z}-ch{channel}sk{time}{any}"),
    (
        r"[A-P] - \d\d\(fld \d+ wv [^)]* z \d+\)",
        "{well}(fld {position} wv {channel} z {z})",
    ),
    (r"[A-P] - \d\d\(fld \d+ wv [^)]*\)", "{well}(fld {position} wv {channel})"),
    (r".+_[A-P]\d\d_s\d+_w\d[0-9A-F-]{36}", "{name}_{well}_s{position}_w{channel:1-9}{any}"),
    (r".+_[A-P]\d\d_w\d[0-9A-F-]{36}", "{name}_{well}_w{channel:1-9}{any}"),
    (r"img_\d{9}_[^_]+_\d{3}", "img_{time}_{channel}_{z}"),
)
_KNOWN = [(re.compile(f"{known}.*", re.IGNORECASE), pattern) for known, pattern in _KNOWN_NAMES]
# Whether a name says something does not depend on what its numbers are.
_DIGITS = str.maketrans("123456789", "000000000")
# What stands for a channel at the end of a name.
_CHANNELS = frozenset(
    {
        *(
            "bf",
            "fl",
            "phase",
            "ph",
            "ph3",
            "pc",
            "dic",
            "trans",
            "gfp",
            "yfp",
            "cfp",
            "rfp",
            "mcherry",
        ),
        *("mch", "dapi", "hoechst", "fitc", "tritc", "cy3", "cy5", "txred"),
    }
)
_LAST_WORD = re.compile(r"(.+)[-_ ]([A-Za-z]+\d?)")

# Of all files in a folder so many have to fit a pattern; the others may have names of another program.
_PART = 0.3


@dataclass(frozen=True)
class Proposal:
    """A pattern that would put files together.

    Attributes
    ----------
    pattern : str
    files : tuple of str
        The files that fit it.
    images : int
        How many images they would be.
    """

    pattern: str
    files: tuple[str, ...]
    images: int


def propose(names: Iterable[str]) -> Proposal | None:
    """Return the pattern that would put files together by their names; None if they do not look like it.

    Parameters
    ----------
    names : iterable of str
        Paths in an images folder.
    """
    names = list(names)
    found = Counter(_templates(names))
    if words := _channel_words(names):
        found[f"{{name}}_{{channel:{','.join(words)}}}{_suffix(names)}"] = len(names)
    for text, number in found.most_common(3):
        if number < _PART * len(names):
            break
        pattern = Pattern(text)
        ordered = sort_files(names, pattern)
        files = tuple(m.relative for one in ordered.sets for m in one.members)
        several = all(len(one.members) > 1 for one in ordered.sets[:1])
        doubled = any(one.doubled for one in ordered.sets)
        fits = len(files) >= _PART * len(names) and 2 * len(ordered.sets) <= len(files)
        if files and several and fits and not doubled:
            return Proposal(text, files, len(ordered.sets))
    return None


def _templates(names: Iterable[str]) -> Iterator[str]:
    """Yield the patterns of the files whose names say something."""
    silent: set[str] = set()
    for name in names:
        if (shape := name.translate(_DIGITS)) in silent:
            continue
        if template := _template(name):
            yield template
        else:
            silent.add(shape)


def _template(name: str) -> str:
    """Return the pattern of one file; empty if its name says nothing."""
    file = PurePosixPath(name)
    stem, suffix = file.stem, file.suffix.lower()
    for known, pattern in _KNOWN:
        if known.fullmatch(stem):
            return pattern + suffix
    written, at = "", 0
    marks = {
        found.start(): found for found in (*_MARKED.finditer(stem), *_METAMORPH.finditer(stem))
    }
    seen: set[str] = set()
    for start in sorted(marks):
        found = marks[start]
        field = _FIELD_OF[found[1].lower()]
        if field in seen or start < at:
            continue
        seen.add(field)
        between = stem[at:start]
        written += (_named(between) if at == 0 else between) + f"{found[1]}{{{field}}}"
        at = found.end()
    if not seen - {"position"}:
        return ""
    # What follows the last number differs from file to file, or is the same: it has to be told apart by hand.
    return written + stem[at:] + suffix


def _named(start: str) -> str:
    """Return what stands for the start of a name, up to the mark of its first number."""
    stem = start.rstrip("-_ .")
    return f"{{name}}{start[len(stem) :]}" if stem else start


def _channel_words(names: list[str]) -> list[str]:
    """Return the words for channels that names end in, if images have several of them."""
    of_image: dict[str, set[str]] = {}
    for name in names:
        folder, slash, last = name.rpartition("/")
        found = _LAST_WORD.fullmatch(f"{folder}{slash}{without_suffix(last)}")
        if found and found[2].lower() in _CHANNELS:
            of_image.setdefault(found[1], set()).add(found[2])
    several = [words for words in of_image.values() if len(words) > 1]
    return sorted(set().union(*several))


def _suffix(names: list[str]) -> str:
    return Counter(PurePosixPath(name).suffix.lower() for name in names).most_common(1)[0][0]

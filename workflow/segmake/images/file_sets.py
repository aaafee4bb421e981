"""Images of which each lies in several files: the setting ``pattern`` says what the names of the files mean.

Names alone tell which files are one image, and which plane each of them holds; no file is opened for it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

from segmake.core.files import fingerprint, natural_key, same_letters
from segmake.core.settings import Images
from segmake.formats.believed import Header
from segmake.messages import Problem

# What a field of a pattern takes where it has no choice or range. A channel ends before the next underscore, since the
# name of one would swallow the next field else.
_TEXTS = {
    "name": "[^/]+",
    "position": "[^/]+?",
    "well": r"[A-Za-z]{1,2}(?: - |-|_)?\d{1,3}|r\d+c\d+",
    "channel": "[^/_]+?",
    "time": r"\d+",
    "z": r"\d+",
    "any": "[^/]*?",
}
FIELDS = tuple(_TEXTS)
# Those which number the planes of an image; `any` says nothing, and all others tell images apart.
PLANES = ("channel", "time", "z")
_APART = ("name", "well", "position")
# What the setting is where each file is an image, whatever its name looks like.
SINGLE_FILES = "single_files"

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_RANGE = re.compile(r"\s*(\d+)\s*-\s*(\d+)\s*")
# What stands before a number that goes: the `_w` of `exp_w1.tif`.
_MARK = re.compile(r"(?:[-_ .]+[A-Za-z]{0,12}|[-_ .]*)\Z")
_MARK_BETWEEN = re.compile(r"(?:[-_ .]*[A-Za-z]{0,12})\Z")


@dataclass(frozen=True)
class Member:
    """A file of a set, by its path in the images folder, and which plane it holds, each counted from 0."""

    relative: str
    channel: int
    time: int
    slice: int


@dataclass(frozen=True)
class FileSet:
    """The files of one image.

    Attributes
    ----------
    name : str
        What the image is called: a path in the images folder.
    members : tuple of Member
        In order; the first is the one that the image is opened by.
    channels : tuple of str
        The names of the channels of all sets beside this one; the set may lack some of them.
    times, slices : int
        How many there are by the names.
    fields : tuple of str
        Which of channels, time points and slices the names tell.
    place : str
        Name of the position: the well and the position of the names.
    doubled : tuple of str
        Two files that are the same plane by their names, if there are such.
    """

    name: str
    members: tuple[Member, ...]
    channels: tuple[str, ...]
    times: int
    slices: int
    fields: tuple[str, ...]
    place: str
    doubled: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FileSet:
        """Return the set that ``dataclasses.asdict`` gave, perhaps by way of JSON."""
        members = tuple(Member(**each) for each in values["members"])
        texts = {name: tuple(values[name]) for name in ("channels", "fields", "doubled")}
        return cls(**{**values, **texts, "members": members})

    def folder_of(self, path: Path) -> Path:
        """Return the folder that the paths of the files start from, by that of the first."""
        return path.parents[len(PurePosixPath(self.members[0].relative).parts) - 1]

    def gaps(self) -> tuple[tuple[int, int, int], ...]:
        """Return channel, time and slice of each plane that no file holds."""
        there = {(each.channel, each.time, each.slice) for each in self.members}
        places = product(range(len(self.channels)), range(self.times), range(self.slices))
        return tuple(place for place in places if place not in there)


class Pattern:
    """What the names of files mean, as the setting ``pattern`` says it.

    Parameters
    ----------
    text : str
        Such as ``{position}_w{channel}_t{time}.tif``; it fits the end of a path, as many folders as it names.

    Attributes
    ----------
    depth : int
        How many parts of a path it fits.

    Raises
    ------
    Problem
        ``SM-CFG-048`` if there is no such field, or a range that is none; ``SM-CFG-049`` if no field
        numbers planes.
    """

    def __init__(self, text: str) -> None:
        self.text = same_letters(text).removeprefix("**/").strip("/")
        self.depth = self.text.count("/") + 1
        self._choices: dict[str, list[str]] = {}
        self._ranges: dict[str, tuple[int, int]] = {}
        self._pieces: list[tuple[str, str]] = []
        at = 0
        for found in _FIELD.finditer(self.text):
            self._pieces += [
                ("", self.text[at : found.start()]),
                (found[1].strip(), found[2] or ""),
            ]
            at = found.end()
        self._pieces.append(("", self.text[at:]))
        names = [field for field, _ in self._pieces if field]
        braces = [words for field, words in self._pieces if not field and set(words) & set("{}")]
        unknown = [name for name in names if name not in FIELDS]
        if braces or unknown or "{}" in self.text:
            wrong = unknown[0] if unknown else (*braces, "{}")[0]
            raise _fault(self.text, wrong)
        self.fields = tuple(name for name in PLANES if name in names)
        if not self.fields:
            raise Problem("SM-CFG-049", pattern=self.text)
        self._expression = re.compile(self._regular_expression(), re.IGNORECASE)

    def match(self, relative: str) -> dict[str, str] | None:
        """Return the values of the fields, and what is above as ``""``; None if a path does not fit."""
        found = self._expression.fullmatch(same_letters(relative))
        if not found:
            return None
        values = {name: found[name] for name in FIELDS if name in found.re.groupindex}
        return {**values, "": found["above"] or ""}

    def takes(self, values: Mapping[str, str]) -> bool:
        """Whether the numbers of a path that fits are within the ranges of the pattern."""
        return all(first <= int(values[n]) <= last for n, (first, last) in self._ranges.items())

    def name(self, values: Mapping[str, str]) -> str:
        """Return what the image of a file is called: its path without what numbers planes, and what is before that."""
        parts = [values[""]] if values[""] else []
        name = words_before = ""
        between = False
        for field, words in [*self._pieces, ("", "/")]:
            if not field:
                *whole, last = words.split("/")
                for part in whole:
                    parts.append((name + words_before + part).lstrip("-_ "))
                    name, words_before, between = "", "", False
                words_before += last
                continue
            if field in _APART:
                name += words_before + values[field]
            else:
                name += (_MARK_BETWEEN if between else _MARK).sub("", words_before)
            words_before, between = "", True
        *folders, file = [part for part in parts if part]
        # Without its numbers, `{time}.tif` has no name.
        return "/".join([*folders, f"all{file}" if file.startswith(".") else file])

    def channels(self, values: Iterable[str]) -> dict[str, tuple[int, str]]:
        """Return number (from 0) and name of each channel, by what stands in the names of files in lower case."""
        spelt = {value.casefold(): value for value in values}
        choices = [each.casefold() for each in self._choices.get("channel", [])]
        if choices:
            ordered = sorted(spelt, key=choices.index)
            names = [self._choices["channel"][choices.index(each)] for each in ordered]
        else:
            ordered = sorted(spelt, key=natural_key)
            names = _channel_names([spelt[each] for each in ordered])
        return {each: (n, name) for n, (each, name) in enumerate(zip(ordered, names, strict=True))}

    def _regular_expression(self) -> str:
        written, seen = r"(?:(?P<above>.+)/)?", set()
        for field, words in self._pieces:
            if not field:
                written += re.escape(words)
            elif field == "any":
                written += _TEXTS[field]
            elif field in seen:
                written += f"(?P={field})"
            else:
                seen.add(field)
                written += f"(?P<{field}>{self._values_of(field, words)})"
        return written

    def _values_of(self, field: str, words: str) -> str:
        """Return an expression for the values of a field, and keep its range or choice."""
        if not words:
            return _TEXTS[field]
        if span := _RANGE.fullmatch(words):
            self._ranges[field] = (int(span[1]), int(span[2]))
            return r"\d+" if max(len(span[1]), len(span[2])) > 1 else r"\d"
        choices = [each.strip() for each in words.split(",")]
        if not all(choices) or field in ("time", "z"):
            raise _fault(self.text, f"{field}:{words}")
        self._choices[field] = choices
        return "|".join(re.escape(each) for each in sorted(choices, key=len, reverse=True))


def _fault(pattern: str, field: str) -> Problem:
    known = ", ".join(f"{{{name}}}" for name in FIELDS)
    return Problem("SM-CFG-048", pattern=pattern, field=field, known=known)


def _channel_names(values: list[str]) -> list[str]:
    """Return names of channels: of ``1Phase``, ``2GFP`` the words alone; numbers count from 1."""
    if all(value.isdecimal() for value in values):
        from_0 = min(map(int, values), default=1) == 0
        return [str(int(value) + from_0) for value in values]
    words = [re.fullmatch(r"\d+[-_ ]*([^\d].*)", value) for value in values]
    named = [found[1].strip() for found in words if found]
    return named if len({name.casefold() for name in named}) == len(values) else values


@cache
def pattern_of(text: str) -> Pattern:
    """Return a pattern of the config, which was checked."""
    return Pattern(text)


def pattern_in(images: Images) -> Pattern | None:
    """Return the pattern that puts files together; None where each is an image.

    Parameters
    ----------
    images : Images
        The section ``images`` of a config.
    """
    text = images.pattern
    return None if text in (None, SINGLE_FILES) else pattern_of(text)


@dataclass(frozen=True)
class Sorted:
    """The files of a folder, sorted by a pattern.

    Attributes
    ----------
    sets : tuple of FileSet
    others : tuple of str
        The files that do not fit it: images of their own.
    left_out : tuple of str
        The files that fit it but for a range.
    """

    sets: tuple[FileSet, ...]
    others: tuple[str, ...]
    left_out: tuple[str, ...]


def sort_files(names: Iterable[str], pattern: Pattern) -> Sorted:
    """Put the files of a folder together by their names.

    Parameters
    ----------
    names : iterable of str
        Paths in the images folder.
    pattern : Pattern
    """
    fitting: dict[str, dict[tuple[str, ...], list[tuple[str, dict[str, str]]]]] = {}
    others: list[str] = []
    left_out: list[str] = []
    for name in names:
        values = pattern.match(name)
        if values is None:
            others.append(name)
        elif not pattern.takes(values):
            left_out.append(name)
        else:
            key = tuple(values.get(field, "").casefold() for field in _APART)
            fitting.setdefault(values[""], {}).setdefault(key, []).append((name, values))
    sets = [
        _file_set(files, channels, pattern)
        for groups in fitting.values()
        for channels in [_channels_of(groups.values(), pattern)]
        for files in groups.values()
    ]
    return Sorted(tuple(sets), tuple(others), tuple(left_out))


def _channels_of(
    groups: Iterable[list[tuple[str, dict[str, str]]]], pattern: Pattern
) -> dict[str, tuple[int, str]]:
    """Return number and name of each channel of a folder: one that a set lacks has its number all the same."""
    return pattern.channels(v["channel"] for files in groups for _, v in files if "channel" in v)


def _file_set(
    files: list[tuple[str, dict[str, str]]],
    channels: Mapping[str, tuple[int, str]],
    pattern: Pattern,
) -> FileSet:
    numbers = {
        field: {n: at for at, n in enumerate(sorted({int(v[field]) for _, v in files}))}
        for field in ("time", "z")
        if field in pattern.fields
    }
    members = sorted(
        (
            Member(
                name,
                channels[values["channel"].casefold()][0] if channels else 0,
                numbers["time"][int(values["time"])] if "time" in numbers else 0,
                numbers["z"][int(values["z"])] if "z" in numbers else 0,
            )
            for name, values in files
        ),
        key=lambda each: (each.time, each.slice, each.channel, natural_key(each.relative)),
    )
    first: dict[tuple[int, int, int], str] = {}
    doubled: tuple[str, ...] = ()
    for each in members:
        other = first.setdefault((each.channel, each.time, each.slice), each.relative)
        if other != each.relative:
            doubled = doubled or (other, each.relative)
    values = files[0][1]
    # Channels at the end that this one has no file of were never taken of it.
    number = 1 + max(each.channel for each in members)
    names = tuple(name for at, name in channels.values() if at < number)
    return FileSet(
        name=pattern.name(values),
        members=tuple(members),
        channels=names or ("1",),
        times=len(numbers.get("time", "1")),
        slices=len(numbers.get("z", "1")),
        fields=pattern.fields,
        place=" ".join(filter(None, (values.get("well"), values.get("position")))),
        doubled=doubled,
    )


def header_of(header: Header, files: FileSet, path: Path) -> Header:
    """Return the header of a set.

    Parameters
    ----------
    header : Header
        That of its first file.
    files : FileSet
    path : Path
        The first file.

    Raises
    ------
    Problem
        ``SM-IMG-071`` if the file holds several of what the names say that it holds one of, ``SM-IMG-072`` if two files
        are the same plane by their names.
    """
    if files.doubled:
        first, second = (PurePosixPath(each).name for each in files.doubled)
        raise Problem("SM-IMG-072", where=str(path), first=first, second=second)
    own = {"channel": len(header.channels), "time": header.times, "z": header.slices}
    for field in files.fields:
        if own[field] > 1:
            raise Problem("SM-IMG-071", where=str(path), field=field, number=own[field])
    gaps = files.gaps()
    saved_times, saved_slices = _saved(files, gaps)
    above = PurePosixPath(files.members[0].relative).parent
    times = saved_times if "time" in files.fields else own["time"]
    slices = saved_slices if "z" in files.fields else own["z"]
    return replace(
        header,
        times=times,
        slices=slices,
        channels=files.channels if "channel" in files.fields else header.channels,
        color=header.color and "channel" not in files.fields,
        position=files.place or header.position,
        parts=tuple(posixpath.relpath(each.relative, above) for each in files.members[1:]),
        gaps=tuple(gap for gap in gaps if gap[1] < saved_times and gap[2] < saved_slices),
        planned_times=files.times if saved_times < files.times else header.planned_times,
        planned_slices=files.slices if saved_slices < files.slices else header.planned_slices,
    )


def refuse_other_planes(header: Header, first: Header, name: str, path: Path) -> None:
    """Refuse a file whose planes are others than those of the first file of its image.

    Parameters
    ----------
    header, first : Header
    name : str
        The file.
    path : Path
        The first file, for messages.

    Raises
    ------
    Problem
        ``SM-IMG-073``.
    """
    if (header.width, header.height, header.dtype) != (first.width, first.height, first.dtype):
        raise Problem(
            "SM-IMG-073",
            where=str(path),
            file=name,
            size=f"{header.width} x {header.height}, {header.dtype}",
            first=f"{first.width} x {first.height}, {first.dtype}",
        )


def _saved(files: FileSet, gaps: tuple[tuple[int, int, int], ...]) -> tuple[int, int]:
    """Return how many time points and slices were saved: those at the end may lack some channels."""
    if not gaps:
        return files.times, files.slices
    # A config is checked where there is no numpy.
    import numpy as np

    from segmake.formats.axes import leading

    there = np.ones((len(files.channels), files.times, files.slices), bool)
    for gap in gaps:
        there[gap] = False
    return leading(there, ("channel", "time", "slice"), 0)


def arrangement(files: FileSet, facts: Iterable[tuple[int, int]]) -> str:
    """Return what differs when another file of a set does, or when one is another plane.

    What times of change have no part in is before the point.

    Parameters
    ----------
    files : FileSet
    facts : iterable of tuple
        Size and time of change of each file.
    """
    members = [
        (same_letters(each.relative), each.channel, each.time, each.slice) for each in files.members
    ]
    sizes, times = zip(*facts, strict=True)
    return f"{fingerprint(members, sizes, files.channels)}.{fingerprint(times)}"

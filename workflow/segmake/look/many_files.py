"""Looks at all images of a folder, or at one, in several processes; what was seen before is there at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from segmake.core.files import natural_key
from segmake.experiment.seen import images_in
from segmake.formats import FOLDER_SUFFIX, SUFFIXES
from segmake.formats.believed import Header
from segmake.formats.isolated import MOST, SECONDS, Reader
from segmake.images.derived import find_derived, write_derived
from segmake.images.file_sets import FileSet, Pattern, sort_files
from segmake.images.image import ImageFile
from segmake.images.inventory import size_and_time
from segmake.images.listing import Found, Listed
from segmake.look.kept import Kept
from segmake.look.sets import header_of_files, shown_of
from segmake.messages import Problem, Problems, remembered

MODULE = "segmake.look.one_file"

# Starting a process takes as long as looking at so many files; so many are given to one at a time.
WORTH_A_PROCESS = 20
PIECE = 4

# That a picture could not be written.
_NOT_WRITTEN = "SM-LOK-003"

# Where there is nothing else: a config takes them only if it names them.
_PICTURES = ("**/*.png", "**/*.jpg", "**/*.jpeg")

# What is said of a folder that has no images.
_NONE = {"SM-DIR-004", "SM-DIR-005"}

# What is wrong with the file itself, and stays so until it changes. Others may pass: it is still being copied, the
# disk was away, a library was missing.
_LASTING = {
    *("SM-IMG-002", "SM-IMG-003", "SM-IMG-005", "SM-IMG-007", "SM-IMG-050", "SM-IMG-051"),
    *("SM-IMG-053", "SM-IMG-054", "SM-IMG-033", "SM-IMG-034", "SM-IMG-008"),
}

# What comes of asking for another channel than there is, or for a picture that is too large: the image is fine.
_OF_THE_PICTURE = {"SM-LOK-004", "SM-LOK-006"}


@dataclass(frozen=True)
class Look:
    """What was seen of a file, or of an image that lies in several.

    Attributes
    ----------
    path : Path
    name : str
        Its path in the folder, with forward slashes.
    size, mtime_ns : int
        In bytes and nanoseconds; of an OME-Zarr image, of all its files.
    fields : tuple of Header
        What each of its positions holds; empty if it can't be read.
    picture : Path or None
        A small picture of it.
    shown : dict
        Which plane that is: ``position``, ``channel``, ``time`` and ``slice``, each from 1.
    problems : tuple of Problem
        What is wrong with the file.
    warnings : tuple of Problem
        Why there is no picture, or of another channel.
    kept : bool
        Whether it was seen before.
    files : int
        In how many files it lies; `path` is the first.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    fields: tuple[Header, ...]
    picture: Path | None
    shown: dict[str, int]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    kept: bool
    files: int = 1


class Looks:
    """The images of a folder, or one, to be looked at.

    Parameters
    ----------
    place : Path
        A folder, or an image.
    draw : bool
        Whether there are to be small pictures.
    pictures : Path, optional
        Where they go, if not to the user's cache.
    channel : str
        The name or the number of the channel that they show; empty for the first.
    include : sequence of str
        The patterns of names, as a config has them; without, those of a config that says nothing of it.
    pattern : str
        What the names of files mean that are one image together, as a config has it; empty: each is an image.

    Raises
    ------
    Problem
        ``SM-LOK-001`` if there is nothing of this name, ``SM-LOK-002`` if the folder has no images; what `Pattern`
        raises.

    Attributes
    ----------
    others : tuple of str
        The other files, by their paths in the folder.
    system : tuple of str
        The folders of servers and systems that were passed over.
    """

    def __init__(
        self,
        place: Path,
        *,
        draw: bool = True,
        pictures: Path | None = None,
        channel: str = "",
        include: Sequence[str] = (),
        pattern: str = "",
    ) -> None:
        self.place = place.absolute()
        self._include = tuple(include)
        self.others: tuple[str, ...] = ()
        self.system: tuple[str, ...] = ()
        self._found = self._list()
        self._sets: dict[str, FileSet] = {}
        if pattern:
            self._put_together(Pattern(pattern))
        self._draw = draw
        self._channel = channel
        self._own_pictures = pictures is not None
        self._kept = Kept(self.place, pictures)
        self._not_written: Problem | None = None

    def __len__(self) -> int:
        # Of a set, the first file stands for all.
        sets = {files.name: len(files.members) - 1 for files in self._sets.values()}
        return len(self._found) - sum(sets.values())

    @property
    def not_kept(self) -> Problem | None:
        """Why what was seen, or a picture, could not be kept; None if all was."""
        error = self._kept.error
        if error is None:
            return self._not_written
        where = str(self._kept.folder)
        return Problem("SM-LOK-003", where=where, folder=where, error=error.strerror)

    def each(self) -> Iterator[Look]:
        """Yield what is seen of each image: first what is kept, then the others as they come."""
        waiting: dict[str, dict[str, Look]] = {}
        for look in self._each_file():
            files = self._sets.get(look.name)
            if files is None:
                yield look
                continue
            seen = waiting.setdefault(files.name, {})
            seen[look.name] = look
            if len(seen) == len(files.members):
                yield _as_one(files, seen, self._channel)

    def _put_together(self, pattern: Pattern) -> None:
        ordered = sort_files((found.relative for found in self._found), pattern)
        self._sets = {each.relative: one for one in ordered.sets for each in one.members}
        out = set(ordered.left_out)
        self._found = [found for found in self._found if found.relative not in out]
        self.others = (*self.others, *ordered.left_out)

    def _each_file(self) -> Iterator[Look]:
        unseen = []
        for found in self._found:
            size, mtime_ns = size_and_time(found.path)
            known = self._kept.find(found.path, size, mtime_ns, self._channel, picture=self._draw)
            if known is None:
                unseen.append((found, size, mtime_ns))
            else:
                yield self._look(found, size, mtime_ns, known, kept=True)
        for (found, size, mtime_ns), answer in self._answers(unseen):
            look = self._look(found, size, mtime_ns, answer, kept=False)
            if {code for code, *_ in _told(answer)} <= _LASTING | _OF_THE_PICTURE:
                of_file = (found.path, size, mtime_ns, self._channel, answer)
                self._kept.add(*of_file, picture=self._draw)
            yield look
        self._kept.clear_away(found.path for found in self._found)

    def made(self) -> dict[str, list[str]]:
        """Return the files that were made from images beside them, such as masks, by what they are."""
        files = [
            ImageFile(found.relative, found.relative, found.path, *size_and_time(found.path))
            for found in self._found
        ]
        state = self._kept.own
        derived = find_derived(files, state)
        if any(kind for *_, kind in derived.looked_at.values()):
            # Whether it can be kept is told where pictures are.
            with suppress(OSError):
                write_derived(derived, state)
        return derived.kinds

    def _list(self) -> list[Found]:
        place = self.place
        # Unlike Path's methods, these take what can't be looked at for nothing.
        if not os.path.lexists(place):
            raise Problem("SM-LOK-001", where=str(place), path=place)
        if not os.path.isdir(place) or place.suffix.lower() == FOLDER_SUFFIX:
            return [Found(place.name, place)]
        listed = _listed(place, self._include) or _listed(place, _PICTURES)
        if listed is None:
            suffixes = ", ".join(SUFFIXES)
            raise Problem("SM-LOK-002", where=str(place), folder=place, suffixes=suffixes)
        self.others, self.system = listed.others, listed.system
        return sorted(listed.found, key=lambda found: natural_key(found.relative))

    def _answers(
        self, files: Sequence[tuple[Found, int, int]]
    ) -> Iterator[tuple[tuple[Found, int, int], dict[str, Any]]]:
        """Yield files with what a process answers about them, in the order in which that comes."""
        number = min(-(-len(files) // WORTH_A_PROCESS), MOST, max(2, os.cpu_count() or 1))
        if not number:
            return
        made = [Reader(SECONDS, MODULE) for _ in range(number)]
        idle: SimpleQueue[Reader] = SimpleQueue()
        for reader in made:
            idle.put(reader)

        def ask(piece: Sequence[tuple[Found, int, int]]) -> list[dict[str, Any]]:
            reader = idle.get()
            try:
                return self._ask(reader, piece)
            finally:
                idle.put(reader)

        pool = ThreadPoolExecutor(number, "readers")
        try:
            pieces = [files[start : start + PIECE] for start in range(0, len(files), PIECE)]
            asked = {pool.submit(ask, piece): piece for piece in pieces}
            for done in as_completed(asked):
                yield from zip(asked.pop(done), done.result(), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)
            for reader in made:
                reader.stop()

    def _ask(self, reader: Reader, piece: Sequence[tuple[Found, int, int]]) -> list[dict[str, Any]]:
        questions = [(str(found.path), *self._wanted(found, *at)) for found, *at in piece]
        answers = reader.ask(questions)
        for number, answer in enumerate(answers):
            # It may have been the picture that was too much.
            if self._draw and answer.get("problem", [""])[0] == "SM-IMG-053":
                (plain,) = reader.ask([questions[number][:1]])
                if "headers" in plain:
                    answers[number] = plain | {"problems": [answer["problem"]]}
        return answers

    def _wanted(self, found: Found, size: int, mtime_ns: int) -> tuple[str, ...]:
        if not self._draw:
            return ()
        picture = self._kept.picture_of(found.path, size, mtime_ns, self._channel)
        return str(picture), self._channel

    def _look(
        self, found: Found, size: int, mtime_ns: int, answer: dict[str, Any], *, kept: bool
    ) -> Look:
        problems = [remembered(code, where, values) for code, where, values in _told(answer)]
        # That says nothing of the file, and the same of all.
        unwritten = [problem for problem in problems if problem.code == _NOT_WRITTEN]
        for one in unwritten:
            code = "SM-LOK-005" if self._own_pictures else one.code
            self._not_written = Problem(code, where=one.where, **one.values)
        problems = [problem for problem in problems if problem.code != _NOT_WRITTEN]
        shown = answer.get("shown") if self._draw else None
        picture = self._kept.picture_of(found.path, size, mtime_ns, self._channel)
        return Look(
            path=found.path,
            name=found.relative,
            size=size,
            mtime_ns=mtime_ns,
            fields=tuple(map(Header.from_dict, answer.get("headers", []))),
            picture=picture if shown else None,
            shown=shown or {},
            problems=tuple(one for one in problems if one.code not in _OF_THE_PICTURE),
            warnings=tuple(one for one in problems if one.code in _OF_THE_PICTURE),
            kept=kept,
        )


def _as_one(files: FileSet, seen: dict[str, Look], channel: str) -> Look:
    """Return what was seen of an image by what was seen of its files."""
    members = [seen[each.relative] for each in files.members]
    first = members[0]
    problems = [problem for each in members for problem in each.problems][:1]
    fields: tuple[Header, ...] = ()
    picture, shown, warnings = None, {}, []
    if all(each.fields for each in members):
        headers = {each.name: each.fields for each in members}
        try:
            fields = (header_of_files(files, headers, first.path),)
        except Problem as problem:
            problems = problems or [problem]
    if fields:
        place, wrong = shown_of(files, fields[0], channel)
        of_picture = seen[place.member.relative]
        picture = of_picture.picture
        shown = place.place(files, of_picture.shown) if picture else {}
        warnings = [*of_picture.warnings]
        if "channel" in files.fields:
            # A file of one channel has none of another name.
            warnings = [each for each in warnings if each.code != "SM-LOK-006"]
            warnings += [wrong] if wrong else []
    return Look(
        path=first.path,
        name=files.name,
        size=sum(each.size for each in members),
        mtime_ns=max(each.mtime_ns for each in members),
        fields=fields,
        picture=picture,
        shown=shown,
        problems=tuple(problems),
        warnings=tuple(warnings),
        kept=all(each.kept for each in members),
        files=len(members),
    )


def _told(answer: dict[str, Any]) -> list[Any]:
    """Return the problems of an answer: code, place and values of each."""
    return [answer["problem"]] if "problem" in answer else answer.get("problems", [])


def _listed(folder: Path, include: Sequence[str]) -> Listed | None:
    """Return the images in a folder; None if it has none."""
    try:
        return images_in(folder, include)
    except Problems as problems:
        if {one.code for one in problems.problems} <= _NONE:
            return None
        raise

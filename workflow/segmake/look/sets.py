"""Images of which each lies in several files, by what was seen of each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segmake.formats.believed import Header
from segmake.images.file_sets import FileSet, Member, header_of, refuse_other_planes
from segmake.images.selection import channel_index
from segmake.messages import Problem


def header_of_files(files: FileSet, headers: Mapping[str, Sequence[Header]], path: Path) -> Header:
    """Return the header of an image that lies in several files.

    Parameters
    ----------
    files : FileSet
    headers : mapping
        What each of the files holds, by its path in the images folder.
    path : Path
        The first file, for messages.

    Raises
    ------
    Problem
        What `header_of` raises; ``SM-IMG-071`` if a file has several positions, ``SM-IMG-073`` if the planes of one
        are others than those of the first.
    """
    first = headers[files.members[0].relative][0]
    for member in files.members:
        header, *more = headers[member.relative]
        if more:
            raise Problem("SM-IMG-071", where=str(path), field="position", number=1 + len(more))
        refuse_other_planes(header, first, PurePosixPath(member.relative).name, path)
    return header_of(first, files, path)


@dataclass(frozen=True)
class Shown:
    """Which file of a set is to be seen in a small picture: the one with its channel, time point and slice."""

    member: Member
    channel: int

    def place(self, files: FileSet, shown: Mapping[str, int]) -> dict[str, int]:
        """Return which plane of the image that is, by which one of the file it is; each number from 1."""
        told = {"channel": self.channel, "time": self.member.time, "slice": self.member.slice}
        of_set = {"z": "slice"}
        by_name = [of_set.get(field, field) for field in files.fields]
        return {**shown, **{name: told[name] + 1 for name in by_name}}


def shown_of(files: FileSet, header: Header, channel: str) -> tuple[Shown, Problem | None]:
    """Return which file of a set is to be shown, and what is wrong with the channel that was asked for.

    Parameters
    ----------
    files : FileSet
    header : Header
        Of the image.
    channel : str
        A name or a number; empty for the first.
    """
    number, problem = 0, None
    if channel and "channel" in files.fields:
        wanted = int(channel) if channel.isdecimal() else channel
        path = Path(files.members[0].relative)
        try:
            number = channel_index(header, wanted, path)
        except Problem as error:
            names = {"channel": channel, "channels": error.values["channels"]}
            problem = Problem("SM-LOK-006", where=str(path), **names)
    middle = (header.slices - 1) // 2

    def distance(member: Member) -> tuple[int, int, int]:
        return abs(member.channel - number), member.time, abs(member.slice - middle)

    member = min(files.members, key=distance)
    return Shown(member, member.channel if "channel" in files.fields else 0), problem

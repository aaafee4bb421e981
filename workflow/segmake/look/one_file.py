"""What an image file holds, and a small picture of one of its planes.

``python -m segmake.look.one_file`` is a process that looks at files, as `segmake.formats.isolated` says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from segmake.core.files import write_atomically
from segmake.formats import open_image, read_headers, unreadable, watched
from segmake.formats.believed import Header
from segmake.formats.isolated import serve
from segmake.images.selection import channel_index
from segmake.labels.pictures import stretch
from segmake.messages import Problem

# The longer side of a small picture, in pixels.
LONGEST = 256

# Of a larger plane, a few numbers a side are looked at.
_ENOUGH = 4 * LONGEST

# A plane that takes more is not read: the process has a few gigabytes.
MOST_BYTES = 800_000_000

_QUALITY = 85


def look_at(path: str, picture: str = "", channel: str = "") -> dict[str, Any]:
    """Return what a file holds, and draw a small picture of it.

    Parameters
    ----------
    path : str
    picture : str
        Where the picture goes; empty for none.
    channel : str
        The name or the number of the channel that it shows; empty, or where there is none such: the first.

    Returns
    -------
    dict
        ``headers``; with a picture ``shown``, which plane it is, each number from 1; and in ``problems`` why there is
        none, or of another channel.

    Raises
    ------
    Problem
        If the file can't be read.
    """
    headers = read_headers(Path(path))
    found: dict[str, Any] = {"headers": [header.as_dict() for header in headers], "problems": []}
    if picture:
        try:
            number, problems = _channel(headers[0], channel, Path(path))
            shown = draw(Path(path), headers[0], number, Path(picture))
            found |= {"shown": shown, "problems": problems}
        except Problem as problem:
            found["problems"] = [problem]
        found["problems"] = [[one.code, one.where, one.values] for one in found["problems"]]
    return found


def draw(path: Path, header: Header, channel: int, picture: Path) -> dict[str, int]:
    """Draw the first position and time point of a file and its middle slice, in a size for a list.

    Parameters
    ----------
    path : Path
    header : Header
        Of its first position.
    channel : int
        From 0; of a colour picture, all are drawn.
    picture : Path
        Where it goes: a JPEG.

    Returns
    -------
    dict
        Which plane it is: ``position``, ``channel``, ``time`` and ``slice``, each from 1.

    Raises
    ------
    Problem
        ``SM-LOK-004`` if the plane is too large, ``SM-LOK-003`` if the picture can't be written; what
        `segmake.formats.Image.plane` raises.
    """
    samples = range(min(3, len(header.channels))) if header.color else [channel]
    if header.width * header.height * header.pixel_bytes * len(samples) > MOST_BYTES:
        raise Problem("SM-LOK-004", where=str(path), width=header.width, height=header.height)
    middle = (header.slices - 1) // 2
    with watched(path), open_image(path) as image:
        try:
            planes = [_thinned(image.plane(sample, slice=middle)) for sample in samples]
        except Exception as error:
            raise unreadable(path, error) from error
    # The colours of a picture of 8 bits are meant as they are.
    plain = header.color and all(plane.dtype == np.uint8 for plane in planes)
    grey = planes if plain else [stretch(plane) for plane in planes]
    drawn = Picture.fromarray(np.dstack(grey) if len(grey) == 3 else grey[0])
    drawn.thumbnail((LONGEST, LONGEST))
    try:
        with write_atomically(picture, lasting=False) as part:
            drawn.save(part, quality=_QUALITY)
    except OSError as error:
        reason = error.strerror or str(error)
        folder = str(picture.parent)
        raise Problem("SM-LOK-003", where=folder, folder=folder, error=reason) from None
    return {"position": 1, "channel": channel + 1, "time": 1, "slice": middle + 1}


def _channel(header: Header, wanted: str, path: Path) -> tuple[int, list[Problem]]:
    """Return the channel to show, from 0, and what is wrong with the one that was asked for."""
    if not wanted:
        return 0, []
    try:
        return channel_index(header, int(wanted) if wanted.isdecimal() else wanted, path), []
    except Problem as problem:
        there = problem.values["channels"]
        return 0, [Problem("SM-LOK-006", where=str(path), channel=wanted, channels=there)]


def _thinned(plane: np.ndarray) -> np.ndarray:
    """Return a plane with each n-th row and column, if it has many more than are shown."""
    step = max(1, max(plane.shape) // _ENOUGH)
    return plane[::step, ::step]


if __name__ == "__main__":
    serve(sys.argv[1:], look_at)

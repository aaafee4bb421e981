"""What a header claims, held against the size of its file before it is believed."""

from __future__ import annotations

from pathlib import Path

from segmake.messages import Problem, say

# No plane has so many bytes, whatever the compression.
LARGEST_PLANE = 2**40
# How many times more bytes pixels may have than the file that holds them, where they all have the same value. Without
# compression they have as many, but the copy of a file may have been cut short: that is told by who reads its end.
RATIOS = {"none": 100, "packbits": 128, "lzw": 3_000, "deflate": 1_100, "other": 100_000}
# An acquisition may have been stopped long before it had all planes, but not so long before.
PLANNED, TIMES_PLANNED = 1_000_000, 10_000


def refuse_size(path: Path, width: int, height: int, pixel: int, held: int, kind: str) -> None:
    """Refuse a plane that is larger than its file can hold.

    Parameters
    ----------
    width, height : int
    pixel : int
        Bytes of a pixel, with all of its samples.
    held : int
        Bytes of the file.
    kind : str
        How the pixels are compressed: a key of `RATIOS`.

    Raises
    ------
    Problem
        ``SM-IMG-051``.
    """
    size = width * height * pixel
    # A file of a few bytes has a header too.
    if size > min(LARGEST_PLANE, (held + 1024) * RATIOS.get(kind, RATIOS["other"])):
        raise Problem("SM-IMG-051", where=str(path), claim=f"{width} x {height} px")


def refuse_number(path: Path, planned: int, there: int) -> None:
    """Refuse a file that names very many more planes than it has.

    Raises
    ------
    Problem
        ``SM-IMG-051``.
    """
    if planned > max(PLANNED, TIMES_PLANNED * there):
        raise Problem("SM-IMG-051", where=str(path), claim=say("claim.planes", number=planned))

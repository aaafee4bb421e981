"""Tells black pixels from those that were never written.

Programs that copy often make room for the whole file first; if they are interrupted, its end is zeros. A camera never
gives a run of exact zeros, but computed pictures do: those that were moved or turned have black borders, those without
background are mostly black. So zeros up to the very end of a file are black where the picture has such areas elsewhere.
"""

from __future__ import annotations

from typing import IO

import numpy as np

# Fewer zeros at the end of a file are no sign of anything.
FEWEST = 64
# From so many zeros among the other pixels on, black is what the picture is made of.
MOSTLY_BLACK = 0.5
# So many times longer than any other run of zeros is the run at the end of a file that was never written to its end.
LONGER = 16

_BLOCK = 1 << 20
# Programs copy whole blocks of a disk; rows of pixels rarely begin where one does.
_DISK_BLOCK = 512


def start_of_zeros(file: IO[bytes], size: int, stop: int = 0) -> int:
    """Return where the zeros begin that a file ends in; `size` if its last byte is none.

    Parameters
    ----------
    size : int
        Of the file, in bytes.
    stop : int
        Where to stop looking, from the end.
    """
    end, block = size, FEWEST
    while end > stop:
        start = max(end - block, stop)
        file.seek(start)
        found = file.read(end - start).rstrip(b"\0")
        if found:
            return start + len(found)
        end, block = start, _BLOCK
    return end


def never_written(
    plane: np.ndarray, in_the_end: np.ndarray, before: np.ndarray | None = None
) -> bool:
    """Whether the zeros at the end of a file are pixels that were never written.

    Parameters
    ----------
    plane : array (Y, X, ...)
        The first plane that has pixels in the zeros.
    in_the_end : array of bool (Y, X)
        Which pixels of it lie there.
    before : array (Y, X, ...), optional
        The plane before it in the file.
    """
    number = int(in_the_end.sum())
    if number * plane.itemsize < FEWEST:
        return False
    zeros = [_is_zero(plane)]
    left_out = [in_the_end]
    if before is not None:
        zeros.append(_is_zero(before))
        left_out.append(np.zeros(before.shape[:2], bool))
    written = [zero[~out] for zero, out in zip(zeros, left_out, strict=True)]
    rows = [zero[~out.any(axis=1)] for zero, out in zip(zeros, left_out, strict=True)]
    # What was moved or turned is black at its edges.
    edges = [whole[:, 0] | whole[:, -1] for whole in rows]
    if any(part.size and part.mean() > MOSTLY_BLACK for part in (*written, *edges)):
        return False
    # A file whose pixels are all zero says nothing.
    if not any(part.size for part in written):
        return False
    return number >= LONGER * max(map(_longest_run, written))


def begins_a_row(plane: np.ndarray, tail: int) -> bool:
    """Whether the zeros from `tail` on are whole rows: a picture that was moved up, or has a black bar below.

    Parameters
    ----------
    plane : array (Y, X, ...)
    tail : int
        Where in the file the zeros begin.
    """
    written = np.flatnonzero(~_is_zero(plane))
    whole = not written.size or (written[-1] + 1) % plane.shape[1] == 0
    # The last bytes that were copied may have been zeros too.
    return bool(whole and -tail % _DISK_BLOCK >= plane.itemsize)


def _is_zero(plane: np.ndarray) -> np.ndarray:
    zero = plane == 0
    return zero if zero.ndim == 2 else zero.all(axis=tuple(range(2, zero.ndim)))


def _longest_run(true: np.ndarray) -> int:
    """Return how many neighbours in a row are true, at most."""
    edges = np.diff(true.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return int((ends - starts).max(initial=0))

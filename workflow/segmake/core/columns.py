"""Rows of text one below the other, for the screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a line for each row, with the cells of a column one below the other.

    Parameters
    ----------
    rows : iterable of sequence of str
        All as long as the first.
    """
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()

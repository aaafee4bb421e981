"""What was seen of images as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from segmake.core.columns import columns
from segmake.core.files import on_screen
from segmake.formats.believed import Header
from segmake.look.many_files import Look
from segmake.messages import Problem, say
from segmake.messages.numbers import significant

# A longer name or list of channels would push the rest off the screen.
_LONGEST = 48


def rows(looks: Iterable[Look]) -> Iterator[str]:
    """Yield the lines of a table: a head, and a row for each image; of several positions, what the first holds."""
    cells = [say("look.head").split("|"), *map(_cells, looks)]
    yield from columns(cells)


def told(problem: Problem) -> str:
    """Return a message, with the names in it as the table has them."""
    values = {
        name: on_screen(str(value)) if isinstance(value, str | Path) else value
        for name, value in problem.values.items()
    }
    return str(Problem(problem.code, where=on_screen(problem.where), **values))


def _cells(look: Look) -> list[str]:
    name = on_screen(look.name)
    shown = name if len(name) <= _LONGEST else f"...{name[3 - _LONGEST :]}"
    if not look.fields:
        return [shown, look.problems[0].code if look.problems else "-", *[""] * 6]
    first = look.fields[0]
    channels = on_screen(", ".join(first.channels))
    return [
        shown,
        f"{first.width} x {first.height}",
        channels if len(channels) <= _LONGEST else f"{channels[: _LONGEST - 3]}...",
        str(first.slices),
        str(first.times),
        str(len(look.fields)),
        _pixel(first),
        first.dtype,
    ]


def _pixel(header: Header) -> str:
    return f"{significant(header.pixel_size_um)} µm" if header.pixel_size_um else "-"

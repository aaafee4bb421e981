"""The images that the report shows: which, with what in words, and with pictures that leave the page small."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from segmake.labels.pictures import evenly_spread
from segmake.messages import say
from segmake.messages.numbers import brief, duration, finite, moment, number, significant
from segmake.outcome.quality import names_in
from segmake.report.parts import data_uri, href, shown, text_of

# Images that are shown; of those to look at, more.
GALLERY_LIMIT = 300
LOOKS_LIMIT = 2000
# Of all pictures; in the page they are a third more.
MOST_BYTES = 8_000_000

MIME = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}

# The longer side in pixels, and the quality, of pictures that have to be smaller than they are; the first that fits.
_SIZES = (
    *((360, 75), (360, 60), (320, 60), (300, 50), (280, 50)),
    *((240, 50), (200, 45), (160, 45), (112, 40), (80, 35)),
)
# By so many of them it is seen how much room a size takes.
_TRIED = 12

Pair = tuple[Path, Path]
Addresses = tuple[str, str] | None


@dataclass(frozen=True)
class Gallery:
    """What the page shows of images that are done.

    Attributes
    ----------
    cards : list of dict
    notes : list of str
        How many of how many images are shown and how they were chosen, and what became of their pictures; nothing
        where all are shown as they are.
    """

    cards: list[dict[str, Any]]
    notes: list[str]


def gallery(done: Sequence[dict], thumbnails: Callable[[str], Pair | None]) -> Gallery:
    """Choose the images that are shown, and take in their pictures.

    Parameters
    ----------
    done : sequence of dict
        The rows of the images that are done, in the order of their names.
    thumbnails : callable
        From the ``image`` of a row to its thumbnails before and after, or None if it has none.
    """
    rows = _chosen(done)
    pairs, notes = _embedded([thumbnails(row["image"]) for row in rows])
    cards = [
        {"id": f"image-{place}", **_card(row, pair)}
        for place, (row, pair) in enumerate(zip(rows, pairs, strict=True))
    ]
    return Gallery(cards, [*_said_of_choice(rows, done), *notes])


def because(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield for what reasons the config leaves an image out, or says that it is right."""
    for name in ("left_out", "looked_at"):
        if reason := text_of(row.get(f"{name}_because")):
            yield say(f"report.{name}_because", reason=reason)


# Which images


def _chosen(done: Sequence[dict]) -> list[dict]:
    """Return the images that are shown: first those to look at, then others as far as there is room."""
    flagged = [row for row in done if names_in(row)]
    others = [row for row in done if not names_in(row)]
    room = max(GALLERY_LIMIT - len(flagged), 0)
    return [
        *(flagged[place] for place in evenly_spread(len(flagged), LOOKS_LIMIT)),
        *(others[place] for place in evenly_spread(len(others), room)),
    ]


def _said_of_choice(rows: Sequence[dict], done: Sequence[dict]) -> Iterator[str]:
    """Say how many of how many images are shown, and how they were chosen."""
    if len(rows) == len(done):
        return
    looks, flagged = (sum(bool(names_in(row)) for row in some) for some in (rows, done))
    if looks < flagged:
        kind = "capped.looks"
    elif looks == len(rows):
        kind = "capped.only_looks"
    else:
        kind = "capped.all_looks" if looks else "capped"
    numbers = {
        "shown": len(rows),
        "images": len(done),
        "looks": flagged,
        "others": len(rows) - looks,
    }
    yield say(f"report.gallery.{kind}", **{name: number(many) for name, many in numbers.items()})


# Their pictures


def _embedded(pairs: Sequence[Pair | None]) -> tuple[list[Addresses], list[str]]:
    """Return the pictures as addresses that the page holds itself, None of those without, and notes on these.

    All are as they are if there is room for that. Else all are made smaller, to the same size: what is seen in one
    and not in another is then not due to that.
    """
    there = [pair if pair and _bytes_of(pair) else None for pair in pairs]
    known = [pair for pair in there if pair]
    if sum(map(_bytes_of, known)) <= MOST_BYTES:
        return [_addresses(pair) if pair else None for pair in there], []
    longest, quality = _fitting(known)
    found: list[Addresses] = []
    taken = left = 0
    for pair in there:
        small = _smaller(pair, longest, quality) if pair else None
        fits = small and taken + sum(map(len, small)) <= MOST_BYTES
        if small and fits:
            taken += sum(map(len, small))
            found.append((data_uri(small[0], MIME[".jpg"]), data_uri(small[1], MIME[".jpg"])))
        else:
            left += bool(small)
            found.append(None)
    notes = [say("report.gallery.smaller", pixels=number(longest))]
    if left:
        notes.append(say("report.gallery.no_room", n=number(left)))
    return found, notes


def _bytes_of(pair: Pair) -> int:
    try:
        return sum(path.stat().st_size for path in pair)
    except OSError:
        return 0


def _addresses(pair: Pair) -> Addresses:
    try:
        before, after = (data_uri(path.read_bytes(), MIME[path.suffix.lower()]) for path in pair)
    except OSError:
        return None
    return before, after


def _fitting(pairs: Sequence[Pair]) -> tuple[int, int]:
    """Return the largest size at which all pictures have room, as far as some of them tell; else the smallest."""
    tried = [pairs[place] for place in evenly_spread(len(pairs), _TRIED)]
    for longest, quality in _SIZES:
        small = [pair for one in tried if (pair := _smaller(one, longest, quality))]
        of_one = sum(len(picture) for pair in small for picture in pair) / max(len(small), 1)
        # Others may be a little larger.
        if 1.1 * of_one * len(pairs) <= MOST_BYTES:
            break
    return longest, quality


def _smaller(pair: Pair, longest: int, quality: int) -> tuple[bytes, bytes] | None:
    """Return both pictures of an image as JPEG of at most so many pixels on the longer side; None if one is damaged."""
    try:
        before, after = (_encoded(path, longest, quality) for path in pair)
    except (OSError, ValueError, SyntaxError):
        return None
    return before, after


def _encoded(path: Path, longest: int, quality: int) -> bytes:
    with Image.open(path) as image:
        image.draft(None, (longest, longest))  # decoded small at once
        small = image if image.mode in ("L", "RGB") else image.convert("RGB")
        small.thumbnail((longest, longest), Image.Resampling.HAMMING)
        content = io.BytesIO()
        # WebP would be a fifth smaller, and take five times as long to make.
        small.save(content, "JPEG", quality=quality)
    return content.getvalue()


# What is said of each


def _card(row: Mapping[str, Any], pair: Addresses) -> dict[str, Any]:
    name = shown(row["image"])
    folder, _, file = name.rpartition("/")
    cells = finite(row.get("cells"))
    seconds = finite(row.get("seconds"))
    return {
        "image": row["image"],
        "name": name,
        "folder": folder + "/" if folder else "",
        "file": file,
        "cells": -1 if cells is None else int(cells),
        "counts": _counts(row, cells),
        "seconds": -1 if seconds is None else seconds,
        "selection": text_of(row.get("selection")),
        "left_out": _left_out(row),
        "corrected": finite(row.get("corrected")) == 1,
        "warning": text_of(row.get("warning")),
        "flags": " ".join(names_in(row)),
        "flag_reasons": text_of(row.get("flag_reasons")),
        "because": list(because(row)),
        "details": _details(row, seconds),
        "before": pair[0] if pair else None,
        "after": pair[1] if pair else None,
        "links": [
            (say(f"report.card.{kind}"), href(file))
            for kind in ("picture", "movie", "mask")
            if (file := text_of(row.get(kind)))
        ],
    }


def _counts(row: Mapping[str, Any], cells: float | None) -> str:
    """Say how many cells an image has and, of a tracked movie, how many tracks and divisions."""
    if cells is None:
        return say("report.card.cells.unknown")
    if cells == 0:
        return say("report.card.cells.none")
    words = [say("report.card.cells", n=number(cells))]
    for what in ("tracks", "divisions"):
        if (count := finite(row.get(what))) is not None:
            words.append(say(f"report.card.{what}", n=number(count)))
    return " · ".join(words)


def _left_out(row: Mapping[str, Any]) -> str:
    count = finite(row.get("left_out")) or 0
    return say("report.card.left_out", n=number(count)) if count else ""


def _details(row: Mapping[str, Any], seconds: float | None) -> list[str]:
    details = []
    width, height = finite(row.get("width_px")), finite(row.get("height_px"))
    if width is not None and height is not None:
        details.append(f"{number(width)} × {number(height)} px")
    if (size := finite(row.get("pixel_size_um"))) is not None:
        text = significant(size)
        if (height := finite(row.get("pixel_height_um"))) is not None and height != size:
            text = f"{text} × {significant(height)}"
        details.append(say("report.card.pixel_size", size=text))
    channel = text_of(row.get("channel"))
    if channel and channel not in text_of(row.get("selection")):
        details.append(say("report.card.channel", channel=channel))
    if (diameter := finite(row.get("estimated_diameter_px"))) is not None:
        details.append(say("report.card.diameter", size=brief(diameter)))
    if position := text_of(row.get("position")):
        details.append(say("report.card.position", position=position))
    details += [text_of(row.get("objective")), moment(text_of(row.get("acquired")))]
    if seconds is not None:
        details.append(say("report.card.seconds", time=duration(seconds)))
    return [detail for detail in details if detail]

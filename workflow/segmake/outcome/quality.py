"""Which images to look at: what speaks against a segmentation that ended well, from the facts that the journals note.

All thresholds are in `THRESHOLDS`, which docs/reference/quality.md explains. An image is held against those of the same
folder, if there are enough. A flag need not be right; it says where a look at the picture is worth most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from segmake.core.files import write_atomically
from segmake.engines import BUILTIN_MODELS
from segmake.messages import Problem, remembered, say
from segmake.messages.numbers import brief

# Beyond these an image is flagged; see `docs/reference/quality.md`.
THRESHOLDS: dict[str, float] = {
    # So many times more, or fewer, than the median of its folder.
    "count": 4.0,
    "size": 3.0,
    "focus": 1.8,
    "dim": 5.0,
    # And so many times farther from it than half of the folder's images are.
    "spread": 4.0,
    # Of the image, in one object.
    "large": 0.25,
    # Times the area, and the width, of the median cell.
    "large_area": 6.0,
    "large_width": 2.0,
    # Of the objects.
    "edge": 0.5,
    "specks": 0.2,
    "dropped": 0.5,
    # Of the cells' pixels. Brightfield pictures that were stretched have a fifth, and good masks.
    "saturated": 0.25,
    # Grey values from dark to bright.
    "levels": 8.0,
}

# So many images with cells a folder needs for one to be far from the others.
OTHERS = 5

# Below so many objects a part of them says nothing.
OBJECTS = 5

# The code of each flag, by its name in ``images.csv``.
CODES = {
    "no_cell": "SM-OUT-030",
    "count": "SM-OUT-031",
    "size": "SM-OUT-032",
    "large_object": "SM-OUT-033",
    "edge": "SM-OUT-034",
    "out_of_focus": "SM-OUT-035",
    "saturated": "SM-OUT-036",
    "dim": "SM-OUT-037",
    "dropped": "SM-OUT-038",
    "specks": "SM-OUT-039",
    "unclear": "SM-OUT-046",
    "other_diameter": "SM-OUT-050",
}

# Between the names of several, in ``images.csv``.
BETWEEN = ", "

NAMES = {code: name for name, code in CODES.items()}

# What follows from another flag: a colony that is outlined as one cell makes the cells large, and few.
_FOLLOWS = {"large_object": ("size", "count")}

Facts = Mapping[str, Any]


class Flag(NamedTuple):
    """What speaks against an image: a code, and the values in its sentence."""

    code: str
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called in ``images.csv``, whatever the language."""
        return NAMES.get(self.code, self.code)

    @property
    def problem(self) -> Problem:
        """The same in words."""
        return remembered(self.code, "", self.values)


def flags_of(images: Mapping[str, Facts]) -> dict[str, list[Flag]]:
    """Return what speaks against each image; nothing of an image that nothing speaks against.

    Parameters
    ----------
    images : mapping
        By the image's name: the facts of `segmake.labels.quality`, where they were noted (an earlier version did not);
        ``cells``; of the objects ``found`` the number ``dropped`` for size or place; and ``doubts`` of the engine, as
        codes with values.
    """
    folders: dict[str, dict[str, Facts]] = {}
    for image, facts in images.items():
        folders.setdefault(image.rpartition("/")[0], {})[image] = facts
    found = {}
    for members in folders.values():
        usual = _Usual(members.values())
        for image, facts in members.items():
            if flags := list(_flags(facts, usual)):
                found[image] = flags
    return found


def in_sentences(flags: Iterable[Flag]) -> str:
    """Return what speaks against an image in sentences, without what follows from another of its flags."""
    flags = list(flags)
    needless = {name for flag in flags for name in _FOLLOWS.get(flag.name, ())}
    return " ".join(flag.problem.what for flag in flags if flag.name not in needless)


def by_flag(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the images to look at by the first of their flags, which says most; the most frequent first.

    Parameters
    ----------
    rows : iterable of mapping
        Of ``images.csv``.
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        for name in names_in(row)[:1]:
            found.setdefault(name, []).append(str(row["image"]))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def names_in(row: Mapping[str, Any]) -> list[str]:
    """Return the names of the flags in a row of ``images.csv``."""
    written = row.get("flags")
    return written.split(BETWEEN) if written and isinstance(written, str) else []


def write_flags(flags: Mapping[str, str], left_out: Mapping[str, str], path: Path) -> None:
    """Write down for whoever asks how a run ended which images are to be looked at.

    Parameters
    ----------
    flags : mapping
        Of each image, its flags as in ``images.csv``.
    left_out : mapping
        Of each image that is left out of the tables, the reason.
    path : Path
    """
    named = {image: written.split(BETWEEN) for image, written in flags.items() if written}
    with write_atomically(path) as part:
        part.write_text(json.dumps({"flags": named, "left_out": dict(left_out)}), encoding="ascii")


def read_flags(path: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return what `write_flags` wrote: the flags of images, and why images are left out."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads(path.read_text(encoding="ascii"))
        return dict(values["flags"]), dict(values["left_out"])
    return {}, {}


def label(name: str) -> str:
    """Return what a flag means, in a few words."""
    return say(f"flag.{name}") if name in CODES else remembered(name, "", {}).what


def remedy(name: str, engine: str = "") -> str:
    """Return what to do about images with a flag; with an engine, what can be done with it."""
    if name == "large_object" and engine:
        kind = "network" if engine in BUILTIN_MODELS else "threshold"
        return say(f"flag.large_object.do.{kind}")
    return remembered(CODES.get(name, name), "", {}).remedy


def _flags(facts: Facts, usual: _Usual) -> Iterator[Flag]:
    """Yield what speaks against an image, first what may be the reason of what follows."""
    for code, values in facts.get("doubts", ()):
        yield Flag(code, dict(values))
    if (number := facts.get("dropped", 0)) and number >= THRESHOLDS["dropped"] * facts["found"]:
        yield Flag(CODES["dropped"], {"number": number, "all": facts["found"]})
    if facts["cells"]:
        yield from _of_picture(facts, usual)
        yield from _of_objects(facts, usual)
    else:
        yield Flag(CODES["no_cell"], {})
    if facts.get("saturated", 0) >= THRESHOLDS["saturated"]:
        yield Flag(CODES["saturated"], {"percent": _percent(facts["saturated"])})


def _of_objects(facts: Facts, usual: _Usual) -> Iterator[Flag]:
    """Yield what speaks against the objects of an image with cells."""
    if _is_large(facts, usual):
        yield Flag(CODES["large_object"], {"percent": _percent(facts["largest"])})
    number = facts.get("objects", 0)
    if number >= OBJECTS and facts.get("specks", 0) >= THRESHOLDS["specks"]:
        yield Flag(CODES["specks"], {"percent": _percent(facts["specks"])})
    if (far := usual.far("area", facts, THRESHOLDS["size"])) is not None:
        yield Flag(CODES["size"], {"here": brief(facts["area"]), "others": brief(far)})
    if (far := usual.far("objects", facts, THRESHOLDS["count"])) is not None:
        yield Flag(CODES["count"], {"here": brief(facts["objects"]), "others": brief(far)})
    if number >= OBJECTS and facts.get("edge", 0) >= THRESHOLDS["edge"]:
        yield Flag(CODES["edge"], {"percent": _percent(facts["edge"])})


def _is_large(facts: Facts, usual: _Usual) -> bool:
    """Whether one object is over a large part of the image, or is thicker than a cell: a filament is long alone."""
    if "largest" not in facts:
        return False
    area, width = (usual.of(name) or facts[name] for name in ("area", "width"))
    return facts["largest"] >= THRESHOLDS["large"] or (
        facts["largest_area"] >= THRESHOLDS["large_area"] * area
        and facts["largest_width"] >= THRESHOLDS["large_width"] * width
    )


def _of_picture(facts: Facts, usual: _Usual) -> Iterator[Flag]:
    """Yield what speaks against the picture of cells; where there is nothing, nothing is sharp, or bright."""
    if usual.far("sharpness", facts, THRESHOLDS["focus"], above=False) is not None:
        yield Flag(CODES["out_of_focus"], {})
    few = facts.get("whole") and facts["range"] < THRESHOLDS["levels"]
    if few or usual.far("range", facts, THRESHOLDS["dim"], above=False) is not None:
        yield Flag(CODES["dim"], {"range": brief(facts["range"])})


class _Usual:
    """What is usual in a folder: of its images with cells, for those without may be the ones where it went wrong."""

    def __init__(self, images: Iterable[Facts]) -> None:
        self._images = [facts for facts in images if facts["cells"]]
        self._known: dict[str, tuple[float, float] | None] = {}

    def of(self, name: str) -> float | None:
        """Return the median of a fact; None where too few images have it."""
        known = self._median_and_spread(name)
        return known and known[0]

    def far(self, name: str, facts: Facts, times: float, *, above: bool = True) -> float | None:
        """Return the median of a fact where that of an image is far below it or, if `above`, far above it."""
        known, value = self._median_and_spread(name), facts.get(name)
        if known is None or value is None:
            return None
        usual, spread = known
        apart, limit = _apart(value, usual), max(math.log(times), THRESHOLDS["spread"] * spread)
        return usual if apart < -limit or (above and apart > limit) else None

    def _median_and_spread(self, name: str) -> tuple[float, float] | None:
        if name not in self._known:
            values = [facts[name] for facts in self._images if facts.get(name) is not None]
            usual = median(values) if len(values) > OTHERS else 0.0
            spread = median(abs(_apart(value, usual)) for value in values) if usual else 0.0
            self._known[name] = (usual, spread) if usual else None
        return self._known[name]


def _apart(value: float, usual: float) -> float:
    """Return how far two numbers are apart, on a scale on which twice and half are equally far."""
    return math.log(max(value, 1e-9) / usual)


def _percent(part: float) -> int:
    return max(1, round(100 * part))

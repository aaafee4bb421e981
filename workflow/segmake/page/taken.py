"""Which files of the images' folders settings take, what is wrong with each, and what is left out and why.

All of it follows from what `segmake look` said of the files, so that it can be asked while somebody types.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmake.answers.look import axes_of
from segmake.config.schema import schema, with_defaults
from segmake.core.files import natural_key
from segmake.core.settings import Images
from segmake.formats.believed import Header
from segmake.images.file_sets import FileSet, pattern_in, sort_files
from segmake.images.listing import chosen
from segmake.images.selection import chosen as numbers_chosen
from segmake.images.selection import interpreted, select
from segmake.look.sets import header_of_files
from segmake.messages import Problem, say
from segmake.page.work import Task, problem_values

# What is made from the image beside it is left out unless the config says otherwise.
_NOT_MADE = ("system", "name")


@dataclass(frozen=True)
class LeftOut:
    """What is taken for no image.

    Attributes
    ----------
    name : str
    reason : str
        In words, as they were said; empty where the patterns are the reason.
    kind : str
        What it is, as `segmake look` calls it.
    """

    name: str
    reason: str
    kind: str = ""


@dataclass(frozen=True)
class Taken:
    """What settings take of the images' folders.

    Attributes
    ----------
    images : list of dict
        What `segmake look` says of each image that is taken, in the order of their names; of one that lies in several
        files, what it says of them together, and under ``files`` of each.
    left_out : list of LeftOut
    more : int
        How many other files are left out whose names are not known.
    """

    images: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True)
class Choice:
    """Something that a setting can be, as the images have it.

    Attributes
    ----------
    value : str
        As it is written in a config.
    files : int
        How many images have it.
    """

    value: str
    files: int


@dataclass(frozen=True)
class Holds:
    """What the images hold together.

    Attributes
    ----------
    channels : list of Choice
        By their names, those in most images first.
    colour : bool
        Whether some are colour pictures.
    slices, times, positions, pages : tuple of int
        The least and the most.
    pixel_sizes : list of Choice
        In micrometres.
    without_size : int
        How many images do not say it.
    """

    channels: list[Choice]
    colour: bool
    slices: tuple[int, int]
    times: tuple[int, int]
    positions: tuple[int, int]
    pages: tuple[int, int]
    pixel_sizes: list[Choice]
    without_size: int


def patterns(section: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return which files the section ``images`` takes, and which it leaves out; what is wrong counts as its default."""
    rules = schema()["properties"]["images"]["properties"]
    found = []
    for name in ("include", "exclude"):
        value = section.get(name)
        found.append(list(map(str, value if isinstance(value, list) else rules[name]["default"])))
    return found[0], found[1]


def wider(include: Sequence[str]) -> list[str]:
    """Return the patterns by which files are to be looked at: also those that would be taken without these."""
    usual = schema()["properties"]["images"]["properties"]["include"]["default"]
    others = [each for each in include if each not in usual]
    return [*usual, *others] if others else []


def taken(tasks: Iterable[Task], section: Mapping[str, Any]) -> Taken:
    """Return what settings take.

    Parameters
    ----------
    tasks : iterable of Task
        The look at each folder.
    section : mapping
        The section ``images`` of a config.
    """
    found = Taken()
    more = 0
    for task in tasks:
        by_name = {line["name"]: line for line in task.files}
        said = task.last.get("others", [])
        others = {one["name"]: one for one in said if one["kind"] == "name"}
        more += task.last.get("left_out", 0) - len(others)
        by_patterns = _by_patterns([*by_name, *others], section)
        made = {one["name"]: one for one in said if one["kind"] not in _NOT_MADE}
        if section.get("derived") == "take":
            made = {}
        found.left_out.extend(_left_out(said, by_name, others, by_patterns, made))
        lines = [line for name, line in by_name.items() if name in by_patterns and name not in made]
        images, out_of_range = put_together(lines, section)
        found.images.extend(images)
        found.left_out.extend(LeftOut(n, say("left_out.range"), "range") for n in out_of_range)
    return Taken(found.images, found.left_out, more)


def put_together(
    lines: Sequence[dict[str, Any]], section: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return what `segmake look` said of files as what is said of images, and the names that are out of range.

    Parameters
    ----------
    lines : sequence of dict
        Of one folder.
    section : mapping
        The section ``images`` of a config, whose pattern says which files are an image.
    """
    pattern = None
    # What is wrong with it is told at its field.
    with suppress(Problem, TypeError, AttributeError):
        pattern = pattern_in(Images.of(section))
    if pattern is None:
        return list(lines), ()
    by_name = {line["name"]: line for line in lines}
    ordered = sort_files(by_name, pattern)
    images = [by_name[name] for name in ordered.others]
    images += [
        _as_one(files, [by_name[each.relative] for each in files.members]) for files in ordered.sets
    ]
    return sorted(images, key=lambda line: natural_key(line["name"])), ordered.left_out


def _as_one(files: FileSet, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what is said of an image that lies in several files."""
    first = lines[0]
    one = {**first, "name": files.name, "files": list(lines), "positions": []}
    one["problems"] = [problem for line in lines for problem in line["problems"]]
    if not all(line["positions"] for line in lines):
        return one
    headers = {line["name"]: tuple(map(_header, line["positions"])) for line in lines}
    try:
        header = header_of_files(files, headers, Path(first["name"]))
    except Problem as problem:
        one["problems"].append(problem_values(problem) | {"severity": "error"})
        return one
    told = {
        "name": header.position,
        "times": header.times,
        "slices": header.slices,
        "channels": list(header.channels),
        "gaps": [list(gap) for gap in header.gaps],
        "axes": axes_of(header),
        "planned_times": header.planned_times,
        "planned_slices": header.planned_slices,
    }
    return one | {"positions": [{**first["positions"][0], **told}]}


def _by_patterns(names: Sequence[str], section: Mapping[str, Any]) -> set[str]:
    include, exclude = patterns(section)
    return chosen(names, include, exclude)


def _left_out(
    said: Sequence[Mapping[str, str]],
    by_name: Mapping[str, Any],
    others: Mapping[str, Any],
    by_patterns: set[str],
    made: Mapping[str, Mapping[str, str]],
) -> Iterator[LeftOut]:
    for name in sorted(by_name, key=natural_key):
        if name not in by_patterns:
            yield LeftOut(name, "")
        elif name in made:
            yield LeftOut(name, made[name]["reason"], made[name]["kind"])
    for one in said:
        if one["kind"] == "system":
            yield LeftOut(one["name"], one["reason"], one["kind"])
    yield from (LeftOut(name, "") for name in others if name not in by_patterns)


def with_reasons(left_out: Iterable[LeftOut], section: Mapping[str, Any]) -> Iterator[LeftOut]:
    """Yield what is left out with a reason: of what no pattern takes, or one leaves out, which one that is."""
    include, exclude = patterns(section)
    for each in left_out:
        if each.reason:
            yield LeftOut(each.name, _reason(each), each.kind)
        elif not chosen([each.name], include, ()):
            yield LeftOut(each.name, say("left_out.name"))
        else:
            by = next((one for one in exclude if not chosen([each.name], include, [one])), "")
            yield LeftOut(each.name, say("page.take.excluded", pattern=by))


def _reason(left_out: LeftOut) -> str:
    # It was said when the folder was looked at, which may have been in another language, or by another version.
    with suppress(KeyError):
        return say(f"left_out.{left_out.kind}")
    return left_out.reason


def problems_of(line: Mapping[str, Any], section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is wrong with an image, or with what settings ask of it, as a run would tell it."""
    told = [one for one in line["problems"] if one["severity"] == "error"]
    if told or not line["positions"] or line.get("unopened"):
        return told
    wanted = numbers_chosen(_positions(section), len(line["positions"]))
    if not wanted:
        names = {"wanted": section["positions"], "number": len(line["positions"])}
        return [problem_values(Problem("SM-IMG-024", where=line["name"], **names))]
    for number in wanted:
        try:
            select(_header(line["positions"][number]), Images.of(section), Path(line["name"]))
        except Problem as problem:
            return [problem_values(problem)]
    return []


def _positions(section: Mapping[str, Any]) -> Any:
    wanted = section.get("positions")
    return wanted if isinstance(wanted, int | list) else None


def whole_section(settings: Mapping[str, Any], wrong: Iterable[str]) -> dict[str, Any]:
    """Return the section ``images`` with all its defaults, and these in place of what is wrong with it."""
    rule = schema()["properties"]["images"]
    bad = {name.partition(".")[2] for name in wrong if name.startswith("images.")}
    section = settings.get("images")
    kept = {k: v for k, v in (section if isinstance(section, dict) else {}).items() if k not in bad}
    found = with_defaults({"folder": None, **kept}, rule, "")
    return dict(found)


def counted(
    images: Iterable[Mapping[str, Any]], section: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return each kind of problem that images have: the first of them, with how many images have it."""
    first: dict[str, dict[str, Any]] = {}
    number: Counter[str] = Counter()
    for line in images:
        for one in problems_of(line, section)[:1]:
            first.setdefault(one["code"], one)
            number[one["code"]] += 1
    return [first[code] | {"images": many} for code, many in number.most_common()]


def holds(images: Sequence[Mapping[str, Any]], section: Mapping[str, Any]) -> Holds:
    """Return what the images hold together."""
    channels: Counter[str] = Counter()
    sizes: Counter[float | None] = Counter()
    headers = []
    chosen = Images.of(section)
    for line in images:
        seen = [interpreted(_header(one), chosen) for one in line["positions"]]
        headers += seen
        channels.update({name for one in seen if not one.color for name in one.channels})
        sizes.update({one.pixel_size_um for one in seen})
    several = any(len(one.channels) > 1 and not one.color for one in headers)
    without = sizes.pop(None, 0)
    return Holds(
        [Choice(name, files) for name, files in channels.most_common()] if several else [],
        any(one.color for one in headers),
        _from_to(one.slices for one in headers),
        _from_to(one.times for one in headers),
        _from_to(len(line["positions"]) for line in images if line["positions"]),
        _from_to(one.unnamed for one in headers),
        [Choice(f"{size:.6g}", files) for size, files in sizes.most_common() if size],
        without,
    )


def _from_to(numbers: Iterable[int]) -> tuple[int, int]:
    found = set(numbers) or {1}
    return min(found), max(found)


def _header(position: Mapping[str, Any]) -> Header:
    """Return the header that a line of `segmake look` was made from, as far as settings choose from it."""
    return Header(
        width=position["width"],
        height=position["height"],
        times=position["times"],
        slices=position["slices"],
        channels=tuple(position["channels"]),
        color=position["color"],
        dtype=position["dtype"],
        pixel_size_um=position["pixel_size_um"],
        unnamed=position["pages"],
        position=position.get("name", ""),
        gaps=tuple((one, two, three) for one, two, three in position.get("gaps", ())),
    )

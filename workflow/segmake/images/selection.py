"""What the config selects of a field of view: channels, time points, slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from segmake.core.files import as_json, same_letters
from segmake.core.settings import Channel, Images, as_written
from segmake.formats.believed import Header
from segmake.messages import Problem

# What the config calls the ways to make one plane of several slices.
PROJECTIONS = ("max", "mean", "best_focus")


@dataclass(frozen=True)
class Selection:
    """The planes of a field of view that the config asks for; all numbers count from 0.

    Attributes
    ----------
    channel : int
        The channel to segment.
    second_channel : int or None
        The channel that helps the network.
    times, slices : tuple of int
        The time points and slices, in order.
    projection : {"max", "mean", "best_focus"} or None
        How the slices become one plane; None: they stay apart.
    """

    channel: int
    second_channel: int | None
    times: tuple[int, ...]
    slices: tuple[int, ...]
    projection: str | None

    @property
    def depth(self) -> int:
        """The number of slices of the label image."""
        return 1 if self.projection else len(self.slices)

    @cached_property
    def text(self) -> str:
        """All that it says, as a fingerprint takes it."""
        return as_json(astuple(self))

    @property
    def axes(self) -> str:
        """The axes of the label image: ``YX``, ``TYX``, ``ZYX`` or ``TZYX``."""
        return ("T" if len(self.times) > 1 else "") + ("Z" if self.depth > 1 else "") + "YX"


def select(header: Header, images: Images, path: Path) -> Selection:
    """Return the planes of a field of view that the config asks for.

    Parameters
    ----------
    header : Header
    images : Images
        The section ``images`` of the config.
    path : Path
        The file, for messages.

    Raises
    ------
    Problem
        ``SM-IMG-070`` if no file holds one of the planes, of an image of several files;
        ``SM-IMG-010`` to ``SM-IMG-012`` if the channel is not there, not chosen or ambiguous; ``SM-IMG-021`` or
        ``SM-IMG-023`` if a time point or slice is not there; ``SM-IMG-022`` if there are several slices and the config
        does not say what to do with them; ``SM-IMG-025`` if nothing says what the pages of the file are,
        ``SM-IMG-074`` if the file that says it is missing.
    """
    header = interpreted(header, images)
    if header.unnamed > 1 and header.lacks:
        values = {"number": header.unnamed, "index": header.lacks}
        raise Problem("SM-IMG-074", where=str(path), **values)
    if header.unnamed > 1:
        raise Problem("SM-IMG-025", where=str(path), number=header.unnamed)
    first = channel_index(header, images.channel, path)
    second = images.second_channel
    wanted = images.z
    if wanted is None and header.slices > 1:
        raise Problem("SM-IMG-022", where=str(path), number=header.slices)
    projection = wanted if wanted in PROJECTIONS and header.slices > 1 else None
    slices = chosen("all" if wanted in (*PROJECTIONS, None) else wanted, header.slices)
    if not slices:
        raise Problem("SM-IMG-023", where=str(path), wanted=wanted, number=header.slices)
    times = chosen(images.time, header.times)
    if not times:
        raise Problem(
            "SM-IMG-021", where=str(path), wanted=as_written(images.time), number=header.times
        )
    selection = Selection(
        channel=first,
        second_channel=None if second is None else channel_index(header, second, path),
        times=times,
        slices=slices,
        projection=projection,
    )
    _refuse_gaps(header, selection, path)
    return selection


class Selector:
    """Does what `select` does for many headers, of which most have the same axes: once for all of these.

    Parameters
    ----------
    images : Images
        The section ``images`` of the config.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        self._known: dict[tuple[Any, ...], Selection] = {}

    def select(self, header: Header, path: Path) -> Selection:
        """Return the planes of a field of view that the config asks for; parameters and problems as of `select`."""
        if header.gaps:
            return select(header, self._images, path)
        axes = (
            *(header.times, header.slices, header.channels, header.color),
            *(header.unnamed, header.lacks),
        )
        if axes not in self._known:
            self._known[axes] = select(header, self._images, path)
        return self._known[axes]


def _refuse_gaps(header: Header, selection: Selection, path: Path) -> None:
    """Refuse an image of several files one of which is missing and wanted."""
    channels = {selection.channel, selection.second_channel}
    times, slices = set(selection.times), set(selection.slices)
    gaps = [
        (channel, time, at)
        for channel, time, at in header.gaps
        if channel in channels and time in times and at in slices
    ]
    if gaps:
        channel, time, at = gaps[0]
        place = {"channel": header.channels[channel], "time": time + 1, "slice": at + 1}
        raise Problem("SM-IMG-070", where=str(path), number=len(gaps), **place)


def chosen(wanted: str | int | Sequence[int] | None, number: int) -> tuple[int, ...]:
    """Return which of some numbered things the config chooses, counted from 0.

    Parameters
    ----------
    wanted : {"all"}, None, int, or sequence of int
        All of them; one, counted from 1; or the first, the last and, if there are three, the step.
    number : int
        How many there are; those of a range that are not there are passed over.
    """
    if wanted is None or wanted == "all":
        return tuple(range(number))
    if isinstance(wanted, int):
        return (wanted - 1,) if 1 <= wanted <= number else ()
    first, last, step = (*(int(value) for value in wanted), 1)[:3]
    return tuple(range(first - 1, min(last, number), step))


def channel_index(header: Header, wanted: Channel, path: Path) -> int:
    """Return the index (from 0) of the channel that the config asks for.

    Parameters
    ----------
    wanted : int, str, tuple of str or None
        A number (the first is 1), a name (`channel_key` tells which are the same), several names of which the first
        that is there counts, or None for the only channel.

    Raises
    ------
    Problem
        ``SM-IMG-010`` if there is no such channel, ``SM-IMG-011`` if there are several and none is named,
        ``SM-IMG-012`` if two channels have the name.
    """
    if isinstance(wanted, tuple):
        there = [name for name in wanted if has_channel(header, name)]
        wanted = there[0] if there else ", ".join(wanted)
    names = header.channels
    listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names, start=1))
    if wanted is None:
        if len(names) == 1 or header.color:
            return 0
        raise Problem("SM-IMG-011", where=str(path), number=len(names), channels=listed)
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        return wanted - 1
    matches = [i for i, name in enumerate(names) if channel_key(name) == channel_key(str(wanted))]
    # Names that differ in a blank alone are told apart where the config has the very same.
    exact = [i for i in matches if names[i].casefold() == str(wanted).casefold()]
    if len(matches) == 1 or len(exact) == 1:
        return (exact or matches)[0]
    code = "SM-IMG-012" if matches else "SM-IMG-010"
    raise Problem(code, where=str(path), channel=wanted, channels=listed)


def channel_key(name: str) -> str:
    """Return what two names of a channel have in common that are the same but for case, stray blanks and accents."""
    return same_letters(" ".join(name.split()).casefold())


def has_channel(header: Header, wanted: int | str) -> bool:
    """Whether a field of view has one channel of this number or name."""
    try:
        channel_index(header, wanted, Path())
    except Problem:
        return False
    return True


# What ``axes`` of the section ``images`` may be: what the file calls them, and what they are.
AXES = {
    "slices_are_times": ("slice", "time"),
    "slices_are_channels": ("slice", "channel"),
    "times_are_slices": ("time", "slice"),
    "times_are_channels": ("time", "channel"),
    "channels_are_times": ("channel", "time"),
    "channels_are_slices": ("channel", "slice"),
}


def interpreted(header: Header, images: Images) -> Header:
    """Return a header whose pages and axes are what the config says.

    Parameters
    ----------
    header : Header
    images : Images
        The section ``images`` of the config, of which ``pages`` and ``axes`` are looked at. A file that has time points
        (slices, channels) already, and unnamed pages besides, stays as it is.
    """
    header = _with_pages(header, images.pages)
    axes = exchanged(header, images)
    if axes is None:
        # One time point has no distance to the next, whatever the file says.
        alone = header.times == 1 and header.interval_s is not None
        return replace(header, interval_s=None) if alone else header
    number = {"time": header.times, "slice": header.slices, "channel": len(header.channels)}
    one, other = axes
    number[one], number[other] = number[other], number[one]
    planned = {"time": header.planned_times, "slice": header.planned_slices, "channel": None}
    planned[one], planned[other] = planned[other], planned[one]
    names = header.channels
    if "channel" in axes:
        names = tuple(str(each) for each in range(1, number["channel"] + 1))
    order = ["channel", "time", "slice"]
    first, second = order.index(one), order.index(other)
    return replace(
        header,
        gaps=tuple(_exchanged(gap, first, second) for gap in header.gaps),
        times=number["time"],
        slices=number["slice"],
        channels=names,
        color=header.color and "channel" not in axes,
        # What the file says of an axis was said of another one; but an interval without time points was said of those
        # that it calls otherwise.
        interval_s=header.interval_s if (header.times == 1) == ("time" in axes) else None,
        slice_step_um=None if "slice" in axes else header.slice_step_um,
        planned_times=planned["time"],
        planned_slices=planned["slice"],
    )


def exchanged(header: Header, images: Images) -> tuple[str, str] | None:
    """Return which two axes of a file (``"time"``, ``"slice"``, ``"channel"``) the config exchanges, if any.

    A file that has one of what the setting names stays as it is.

    Parameters
    ----------
    header : Header
    images : Images
        The section ``images`` of the config.
    """
    axes = images.axes
    if axes is None:
        return None
    header = _with_pages(header, images.pages)
    said = AXES[axes][0]
    number = {"time": header.times, "slice": header.slices, "channel": len(header.channels)}
    return AXES[axes] if number[said] > 1 else None


def _exchanged(gap: tuple[int, int, int], first: int, second: int) -> tuple[int, int, int]:
    places = [*gap]
    places[first], places[second] = places[second], places[first]
    return places[0], places[1], places[2]


def _with_pages(header: Header, pages: str | None) -> Header:
    if header.unnamed == 1 or pages is None:
        return header
    if pages == "time" and header.times == 1:
        return replace(header, times=header.unnamed, unnamed=1)
    if pages == "z" and header.slices == 1:
        return replace(header, slices=header.unnamed, unnamed=1)
    if pages == "channel" and len(header.channels) == 1:
        names = tuple(str(number) for number in range(1, header.unnamed + 1))
        return replace(header, channels=names, unnamed=1)
    return header

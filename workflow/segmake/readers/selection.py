"""What the config selects of a field of view: channels, time points, slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from segmake.messages import Problem
from segmake.reach import seen_from_folder
from segmake.readers import Header, Image, open_image, watched

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

    @property
    def axes(self) -> str:
        """The axes of the label image: ``YX``, ``TYX``, ``ZYX`` or ``TZYX``."""
        return ("T" if len(self.times) > 1 else "") + ("Z" if self.depth > 1 else "") + "YX"


def select(header: Header, images: Mapping[str, Any], path: Path) -> Selection:
    """Return the planes of a field of view that the config asks for.

    Parameters
    ----------
    header : Header
    images : mapping
        The section ``images`` of the config.
    path : Path
        The file, for messages.

    Raises
    ------
    Problem
        ``SM-IMG-010`` to ``SM-IMG-012`` if the channel is not there, not chosen or ambiguous; ``SM-IMG-021`` or
        ``SM-IMG-023`` if a time point or slice is not there; ``SM-IMG-022`` if there are several slices and the config
        does not say what to do with them; ``SM-IMG-025`` if nothing says what the pages of the file are.
    """
    header = interpreted(header, images["pages"])
    if header.unnamed > 1:
        raise Problem("SM-IMG-025", where=str(path), number=header.unnamed)
    first = channel_index(header, images["channel"], path)
    second = images["second_channel"]
    wanted = images["z"]
    if wanted is None and header.slices > 1:
        raise Problem("SM-IMG-022", where=str(path), number=header.slices)
    projection = wanted if wanted in PROJECTIONS and header.slices > 1 else None
    slices = chosen("all" if wanted in (*PROJECTIONS, None) else wanted, header.slices)
    if not slices:
        raise Problem("SM-IMG-023", where=str(path), wanted=wanted, number=header.slices)
    times = chosen(images["time"], header.times)
    if not times:
        raise Problem("SM-IMG-021", where=str(path), wanted=images["time"], number=header.times)
    return Selection(
        channel=first,
        second_channel=None if second is None else channel_index(header, second, path),
        times=times,
        slices=slices,
        projection=projection,
    )


def chosen(wanted: str | int | list[int] | None, number: int) -> tuple[int, ...]:
    """Return which of some numbered things the config chooses, counted from 0.

    Parameters
    ----------
    wanted : {"all"}, None, int, or list of int
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


def channel_index(header: Header, wanted: int | str | list[str] | None, path: Path) -> int:
    """Return the index (from 0) of the channel that the config asks for.

    Parameters
    ----------
    wanted : int, str, list of str or None
        A number (the first is 1), a name (`channel_key` tells which are the same), several names of which the first
        that is there counts, or None for the only channel.

    Raises
    ------
    Problem
        ``SM-IMG-010`` if there is no such channel, ``SM-IMG-011`` if there are several and none is named,
        ``SM-IMG-012`` if two channels have the name.
    """
    if isinstance(wanted, list):
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
    """Return what two names of a channel have in common that are the same but for case and stray blanks."""
    return " ".join(name.split()).casefold()


def has_channel(header: Header, wanted: int | str) -> bool:
    """Whether a field of view has one channel of this number or name."""
    try:
        channel_index(header, wanted, Path())
    except Problem:
        return False
    return True


def interpreted(header: Header, pages: str | None) -> Header:
    """Return a header whose unnamed pages are what the config says.

    Parameters
    ----------
    pages : {"time", "z", "channel"} or None
        ``pages`` of the section ``images``. A file that has time points (slices, channels) already, and unnamed pages
        besides, stays as it is.
    """
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


class FieldOfView:
    """One field of view of an image file, read plane by plane as the config selects.

    Parameters
    ----------
    path : Path
    position : int
        Which field of view of the file, from 0.
    images : mapping
        The section ``images`` of the config.
    positions : int, optional
        How many positions the file is to hold.

    Attributes
    ----------
    header : Header
    selection : Selection

    Raises
    ------
    Problem
        What `open_image` and `select` raise; ``SM-IMG-024`` if the file has no such position, ``SM-IMG-009`` if it
        has another number of them than `positions`.
    """

    def __init__(
        self,
        path: Path,
        position: int,
        images: Mapping[str, Any],
        positions: int | None = None,
    ) -> None:
        self._path, self._position, self._pages = path, position, images["pages"]
        try:
            with watched(path):
                self._opened = open_image(path)
                self._image: Image = self._opened.__enter__()
        except Problem as problem:
            raise seen_from_folder(problem, path, images) from None
        try:
            number = len(self._image.fields)
            if positions is not None and number != positions:
                raise Problem("SM-IMG-009", where=str(path), number=number)
            if position >= number:
                raise Problem("SM-IMG-024", where=str(path), wanted=position + 1, number=number)
            self._raw = self._image.fields[position]
            self.header = interpreted(self._raw, self._pages)
            self.selection = select(self.header, images, path)
        except BaseException:
            self._opened.__exit__(None, None, None)
            raise
        self._chosen_channel = images["channel"]
        self._sharpest: dict[int, int] = {}

    def __enter__(self) -> FieldOfView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing happens if it is closed already."""
        self._opened.__exit__(None, None, None)

    def refuse_unwritten(self) -> None:
        """Refuse a file whose last pixels were never written.

        Raises
        ------
        Problem
            ``SM-IMG-050``, or ``SM-IMG-052`` if the file is still being copied.
        """
        with watched(self._path):
            self._image.refuse_unwritten()

    def planes(self, time: int, depth: int = 0) -> list[np.ndarray]:
        """Return what is segmented: the channel, and the second channel if there is one.

        Parameters
        ----------
        time, depth : int
            Indices into the label image's T and Z axes (0 where it has none).

        Returns
        -------
        list of array (Y, X)
            The file's dtype (float32 for a mean of slices), every value finite.

        Raises
        ------
        Problem
            What reading raises; ``SM-IMG-013`` if a colour picture is not grey and no channel is named; ``SM-IMG-014``
            if a plane has no finite value at all.
        """
        first = self.channel(self.selection.channel, time, depth)
        if self.header.color and self._chosen_channel is None:
            for other in range(1, min(3, len(self.header.channels))):
                if not np.array_equal(first, self.channel(other, time, depth)):
                    raise Problem("SM-IMG-013", where=str(self._path))
        if self.selection.second_channel is None:
            return [first]
        return [first, self.channel(self.selection.second_channel, time, depth)]

    def channel(self, channel: int, time: int, depth: int = 0) -> np.ndarray:
        """Return one channel (from 0) at a place of the label image: YX, as `planes` does."""
        chosen, at = self.selection, self.selection.times[time]
        if chosen.projection is None:
            return self._plane(channel, at, chosen.slices[depth])
        if chosen.projection == "best_focus":
            return self._plane(channel, at, self._best_focus(at))
        first = self._plane(channel, at, chosen.slices[0])
        total = first.astype(np.float64) if chosen.projection == "mean" else first.copy()
        combine = np.add if chosen.projection == "mean" else np.maximum
        for index in chosen.slices[1:]:
            combine(total, self._plane(channel, at, index), out=total, casting="unsafe")
        if chosen.projection == "mean":
            total = (total / len(chosen.slices)).astype(np.float32)
        return total

    def _best_focus(self, time: int) -> int:
        """Return the sharpest slice of the segmented channel: that with the largest variance of its Laplacian.

        One of the measures compared by Pertuz et al. 2013 (doi 10.1016/j.patcog.2012.11.011); smoothed first, since
        noise is sharp too.
        """
        if time not in self._sharpest:
            from scipy import ndimage

            def sharpness(index: int) -> float:
                plane = self._plane(self.selection.channel, time, index).astype(np.float32)
                return float(ndimage.gaussian_laplace(plane, 1.5).var())

            self._sharpest[time] = max(self.selection.slices, key=sharpness)
        return self._sharpest[time]

    def _plane(self, channel: int, time: int, slice: int) -> np.ndarray:
        place = {"channel": channel, "time": time, "slice": slice, "page": 0}
        if self._raw.unnamed > 1:
            axis = {"time": "time", "z": "slice", "channel": "channel"}[self._pages]
            place = {**place, axis: 0, "page": place[axis]}
        with watched(self._path):
            plane = self._image.plane(position=self._position, **place)
        if plane.dtype.kind != "f" or (finite := np.isfinite(plane)).all():
            return plane
        if not finite.any():
            numbers = {"time": time + 1, "slice": slice + 1}
            raise Problem("SM-IMG-014", where=str(self._path), **numbers)
        # What is no number becomes the smallest that is one.
        return np.where(finite, plane, plane[finite].min())

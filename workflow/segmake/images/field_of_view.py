"""Reads a field of view plane by plane, as the config selects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segmake.core.settings import Images
from segmake.formats import Image, watched
from segmake.formats.reach import seen_from_folder
from segmake.images.file_sets import FileSet
from segmake.images.selection import exchanged, interpreted, select
from segmake.images.set_image import open_field
from segmake.messages import Problem


class FieldOfView:
    """One field of view of an image file, read plane by plane as the config selects.

    Parameters
    ----------
    path : Path
    position : int
        Which field of view of the file, from 0.
    images : Images
        The section ``images`` of the config.
    positions : int, optional
        How many positions the file is to hold.
    files : FileSet, optional
        The files that it lies in, where that is known; see `open_field`.

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
        images: Images,
        positions: int | None = None,
        files: FileSet | None = None,
    ) -> None:
        self._path, self._position, self._pages = path, position, images.pages
        self._exchanged: tuple[str, str] | None = None
        try:
            with watched(path):
                self._opened = open_field(path, images, files)
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
            self._exchanged = exchanged(self._raw, images)
            self.header = interpreted(self._raw, images)
            self.selection = select(self._raw, images, path)
        except BaseException:
            self._opened.__exit__(None, None, None)
            raise
        self._chosen_channel = images.channel
        self._sharpest: dict[int, int] = {}

    def __enter__(self) -> FieldOfView:
        return self

    def __exit__(self, kind: object, error: object, where: object) -> None:
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
        if self._exchanged:
            one, other = self._exchanged
            place[one], place[other] = place[other], place[one]
        if self._raw.unnamed > 1 and self._pages:
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

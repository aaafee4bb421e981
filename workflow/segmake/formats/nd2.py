"""Nikon's ND2 files, read with the library nd2."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nd2
import numpy as np

from segmake.formats import unreadable
from segmake.formats.axes import index_of, leading, size_of
from segmake.formats.believed import Header
from segmake.formats.claims import refuse_number, refuse_size
from segmake.formats.ome import positive
from segmake.messages import Problem

# What the loops of an acquisition count; all others count frames that nothing explains.
_ROLES = {
    "TimeLoop": "time",
    "NETimeLoop": "time",
    "XYPosLoop": "position",
    "ZStackLoop": "slice",
}

# The Julian day number of 1970-01-01 at midnight.
_UNIX_DAY = 2440587.5


class Nd2Image:
    """An open ND2 file; see `segmake.formats.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: tuple[int, np.ndarray | None] = (-1, None)
        try:
            self._bytes = _PlainFile(path)
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._file = nd2.ND2File(self._bytes)
            self._read_loops()
            self._there = self._frames_there()
            self.fields = tuple(map(self._header, range(self._size("position"))))
        except Exception as error:
            self._bytes.close()
            raise unreadable(path, error) from error

    def __enter__(self) -> Nd2Image:
        return self

    def __exit__(self, *_: Any) -> None:
        self._bytes.close()

    def refuse_unwritten(self) -> None:
        """Do nothing: the map of the frames stands at the end of a file."""

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one plane; see `segmake.formats.Image`.

        Raises
        ------
        Problem
            ``SM-IMG-008`` if nothing was saved for the plane, ``SM-IMG-003`` if it can't be read.
        """
        try:
            number = self._number(position=position, time=time, slice=slice, page=page)
            # The channels of a frame lie between each other, and several are often wanted.
            if self._last[0] != number:
                self._last = (number, self._read_frame(number))
        except Exception as error:
            raise unreadable(self._path, error) from error
        frame = self._last[1]
        if frame is None:
            numbers = {"channel": channel + 1, "time": time + 1, "slice": slice + 1}
            raise Problem("SM-IMG-008", where=str(self._path), **numbers)
        return np.ascontiguousarray(frame[..., channel])

    def _read_loops(self) -> None:
        loops, attributes = self._file.experiment, self._file.attributes
        if attributes.compressionType == "lossy":
            raise ValueError("compressed with loss")
        self._roles = [_ROLES.get(loop.type, "page") for loop in loops]
        self._counts = [loop.count for loop in loops]
        # A file from an acquisition that crashed has frames, but not what they are.
        if not loops and attributes.sequenceCount > 1:
            self._roles, self._counts = ["page"], [attributes.sequenceCount]
        self._pictures = attributes.channelCount or 1
        self._samples = attributes.componentCount // self._pictures
        if 0 in (self._samples, attributes.heightPx, attributes.widthPx, *self._counts):
            raise ValueError("no pixels")

    def _frames_there(self) -> np.ndarray:
        """Return which frames are in the file, one axis for each loop; all, where the library does not tell."""
        attributes, size = self._file.attributes, self._path.stat().st_size
        pixel = np.dtype(self._file.dtype).itemsize * attributes.componentCount
        kind = "deflate" if attributes.compressionType else "none"
        refuse_size(self._path, attributes.widthPx or 0, attributes.heightPx, pixel, size, kind)
        frames = getattr(getattr(self._file, "_rdr", None), "_frame_offsets", None)
        number = math.prod(self._counts)
        if frames is None:
            return np.ones(self._counts, bool)
        refuse_number(self._path, number, len(frames))
        there = np.zeros(number, bool)
        there[[frame for frame in frames if frame < number]] = True
        return there.reshape(self._counts)

    def _size(self, role: str) -> int:
        return size_of(role, self._roles, self._counts)

    def _number(self, **wanted: int) -> int:
        """Return which frame of the file has a position, time point, slice or page."""
        first = dict.fromkeys(("position", "time", "slice", "page"), 0)
        index = index_of({**first, **wanted}, self._roles, self._counts)
        return int(np.ravel_multi_index(index, self._counts)) if index else 0

    def _read_frame(self, number: int) -> np.ndarray | None:
        """Return a frame: (Y, X, channel); None if it is not in the file."""
        self._bytes.all_read = None
        frame = self._file.read_frame(number)
        # For a frame that is not there nd2 gives zeros: it has read nothing then, or less than it wanted.
        if not self._bytes.all_read:
            return None
        height, width = self._file.attributes.heightPx, self._file.attributes.widthPx
        frame = frame.reshape(self._pictures, height, width, self._samples)
        return frame.transpose(1, 2, 0, 3).reshape(height, width, -1)

    def _header(self, position: int) -> Header:
        attributes = self._file.attributes
        planned_times, planned_slices = self._size("time"), self._size("slice")
        times, slices = leading(self._there, self._roles, position)
        # A file from a crashed acquisition has no metadata, so no names and sizes.
        channels = getattr(self._file.metadata, "channels", None) or []
        size = self._file.voxel_size()
        # Nikon's software writes 1.0 and "not calibrated" where nobody calibrated the objective; nd2 gives 1 for all
        # that a file without metadata does not say.
        calibrated = (
            channels[0].volume.axesCalibrated
            if channels
            else [side != 1 for side in (size.x, size.y, size.z)]
        )
        start, interval = self._times(position, times)
        optics = channels[0].microscope.objectiveName if channels else None
        return Header(
            width=attributes.widthPx or 0,
            height=attributes.heightPx,
            times=times,
            slices=slices,
            channels=self._channel_names([channel.channel.name for channel in channels]),
            color=self._is_color,
            dtype=str(self._file.dtype),
            pixel_size_um=positive(size.x) if calibrated[0] else None,
            pixel_height_um=positive(size.y) if calibrated[1] else None,
            unnamed=self._size("page"),
            slice_step_um=self._slice_step(positive(size.z) if calibrated[2] else None),
            interval_s=interval,
            acquired=start,
            objective=optics or (self._file.text_info or {}).get("optics") or None,
            position=self._position_name(position),
            doubted=() if channels or calibrated[0] else ("pixel_size_um 1",),
            planned_times=planned_times if times < planned_times else None,
            planned_slices=planned_slices if slices < planned_slices else None,
        )

    @property
    def _is_color(self) -> bool:
        return self._pictures == 1 and self._samples in (3, 4)

    def _channel_names(self, written: list[str]) -> tuple[str, ...]:
        if self._is_color:
            return ("red", "green", "blue", "alpha")[: self._samples]
        named = [*written, *[""] * self._pictures][: self._pictures]
        named = [name or str(number) for number, name in enumerate(named, start=1)]
        if self._samples == 1:
            return tuple(named)
        return tuple(f"{name} {k}" for name in named for k in range(1, self._samples + 1))

    def _slice_step(self, otherwise: float | None) -> float | None:
        if self._size("slice") == 1:
            return None
        steps = [
            loop.parameters.stepUm for loop in self._file.experiment if loop.type == "ZStackLoop"
        ]
        return (positive(abs(steps[0] or 0)) if steps else None) or otherwise

    def _position_name(self, position: int) -> str:
        loops = [loop for loop in self._file.experiment if loop.type == "XYPosLoop"]
        points = loops[0].parameters.points if len(loops) == 1 else []
        return (points[position].name or "") if position < len(points) else ""

    def _times(self, position: int, times: int) -> tuple[str | None, float | None]:
        """Return when the first frame of a position was taken, and the mean time between its time points in seconds."""
        start = interval = None
        last = times - 1
        # Old files, and those from a crashed acquisition, have no times.
        with suppress(Exception):
            first = self._time_stamp(position, 0)
            day = first.absoluteJulianDayNumber - _UNIX_DAY
            if day > 0:
                moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
                start = moment.isoformat(timespec="seconds")
        with suppress(Exception):
            first = self._time_stamp(position, 0)
            if last:
                passed_ms = self._time_stamp(position, last).relativeTimeMs - first.relativeTimeMs
                interval = positive(passed_ms / last, 1e-3)
        return start, interval

    def _time_stamp(self, position: int, time: int) -> Any:
        frame: Any = self._file.frame_metadata(self._number(position=position, time=time))
        return frame.channels[0].time


class _PlainFile:
    """A file to be read and not mapped into memory: a file that gets shorter meanwhile would end the whole process.

    Attributes
    ----------
    all_read : bool or None
        Whether all that was asked for since it was set to None could be read; None if nothing was asked for.
    """

    mode = "rb"

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.name = str(path)
        self.all_read: bool | None = None

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or fewer at the end of the file."""
        found = self._file.read(size)
        self.all_read = self.all_read is not False and len(found) >= (size or 0)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, and return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

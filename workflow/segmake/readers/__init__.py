"""Reads microscope images, whatever the file format, plane by plane.

``open_image`` gives an `Image`: its `Header` says what the file holds, and ``plane`` reads one plane. A format is
one small module with a class that does the same; the suffix of the file's name chooses it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from segmake.files import readable
from segmake.messages import Problem

# Raised when other pixels are read from the same file, so that images are computed again.
VERSION = 1

SUFFIXES = (".nd2", ".tif", ".tiff")


@dataclass(frozen=True)
class Header:
    """What an image file holds, read without its pixels.

    Attributes
    ----------
    width, height : int
        Size of a plane in pixels.
    positions, times, slices : int
        Number of fields of view, time points and z slices.
    channels : tuple of str
        Name of each channel; ``"1"``, ``"2"``... where the file names none.
    color : bool
        Whether the channels are the samples (red, green, blue) of a colour picture.
    dtype : str
        NumPy's name of the pixels' type.
    pixel_size_um : float or None
        Side of a pixel in micrometres; None where the file does not say.
    """

    width: int
    height: int
    positions: int
    times: int
    slices: int
    channels: tuple[str, ...]
    color: bool
    dtype: str
    pixel_size_um: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the header as plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Header:
        """Return the header that `as_dict` gave."""
        return cls(**{**values, "channels": tuple(values["channels"])})


class Image(Protocol):
    """An open image file."""

    header: Header

    def plane(self, channel: int) -> np.ndarray:
        """Return one channel (from 0) of the only field of view, time point and slice: YX, the file's dtype."""


def open_image(path: Path) -> AbstractContextManager[Image]:
    """Open an image file.

    Raises
    ------
    Problem
        ``SM-IMG-001`` if the file is gone or can't be opened, ``SM-IMG-002`` if it is empty, ``SM-IMG-003`` if it
        can't be read as what its suffix says, ``SM-IMG-004`` if SegMake has no reader for the suffix.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Problem("SM-IMG-001", where=str(path), error=error.strerror) from None
    if size == 0:
        raise Problem("SM-IMG-002", where=str(path))
    suffix = path.suffix.lower()
    # Imported here because a job needs the library of its own images only.
    if suffix == ".nd2":
        from segmake.readers.nikon import Nd2Image as Reader
    elif suffix in (".tif", ".tiff"):
        from segmake.readers.tiff import TiffImage as Reader  # type: ignore[assignment]
    else:
        raise Problem("SM-IMG-004", where=str(path), suffix=suffix)
    return Reader(path)


def read_header(path: Path) -> Header:
    """Return what an image file holds; raises what `open_image` does."""
    with open_image(path) as image:
        return image.header


def unreadable(path: Path, error: Exception) -> Problem:
    """Return the problem of a file that a library could not read."""
    if isinstance(error, MemoryError):
        return Problem("SM-RUN-003", where=str(path))
    if isinstance(error, PermissionError):
        return Problem("SM-IMG-001", where=str(path), error=error.strerror)
    detail = " ".join(str(error).replace(str(path), path.name).split()) or type(error).__name__
    return Problem("SM-IMG-003", where=str(path), error=readable(detail[:200]))


def channel_index(header: Header, wanted: int | str | None, path: Path) -> int:
    """Return the index (from 0) of the channel that the config asks for.

    Parameters
    ----------
    wanted : int, str or None
        A number (the first is 1), a name (upper and lower case are the same), or None for the only channel.

    Raises
    ------
    Problem
        ``SM-IMG-010`` if there is no such channel, ``SM-IMG-011`` if there are several and none is named,
        ``SM-IMG-012`` if two channels have the name.
    """
    names = header.channels
    listed = ", ".join(f"{number} ({name})" for number, name in enumerate(names, start=1))
    if wanted is None:
        if len(names) == 1 or header.color:
            return 0
        raise Problem("SM-IMG-011", where=str(path), number=len(names), channels=listed)
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        return wanted - 1
    matches = [i for i, name in enumerate(names) if name.casefold() == str(wanted).casefold()]
    if len(matches) == 1:
        return matches[0]
    code = "SM-IMG-012" if matches else "SM-IMG-010"
    raise Problem(code, where=str(path), channel=wanted, channels=listed)


def has_channel(header: Header, wanted: int | str) -> bool:
    """Whether an image has one channel of this number or name."""
    try:
        channel_index(header, wanted, Path())
    except Problem:
        return False
    return True


def check_selection(header: Header, images: dict[str, Any], path: Path) -> None:
    """Check from its header alone that an image can be segmented as the config asks.

    Parameters
    ----------
    images : dict
        The section ``images`` of the config.

    Raises
    ------
    Problem
        What `channel_index` raises, or ``SM-IMG-020`` to ``SM-IMG-022`` if the file has several positions, time
        points or slices.
    """
    for code, number in (
        ("SM-IMG-020", header.positions),
        ("SM-IMG-021", header.times),
        ("SM-IMG-022", header.slices),
    ):
        if number != 1:
            raise Problem(code, where=str(path), number=number)
    channel_index(header, images["channel"], path)
    if images["second_channel"] is not None:
        channel_index(header, images["second_channel"], path)


def read_planes(path: Path, images: dict[str, Any]) -> tuple[list[np.ndarray], Header]:
    """Return the planes to segment, and the header of their file.

    Parameters
    ----------
    images : dict
        The section ``images`` of the config: ``channel`` and ``second_channel`` are used.

    Returns
    -------
    planes : list of ndarray
        The channel, and the second channel if there is one: YX, the file's dtype, every value finite.
    header : Header

    Raises
    ------
    Problem
        What `open_image` and `check_selection` raise; ``SM-IMG-013`` if a colour picture is not grey and no channel
        is named; ``SM-IMG-014`` if a plane has no finite value at all.
    """
    with open_image(path) as image:
        header = image.header
        check_selection(header, images, path)
        first = channel_index(header, images["channel"], path)
        planes = [_finite(image.plane(first), path)]
        if header.color and images["channel"] is None:
            for other in range(1, min(3, len(header.channels))):
                if not np.array_equal(planes[0], image.plane(other)):
                    raise Problem("SM-IMG-013", where=str(path))
        if images["second_channel"] is not None:
            second = channel_index(header, images["second_channel"], path)
            planes.append(_finite(image.plane(second), path))
    return planes, header


def _finite(plane: np.ndarray, path: Path) -> np.ndarray:
    """Replace values that are no numbers by the smallest that is one."""
    if plane.dtype.kind != "f":
        return plane
    finite = np.isfinite(plane)
    if finite.all():
        return plane
    if not finite.any():
        raise Problem("SM-IMG-014", where=str(path))
    return np.where(finite, plane, plane[finite].min())

"""PNG and JPEG pictures, read with the library imagecodecs.

They hold one plane, and nothing about the microscope: their dots per inch are about printing.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from tifffile.tifffile import jpeg_shape

from segmake.formats import unreadable
from segmake.formats.believed import Header
from segmake.formats.claims import refuse_size

# The size of a JPEG stands behind what the camera wrote about itself, which is less than this.
_START = 1 << 20
_END_OF_JPEG, _SCAN_OF_JPEG = b"\xff\xd9", b"\xff\xda"
# The kinds of PNG that have colours: red, green and blue; a palette; red, green, blue and transparency.
_PNG_COLORS = (2, 3, 6)


class PictureImage:
    """An open picture; see `segmake.formats.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pixels: np.ndarray | None = None
        try:
            with path.open("rb") as file:
                start = file.read(_START)
            self._png = start.startswith(b"\x89PNG")
            header = _png_header(start) if self._png else _jpeg_header(start)
            kind, pixel = "deflate" if self._png else "other", len(header.channels)
            refuse_size(path, header.width, header.height, pixel, path.stat().st_size, kind)
            self.fields = (header,)
        except Exception as error:
            raise unreadable(path, error) from error

    def __enter__(self) -> PictureImage:
        return self

    def __exit__(self, *_: Any) -> None:
        self._pixels = None

    def refuse_unwritten(self) -> None:
        """Do nothing: what follows the pixels is looked for when they are read."""

    def plane(
        self, channel: int, *, position: int = 0, time: int = 0, slice: int = 0, page: int = 0
    ) -> np.ndarray:
        """Return one channel; see `segmake.formats.Image`."""
        if self._pixels is None:
            try:
                self._pixels = self._decode()
            except Exception as error:
                raise unreadable(self._path, error) from error
        pixels = self._pixels
        return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., channel])

    def _decode(self) -> np.ndarray:
        """Return the pixels: YX, or YXS for several samples."""
        data = self._path.read_bytes()
        if self._png:
            return imagecodecs.png_decode(data)
        # The decoder fills what is missing with grey; these two bytes never stand within the pixels.
        if _END_OF_JPEG not in data[data.rfind(_SCAN_OF_JPEG) :]:
            raise ValueError("the end is missing")
        return imagecodecs.jpeg_decode(data)


def _png_header(start: bytes) -> Header:
    name, width, height, bits, kind = struct.unpack_from(">4sIIBB", start, 12)
    if name != b"IHDR" or not width or not height:
        raise ValueError("no size")
    color = kind in _PNG_COLORS
    # Transparency is no channel: nothing was measured there. A palette's colours have 8 bits.
    return _header(width, height, 3 if color else 1, bits > 8 and kind != 3, lossy=False)


def _jpeg_header(start: bytes) -> Header:
    bits, height, width, samples = jpeg_shape(start)
    return _header(width, height, samples, bits > 8, lossy=True)


def _header(width: int, height: int, samples: int, deep: bool, *, lossy: bool) -> Header:
    color = samples == 3
    numbers = tuple(str(number) for number in range(1, samples + 1))
    return Header(
        width=width,
        height=height,
        times=1,
        slices=1,
        channels=("red", "green", "blue") if color else numbers,
        color=color,
        dtype="uint16" if deep else "uint8",
        pixel_size_um=None,
        lossy=lossy,
    )

"""Nikon's ND2 files, read with the library nd2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nd2
import numpy as np

from segmake.readers import Header, unreadable


class Nd2Image:
    """An open ND2 file; see `segmake.readers.Image`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = nd2.ND2File(path)
        except Exception as error:
            raise unreadable(path, error) from error
        try:
            self.header = self._read_header()
        except Exception as error:
            self._file.close()
            raise unreadable(path, error) from error

    def __enter__(self) -> Nd2Image:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def plane(self, channel: int) -> np.ndarray:
        """Return one channel of the first field of view, time point and slice: YX."""
        try:
            frame = self._file.read_frame(0)
        except Exception as error:
            raise unreadable(self._path, error) from error
        # A frame is CYX, or CYXS for a colour camera, and squeezed where there is one channel.
        pixels = np.asarray(frame)
        if self.header.color:
            return np.ascontiguousarray(pixels[..., channel])
        return pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[channel])

    def _read_header(self) -> Header:
        sizes = self._file.sizes
        color = self._file.is_rgb
        if color:
            names = ["red", "green", "blue"][: sizes["S"]]
        else:
            # A file from a crashed acquisition has no metadata, so no names.
            found = getattr(self._file.metadata, "channels", None) or []
            names = [channel.channel.name for channel in found]
            number = sizes.get("C", 1)
            names += [str(index + 1) for index in range(len(names), number)]
            names = names[:number]
        return Header(
            width=sizes["X"],
            height=sizes["Y"],
            positions=sizes.get("P", 1),
            times=sizes.get("T", 1),
            slices=sizes.get("Z", 1),
            channels=tuple(names),
            color=color,
            dtype=str(self._file.dtype),
            pixel_size_um=self._pixel_size(),
        )

    def _pixel_size(self) -> float | None:
        size = self._file.voxel_size().x
        # Nikon's software writes 1.0 and an uncalibrated flag where nobody calibrated the objective.
        channels = getattr(self._file.metadata, "channels", None)
        calibrated = not channels or channels[0].volume.axesCalibrated[0]
        return float(size) if size > 0 and calibrated else None

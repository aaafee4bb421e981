"""Draws a small file of each format that says just what it is told to say, the rest of its facts left out.

Each function takes the path, and what the file is to say in the words of its format; without any, the file has two
positions where the format knows positions, and no fact but its pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from pylibCZIrw import czi

from segmake.formats import nd2 as nikon
from tests.unit.leica_files import Series, write_lif
from tests.unit.tiff_files import OME, write_micromanager, write_ndtiff
from tests.unit.zarr_folders import write_image


def planes(*shape: int) -> np.ndarray:
    """Return dim noise with four bright cells in each plane: (..., Y, X), uint16."""
    drawn = np.random.default_rng(0).normal(200, 5, (*shape, 48, 64))
    for row, column in np.ndindex(2, 2):
        drawn[..., 6 + 20 * row : 16 + 20 * row, 6 + 30 * column : 26 + 30 * column] += 1000
    return drawn.astype(np.uint16)


def ome_tiff(
    path: Path,
    pixels: str = "",
    image: str = "",
    channels: Sequence[str] = ("",),
    sizes: tuple[int, int, int] = (1, 1, 1),
    positions: int = 2,
    inner: str = "",
    order: str = 'DimensionOrder="XYCZT"',
    attributes: str = "",
    **tags: Any,
) -> None:
    """Draw an OME-TIFF: attributes of ``Image``, of ``Pixels``, of each channel; elements in ``Image`` and in ``Pixels``.

    Parameters
    ----------
    sizes : tuple
        Numbers of time points, slices and channels.
    """
    count = max(int(np.prod(sizes)), 1)
    told = "".join(f'<Channel SamplesPerPixel="1" {channel}/>' for channel in channels)
    images = "".join(
        f'<Image ID="Image:{number}" {attributes}>{image}<Pixels {order} Type="uint16" SizeX="64" '
        f'SizeY="48" SizeT="{sizes[0]}" SizeZ="{sizes[1]}" SizeC="{sizes[2]}" {pixels}>{told}'
        f'<TiffData IFD="{number * count}" PlaneCount="{count}"/>{inner}</Pixels></Image>'
        for number in range(positions)
    )
    xml = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}">{images}</OME>'.encode()
    with tifffile.TiffWriter(path) as file:
        for number, plane in enumerate(planes(positions * count)):
            file.write(plane, description=None if number else xml, metadata=None, **tags)


def imagej(path: Path, shape: Sequence[int] = (), axes: str = "", **said: Any) -> None:
    """Draw an ImageJ hyperstack: its metadata, and the tag ``resolution``."""
    tags = {"resolution": said.pop("resolution")} if "resolution" in said else {}
    metadata = {**said, "axes": f"{axes}YX"}
    tifffile.imwrite(path, planes(*shape), imagej=True, metadata=metadata, **tags)


def micromanager(path: Path, *, plane: Any = None, positions: int = 2, **summary: Any) -> None:
    """Draw a stack of Micro-Manager: what stands in its summary, and beside each plane."""
    stack = planes(positions, 1, 1, 2)
    said = {"Channels": 2, "Slices": 1, "Frames": 1, "Positions": positions, **summary}
    said = {key: value for key, value in said.items() if value is not None}
    write_micromanager(path, stack, said, 0, 2 * positions, plane=plane or {})


def ndtiff(
    path: Path,
    *,
    plane: Any = None,
    axes: Sequence[tuple[str, Sequence[int | str]]] = (("position", (0, 1)), ("channel", (0, 1))),
    clock: Sequence[Any] = (),
    **summary: Any,
) -> None:
    """Draw an NDTiff data set: the places on its axes, what stands in its summary, and beside each plane.

    Parameters
    ----------
    clock : sequence
        When the planes were taken, one after the other, which is then all that is said beside them.
    """
    places = list(product(*(values for _, values in axes)))
    drawn = planes(len(places))
    told = [{"ElapsedTime-ms": at} for at in clock] or [plane or {}] * len(places)
    names = [name for name, _ in axes]
    every = [dict(zip(names, place, strict=True)) for place in places]
    write_ndtiff(path, list(zip(every, drawn, told, strict=True)), summary)


def metamorph(
    path: Path, shape: Sequence[int] = (), inner: str = "", **said: tuple[str, str]
) -> None:
    """Draw a TIFF of MetaMorph: type and value of each property, and what else stands in its XML."""
    told = "".join(
        f'<prop id="{name.replace("_", "-")}" type="{kind}" value="{value}"/>'
        for name, (kind, value) in said.items()
    )
    xml = f"<MetaData><PlaneInfo>{told}</PlaneInfo>{inner}</MetaData>"
    tags = {"metadata": None, "software": "MetaSeries", "photometric": "minisblack"}
    tifffile.imwrite(path, planes(*shape), description=xml, **tags)


def tiff(path: Path, shape: Sequence[int] | None = None, **tags: Any) -> None:
    """Draw pages with tags; without a shape, one page and a smaller one."""
    with tifffile.TiffWriter(path) as file:
        pages = [planes(), planes()[:40]] if shape is None else planes(*shape).reshape(-1, 48, 64)
        for page in pages:
            file.write(page, metadata=None, **tags)


def czi_file(
    path: Path,
    replaced: tuple[str, str] = ("", ""),
    sizes: tuple[int, int, int] = (1, 1, 1),
    positions: int = 2,
    **told: Any,
) -> None:
    """Draw a CZI with Zeiss's library; in its XML, the first text is replaced by the second."""
    with czi.create_czi(str(path)) as file:
        for scene, time, at, channel in np.ndindex(positions, *sizes):
            place = {"T": time, "Z": at, "C": channel}
            plane = planes()[..., None]
            file.write(plane, location=(100 * scene, 0), plane=place, scene=scene)
        file.write_metadata("d", **{"channel_names": {}, "scale_x": 0.0, "scale_y": 0.0, **told})
    if replaced[1]:
        with czi.edit_czi(str(path)) as file:
            builder, xml = file.create_metadata_builder(), file.read_metadata_xml()
            assert replaced[0] in xml
            builder._native.set_xml(xml.replace(*replaced))
            builder.commit()


class _Series(Series):
    """An image of a LIF file in whose description a text is replaced."""

    replaced = ("", "")

    def description(self, block: str) -> str:
        text = super().description(block)
        assert self.replaced[0] in text
        return text.replace(*self.replaced)


def lif(
    path: Path,
    names: Sequence[str] = ("a", "b"),
    shape: Sequence[int] = (),
    axes: str = "",
    replaced: tuple[str, str] = ("", ""),
    **told: Any,
) -> None:
    """Draw a LIF file of images with these names."""
    drawn = [_Series(name, planes(*shape), f"{axes}YX", **told) for name in names]
    for series in drawn:
        series.replaced = replaced
    write_lif(path, *drawn)


def zarr(
    path: Path, shape: Sequence[int] = (), axes: str = "yx", change: Any = None, **told: Any
) -> None:
    """Draw a folder of OME-Zarr; `change` is called with what its group says."""
    pixels = planes(*shape)
    if axes.endswith("xy"):
        pixels = np.moveaxis(pixels, -1, -2)
    write_image(path, pixels, axes, "0.4", **{"units": {}, **told})
    if change:
        group = path / ".zattrs"
        said = json.loads(group.read_text())
        change(said)
        group.write_text(json.dumps(said))


def png(path: Path, **_: Any) -> None:
    """Draw a PNG."""
    path.write_bytes(imagecodecs.png_encode(planes()))


def jpeg(path: Path, **_: Any) -> None:
    """Draw a JPEG, which says 300 dots per inch."""
    data = imagecodecs.jpeg_encode((planes() // 8).astype(np.uint8), level=99)
    at = data.index(b"JFIF\0") + 7
    path.write_bytes(data[:at] + bytes([1, 1, 44, 1, 44]) + data[at + 5 :])


class Nd2StandIn:
    """Stands in for an open ND2 file, which no library writes: a frame is a noisy plane with four cells."""

    names: tuple[str | None, ...] = (None, None)
    channels: tuple[str | None, ...] | None = None
    size = (1.0, 1.0, 1.0)
    calibrated = (False, False, False)
    loops: tuple[tuple[str, int], ...] = (("XYPosLoop", 2),)
    frames = 2
    times: tuple[float, float] | None = None
    step: float | None = None
    text_info = None
    dtype = np.dtype("uint16")

    def __init__(self, file: Any) -> None:
        self._file = file
        number = len(self.channels or (None,))
        self.attributes = SimpleNamespace(
            heightPx=48,
            widthPx=64,
            channelCount=number,
            componentCount=number,
            sequenceCount=self.frames,
            compressionType=None,
        )
        values = SimpleNamespace(
            points=[SimpleNamespace(name=n) for n in self.names], stepUm=self.step
        )
        self.experiment = [
            SimpleNamespace(type=kind, count=count, parameters=values) for kind, count in self.loops
        ]
        volume = SimpleNamespace(axesCalibrated=self.calibrated)
        microscope = SimpleNamespace(objectiveName=None)
        told = [
            SimpleNamespace(
                channel=SimpleNamespace(name=name), volume=volume, microscope=microscope
            )
            for name in self.channels or ()
        ]
        self.metadata = SimpleNamespace(channels=told or None)

    def voxel_size(self) -> SimpleNamespace:
        """Return width, height and distance of slices."""
        return SimpleNamespace(**dict(zip("xyz", self.size, strict=True)))

    def read_frame(self, number: int) -> np.ndarray:
        """Return the channels of a frame: (channel, Y, X)."""
        self._file.seek(0)
        self._file.read(1)
        return planes(self.attributes.channelCount)

    def frame_metadata(self, number: int) -> SimpleNamespace:
        """Return when a frame was taken: a Julian day, and milliseconds since the first."""
        if self.times is None:
            raise ValueError("no times")
        day, step_ms = self.times
        stamp = SimpleNamespace(absoluteJulianDayNumber=day, relativeTimeMs=step_ms * number)
        return SimpleNamespace(channels=[SimpleNamespace(time=stamp)])


def nd2(path: Path, monkeypatch: Any, **values: Any) -> None:
    """Let a file be opened as if it were an ND2 file that says so."""
    monkeypatch.setattr(nikon.nd2, "ND2File", type("ND2File", (Nd2StandIn,), values))
    path.write_bytes(b"\xda\xce\xbe\x0a" + bytes(60))


# For each reader, the suffix of its files, and what draws them.
DRAW: dict[str, tuple[str, Any]] = {
    "ND2": (".nd2", nd2),
    "OME-TIFF": (".ome.tif", ome_tiff),
    "ImageJ": (".tif", imagej),
    "Micro-Manager": (".tif", micromanager),
    "NDTiff": (".tif", ndtiff),
    "MetaMorph": (".tif", metamorph),
    "TIFF": (".tif", tiff),
    "CZI": (".czi", czi_file),
    "LIF": (".lif", lif),
    "OME-Zarr": (".ome.zarr", zarr),
    "PNG": (".png", png),
    "JPEG": (".jpg", jpeg),
}

"""Writes TIFF files that tifffile reads but does not write: OME-TIFF of several files, and Micro-Manager's two."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile

# What Micro-Manager says beside a plane.
BESIDE_A_PLANE = {"PixelSizeUm": 0.065, "PositionName": "Pos0"}

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def image_xml(pixels: np.ndarray, places: list[tuple[str, int]], name: str = "") -> str:
    """Return the XML of an image (T, Z, C, Y, X) each of whose planes is a page (file, number) of some file."""
    times, slices, channels, height, width = pixels.shape
    data = "".join(
        f'<TiffData IFD="{page}" FirstT="{t}" FirstZ="{z}" FirstC="{c}" PlaneCount="1">'
        f'<UUID FileName="{file}">urn:uuid:{file}</UUID></TiffData>'
        for (t, z, c), (file, page) in zip(np.ndindex(times, slices, channels), places, strict=True)
    )
    named = "".join(f'<Channel ID="Channel:0:{c}" SamplesPerPixel="1"/>' for c in range(channels))
    return (
        f'<Image ID="Image:0" Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        f'Type="{pixels.dtype}" SizeX="{width}" SizeY="{height}" SizeC="{channels}" '
        f'SizeZ="{slices}" SizeT="{times}">{named}{data}</Pixels></Image>'
    )


def document(images: str, own: str = "") -> str:
    """Return OME-XML; `own` is the name of the file that it is for."""
    uuid = f' UUID="urn:uuid:{own}"' if own else ""
    return f'<OME xmlns="{OME}"{uuid}>{images}</OME>'


def binary_only(metadata_file: str) -> str:
    """Return the OME-XML of a file whose metadata is in another one."""
    return document(f'<BinaryOnly MetadataFile="{metadata_file}" UUID="urn:uuid:x"/>')


def write_pages(path: Path, planes: np.ndarray, xml: str) -> None:
    """Write pages (number, Y, X) with a description."""
    with tifffile.TiffWriter(path) as file:
        for number, plane in enumerate(planes):
            file.write(plane, description=xml if number == 0 else None, metadata=None)


def write_micromanager(
    path: Path,
    pixels: np.ndarray,
    summary: dict,
    first: int,
    end: int,
    *,
    plane: object = BESIDE_A_PLANE,
) -> None:
    """Write some of the planes of (position, T, Z, C, Y, X), uint16, as Micro-Manager 1.4 does."""
    text = json.dumps({"MicroManagerVersion": "1.4", **summary}).encode()
    beside = json.dumps(plane).encode()
    positions, times, slices, channels, height, width = pixels.shape
    size = height * width * 2
    places = list(np.ndindex(times, positions, slices, channels))[first:end]
    # A page is its tags, 162 bytes before its pixels, and then what Micro-Manager says of the plane.
    start, page = 40 + len(text) + len(text) % 2, 162 + size + len(beside) + len(beside) % 2
    out = bytearray(struct.pack("<2sHI", b"II", 42, start))
    index_at = start + page * len(places)
    out += struct.pack("<8I", 54773648, index_at, 0, 0, 99384722, 0, 2355492, len(text))
    out += text.ljust(start - 40, b" ")
    index = b""
    for number, (t, p, z, c) in enumerate(places):
        offset = start + page * number
        tags = [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 16),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, offset + 162),
            (277, 3, 1, 1),
            (278, 4, 1, height),
            (279, 4, 1, size),
            (51123, 2, len(beside), offset + 162 + size),
        ]
        following = offset + page if number + 1 < len(places) else 0
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        head = struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
        content = pixels[p, t, z, c].astype("<u2").tobytes() + beside
        out += head.ljust(162, b"\0") + content.ljust(page - 162, b"\0")
        index += struct.pack("<5I", c, z, t, p, offset)
    out += struct.pack("<II", 3453623, len(places)) + index
    path.write_bytes(bytes(out))


def write_ndtiff(
    path: Path,
    planes: Sequence[tuple[Mapping[str, int | str], np.ndarray, Mapping[str, object]]],
    summary: Mapping[str, object],
) -> None:
    """Write planes (uint16), each with its place on the axes and what is said beside it, as NDTiff 3.3 does.

    The index beside the file says which page is which plane.
    """
    text = json.dumps(summary).encode()
    text += b" " * (len(text) % 2)
    out = bytearray(struct.pack("<2sHI", b"II", 42, 28 + len(text)))
    out += struct.pack("<5I", 483729, 3, 3, 2355492, len(text)) + text
    index = b""
    for number, (axes, plane, told) in enumerate(planes):
        beside = json.dumps(told).encode()
        beside += b" " * (len(beside) % 2)
        pixels = plane.astype("<u2").tobytes()
        start = len(out) + 126
        end = start + len(pixels) + len(beside)
        tags = [
            (256, 4, 1, plane.shape[1]),
            (257, 4, 1, plane.shape[0]),
            (258, 3, 1, 16),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, start),
            (277, 3, 1, 1),
            (278, 4, 1, plane.shape[0]),
            (279, 4, 1, len(pixels)),
            (51123, 2, len(beside), start + len(pixels)),
        ]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        following = end if number + 1 < len(planes) else 0
        out += struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
        out += pixels + beside
        place, name = json.dumps(dict(axes)).encode(), path.name.encode()
        index += struct.pack("<I", len(place)) + place + struct.pack("<I", len(name)) + name
        sizes = (plane.shape[1], plane.shape[0], 1, 0)
        index += struct.pack("<I4iI2i", start, *sizes, start + len(pixels), len(beside), 0)
    path.write_bytes(bytes(out))
    path.with_name("NDTiff.index").write_bytes(index)


def write_stk(path: Path, planes: np.ndarray, pixel_um: float, interval_ms: int) -> None:
    """Write a stack of MetaMorph: one page, whose planes lie one after the other, and tags that count them."""
    number, height, width = planes.shape
    data = planes.astype("<u2").tobytes()
    places = {"fraction": 8 + len(data)}
    extra = struct.pack("<2I", round(pixel_um * 10_000), 10_000)
    places["unit"] = 8 + len(data) + len(extra)
    extra += struct.pack("<I3s", 3, b"um\0")
    told = [(3, 1), (4, places["fraction"]), (5, places["fraction"]), (6, places["unit"])]
    places["uic1"] = 8 + len(data) + len(extra)
    extra += b"".join(struct.pack("<2I", *pair) for pair in told)
    places["uic2"] = 8 + len(data) + len(extra)
    day = 2_459_000
    for plane in range(number):
        extra += struct.pack("<6I", plane, 1, day, interval_ms * plane, day, interval_ms * plane)
    short, long, rational = 3, 4, 5
    entries = [
        *[(256, long, 1, width), (257, long, 1, height), (258, short, 1, 16), (259, short, 1, 1)],
        *[(262, short, 1, 1), (273, long, 1, 8), (277, short, 1, 1), (278, long, 1, height)],
        (279, long, 1, width * height * 2),
        (33628, long, len(told), places["uic1"]),
        (33629, rational, number, places["uic2"]),
    ]
    tags = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        tags += struct.pack("<2HI", tag, kind, count) + struct.pack("<I", value)
    start = struct.pack("<I", 8 + len(data) + len(extra))
    path.write_bytes(b"II*\0" + start + data + extra + tags + b"\0\0\0\0")

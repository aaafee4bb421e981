"""Takes the golden values of a results folder: short hashes of contents, and plain words where these are as short.

What may differ and harms nobody does not count: the version in a file, how it was compressed, how long things took.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import roifile
import tensorstore
import tifffile

STEPS = ("segment", "masks", "measure", "overlay")

# Of the table of all images: words for people, and what took how long on which device.
_NOT_COUNTED = ("message", "remedy", "warning", "flag_reasons", "device", "seconds")

# Other processors, and other versions of libraries, may differ in the last digits of a number.
_DIGITS = 7


def values_of(folder: Path, *, exact: bool = True) -> dict[str, str]:
    """Return the golden values of a user's folder with ``images`` and ``results``, by their names.

    Parameters
    ----------
    folder : Path
    exact : bool
        Whether the labels that the engine found are the same on every machine. Otherwise they are left out, but for
        their number.
    """
    results = folder / "results"
    values = {
        **dict(_sources(folder)),
        **dict(_keys(results)),
        **dict(_planned(folder / "planned.json")),
        **dict(_images(results)),
        **dict(_masks(results)),
        **dict(_outputs(results)),
        **dict(_cells(results)),
        **dict(_scripts(results)),
    }
    if exact:
        values |= dict(_labels(results))
    return dict(sorted(values.items()))


def _hash(*parts: bytes) -> str:
    """Return 12 hexadecimal digits."""
    content = hashlib.sha256()
    for part in parts:
        content.update(len(part).to_bytes(8, "big") + part)
    return content.hexdigest()[:12]


def _pixels(pixels: np.ndarray) -> str:
    order = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"))
    return _hash(order.dtype.str.encode(), str(pixels.shape).encode(), order.tobytes())


def _files(folder: Path, pattern: str = "*") -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob(pattern)):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    for name, path in _files(folder / "images"):
        yield f"source/{name}", _hash(path.read_bytes())
    # What a correction holds is seen by the masks; its size is in their keys.
    for name, path in _files(folder / "results" / "corrections"):
        yield f"source/corrections/{name}", f"{path.stat().st_size} bytes"


def _keys(results: Path) -> Iterator[tuple[str, str]]:
    """Yield how the last attempt at each step of each image, and at each run of a script, ended: with which key."""
    folders = [results / ".segmake" / step for step in STEPS]
    folders += sorted((results / ".segmake" / "scripts").glob("*"))
    for folder in folders:
        name = folder.relative_to(results / ".segmake").as_posix()
        lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
        for line in sorted(map(json.loads, lines), key=lambda line: line["time"]):
            if line["event"] in ("done", "failed"):
                code = line["details"].get("code", "")
                told = (line["event"], code, f"attempt {line['attempt']}", f"key {line['key']}")
                yield f"journal/{name}/{line['image']}", " ".join(filter(None, told))


def _planned(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the keys that results would have under other settings."""
    if path.exists():
        for settings, steps in json.loads(path.read_text(encoding="ascii")).items():
            for step, keys in steps.items():
                for image, key in keys.items():
                    yield f"planned/{settings}/{step}/{image}", key


def table(path: Path) -> dict[str, list[str]]:
    """Return the columns of a CSV file of SegMake's."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = csv.reader(lines)
    return {name: [row[number] for row in rows] for number, name in enumerate(header)}


def _rounded(text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{0.0 if abs(number) < 10**-_DIGITS else number:.{_DIGITS}g}"


def _column(cells: list[str]) -> str:
    return _hash(*(_rounded(cell).encode() for cell in cells))


def _images(results: Path) -> Iterator[tuple[str, str]]:
    columns = table(results / "images.csv")
    for name, column in columns.items():
        if name in ("state", "cells", "batch"):
            for image, value in zip(columns["image"], column, strict=True):
                yield f"images.csv/{name}/{image}", value
        elif not name.endswith(_NOT_COUNTED):
            yield f"images.csv/{name}", _column(column)


def _cells(results: Path) -> Iterator[tuple[str, str]]:
    """Yield a hash for each column of the table of all cells, once the tables of the images were held against it."""
    joined = table(results / "cells.csv")
    alone: dict[str, list[str]] = {name: [] for name in joined}
    columns = table(results / "images.csv")
    for image, state, mask in zip(columns["image"], columns["state"], columns["mask"], strict=True):
        if state != "done":
            continue
        own = table(
            results / mask.replace("masks", "cells", 1).replace("_masks.ome.tif", "_cells.csv")
        )
        number = len(own["label"])
        own["image"] = [image] * number
        for name in alone:
            alone[name] += own.get(name, [""] * number)
    for name in joined:
        theirs, ours = ([*map(_rounded, cells)] for cells in (joined[name], alone[name]))
        assert theirs == ours, f"{name} differs between cells.csv and the tables of the images"
        yield f"cells.csv/{name}", _column(joined[name])


def _masks(results: Path) -> Iterator[tuple[str, str]]:
    for name, path in _files(results / "masks", "*.ome.tif"):
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            pixels: dict[str, Any] = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
            yield f"masks/{name}", f"{series.axes} {_pixels(series.asarray())}"
        sizes = ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement")
        known = [f"{size} {pixels[size]:g}" for size in sizes if size in pixels]
        yield f"masks/{name} sizes", ", ".join(known) or "none"


def _labels(results: Path) -> Iterator[tuple[str, str]]:
    for name, path in _files(results / ".segmake" / "labels", "*.tif"):
        with tifffile.TiffFile(path) as file:
            yield f"labels/{name}", _pixels(np.stack([page.asarray() for page in file.pages]))


def _outputs(results: Path) -> Iterator[tuple[str, str]]:
    for name, path in _files(results / "lineages"):
        yield f"lineages/{name}", _hash(path.read_bytes())
    for name, path in _files(results / "rois"):
        rois = roifile.roiread(path)
        yield f"rois/{name}", _rois(rois if isinstance(rois, list) else [rois])
    for name, path in _files(results / "cellpose", "*.tif"):
        yield f"cellpose/{name}", _pixels(tifffile.imread(path))
    for name, path in _files(results / "cellpose", "*.npy"):
        content = np.load(path, allow_pickle=True).item()
        for part in ("masks", "outlines"):
            yield f"cellpose/{name} {part}", _pixels(content[part])
        diameter = _rounded(str(content["diameter"]))
        yield f"cellpose/{name} rest", f"{content['filename']}, diameter {diameter}"
    for name, path in _files(results / "ome_zarr", ".zattrs"):
        yield (
            f"ome_zarr/{name}",
            _hash(json.dumps(json.loads(path.read_text()), sort_keys=True).encode()),
        )
    for name, path in _files(results / "ome_zarr", ".zarray"):
        store = {"driver": "file", "path": str(path.parent)}
        array = tensorstore.open({"driver": "zarr", "kvstore": store}).result()
        yield f"ome_zarr/{name}", _pixels(array.read().result())


def _rois(rois: list[roifile.ImagejRoi]) -> str:
    told = []
    for roi in rois:
        paths = [np.asarray(path).tolist() for path in roi.coordinates(multi=True)]
        place = [roi.position, roi.t_position, roi.z_position]
        told.append(json.dumps([roi.name, place, paths]).encode())
    return f"{len(rois)} cells {_hash(*told)}"


def _scripts(results: Path) -> Iterator[tuple[str, str]]:
    for name, path in _files(results / "scripts"):
        yield f"scripts/{name}", _hash(path.read_bytes())

"""Writes small folders of OME-Zarr: the descriptions as the specification has them, the pixels with tensorstore."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def write_group(folder: Path, told: dict[str, Any], version: str) -> None:
    """Write a group, with what it says of its images."""
    folder.mkdir(parents=True, exist_ok=True)
    if version == "0.5":
        group = {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {"ome": {"version": version, **told}},
        }
        (folder / "zarr.json").write_text(json.dumps(group))
    else:
        (folder / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
        (folder / ".zattrs").write_text(json.dumps(told))


def write_array(
    folder: Path, pixels: np.ndarray, version: str, chunks: Sequence[int] | None
) -> None:
    """Write an array of pixels; without chunks, a chunk is all of it."""
    chunks = list(chunks or pixels.shape)
    if version == "0.5":
        grid = {"name": "regular", "configuration": {"chunk_shape": chunks}}
        driver, options = (
            "zarr3",
            {"chunk_grid": grid, "codecs": [{"name": "bytes"}, {"name": "zstd"}]},
        )
    else:
        driver = "zarr"
        options = {"chunks": chunks, "dimension_separator": "/", "compressor": {"id": "blosc"}}
    store = {"driver": "file", "path": f"{folder}/"}
    array = tensorstore.open(
        {"driver": driver, "kvstore": store, "metadata": options},
        create=True,
        delete_existing=True,
        dtype=tensorstore.dtype(pixels.dtype),
        shape=pixels.shape,
    ).result()
    array[...] = pixels


def write_image(
    folder: Path,
    pixels: np.ndarray,
    axes: str,
    version: str = "0.5",
    *,
    chunks: Sequence[int] | None = None,
    scale: dict[str, float] | None = None,
    units: dict[str, str] = UNITS,
    labels: Sequence[str] = (),
) -> None:
    """Write an image of two levels, of which the second one is all zero."""
    described: list[Any] = [
        {"name": axis, "type": KINDS.get(axis, "other")}
        | ({"unit": units[axis]} if axis in units else {})
        for axis in axes
    ]
    if version == "0.3":
        described = list(axes)
    steps = [(scale or {}).get(axis, 1.0) for axis in axes]
    told: dict[str, Any] = {
        "multiscales": [
            {
                **({} if version in ("0.1", "0.2") else {"axes": described}),
                **({} if version == "0.5" else {"version": version}),
                "datasets": [
                    {"path": path, "coordinateTransformations": [{"type": "scale", "scale": steps}]}
                    for path in ("0", "1")
                ],
            }
        ]
    }
    if labels:
        told["omero"] = {"channels": [{"label": label} for label in labels]}
    write_group(folder, told, version)
    write_array(folder / "0", pixels, version, chunks)
    write_array(folder / "1", np.zeros_like(pixels), version, chunks)

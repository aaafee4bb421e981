"""Writes and reads label images."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from segmake.files import write_atomically


def write_labels(path: Path, labels: np.ndarray, pixel_size_um: float | None, name: str) -> None:
    """Write a label image as OME-TIFF, which Fiji, napari and QuPath open.

    Parameters
    ----------
    path : Path
        Ends in ``.ome.tif``; its folder is made.
    labels : array (Y, X), integers
        0 is the background, 1..N the cells. Written as uint16, or uint32 where a label is above 65,535.
    pixel_size_um : float or None
        Side of a pixel in micrometres, kept in the metadata if it is known.
    name : str
        The image's name in the metadata.
    """
    dtype = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
    # Characters that XML can't hold would make the whole file unreadable.
    plain = "".join(c if c.isprintable() else "_" for c in name)
    labels = np.ascontiguousarray(labels, dtype)
    # OME wants an identifier in each file; made from what the file holds, the same labels give the same bytes.
    content = hashlib.sha256(labels.tobytes()).hexdigest()
    metadata: dict[str, Any] = {
        "axes": "YX",
        "Name": plain,
        "UUID": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, plain + content)}",
        "Channel": {"Name": ["labels"]},
    }
    if pixel_size_um:
        metadata |= {
            "PhysicalSizeX": pixel_size_um,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": pixel_size_um,
            "PhysicalSizeYUnit": "µm",
        }
    with write_atomically(path) as part:
        tifffile.imwrite(part, labels, ome=True, metadata=metadata, compression="zlib")


def read_labels(path: Path) -> np.ndarray:
    """Return a label image: (Y, X), uint16 or uint32."""
    return tifffile.imread(path)

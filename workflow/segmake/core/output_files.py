"""What is written beside the masks for other programs (``outputs`` of the config), and where it lies."""

from __future__ import annotations

from pathlib import Path

from segmake.core.files import result_name

_SUFFIXES = {
    "rois": ("_rois.zip",),
    "cellpose": (".tif", "_seg.npy"),
    "ome_zarr": (".ome.zarr",),
}
KINDS = tuple(_SUFFIXES)


def files(kind: str, results: Path, image: str) -> tuple[Path, ...]:
    """Return the files (or the folder that is an OME-Zarr) of one kind of output of an image.

    Parameters
    ----------
    kind : one of `KINDS`
    results : Path
        The results folder.
    image : str
        The image's name.
    """
    base = results / kind / result_name(image)
    return tuple(base.with_name(base.name + suffix) for suffix in _SUFFIXES[kind])

"""What is written for other programs (``outputs`` of the config): of each image, beside its mask, and of the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from segmake.core.files import result_name

_SUFFIXES = {
    "rois": ("_rois.zip",),
    "cellpose": (".tif", "_seg.npy"),
    "ome_zarr": (".ome.zarr",),
}
KINDS = tuple(_SUFFIXES)

# The tables of the whole run once more, of each kind that is no file of an image.
_OF_RUN = {"xlsx": ("cells.xlsx", "images.xlsx")}
TABLE_KINDS = tuple(_OF_RUN)
TABLES_OF_RUN = tuple(name for names in _OF_RUN.values() for name in names)


def kinds_of_images(outputs: Iterable[str]) -> list[str]:
    """Return those of the wanted kinds that are written of each image."""
    return [kind for kind in outputs if kind in KINDS]


def tables_of_run(outputs: Iterable[str]) -> list[str]:
    """Return the tables of the whole run that the wanted kinds add, below the results folder."""
    return [name for kind in outputs for name in _OF_RUN.get(kind, ())]


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

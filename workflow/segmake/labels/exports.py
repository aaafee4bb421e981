"""Writes the labels of an image in the ways that other programs open, as ``outputs`` in the config asks for.

- ``rois``: outlines for the ROI Manager of ImageJ and Fiji.
- ``cellpose``: the segmented planes and their labels for Cellpose's own window, where masks can be corrected.
- ``ome_zarr``: the segmented planes with their labels as OME-Zarr, for napari and others.

A mask (`segmake.labels.labels`) is written always. What needs a library of its own is imported where it is used: jobs
without these outputs read this module too.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np

from segmake import __version__
from segmake.core.files import fingerprint, flush, flush_folder, open_atomically
from segmake.core.output_files import files
from segmake.core.strips import Striped
from segmake.core.threads import tensorstore_limits
from segmake.labels.whole_cells import ends_of, windows
from segmake.messages import Problem

if TYPE_CHECKING:
    from roifile import ImagejRoi

    from segmake.images.field_of_view import FieldOfView
    from segmake.labels.labels import LabelStack

# OME-Zarr 0.4, which is Zarr 2: whatever reads 0.5 reads it too, and some programs (ilastik, bigdataviewer-omezarr in
# Fiji) read no newer one.
OME_ZARR_VERSION = "0.4"
_LONGEST_CHUNK = 1024

# In what SegMake writes for Cellpose, the first thing of all; Cellpose's window leaves it out when it saves.
_MADE_BY = "made_by"
_START_BYTES = 1024


def write_rois(path: Path, stack: LabelStack) -> None:
    """Write the outline of each cell for the ROI Manager of ImageJ and Fiji.

    An outline runs along the edges of the pixels, so that ImageJ finds exactly the pixels of the label image in it. A
    cell of several pieces, or with a hole, is a composite ROI. A ROI is named after its cell: ``12``, and in movies and
    stacks ``12_t3``, ``12_z5``; its position in the stack is that of its plane.

    Parameters
    ----------
    path : Path
        The ``.zip``.
    stack : LabelStack
    """
    with open_atomically(path) as file, ZipFile(file, "w") as archive:
        for roi in _rois(stack):
            with archive.open(f"{roi.name}.roi", "w") as member:
                member.write(roi.tobytes())


def write_cellpose(picture: Path, labels: Path, stack: LabelStack, view: FieldOfView) -> None:
    """Write what Cellpose's window (3 and 4) opens: the segmented planes as plain TIFF, and their labels beside it.

    Movies and stacks are stacks of all planes, time points outermost. The labels are in memory as a whole.

    Parameters
    ----------
    picture, labels : Path
        ``NAME.tif`` and ``NAME_seg.npy``.
    stack : LabelStack
    view : FieldOfView
        What the labels are of.
    """
    import tifffile

    from segmake.labels.labels import needs_bigtiff

    planes = _segmented(stack, view)
    first = next(planes)
    shape = _flat_shape(stack)
    with open_atomically(picture) as file:
        tifffile.imwrite(
            file,
            chain([first], planes),
            shape=shape,
            dtype=first.dtype,
            photometric="minisblack",
            bigtiff=needs_bigtiff(shape, first.dtype),
            software=f"SegMake {__version__}",
        )
    content = np.array(_seg(stack, picture.name), dtype=object)
    with open_atomically(labels) as file:
        np.save(file, content, allow_pickle=True)


def write_ome_zarr(folder: Path, stack: LabelStack, view: FieldOfView) -> None:
    """Write an OME-Zarr image of the segmented planes, with the labels of the cells in it, plane by plane.

    Large planes are there in smaller sizes too: every second pixel of the size before.

    Parameters
    ----------
    folder : Path
        ``NAME.ome.zarr``.
    stack : LabelStack
    view : FieldOfView
        What the labels are of.
    """
    with _folder_written_atomically(folder) as part:
        cells = part / "labels" / "cells"
        image = _multiscale(stack, folder.name.removesuffix(".ome.zarr"))
        label = {"version": OME_ZARR_VERSION, "source": {"image": "../../"}}
        _write_group(part, {"multiscales": [image]})
        _write_group(cells.parent, {"labels": [cells.name]})
        _write_group(cells, {"multiscales": [_multiscale(stack, cells.name)], "image-label": label})
        _write_levels(part, stack, _segmented(stack, view))
        _write_levels(cells, stack, stack.planes())


# What writes a kind of output, given the paths of its files, a mask and a field of view.
_WRITERS: dict[str, Callable[..., None]] = {
    "rois": lambda path, stack, view: write_rois(path, stack),
    "cellpose": write_cellpose,
    "ome_zarr": write_ome_zarr,
}


def write(kind: str, results: Path, image: str, stack: LabelStack, view: FieldOfView) -> None:
    """Write one kind of output of an image; what is there already is replaced.

    Parameters
    ----------
    kind : one of `segmake.core.output_files.KINDS`
    results : Path
        The results folder.
    image : str
        The image's name.
    stack : LabelStack
        Its mask.
    view : FieldOfView
        What was segmented.

    Raises
    ------
    Problem
        ``SM-OUT-002``, as `remove` does.
    """
    _refuse_to_lose_work(kind, results, image)
    _WRITERS[kind](*files(kind, results, image), stack, view)


def remove(kind: str, results: Path, image: str) -> None:
    """Remove the files of one kind of output of an image, if they are there.

    Raises
    ------
    Problem
        ``SM-OUT-002`` if the user corrected the labels in Cellpose's window, and the correction is nowhere else.
    """
    _refuse_to_lose_work(kind, results, image)
    for path in files(kind, results, image):
        try:
            path.unlink(missing_ok=True)
        except OSError:
            # Systems differ in how they refuse to unlink a folder.
            if not path.is_dir() or path.is_symlink():
                raise
            shutil.rmtree(path)


def _refuse_to_lose_work(kind: str, results: Path, image: str) -> None:
    """Refuse to replace labels that Cellpose's window saved, unless they lie among the corrections too."""
    if kind != "cellpose":
        return
    labels = files(kind, results, image)[-1]
    try:
        with labels.open("rb") as file:
            if _MADE_BY.encode() in file.read(_START_BYTES):
                return
    except FileNotFoundError:
        return
    kept = results / "corrections" / labels.relative_to(results / kind)
    if not (kept.is_file() and filecmp.cmp(labels, kept, shallow=False)):
        names = {"path": labels.absolute(), "corrections": kept.parent.absolute()}
        raise Problem("SM-OUT-002", where=str(labels), **names)


def _flat_shape(stack: LabelStack) -> tuple[int, ...]:
    """Return (Y, X), or (planes, Y, X)."""
    number = stack.times * stack.depth
    size = (stack.height, stack.width)
    return size if number == 1 else (number, *size)


def _segmented(stack: LabelStack, view: FieldOfView) -> Iterator[np.ndarray]:
    """Yield the plane that each of the label planes is of: YX."""
    for time, depth in product(range(stack.times), range(stack.depth)):
        yield view.planes(time, depth)[0]


def _seg(stack: LabelStack, picture: str) -> dict[str, Any]:
    """Return what Cellpose's window reads of a ``_seg.npy``; it finds the picture in the same folder."""
    shape = _flat_shape(stack)
    masks, outlines = np.zeros(shape, stack.dtype), np.zeros(shape, stack.dtype)
    for index, plane in enumerate(stack.planes()):
        place = index if len(shape) == 3 else ...
        masks[place], outlines[place] = plane, plane * _inner_edges(plane)
    numbers, areas = np.unique(masks, return_counts=True)
    areas = areas[numbers > 0]
    return {
        _MADE_BY: f"SegMake {__version__}",
        "filename": picture,
        "masks": masks,
        "outlines": outlines,
        "chan_choose": [0, 0],
        "ismanual": np.zeros(len(areas), bool),
        "diameter": float(2 * np.sqrt(np.median(areas) / np.pi)) if len(areas) else 30.0,
    }


def _inner_edges(plane: np.ndarray) -> np.ndarray:
    """Return where the pixels of a cell touch another cell or no cell: (Y, X), bool."""
    from skimage.segmentation import find_boundaries

    return find_boundaries(plane, connectivity=1, mode="inner", background=0)


def _rois(stack: LabelStack) -> Iterator[ImagejRoi]:
    """Yield the ROIs of all planes."""
    for index, (time, depth) in enumerate(product(range(stack.times), range(stack.depth)), start=1):
        place = f"_t{time + 1}" * (stack.times > 1) + f"_z{depth + 1}" * (stack.depth > 1)
        for number, paths in outlines(stack.striped(time, depth)):
            roi = _traced(paths[0]) if len(paths) == 1 else _composite(paths)
            roi.name = f"{number}{place}"
            # ImageJ takes two numbers for hyperstacks alone, and one for stacks of any kind.
            if stack.times > 1 and stack.depth > 1:
                roi.t_position, roi.z_position = time + 1, depth + 1
            elif place:
                roi.position = index
            yield roi


def outlines(plane: np.ndarray | Striped) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield the number of each cell and its closed outlines along the edges of its pixels.

    Parameters
    ----------
    plane : array (Y, X), integers, or Striped

    Yields
    ------
    int
        The label.
    list of array (N, 2), int32
        The corners x, y of each outline: one around each piece that hangs together, corner to corner counts, and one
        around each hole. 0, 0 is the upper left corner of the first pixel.
    """
    from skimage.measure import find_contours

    for number, top, left, cell in _cells_of(plane):
        inside = np.pad(cell, 1).astype(np.float32)
        found = find_contours(inside, 0.5, fully_connected="high")
        start = [left - 1, top - 1]
        yield number, [_corners(middles[:-1]) + start for middles in found]


# The number of a cell, the first row and column that it has, and where it is in the smallest box: array (Y, X), bool.
_Cell = tuple[int, int, int, np.ndarray]


def _cells_of(plane: np.ndarray | Striped) -> Iterator[_Cell]:
    """Yield the cells, by their numbers."""
    from scipy import ndimage

    ends = ends_of(plane)
    order = iter(sorted(ends))
    following, found = next(order, None), {}
    for window in windows(plane, ends):
        boxes = ndimage.find_objects(window.cells)
        for place, (number, box) in enumerate(zip(window.numbers.tolist(), boxes, strict=True), 1):
            cell = window.cells[box] == place
            found[number] = number, window.top + box[0].start, box[1].start, cell
        while following in found:
            yield found.pop(following)
            following = next(order, None)


def _corners(middles: np.ndarray) -> np.ndarray:
    """Return the corners of an outline along the edges of pixels, given the middles y, x of these edges in order."""
    following = np.roll(middles, -1, axis=0)
    # An edge lies on a half in one direction; two that follow each other meet on both halves, or between them.
    meeting = np.where(following % 1 == 0.5, following, (middles + following) / 2)
    corners = np.where(middles % 1 == 0.5, middles, meeting)
    steps = np.roll(corners, -1, axis=0) - corners
    turns = np.any(steps != np.roll(steps, 1, axis=0), axis=1)
    return (corners[turns, ::-1] + 0.5).astype(np.int32)


def _traced(path: np.ndarray) -> ImagejRoi:
    from roifile import ROI_TYPE, ImagejRoi

    roi = ImagejRoi.frompoints(path)
    roi.roitype = ROI_TYPE.TRACED
    return roi


def _composite(paths: list[np.ndarray]) -> ImagejRoi:
    """Return a ROI of several outlines: for each, "move to", then "line to"..., then "close", as ImageJ codes them."""
    from roifile import ROI_TYPE, ImagejRoi

    steps: list[float] = []
    for path in paths:
        for index, (x, y) in enumerate(path.tolist()):
            steps += [1 if index else 0, x, y]
        steps.append(4)
    corners = np.concatenate(paths)
    roi = ImagejRoi(roitype=ROI_TYPE.RECT)
    roi.left, roi.top = corners.min(axis=0).tolist()
    roi.right, roi.bottom = corners.max(axis=0).tolist()
    roi.multi_coordinates = np.array(steps, np.float32)
    roi.shape_roi_size = len(steps)
    return roi


def _levels(stack: LabelStack) -> int:
    """Return in how many sizes, each half the one before, planes are written."""
    levels = 1
    while max(stack.height, stack.width) > _LONGEST_CHUNK * 2 ** (levels - 1):
        levels += 1
    return levels


def _multiscale(stack: LabelStack, name: str) -> dict[str, Any]:
    """Return OME-Zarr's words for the axes and the sizes of pixels."""
    known = {
        "T": ("time", "second", stack.interval_s),
        "Z": ("space", "micrometer", stack.slice_step_um),
        "Y": ("space", "micrometer", stack.pixel_height_um),
        "X": ("space", "micrometer", stack.pixel_size_um),
    }
    axes = []
    for axis in stack.axes:
        kind, unit, size = known[axis]
        axes.append({"name": axis.lower(), "type": kind, **({"unit": unit} if size else {})})
    datasets = []
    for level in range(_levels(stack)):
        scale = [
            float(known[axis][2] or 1) * (2**level if axis in "YX" else 1) for axis in stack.axes
        ]
        datasets.append(
            {
                "path": str(level),
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
        )
    return {"version": OME_ZARR_VERSION, "name": name, "axes": axes, "datasets": datasets}


def _write_group(folder: Path, attributes: dict[str, Any]) -> None:
    """Write the two small files that make a folder a Zarr group."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".zgroup").write_text(json.dumps({"zarr_format": 2}), encoding="ascii")
    (folder / ".zattrs").write_text(json.dumps(attributes, indent=2), encoding="ascii")


def _write_levels(group: Path, stack: LabelStack, planes: Iterator[np.ndarray]) -> None:
    """Write planes, in the order of the stack's, in each size."""
    first = next(planes)
    arrays = [
        _new_array(group / str(level), stack, first[:: 2**level, :: 2**level])
        for level in range(_levels(stack))
    ]
    leading = stack.shape[:-2]
    for place, plane in zip(np.ndindex(leading), chain([first], planes), strict=True):
        for level, array in enumerate(arrays):
            array[place].write(plane[:: 2**level, :: 2**level]).result()


@cache
def _tensorstore_context() -> Any:
    """Return what all arrays have in common: the threads that are at work on them."""
    import tensorstore

    return tensorstore.Context(tensorstore_limits())


def _new_array(folder: Path, stack: LabelStack, plane: np.ndarray) -> Any:
    """Return a new Zarr array for planes like this one."""
    import tensorstore

    leading = stack.shape[:-2]
    return tensorstore.open(
        {
            "driver": "zarr",
            "kvstore": {"driver": "file", "path": str(folder)},
            "metadata": {
                "shape": [*leading, *plane.shape],
                "chunks": [*(1 for _ in leading), *(min(n, _LONGEST_CHUNK) for n in plane.shape)],
                "dtype": plane.dtype.str,
                "compressor": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 1},
                "dimension_separator": "/",
            },
            "create": True,
        },
        context=_tensorstore_context(),
    ).result()


@contextmanager
def _folder_written_atomically(folder: Path) -> Iterator[Path]:
    """Give a folder to write to, which takes the place of `folder` when the block ends well."""
    unique = fingerprint(folder.name, os.uname().nodename, os.getpid())
    part, old = (folder.with_name(f".{unique}.{kind}{folder.suffix}") for kind in ("part", "old"))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        flush(part)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        flush_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)

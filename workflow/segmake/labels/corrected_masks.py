"""Reads the masks that users corrected (`segmake.images.corrections` finds them), a plane at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from segmake.core import plain_pickle
from segmake.formats import open_image, unreadable
from segmake.images.corrections import ROIS, SEG
from segmake.messages import Problem

if TYPE_CHECKING:
    from roifile import ImagejRoi

# What a ROI is called that is part of a cell with a number: 12, and in movies and stacks 12_t3, 12_z5.
_NUMBERED = re.compile(r"0*([1-9]\d{0,9})(?:_t\d+)?(?:_z\d+)?")

_LARGEST = np.iinfo(np.uint32).max


def read_correction(path: Path, axes: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Read a corrected mask; the cells keep their numbers.

    Parameters
    ----------
    path : Path
        What `find_corrections` found.
    axes : {"YX", "TYX", "ZYX", "TZYX"}
        Those of the mask that it corrects.
    shape : tuple of int
        As `axes`.

    Yields
    ------
    array (Y, X), uint16 or uint32
        The slices of the first time point, then those of the second... A label image and the ROIs are read one plane
        at a time; a ``_seg.npy`` is in memory as a whole.

    Raises
    ------
    Problem
        ``SM-OUT-004`` if the file can't be read, ``SM-OUT-005`` if it is of another size than the image, ``SM-OUT-006``
        if it is a colour picture, ``SM-OUT-007`` if a value is no number of a cell.
    """
    name = path.name.lower()
    kinds = {SEG: _planes_of_seg, ROIS: _planes_of_rois}
    read = next((kinds[end] for end in kinds if name.endswith(end)), _planes_of_label_image)
    try:
        for plane in read(path, axes, shape):
            yield _labels(plane, path)
    except Exception as error:
        problem = unreadable(path, error)
        if problem.code.startswith("SM-IMG-"):
            reason = problem.values.get("error", problem.what)
            raise Problem("SM-OUT-004", where=str(path), error=reason) from error
        raise problem from error


def _labels(plane: np.ndarray, path: Path) -> np.ndarray:
    """Return a plane as the smaller of the two types of labels that holds it, or refuse its values."""
    allowed = (plane >= 0) & (plane <= _LARGEST)
    if plane.dtype.kind not in "iub":
        allowed &= plane == np.round(plane)
    if not allowed.all():
        raise Problem("SM-OUT-007", where=str(path), value=plane[~allowed][0].item())
    return plane.astype(np.uint16 if plane.max() <= np.iinfo(np.uint16).max else np.uint32)


def _other_size(path: Path, found: tuple[int, ...], wanted: tuple[int, ...]) -> Problem:
    """Return the problem of a correction that is of another size than its image."""
    theirs, ours = (" x ".join(str(number) for number in sizes) for sizes in (found, wanted))
    return Problem("SM-OUT-005", where=str(path), found=theirs, wanted=ours)


def _planes_of_label_image(path: Path, axes: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the planes of a label image, whatever its file says that its pages are."""
    with open_image(path) as image:
        header = image.fields[0]
        # Programs that save label images often lose, or mix up, the names of their axes; three planes may be red, green
        # and blue then.
        stacked = (header.times, header.slices, header.unnamed, len(header.channels))
        found = (*_squeezed(stacked), header.height, header.width)
        fits = found[-2:] == shape[-2:] and math.prod(stacked) == math.prod(shape[:-2])
        if not fits and header.color:
            raise Problem("SM-OUT-006", where=str(path))
        named = header.times > 1 and header.slices > 1
        if not fits or len(image.fields) > 1 or (named and found != shape):
            raise _other_size(path, found, shape)
        for time, depth, page, channel in product(*(range(number) for number in stacked)):
            yield image.plane(channel, time=time, slice=depth, page=page)


def _planes_of_seg(path: Path, axes: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the planes of what Cellpose's window saved."""
    masks = _load_seg(path)
    flat = (math.prod(shape[:-2]), *shape[-2:])
    # Cellpose leaves out axes of length 1.
    if _squeezed(masks.shape) not in (_squeezed(shape), _squeezed(flat)):
        raise _other_size(path, masks.shape, shape)
    # Old versions count from -1.
    if masks.dtype.kind == "i" and masks.min() == -1:
        masks = masks + 1
    yield from masks.reshape(flat)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without axes of length 1."""
    return tuple(number for number in shape if number > 1)


def _load_seg(path: Path) -> np.ndarray:
    """Return the ``masks`` in a ``_seg.npy``."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read_header(file)
        if shape != () or not dtype.hasobject:
            raise ValueError(f"no file of Cellpose: {dtype} {shape}")
        content = plain_pickle.load(file)
    content = content.item() if isinstance(content, plain_pickle.Array) else content
    masks = content.get("masks") if isinstance(content, dict) else None
    if not isinstance(masks, plain_pickle.Array):
        raise ValueError("no masks in it")
    return masks.array()


def _planes_of_rois(path: Path, axes: str, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield planes with the pixels that ImageJ finds in the ROIs; a later one lies on top of those before it."""
    from roifile import roiread

    rois = cast("list[ImagejRoi]", roiread(path))
    numbers = _numbers([roi.name for roi in rois])
    places = [set(_places(roi, axes, shape)) for roi in rois]
    for index in range(math.prod(shape[:-2])):
        plane = np.zeros(math.prod(shape[-2:]), np.uint32)
        for roi, number, on in zip(rois, numbers, places, strict=True):
            if index in on:
                plane[_pixels(roi, shape[-2:])] = number
        yield plane.reshape(shape[-2:])


def _numbers(names: list[str]) -> list[int]:
    """Return the number of each cell: that in its ROI's name, or one that no other has."""
    matches = [_NUMBERED.fullmatch(name) for name in names]
    numbers = [int(match[1]) if match else 0 for match in matches]
    free = max(numbers, default=0)
    for index, number in enumerate(numbers):
        if number == 0:
            numbers[index] = free = free + 1
    return numbers


def _pixels(roi: ImagejRoi, size: tuple[int, ...]) -> np.ndarray:
    """Return the pixels whose middles lie within a ROI, as indices into the flat plane."""
    from roifile import ROI_TYPE
    from skimage.draw import polygon

    areas = ("POLYGON", "RECT", "OVAL", "FREEHAND", "TRACED")
    if roi.roitype not in [ROI_TYPE[name] for name in areas]:
        raise ValueError(f"{roi.name}: {roi.roitype.name}")
    paths = [np.asarray(path) - 0.5 for path in roi.coordinates(multi=True)]
    drawn = (polygon(path[:, 1], path[:, 0], size) for path in paths)
    # What lies in two of the outlines is a hole.
    return reduce(np.setxor1d, [y * size[1] + x for y, x in drawn])


def _places(roi: ImagejRoi, axes: str, shape: tuple[int, ...]) -> Iterable[int]:
    """Return the planes that a ROI lies on: those of its position, or all where it has none."""
    number = math.prod(shape[:-2])
    if number == 1:
        return [0]
    if axes == "TZYX":
        times, depth = shape[:2]
        at = range(times) if roi.t_position == 0 else [roi.t_position - 1]
        slices = range(depth) if roi.z_position == 0 else [roi.z_position - 1]
        if at[-1] >= times or slices[-1] >= depth:
            raise ValueError(f"{roi.name}: t {at[-1] + 1}, z {slices[-1] + 1}")
        return [time * depth + z for time in at for z in slices]
    # ImageJ may take time points for slices; the axis that is not there is always at 1.
    position = max(roi.t_position, roi.z_position) or roi.position
    if position > number:
        raise ValueError(f"{roi.name}: {position} > {number}")
    return [position - 1] if position else range(number)

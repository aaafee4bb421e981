"""Draws one plane of an image in full, and the outlines of its cells: PNG pictures for a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from segmake.core.files import fingerprint, write_atomically
from segmake.core.settings import Images
from segmake.formats import unreadable, watched
from segmake.images.calibration import mean_size
from segmake.images.field_of_view import FieldOfView
from segmake.images.selection import interpreted
from segmake.images.set_image import open_field
from segmake.labels.labels import LabelStack
from segmake.labels.pictures import ROOMY_CELL, draw_outlines, stretch
from segmake.messages import Problem

# A picture with a longer side is reduced: browsers and people see no more.
LONGEST = 4096


def draw_plane(
    path: Path, images: Images, position: int, moment: int, folder: Path
) -> dict[str, Any]:
    """Draw the plane that a config chooses of a field of view; where it does not, the first channel, the middle slice.

    Parameters
    ----------
    path : Path
    images : Images
        The section ``images`` of the config.
    position, moment : int
        From 1.
    folder : Path
        Where the picture goes, if it is not there.

    Returns
    -------
    dict
        What `segmake.look.trial.Trial` has of a picture.

    Raises
    ------
    Problem
        If the image can't be read, or there is no such position, time point or channel.
    """
    chosen = _chosen(path, replace(images, time=moment), position)
    with FieldOfView(path, position - 1, chosen) as view:
        header, selection = view.header, view.selection
        at = selection.slices[len(selection.slices) // 2] if not selection.projection else None
        depth = selection.slices.index(at) if at is not None else 0
        kept = ("channel", "z", "time", "pages", "axes")
        picture = folder / f"{fingerprint(position, [getattr(chosen, name) for name in kept])}.png"
        reduced = max(1, -(-max(header.width, header.height) // LONGEST))
        if not picture.exists():
            _save(_plane(view, path, depth), picture, reduced)
        return {
            "slice": (at if at is not None else selection.slices[0]) + 1,
            "channel": header.channels[selection.channel],
            "width": header.width,
            "height": header.height,
            "pixel_um": mean_size(header, chosen),
            "picture": picture,
            "reduced": reduced,
        }


def draw_cells(labels: Path, picture: Path, reduced: int) -> dict[str, Any]:
    """Draw the outlines of cells, of several slices those of the middle one, and measure them.

    Parameters
    ----------
    labels : Path
        A label image of one time point.
    picture : Path
        Where the outlines go.
    reduced : int
        As `segmake.look.trial.Trial` has it.

    Returns
    -------
    dict
        ``outlines``, ``cells`` and ``diameter``, as `segmake.look.trial.Trial` has them.
    """
    with LabelStack(labels) as stack:
        plane = stack.plane(0, stack.depth // 2)
    areas = np.bincount(plane.ravel())[1:]
    areas = areas[areas > 0]
    roomy = areas.size and np.median(areas) >= ROOMY_CELL
    thickness = (2 if roomy else 1) * reduced
    colored = draw_outlines(np.zeros(plane.shape, np.uint8), plane, thickness=thickness)
    opaque = colored.any(axis=-1).astype(np.uint8) * 255
    with write_atomically(picture, lasting=False) as part:
        drawn = Picture.fromarray(np.dstack([colored, opaque]))
        (drawn.reduce(reduced) if reduced > 1 else drawn).save(part, "PNG")
    diameter = float(np.median(2 * np.sqrt(areas / np.pi))) if areas.size else None
    return {"outlines": picture, "cells": int(areas.size), "diameter": diameter}


def _chosen(path: Path, images: Images, position: int) -> Images:
    """Return the section ``images`` with an answer to what it leaves open, where the file has several."""
    with watched(path), open_field(path, images) as image:
        if not 1 <= position <= len(image.fields):
            raise Problem("SM-IMG-024", where=str(path), wanted=position, number=len(image.fields))
        raw = image.fields[position - 1]
    chosen = replace(images, pages=images.pages or ("time" if raw.unnamed > 1 else None))
    header = interpreted(raw, chosen)
    if chosen.z is None and header.slices > 1:
        chosen = replace(chosen, z=(header.slices + 1) // 2)
    if chosen.channel is None and len(header.channels) > 1:
        chosen = replace(chosen, channel=1)
    return replace(chosen, second_channel=None)


def _plane(view: FieldOfView, path: Path, depth: int) -> np.ndarray:
    try:
        return view.channel(view.selection.channel, 0, depth)
    except Exception as error:
        raise unreadable(path, error) from error


def _save(plane: np.ndarray, picture: Path, reduced: int) -> None:
    drawn = Picture.fromarray(stretch(plane))
    try:
        with write_atomically(picture, lasting=False) as part:
            (drawn.reduce(reduced) if reduced > 1 else drawn).save(part, "PNG", compress_level=3)
    except OSError as error:
        folder = str(picture.parent)
        reason = error.strerror or str(error)
        raise Problem("SM-LOK-003", where=folder, folder=folder, error=reason) from None

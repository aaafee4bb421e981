"""Synthetic microscope pictures of bacteria, with exact labels.

Used for the demo data set, for training the demo model and by the tests. Cells grow, divide and
push each other aside in a small mechanical model; the picture of the finished field is then drawn
as phase contrast, fluorescence or brightfield, with the flaws that real pictures have. Everything
follows from the seed: the same seed and arguments give the same picture.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage
from scipy.spatial import cKDTree

from segmake.messages import Problem

MODALITIES = ("phase", "fluorescence", "brightfield")
CELL_KINDS = ("rod", "filament", "coccus")
ARRANGEMENTS = ("empty", "sparse", "colony", "dense")
STAININGS = ("cytoplasm", "membrane", "nucleoid")
PIXEL_SIZE_UM = 0.065

# Whole length at division, relative to birth.
_FOLD = {"rod": 2.0, "filament": 2.0, "coccus": 1.65}
_REACH = 2.5  # how far around a cell the drawing looks, in cell radii


# ---------------------------------------------------------------------------
# Cells: growth, division, pushing
# ---------------------------------------------------------------------------


@dataclass
class _Cells:
    """The cells of a field: each a chain of discs along its midline."""

    nodes: np.ndarray  # (cells, nodes, 2), YX in pixels
    length: np.ndarray  # (cells,) length of the midline, pixels
    birth: np.ndarray  # (cells,) length of the midline at birth
    rate: np.ndarray  # (cells,) growth rate relative to the mean
    bend: np.ndarray  # (cells,) turn of the midline from pole to pole, radians
    radius: np.ndarray  # (cells,) pixels
    fold: np.ndarray  # (cells,) whole length at division, relative to birth

    def progress(self) -> np.ndarray:
        """How far each cell is from birth (0) to division (1)."""
        whole = (self.length + 2 * self.radius) / (self.birth + 2 * self.radius)
        return (whole - 1) / (self.fold - 1)

    def take(self, index: np.ndarray) -> _Cells:
        return _Cells(*(value[index] for value in vars(self).values()))

    def join(self, other: _Cells) -> _Cells:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Cells(*(np.concatenate(pair) for pair in pairs))


def _straighten(cells: _Cells, stiffness: float) -> None:
    """Pull every chain towards an arc of its own length and bend."""
    count = cells.nodes.shape[1]
    along = np.linspace(-0.5, 0.5, count)
    axis = np.einsum("cnd,n->cd", cells.nodes, along)
    norm = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.where(norm > 1e-6, axis / np.maximum(norm, 1e-6), [[0.0, 1.0]])
    side = np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    sag = (along**2 - (along**2).mean())[None, :] * (cells.bend * cells.length)[:, None] / 2
    target = cells.nodes.mean(axis=1, keepdims=True)
    target = target + axis[:, None, :] * (along[None, :] * cells.length[:, None])[..., None]
    target = target + side[:, None, :] * sag[..., None]
    cells.nodes += stiffness * (target - cells.nodes)


def _push_apart(cells: _Cells, gap: float) -> float:
    """Move overlapping discs of different cells apart; return the largest overlap in radii."""
    count = cells.nodes.shape[1]
    points = cells.nodes.reshape(-1, 2)
    reach = 2 * cells.radius.max() * (1 + gap)
    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    other = first // count != second // count
    first, second = first[other], second[other]
    if len(first) == 0:
        return 0.0
    delta = points[first] - points[second]
    distance = np.linalg.norm(delta, axis=1)
    wanted = (cells.radius[first // count] + cells.radius[second // count]) * (1 + gap)
    overlap = np.maximum(wanted - distance, 0)
    push = delta / np.maximum(distance, 1e-6)[:, None] * (0.5 * overlap)[:, None]
    contacts = np.bincount(first, overlap > 0, len(points)) + np.bincount(
        second, overlap > 0, len(points)
    )
    for dim in range(2):
        move = np.bincount(first, push[:, dim], len(points))
        move -= np.bincount(second, push[:, dim], len(points))
        points[:, dim] += 1.4 * move / np.maximum(contacts, 1)
    return float((overlap / wanted).max())


def _settle(cells: _Cells, steps: int, gap: float, stiffness: float) -> None:
    for _ in range(steps):
        overlap = _push_apart(cells, gap) if len(cells.length) > 1 else 0.0
        _straighten(cells, stiffness)
        if overlap < 0.02:
            break


def _divide(cells: _Cells, ready: np.ndarray, rng: np.random.Generator, turn: float) -> _Cells:
    """Replace ready cells by their two daughters; ``turn`` is the kink between them, radians."""
    mothers, rest = cells.take(ready), cells.take(~ready)
    count = mothers.nodes.shape[1]
    position = np.linspace(0, count - 1, 2 * count)
    low = np.minimum(position.astype(int), count - 2)
    weight = (position - low)[None, :, None]
    fine = mothers.nodes[:, low] * (1 - weight) + mothers.nodes[:, low + 1] * weight
    centre = mothers.nodes.mean(axis=1, keepdims=True)
    for half in (fine[:, :count], fine[:, count:]):
        number = len(mothers.length)
        angle = rng.normal(0, turn, number)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        offset = half - centre
        half = np.stack(
            [
                offset[..., 0] * cos - offset[..., 1] * sin,
                offset[..., 0] * sin + offset[..., 1] * cos,
            ],
            axis=-1,
        )
        length = np.maximum((mothers.length - 2 * mothers.radius) / 2, 0.05 * mothers.radius)
        daughters = _Cells(
            nodes=half + centre,
            length=length,
            birth=length.copy(),
            rate=np.clip(rng.normal(1, 0.2, number), 0.5, 1.6),
            bend=mothers.bend * 0.5 + rng.normal(0, 0.06, number),
            radius=mothers.radius.copy(),
            fold=mothers.fold.copy(),
        )
        rest = rest.join(daughters)
    return rest


def _grow(
    cells: _Cells,
    generations: float,
    rng: np.random.Generator,
    *,
    kind: str,
    gap: float,
    pull: float,
) -> _Cells:
    """Let the cells grow and divide for a number of generations.

    ``pull`` draws the cells together at every step, so that colonies stay closed.
    """
    steps = 6
    turn = 0.9 if kind == "coccus" else rng.uniform(0.02, 0.25)
    for _ in range(round(generations * steps)):
        whole = cells.length + 2 * cells.radius
        cells.length = whole * cells.fold ** (cells.rate / steps) - 2 * cells.radius
        ready = cells.progress() > 1
        if ready.any():
            cells = _divide(cells, ready, rng, turn)
        cells.nodes -= pull * (cells.nodes - cells.nodes.mean(axis=(0, 1))).mean(axis=1)[:, None]
        _settle(cells, 5, gap, stiffness=0.5)
    _settle(cells, 40, gap, stiffness=0.4)
    return cells


def _first_cells(
    number: int,
    shape: tuple[int, int],
    spread: float,
    width: float,
    kind: str,
    rng: np.random.Generator,
) -> _Cells:
    """Place the founder cells: random places and directions within a part of the field."""
    height_width = np.array(shape, float)
    centre = height_width / 2 + rng.uniform(-0.25, 0.25, 2) * height_width * (spread < 1)
    where = centre + rng.uniform(-0.5, 0.5, (number, 2)) * height_width * spread
    radius = width / 2 * np.clip(rng.normal(1, 0.05, number), 0.85, 1.15)
    aspect = {
        "rod": lambda: rng.uniform(1.2, 3.0) * rng.lognormal(0, 0.15, number),
        "filament": lambda: rng.uniform(3, 12) * rng.lognormal(0, 0.6, number),
        "coccus": lambda: np.full(number, 0.05),
    }[kind]()
    length = np.maximum(aspect * width - (kind == "rod") * width * 0.5, 0.05 * width)
    bend = rng.normal(0, 0.15, number)
    if kind == "filament":
        bend = rng.normal(0, 0.8, number)
    elif kind == "rod" and rng.random() < 0.3:
        bend = rng.normal(0, 0.6, number)
    count = {"rod": 7, "filament": 25, "coccus": 3}[kind]
    angle = rng.uniform(0, np.pi) + rng.normal(0, rng.choice([0.2, 3.0]), number)
    axis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    along = np.linspace(-0.5, 0.5, count)
    nodes = where[:, None] + axis[:, None] * (along[None, :] * length[:, None])[..., None]
    return _Cells(
        nodes=nodes,
        length=length + (length + width) * (_FOLD[kind] - 1) * rng.uniform(0, 0.8, number),
        birth=length,
        rate=np.clip(rng.normal(1, 0.2, number), 0.5, 1.6),
        bend=bend,
        radius=radius,
        fold=np.full(number, _FOLD[kind]),
    )


def _make_cells(
    shape: tuple[int, int], arrangement: str, kind: str, width: float, rng: np.random.Generator
) -> _Cells | None:
    """Draw the shapes and places of all cells of a field."""
    if arrangement == "empty":
        return None
    area = shape[0] * shape[1] / width**2
    per_cell = {"rod": 3.0, "filament": 9.0, "coccus": 0.9}[kind]
    room = max(area / per_cell, 2)  # cells that would fill the field
    if arrangement == "sparse":
        number, generations, spread = 1 + rng.poisson(room * 0.05), rng.uniform(0, 2), 1.05
    elif arrangement == "colony":
        number, spread = int(rng.integers(1, 4)), 0.4
        generations = np.log2(max(rng.uniform(0.15, 0.6) * room / number, 2))
    else:
        number, spread = max(int(room * rng.choice([0.08, 0.3, 0.9])), 2), 1.1
        generations = np.log2(rng.uniform(0.9, 1.4) * room / number)
    if kind == "filament":
        number, generations = max(int(number * 2**generations * 0.6), 1), 0.0
        spread = max(spread, 0.8)
    gap = rng.choice([-0.08, -0.03, 0.02, 0.1])
    pull = rng.choice([0.0, 0.015, 0.04]) if arrangement == "colony" else 0.0
    cells = _first_cells(int(number), shape, spread, width, kind, rng)
    _settle(cells, 40, gap, stiffness=0.4)
    return _grow(cells, max(generations, 0), rng, kind=kind, gap=gap, pull=pull)


# ---------------------------------------------------------------------------
# From shapes to pixels
# ---------------------------------------------------------------------------


@dataclass
class _Geometry:
    """What the drawing knows about every pixel of the field."""

    labels: np.ndarray  # (Y, X) int, 0 is background
    depth: np.ndarray  # (Y, X) distance to the midline of the nearest cell, in cell radii
    along: np.ndarray  # (Y, X) place along the cell, -1 and 1 are the poles
    cover: np.ndarray  # (Y, X) 0..1, how much of the pixel a cell covers
    radius: float  # mean cell radius in pixels
    length: np.ndarray  # (cells,) whole length in pixels, in label order


def _cell_distance(
    nodes: np.ndarray, yy: np.ndarray, xx: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of pixels to a midline, and where along it (0..1) the nearest point is."""
    start, step = nodes[:-1], np.diff(nodes, axis=0)
    square = np.maximum((step**2).sum(axis=1), 1e-9)
    dy = yy[None] - start[:, 0, None, None]
    dx = xx[None] - start[:, 1, None, None]
    part = (dy * step[:, 0, None, None] + dx * step[:, 1, None, None]) / square[:, None, None]
    part = np.clip(part, 0, 1)
    distance = (dy - part * step[:, 0, None, None]) ** 2 + (dx - part * step[:, 1, None, None]) ** 2
    best = distance.argmin(axis=0)[None]
    nearest = np.take_along_axis(distance, best, 0)[0]
    place = (best[0] + np.take_along_axis(part, best, 0)[0]) / len(start)
    return np.sqrt(nearest), place


def _rasterise(cells: _Cells | None, shape: tuple[int, int], rng: np.random.Generator) -> _Geometry:
    """Draw the cells into the pixel grid; where two would overlap, the nearer one has the pixel."""
    labels = np.zeros(shape, np.int32)
    depth = np.full(shape, np.inf, np.float32)
    edge = np.full(shape, np.inf, np.float32)
    along = np.zeros(shape, np.float32)
    if cells is None:
        return _Geometry(labels, depth, along, np.zeros(shape, np.float32), 6.0, np.zeros(0))
    pinch_most, progress = rng.choice([0.15, 0.4, 0.6]), cells.progress()
    for number in range(len(cells.length)):
        nodes, radius = cells.nodes[number], float(cells.radius[number])
        low = np.maximum(np.floor(nodes.min(axis=0) - _REACH * radius).astype(int), 0)
        high = np.minimum(np.ceil(nodes.max(axis=0) + _REACH * radius).astype(int) + 1, shape)
        if (low >= high).any():
            continue
        window = slice(low[0], high[0]), slice(low[1], high[1])
        yy, xx = np.mgrid[window].astype(np.float32)
        distance, place = _cell_distance(nodes, yy, xx)
        pinch = pinch_most * np.clip((progress[number] - 0.6) / 0.4, 0, 1) ** 2
        middle = (place - 0.5) * cells.length[number] / radius
        local = radius * (1 - pinch * np.exp(-((middle / 0.55) ** 2)))
        nearer = distance - local < edge[window]
        edge[window] = np.where(nearer, distance - local, edge[window])
        depth[window] = np.where(nearer, distance / local, depth[window])
        along[window] = np.where(nearer, 2 * place - 1, along[window])
        inside = nearer & (distance < local)
        # A pixel taken by a nearer cell outside of both is background still.
        labels[window] = np.where(inside, number + 1, labels[window])
    cover = np.clip(0.5 - edge, 0, 1).astype(np.float32)
    labels, length = _tidy_labels(labels, cells, min_area=0.25 * np.pi * cells.radius.mean() ** 2)
    cover[(labels == 0) & (cover > 0.5)] = 0
    return _Geometry(labels, depth, along, cover, float(cells.radius.mean()), length)


def _tidy_labels(
    labels: np.ndarray, cells: _Cells, min_area: float
) -> tuple[np.ndarray, np.ndarray]:
    """Keep the largest piece of every cell, drop slivers, number the rest 1..N."""
    tidy = np.zeros_like(labels)
    lengths = []
    for number, window in enumerate(ndimage.find_objects(labels), start=1):
        if window is None:
            continue
        pieces = ndimage.label(labels[window] == number)[0]
        sizes = np.bincount(pieces.ravel())[1:]
        if sizes.max() < max(min_area, 5):
            continue
        lengths.append(cells.length[number - 1] + 2 * cells.radius[number - 1])
        tidy[window][pieces == sizes.argmax() + 1] = len(lengths)
    return tidy, np.array(lengths)


# ---------------------------------------------------------------------------
# Optics
# ---------------------------------------------------------------------------


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(picture, sigma, mode="nearest", truncate=3)


def _texture(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random texture with mean 0 and standard deviation 1."""
    noise = _blur(rng.standard_normal(shape), grain)
    return (noise - noise.mean()) / max(noise.std(), 1e-9)


def _per_cell(field: _Geometry, values: np.ndarray) -> np.ndarray:
    """Spread one value per cell over the pixels of the cells (0 outside)."""
    return np.concatenate([[0.0], values])[field.labels]


def _thickness(field: _Geometry, power: float) -> np.ndarray:
    """Height of the cell above each pixel, 1 on the midline."""
    return field.cover * np.clip(1 - np.minimum(field.depth, 1) ** 2, 0.02, 1) ** (power / 2)


def _dust(shape: tuple[int, int], radius: float, rng: np.random.Generator) -> np.ndarray:
    """Specks and out-of-focus rings, about -1..1."""
    picture = np.zeros(shape)
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    for _ in range(rng.poisson(shape[0] * shape[1] / (radius * 25) ** 2)):
        centre = rng.uniform(0, 1, 2) * shape
        distance = np.hypot(yy - centre[0], xx - centre[1]) / radius
        if rng.random() < 0.5:
            speck = np.exp(-((distance / rng.uniform(0.15, 0.6)) ** 2)) * rng.uniform(0.2, 0.8)
        else:
            ring, wide = rng.uniform(0.6, 2.5), rng.uniform(0.2, 0.4)
            speck = np.exp(-(((distance - ring) / wide) ** 2)) * rng.uniform(0.05, 0.3)
        picture += speck * rng.choice([-1, 1], p=[0.7, 0.3])
    return picture


def _illumination(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Uneven light: a slope and a darker rim, around 1."""
    yy, xx = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    slope = rng.normal(0, 0.04, 2)
    return 1 + slope[0] * yy + slope[1] * xx - rng.uniform(0, 0.12) * (yy**2 + xx**2) / 2


def _draw_phase(field: _Geometry, rng: np.random.Generator) -> np.ndarray:
    """Phase contrast, background 1: dark cells, bright halo, pale inside of dense groups."""
    shape, radius = field.labels.shape, field.radius
    count = len(field.length)
    dark = np.clip(rng.normal(1, rng.uniform(0.02, 0.2), count), 0.4, 1.4)
    body = _thickness(field, rng.uniform(0.4, 1.3)) * _per_cell(field, dark)
    body *= 1 + rng.uniform(0, 0.2) * _texture(shape, 0.5 * radius, rng)
    sharp = _blur(body, rng.uniform(0.1, 0.45) * radius)
    contrast = rng.uniform(0.25, 0.75)
    near = _blur(body, rng.uniform(0.6, 1.1) * radius)
    far = _blur(body, rng.uniform(2.0, 5.0) * radius)
    shade = rng.uniform(0.1, 0.8) * near + rng.uniform(0.1, 1.0) * far
    picture = 1 - contrast * (sharp - shade)
    if rng.random() < 0.5:
        picture = np.maximum(picture, 1 - contrast * rng.uniform(0.7, 1.0) + 0.02 * picture)
    picture += rng.uniform(0, 0.03) * _texture(shape, rng.uniform(0.3, 1.5) * radius, rng)
    picture += rng.uniform(0, 0.03) * _texture(shape, rng.uniform(3, 8) * radius, rng)
    if rng.random() < 0.6:
        picture += 0.35 * contrast * _dust(shape, radius, rng)
    return picture * _illumination(shape, rng)


def _stain(field: _Geometry, staining: str, rng: np.random.Generator) -> np.ndarray:
    """Where the dye is, before any optics; about 0..1 for a cell of mean brightness."""
    shape, radius = field.labels.shape, field.radius
    body = _thickness(field, rng.uniform(0.6, 1.2))
    if staining == "cytoplasm":
        return body * (1 + rng.uniform(0, 0.3) * _texture(shape, 0.4 * radius, rng))
    if staining == "membrane":
        wide = rng.uniform(0.2, 0.4)
        rim = np.exp(-(((np.minimum(field.depth, 3) - 0.85) / wide) ** 2)) * (field.labels > 0)
        return rim + rng.uniform(0.1, 0.6) * body
    lobes = rng.integers(1, 3, len(field.length)) + (field.length > 5 * radius)
    phase = np.cos(np.pi * (field.along * _per_cell(field, lobes)))
    split = np.where(_per_cell(field, lobes) > 1, 0.65 - 0.35 * phase, 1)
    ends = np.clip((1.05 - np.abs(field.along)) / 0.3, 0.15, 1)
    core = np.exp(-((np.minimum(field.depth, 3) / rng.uniform(0.55, 0.85)) ** 2)) * field.cover
    lumps = np.clip(1 + rng.uniform(0.1, 0.4) * _texture(shape, 0.3 * radius, rng), 0.2, 2)
    return (
        core * (split * ends if rng.random() < 0.4 else 1) * lumps + rng.uniform(0.05, 0.4) * body
    )


def _draw_fluorescence(field: _Geometry, staining: str, rng: np.random.Generator) -> np.ndarray:
    """Fluorescence in photons over the background light: bright cells on dark."""
    shape, radius = field.labels.shape, field.radius
    count = len(field.length)
    bright = rng.lognormal(0, rng.choice([0.1, 0.25, 0.45]), count)
    dim = rng.random(count) < rng.choice([0.0, 0.1])
    bright[dim] *= rng.uniform(0.2, 0.4)
    body = _stain(field, staining, rng) * _per_cell(field, np.maximum(bright, 0.15))
    picture = _blur(body, rng.uniform(0.08, 0.28) * radius)
    picture += rng.uniform(0.02, 0.4) * _blur(body, rng.uniform(1.0, 3.5) * radius)
    if rng.random() < 0.4:  # things far out of focus, not to be found
        spots = np.zeros(shape)
        for _ in range(rng.poisson(6)):
            spots[tuple(rng.integers(0, shape))] = rng.uniform(0.2, 1)
        spots = _blur(spots, rng.uniform(0.5, 1.2) * radius)
        picture += rng.uniform(0.05, 0.25) * spots / max(spots.max(), 1e-9)
    picture += rng.uniform(0, 0.03) * np.abs(_texture(shape, rng.uniform(2, 8) * radius, rng))
    picture = np.maximum(picture * _illumination(shape, rng), 0)
    photons = np.exp(rng.uniform(np.log(30), np.log(1500)))
    return rng.poisson(photons * (picture + rng.uniform(0, 0.15))) / photons


def _draw_brightfield(field: _Geometry, rng: np.random.Generator) -> np.ndarray:
    """Brightfield a little out of focus, background 1: fringes that follow the outline."""
    shape, radius = field.labels.shape, field.radius
    depth = np.minimum(field.depth, 3)
    dark_at, dark_wide = rng.uniform(0.42, 0.85), rng.uniform(0.2, 0.4)
    bright_at = dark_at + rng.uniform(0.35, 0.65)
    dark = np.exp(-(((depth - dark_at) / dark_wide) ** 2))
    middle = np.exp(-((depth / 0.4) ** 2))
    ring = np.exp(-(((depth - bright_at) / rng.uniform(0.2, 0.35)) ** 2))
    fringes = -dark + rng.uniform(-0.4, 0.9) * middle + rng.uniform(0.1, 0.8) * ring
    if rng.random() < 0.2:
        fringes = -fringes
    contrast = rng.uniform(0.06, 0.4)
    picture = 1 + contrast * _blur(fringes, rng.uniform(0.08, 0.25) * radius)
    picture += (
        rng.uniform(0.03, 0.15) * contrast * _texture(shape, rng.uniform(0.3, 0.9) * radius, rng)
    )
    if rng.random() < 0.6:
        picture += contrast * _dust(shape, radius, rng)
    if rng.random() < 0.3:  # a camera at the end of its range
        picture = np.minimum(picture, 1 + rng.uniform(0.0, 0.3) * contrast)
    return picture * (_illumination(shape, rng) * 0.3 + 0.7)


def _camera(picture: np.ndarray, modality: str, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Read noise, offset and the camera's whole numbers."""
    spread = np.percentile(picture, 99.9) - np.percentile(picture, 0.1)
    noise = np.exp(rng.uniform(np.log(0.002), np.log(0.05))) * max(spread, 0.05)
    picture = picture + noise * rng.standard_normal(picture.shape)
    full = 255 if bits == 8 else 65535
    if modality == "fluorescence":
        top = max(np.percentile(picture, 99.9), 0.3)
        gain = full * np.exp(rng.uniform(np.log(0.3 if bits == 8 else 0.01), np.log(0.9))) / top
        offset = full * rng.uniform(0.001, 0.01)
    else:
        gain, offset = full * rng.uniform(0.25, 0.6), 0.0
    return np.clip(np.round(picture * gain + offset), 0, full).astype(np.uint16)


# ---------------------------------------------------------------------------
# Public functions
# ---------------------------------------------------------------------------


def _choose(
    value: str | None,
    allowed: tuple[str, ...],
    weights: list[float],
    what: str,
    rng: np.random.Generator,
) -> str:
    """Check a given choice or draw one; the draw is made either way, so seeds stay comparable."""
    drawn = str(rng.choice(allowed, p=weights))
    if value is None:
        return drawn
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(allowed)}, not {value!r}")
    return value


def draw_field(
    seed: int,
    *,
    shape: tuple[int, int] = (320, 320),
    modality: str | None = None,
    cells: str | None = None,
    arrangement: str | None = None,
    staining: str | None = None,
    width: float | None = None,
    bits: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one field of view with bacteria and its labels.

    Whatever is left at None is drawn at random (from the seed).

    Parameters
    ----------
    seed : int
        Everything random follows from it.
    shape : tuple of int
        Height and width of the picture in pixels, at least 16 each.
    modality : {"phase", "fluorescence", "brightfield"}, optional
        How the picture is taken.
    cells : {"rod", "filament", "coccus"}, optional
        Shape of the cells: short rods, long bent ones, or spheres in pairs and clusters.
    arrangement : {"empty", "sparse", "colony", "dense"}, optional
        No cell at all, few cells far from each other, one or a few microcolonies, or cells side by
        side in the whole field. If left out it is never "empty".
    staining : {"cytoplasm", "membrane", "nucleoid"}, optional
        Where the dye is; used for fluorescence only.
    width : float, optional
        Width of the cells in pixels, 4 to 40; drawn from 5 to 20 if left out.
    bits : {8, 16}, optional
        Grey values reach up to 255 or 65535.

    Returns
    -------
    image : ndarray of uint16, axes YX
        Grey values, 0 to 255 (``bits=8``) or 0 to 65535.
    labels : ndarray of uint16, axes YX
        0 is background, 1..N are the cells, without gaps in the numbering. Cells never overlap;
        cells cut by the border are labelled, unless only a sliver is left.

    Raises
    ------
    ValueError
        If a choice is unknown or a number out of its range.

    Examples
    --------
    >>> image, labels = draw_field(1, modality="phase", arrangement="colony", width=12)
    >>> image.shape, labels.dtype
    ((320, 320), dtype('uint16'))
    """
    if min(shape) < 16:
        raise ValueError(f"shape must be at least 16 x 16 pixels, not {shape}")
    if width is not None and not 4 <= width <= 40:
        raise ValueError(f"width must be between 4 and 40 pixels, not {width}")
    if bits not in (None, 8, 16):
        raise ValueError(f"bits must be 8 or 16, not {bits}")
    # Three streams: the same cells whatever the optics, and the same whatever was left to chance.
    rng, for_shapes, for_picture = (np.random.default_rng([seed, part]) for part in range(3))
    modality = _choose(modality, MODALITIES, [0.45, 0.45, 0.1], "modality", rng)
    cells = _choose(cells, CELL_KINDS, [0.78, 0.08, 0.14], "cells", rng)
    arrangement = _choose(arrangement, ARRANGEMENTS, [0, 0.3, 0.35, 0.35], "arrangement", rng)
    staining = _choose(staining, STAININGS, [0.45, 0.2, 0.35], "staining", rng)
    drawn_width = float(np.exp(rng.uniform(np.log(5), np.log(20))))
    drawn_bits = int(rng.choice([8, 16]))
    shapes = _make_cells(shape, arrangement, cells, width or drawn_width, for_shapes)
    field = _rasterise(shapes, shape, for_shapes)
    if modality == "phase":
        picture = _draw_phase(field, for_picture)
    elif modality == "fluorescence":
        picture = _draw_fluorescence(field, staining, for_picture)
    else:
        picture = _draw_brightfield(field, for_picture)
    return _camera(picture, modality, bits or drawn_bits, for_picture), field.labels.astype(
        np.uint16
    )


_DEMO = (
    # name, seed, cells, arrangement, staining, width in pixels
    ("phase/ecoli_phase_pos01.ome.tif", 107, "rod", "colony", None, 13.0),
    ("phase/ecoli_phase_pos02.ome.tif", 202, "rod", "sparse", None, 13.0),
    ("phase/ecoli_phase_pos03.ome.tif", 302, "rod", "dense", None, 12.0),
    ("phase/ecoli_phase_pos04_blank.ome.tif", 0, "rod", "empty", None, 13.0),
    ("phase/bsubtilis_phase_pos01.tif", 403, "rod", "colony", None, 12.0),
    ("phase/saureus_phase_pos01.tif", 504, "coccus", "colony", None, 15.0),
    ("fluorescence/ecoli_gfp_pos01.tif", 607, "rod", "colony", "cytoplasm", 13.0),
    ("fluorescence/ecoli_gfp_pos02.tif", 700, "rod", "sparse", "cytoplasm", 13.0),
    ("fluorescence/ecoli_dapi_pos01.ome.tif", 804, "rod", "dense", "nucleoid", 13.0),
    ("fluorescence/ecoli_fm464_pos01.ome.tif", 901, "rod", "sparse", "membrane", 14.0),
    ("fluorescence/saureus_gfp_pos01.tif", 1001, "coccus", "sparse", "cytoplasm", 15.0),
)
_BROKEN = "fluorescence/broken_copy.tif"


def demo_fields(*, seed: int = 0) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Draw the readable pictures of the demo data set.

    Parameters
    ----------
    seed : int
        Everything random follows from it.

    Returns
    -------
    list of (name, image, labels)
        Eleven fields of 320 x 320 pixels at 0.065 um: the file name relative to the demo folder,
        with "/", and image and labels as :func:`draw_field` returns them (uint16, axes YX). One
        field, with "blank" in its name, has no cell.
    """
    fields = []
    for name, own_seed, cells, arrangement, staining, width in _DEMO:
        image, labels = draw_field(
            10_000 * seed + own_seed,
            modality=name.split("/")[0],
            cells=cells,
            arrangement=arrangement,
            staining=staining,
            width=width,
            bits=16,
        )
        fields.append((name, image, labels))
    return fields


def _tiff_bytes(name: str, image: np.ndarray) -> bytes:
    """Encode a picture as OME-TIFF or ImageJ TIFF, whichever the name says, with its pixel size."""
    ome = name.endswith(".ome.tif")
    metadata: dict[str, object] = {"axes": "YX"}
    if ome:
        metadata.update(
            PhysicalSizeX=PIXEL_SIZE_UM,
            PhysicalSizeXUnit="µm",
            PhysicalSizeY=PIXEL_SIZE_UM,
            PhysicalSizeYUnit="µm",
            Name=name.rsplit("/", 1)[-1].removesuffix(".ome.tif"),
            UUID="urn:uuid:00000000-0000-4000-8000-000000000000",
        )
    else:
        metadata["unit"] = "um"
    buffer = io.BytesIO()
    per_unit = 1e4 / PIXEL_SIZE_UM if ome else 1 / PIXEL_SIZE_UM
    tifffile.imwrite(
        buffer,
        image,
        ome=ome,
        imagej=not ome,
        resolution=(per_unit, per_unit),
        resolutionunit="CENTIMETER" if ome else "NONE",
        metadata=metadata,
    )
    return buffer.getvalue()


def write_demo_images(folder: str | Path, *, seed: int = 0) -> list[Path]:
    """Write the demo data set: twelve TIFF files in two sub-folders.

    ``phase/`` and ``fluorescence/`` hold OME-TIFF (``.ome.tif``) and ImageJ TIFF (``.tif``) files,
    320 x 320 pixels, uint16, one channel, with a pixel size of 0.065 um. One field has no cell. One
    file, ``fluorescence/broken_copy.tif``, is the first part of a TIFF file, as an interrupted copy
    leaves it: reading it fails. The same seed writes the same bytes.

    Parameters
    ----------
    folder : str or Path
        Where to write; made if it does not exist.
    seed : int
        Everything random follows from it.

    Returns
    -------
    list of Path
        The twelve files, sorted.

    Raises
    ------
    Problem
        ``SM-OUT-022`` if another file has the name of one of them: none is written then.
    """
    folder = Path(folder)
    contents = {name: _tiff_bytes(name, image) for name, image, _ in demo_fields(seed=seed)}
    whole = contents["fluorescence/ecoli_gfp_pos01.tif"]
    contents[_BROKEN] = whole[: len(whole) // 3]
    for name, content in contents.items():
        path = folder / name
        if path.exists() and path.read_bytes() != content:
            raise Problem("SM-OUT-022", where=str(path), path=path)
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # A file that was changed a moment ago might still be being copied.
    earlier = time.time() - 3600
    os.utime(folder / _BROKEN, (earlier, earlier))
    return sorted(folder / name for name in contents)

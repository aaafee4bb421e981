"""How well sizes of cells are measured, by how many pixels wide the cells are.

    python benchmarks/measures.py              drawn rods: what pixels alone do (a minute)
    python benchmarks/measures.py --pictures   drawn pictures: what finding the cells adds (some minutes; the engine
                                               cellpose3 has to be set up)

Rods are drawn with a known length and width. A pixel belongs to a rod if its centre does, as in a mask without any
error; then once more with an outline that is half a pixel too far out all around. The pictures are those of the demo,
of other seeds: phase contrast and fluorescence, cells alone and in colonies. Their cells are found by the engine
threshold (fluorescence alone) and by Cellpose 3 with the demo model, which has learned from pictures drawn like these.
A cell counts as found if it and one of the masks overlap by more than half (IoU). Of such pairs both are measured,
unless the cell is cut by the border.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from skimage.measure import regionprops

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.unit.drawn_cells import draw_rod  # noqa: E402

from segmake.demo.synthetic import draw_field  # noqa: E402
from segmake.engines import threshold  # noqa: E402
from segmake.labels.medial_axis import measure_rod, rod_volume  # noqa: E402

MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
WIDTHS = (4, 5, 6, 8, 10, 12, 16, 20)
PICTURE_WIDTHS = (6, 10, 16)
MODALITIES = ("fluorescence", "phase")
ARRANGEMENTS = ("sparse", "colony")
RODS = 500
THRESHOLD = {
    "polarity": "bright",
    "method": "otsu",
    "smoothing": 1.0,
    "min_size": 15,
}

# The demo model was not trained on pictures of these seeds (resources/models/train_demo_model.py).
FIRST_SEED = 950_000_000

# Length, width, area, volume, of an ideal rod or of a mask.
Sizes = tuple[float, float, float, float]


def main() -> None:
    """Measure, and print tables in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--python", type=Path, default=ROOT / ".environments/cellpose3/bin/python")
    parser.add_argument("--number", type=int, default=12, help="pictures of each kind")
    options = parser.parse_args()
    if options.pictures:
        tell_pictures(options.number, options.python)
    else:
        tell_rods()


def tell_rods() -> None:
    """Print the errors on rods whose masks are right, and on those whose outlines are half a pixel too far out."""
    print(
        "| width | 95 % of the widths within | lengths | areas | volumes | "
        "outline half a pixel too far out: width | length | area | volume |\n"
        f"|{'---|' * 9}"
    )
    for width in WIDTHS:
        right, wide = (errors_of_rods(width, outwards) for outwards in (0.0, 0.5))
        # Width first, as people ask for it first.
        most = np.quantile(np.abs(right), 0.95, axis=0)[[1, 0, 2, 3]]
        moved = np.median(wide, axis=0)[[1, 0, 2, 3]]
        words = [f"{100 * x:.1f} %" for x in most] + [f"{100 * x:+.0f} %" for x in moved]
        print(f"| {width} px | {' | '.join(words)} |")


def errors_of_rods(width: float, outwards: float) -> np.ndarray:
    """Return the relative errors of length, width, area and volume: array (N, 4).

    Rods are straight, two to five times as long as wide, at any angle and place between the pixels.
    """
    rng = np.random.default_rng([width, 1])
    errors = []
    for _ in range(RODS):
        length, angle = rng.uniform(2, 5) * width, rng.uniform(0, 360)
        offset = tuple(rng.uniform(0, 1, 2))
        mask = draw_rod(length + 2 * outwards, width + 2 * outwards, angle, offset)
        area = (length - width) * width + np.pi / 4 * width**2
        errors.append(np.divide(sizes_of(mask), (length, width, area, volume(length, width))) - 1)
    return np.array(errors)


def volume(length: float, width: float) -> float:
    """Return the volume of a rod."""
    return float(rod_volume(np.array(length), np.array(width)))


def sizes_of(mask: np.ndarray) -> Sizes:
    """Measure a mask as SegMake does."""
    rod = measure_rod(mask)
    return rod.length, rod.width, float(mask.sum()), volume(rod.length, rod.width)


def tell_pictures(number: int, python: Path) -> None:
    """Print how many cells are found in drawn pictures, and how wrong their sizes are."""
    print(
        "| pictures | engine | width | cells | found | of the masks, right | width | length | area |\n"
        f"|{'---|' * 9}"
    )
    kinds = itertools.product(MODALITIES, ARRANGEMENTS, PICTURE_WIDTHS)
    with tempfile.TemporaryDirectory(prefix="segmake-benchmark-") as name:
        for modality, arrangement, width in kinds:
            fields = list(draw_fields(modality, arrangement, width, number))
            images, truths = [image for image, _ in fields], [truth for _, truth in fields]
            what = f"{modality}, {arrangement}"
            # Without a network, cells that touch are mostly taken for one.
            if (modality, arrangement) == ("fluorescence", "sparse"):
                tell_found(what, "threshold", width, truths, by_threshold(images, width))
            found = by_cellpose(images, 2.0 * width, Path(name), python)
            tell_found(what, "cellpose3, demo model", width, truths, found)


def draw_fields(
    modality: str, arrangement: str, width: float, number: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw pictures with their labels."""
    for index in range(number):
        yield draw_field(
            FIRST_SEED + index,
            shape=(320, 320),
            modality=modality,
            cells="rod",
            arrangement=arrangement,
            staining="cytoplasm",
            width=width,
            bits=16,
        )


def by_threshold(images: list[np.ndarray], width: float) -> list[np.ndarray]:
    """Find the cells without a network."""
    settings: dict[str, Any] = THRESHOLD | {"diameter": width}
    return [threshold.masks(settings, threshold.predict(settings, [image])) for image in images]


def by_cellpose(
    images: list[np.ndarray], diameter: float, folder: Path, python: Path
) -> list[np.ndarray]:
    """Find the cells by Cellpose 3 with the demo model."""
    paths = [folder / f"{index:03d}.tif" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        tifffile.imwrite(path, image)
    loop = [str(python), str(ROOT / "benchmarks/peers/plain_loop.py"), "--diameter", str(diameter)]
    subprocess.run(
        [*loop, str(MODEL), str(folder / "masks"), *map(str, paths)],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )
    return [tifffile.imread(folder / "masks" / path.name) for path in paths]


def tell_found(
    what: str, engine: str, width: float, truths: list[np.ndarray], found: list[np.ndarray]
) -> None:
    """Print a row: cells, those found, and of their sizes the middle of the errors and within what 90 % of them lie."""
    cells = masks = right = 0
    errors: list[np.ndarray] = []
    for truth, labels in zip(truths, found, strict=True):
        cells += int(truth.max())
        masks += len(np.unique(labels)) - 1
        for cell, mask in pairs(truth, labels):
            right += 1
            if not (cell[[0, -1]].any() or cell[:, [0, -1]].any()):
                errors.append(np.divide(sizes_of(mask), sizes_of(cell))[:3] - 1)
    middles = np.median(errors, axis=0)
    spreads = np.quantile(np.abs(errors - middles), 0.9, axis=0)
    words = [f"{round(100 * middles[n]):+d} % ± {100 * spreads[n]:.0f} %" for n in (1, 0, 2)]
    shares = [f"{100 * right / total:.0f} %" for total in (cells, masks)]
    row = [what, engine, f"{width} px", str(cells), *shares, *words]
    print(f"| {' | '.join(row)} |", flush=True)


def pairs(truth: np.ndarray, labels: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each cell with the mask that overlaps it by more than half (IoU), where there is one."""
    for region in regionprops(truth):
        own = truth == region.label
        numbers = np.bincount(labels[own])
        numbers[0] = 0
        if numbers.any():
            mask = labels == numbers.argmax()
            if (own & mask).sum() > 0.5 * (own | mask).sum():
                yield own, mask


if __name__ == "__main__":
    main()

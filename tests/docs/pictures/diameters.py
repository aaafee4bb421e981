"""Draws what the diameter does: cells as an engine finds them at half, at their own and at twice their diameter.

``python -m tests.docs.pictures.diameters`` writes the pictures of docs/how-to/choose-model.md and prints the table of
benchmarks/README.md. It needs the environment of Cellpose 3 (``bash scripts/setup.sh``), and 15 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image, ImageDraw

from segmake.demo import synthetic
from segmake.engines import threshold
from segmake.labels.pictures import OUTLINE, draw_outlines, stretch
from tests.projects import ROOT
from tests.unit.demo.test_demo_model import average_precision

PICTURES = ROOT / "docs" / "pictures"
MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
PYTHON = ROOT / ".environments" / "cellpose3" / "bin" / "python"
GREYS = 48  # few enough for small files
SIDE, FACTOR, GAP = 190, 2, 8


class Field(NamedTuple):
    """A drawn picture: what is shown of it, and the diameter that suits it."""

    image: np.ndarray
    labels: np.ndarray
    diameter: int
    corner: tuple[int, int]


def fields() -> dict[str, Field]:
    """Draw the pictures, by the word that their files end with."""
    demo = {name: (image, labels) for name, image, labels in synthetic.demo_fields()}
    brightfield = synthetic.draw_field(
        2000, modality="brightfield", cells="rod", arrangement="sparse", width=13, bits=16
    )
    filaments = synthetic.draw_field(
        3005, modality="phase", cells="filament", arrangement="sparse", width=9, bits=16
    )
    return {
        "phase": Field(*demo["phase/ecoli_phase_pos01.ome.tif"], 30, (70, 20)),
        "dense": Field(*demo["phase/ecoli_phase_pos03.ome.tif"], 22, (60, 60)),
        "fluorescence": Field(*demo["fluorescence/ecoli_gfp_pos01.tif"], 26, (70, 70)),
        "brightfield": Field(*brightfield, 26, (60, 60)),
        "cocci": Field(*demo["fluorescence/saureus_gfp_pos01.tif"], 16, (60, 60)),
        "filaments": Field(*filaments, 18, (10, 20)),
        "caulobacter": Field(*caulobacter(), 20, (60, 60)),
    }


def caulobacter(seed: int = 42, number: int = 26) -> tuple[np.ndarray, np.ndarray]:
    """Draw crescents with a stalk at one pole, in phase contrast; the stalks are no part of the labels."""
    shape, width = (320, 320), 9.0
    rng = np.random.default_rng(seed)
    cells = synthetic._first_cells(number, shape, 0.95, width, "rod", rng)
    cells.length = rng.uniform(2.0, 3.6, number) * width
    cells.birth = cells.length / 1.3
    cells.bend = rng.choice([-1, 1], number) * rng.uniform(0.9, 1.4, number)
    synthetic._settle(cells, 60, 0.35, stiffness=0.4)
    field = synthetic._rasterise(cells, shape, rng)
    picture = synthetic._draw_phase(field, rng)
    picture -= 0.35 * np.ptp(picture) * stalks(cells.nodes, shape)
    return synthetic._camera(picture, "phase", 16, rng), field.labels.astype(np.uint16)


def stalks(nodes: np.ndarray, shape: tuple[int, int], length: float = 14) -> np.ndarray:
    """Return how dark the stalks are (0 to 1) that go on from the first pole of each cell."""
    drawing = Image.new("L", (shape[1] * 4, shape[0] * 4))
    pen = ImageDraw.Draw(drawing)
    for chain in nodes:
        way = chain[0] - chain[1]
        way /= np.linalg.norm(way)
        start, end = chain[0] + 4 * way, chain[0] + (4.5 + length) * way
        pen.line([*(4 * start[::-1]), *(4 * end[::-1])], fill=255, width=6)
    return np.asarray(drawing.resize(shape[::-1], Image.Resampling.BOX)) / 255


def tried(field: Field) -> list[float]:
    """Return the diameters to show: too small, right, too large."""
    return [field.diameter / 2, field.diameter, field.diameter * 2]


def found_by_cellpose(drawn: dict[str, Field], python: Path) -> dict[tuple[str, float], np.ndarray]:
    """Find the cells of all fields with Cellpose 3 and the demo model, at each diameter."""
    with tempfile.TemporaryDirectory() as folder:
        cases, where = [], {}
        for name, field in drawn.items():
            source = Path(folder, f"{name}.tif")
            tifffile.imwrite(source, field.image)
            for diameter in tried(field):
                where[name, diameter] = Path(folder, f"{name}_{diameter}.npy")
                cases.append(
                    {
                        "model": str(MODEL),
                        "files": [[str(source), str(where[name, diameter])]],
                        "planes": [],
                        "constructor": {},
                        "arguments": {"diameter": diameter},
                    }
                )
        file = Path(folder, "cases.json")
        file.write_text(json.dumps(cases))
        script = ROOT / "tests" / "unit" / "plain_cellpose.py"
        subprocess.run(
            [python, script, file], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        return {key: np.load(path) for key, path in where.items()}


def found_by_threshold(image: np.ndarray) -> np.ndarray:
    """Find cells with the engine threshold as it is set by default."""
    settings = {
        "polarity": "auto",
        "method": "otsu",
        "smoothing": 1.0,
        "min_size": 15,
        "diameter": None,
    }
    loaded = threshold.load(settings)
    return threshold.masks(loaded, threshold.predict(loaded, [image]))


def panel(field: Field, labels: np.ndarray | None, caption: str, disc: float = 0) -> Image.Image:
    """Return a part of a field, enlarged, with the outlines of its cells and a disc of the diameter."""
    part = tuple(slice(start, start + SIDE) for start in field.corner)
    grey = stretch(field.image)[part]
    grey = (np.rint(grey / 255 * (GREYS - 1)) * (255 / (GREYS - 1))).astype(np.uint8)
    shown = np.zeros(grey.shape, int) if labels is None else labels[part]
    large = [one.repeat(FACTOR, axis=0).repeat(FACTOR, axis=1) for one in (grey, shown)]
    picture = Image.fromarray(draw_outlines(*large, colors=(OUTLINE,), thickness=2))
    pen, style = ImageDraw.Draw(picture), {"stroke_width": 3, "stroke_fill": (0, 0, 0)}
    if caption:
        pen.text((8, 4), caption, fill=(255, 255, 255), font_size=24, **style)
    if disc:
        low = SIDE * FACTOR - 8
        box = (8, low - disc * FACTOR, 8 + disc * FACTOR, low)
        pen.ellipse(box, fill=(255, 255, 255), outline=(0, 0, 0), width=2)
    return picture


def write(name: str, panels: list[Image.Image]) -> None:
    """Write panels side by side as a small PNG."""
    side = panels[0].width
    picture = Image.new("RGB", (len(panels) * (side + GAP) - GAP, side), (255, 255, 255))
    for number, one in enumerate(panels):
        picture.paste(one, (number * (side + GAP), 0))
    path = PICTURES / f"{name}.png"
    picture.quantize(GREYS + 16, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def main() -> None:
    """Make all pictures, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=PYTHON, help="that of Cellpose 3")
    parser.add_argument("names", nargs="*", help="of the pictures; else all")
    arguments = parser.parse_args()
    everything = fields()
    drawn = {name: everything[name] for name in arguments.names or everything}
    masks = found_by_cellpose(drawn, arguments.python)
    print("| picture | cells | diameter | found | right | AP |\n|---|---|---|---|---|---|")
    for name, field in drawn.items():
        panels = [panel(field, None, "")]
        for diameter in tried(field):
            found = masks[name, diameter]
            panels.append(panel(field, found, f"{diameter:g} px", diameter))
            print(row(name, field, f"{diameter:g}", found))
        write(f"diameter-{name}", panels)
    panels = []
    for name, field in everything.items():
        found = found_by_threshold(field.image)
        print(row(name, field, "threshold", found))
        if name in ("fluorescence", "phase"):
            panels += [panel(field, None, ""), panel(field, found, "")]
    write("threshold", panels)


def row(name: str, field: Field, how: str, found: np.ndarray) -> str:
    """Return a line of the table."""
    cells, number = (len(np.unique(one[one > 0])) for one in (field.labels, found))
    score = average_precision(field.labels.astype(int), found.astype(int))
    right = round(score * (cells + number) / (1 + score))
    return f"| {name} | {cells} | {how} | {number} | {right} | {score:.2f} |"


if __name__ == "__main__":
    main()

"""Draws the way of an image through SegMake, from the file to the report: docs/pictures/way-of-an-image.png, .fr.png.

    python tests/docs/pictures/way_of_an_image.py [--python .environments/cellpose3/bin/python]

Everything in it is real but the cells, which are drawn: the image is one of the demo, its header is read from its file,
flows, probabilities and masks are those that Cellpose 3 makes with the demo model and SegMake's defaults, the rows are
SegMake's measurements. The engine cellpose3 has to be set up.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image
from skimage.segmentation import find_boundaries

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from segmake.config.load import load_config  # noqa: E402
from segmake.demo.synthetic import demo_fields, write_demo_images  # noqa: E402
from segmake.formats import open_image  # noqa: E402
from segmake.labels.measurement import measure_cells  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"
NAME = "phase/bsubtilis_phase_pos01.tif"
SIDE = 64  # of the part of the image in which single arrows can be told apart
INK, PALE, BLUE, AMBER = "#1f2933", "#7b8794", "#2f6db3", "#d98200"

# Runs where the engine is: the network's output and the masks of one image.
ENGINE = """
import json, sys
import numpy as np
from segmake.engines import cellpose3
settings, image, out = json.load(open(sys.argv[1])), np.load(sys.argv[2]), sys.argv[3]
loaded = cellpose3.load(settings)
seen = cellpose3.predict(loaded, [image])
labels = cellpose3.masks(loaded, seen)
np.savez(out, flows=seen.flows, probability=seen.probability, labels=labels)
"""

WORDS = {
    "en": {
        "file": "1  The file",
        "file_below": "as the microscope wrote it; SegMake only reads it",
        "header": "2  Its header is read",
        "header_rows": ("size", "channels", "time points", "slices", "pixel"),
        "header_below": "before any job is sent: what can't work is told now",
        "batch": "3  A batch, a job",
        "batch_below": "images share a job, which waits in the queue for a GPU",
        "queue": "queue",
        "node": "node with a GPU",
        "cells": "4  The network: cell or not?",
        "cells_below": "for each pixel: how likely it is in a cell",
        "flows": "5  The network: which way?",
        "flows_below": "for each pixel: an arrow towards the middle of its cell (a part, enlarged)",
        "masks": "6  The mask",
        "masks_below": "pixels whose arrows meet are a cell; each cell has a number",
        "table": "7  The tables",
        "table_below": "a row for each cell: cells.csv",
        "picture": "8  Picture and report",
        "picture_below": "before/after, and all images of the run on one page: report.html",
        "report": "report.html",
        "done": "done",
        "failed": "failed",
        "row": ("label", "area", "length", "width"),
        "units": ("", "µm²", "µm", "µm"),
    },
    "fr": {
        "file": "1  Le fichier",
        "file_below": "tel que le microscope l'a écrit ; SegMake ne fait que le lire",
        "header": "2  Son en-tête est lu",
        "header_rows": ("taille", "canaux", "points temporels", "coupes", "pixel"),
        "header_below": "avant d'envoyer une tâche : ce qui ne peut pas marcher est dit maintenant",
        "batch": "3  Un lot, une tâche",
        "batch_below": "des images partagent une tâche, qui attend un GPU dans la file d'attente",
        "queue": "file d'attente",
        "node": "nœud avec un GPU",
        "cells": "4  Le réseau : cellule ou non ?",
        "cells_below": "pour chaque pixel : s'il est probablement dans une cellule",
        "flows": "5  Le réseau : vers où ?",
        "flows_below": "pour chaque pixel : une flèche vers le milieu de sa cellule (détail agrandi)",
        "masks": "6  Le masque",
        "masks_below": "les pixels dont les flèches se rejoignent sont une cellule ; chacune a un numéro",
        "table": "7  Les tableaux",
        "table_below": "une ligne par cellule : cells.csv",
        "picture": "8  Image et rapport",
        "picture_below": "avant/après, et toutes les images sur une page : report.html",
        "report": "report.html",
        "done": "terminée",
        "failed": "en échec",
        "row": ("label", "aire", "longueur", "largeur"),
        "units": ("", "µm²", "µm", "µm"),
    },
}


def main() -> None:
    """Write both pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, default=ROOT / ".environments/cellpose3/bin/python")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        seen = look(Path(name), options.python)
    for language, suffix in {"en": ".png", "fr": ".fr.png"}.items():
        figure = draw(seen, WORDS[language])
        write(figure, PICTURES / f"way-of-an-image{suffix}")


def look(folder: Path, python: Path) -> dict[str, Any]:
    """Return all that is drawn: the image, its header, what the network says, the masks, the table."""
    write_demo_images(folder / "images")
    with open_image(folder / "images" / NAME) as file:
        header, image = file.fields[0], file.plane(0)
    config = folder / "config.yaml"
    config.write_text(
        f"images: {{folder: {folder / 'images'}}}\n"
        f"segmentation: {{engine: cellpose3, model: {MODEL}, gpu: false}}\n",
        encoding="utf-8",
    )
    loaded = load_config(config)
    settings = loaded.settings
    (folder / "settings.json").write_text(json.dumps(settings["segmentation"]), encoding="utf-8")
    np.save(folder / "image.npy", image)
    names = [str(folder / part) for part in ("settings.json", "image.npy", "seen.npz")]
    subprocess.run(
        [str(python), "-c", ENGINE, *names],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"},
    )
    found = np.load(folder / "seen.npz")
    labels = found["labels"]
    table = measure_cells(labels, {}, header.pixel_size_um, loaded.typed.measurements)
    return {
        "image": image,
        "header": header,
        "flows": fitted(found["flows"][:, 0], image.shape),
        "probability": fitted(found["probability"], image.shape)[0],
        "labels": labels,
        "table": table,
        "fields": [field for _, field, _ in demo_fields()],
    }


def fitted(planes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return planes at the image's size: the network's may be of that of the image it was given."""
    if planes.shape[-2:] == shape:
        return planes
    resized = [Image.fromarray(plane).resize(shape[::-1]) for plane in planes]
    return np.stack([np.asarray(plane) for plane in resized])


def draw(seen: dict[str, Any], words: dict[str, Any]) -> Figure:
    """Draw the eight steps, in two rows."""
    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 9, "text.color": INK})
    figure = plt.figure(figsize=(9.6, 6.6), dpi=125, facecolor="white")
    places = [(column, row) for row in (0, 1) for column in range(4)]
    steps = ("file", "header", "batch", "cells", "flows", "masks", "table", "picture")
    drawers = (
        draw_file,
        draw_header,
        draw_batch,
        draw_probability,
        draw_flows,
        draw_masks,
        draw_table,
        draw_report,
    )
    for (column, row), step, drawer in zip(places, steps, drawers, strict=True):
        left, bottom = 0.03 + 0.245 * column, 0.622 - 0.492 * row
        axes = figure.add_axes((left, bottom, 0.2, 0.291))
        axes.set_axis_off()
        drawer(axes, seen, words)
        middle = left + 0.1
        figure.text(
            middle,
            bottom + 0.31,
            words[step],
            ha="center",
            fontsize=10,
            fontweight="bold",
            color=BLUE,
        )
        # French has a space before these signs, at which no line ends.
        below = re.sub(r" ([:;?])", "\u00a0\\1", words[f"{step}_below"])
        below = textwrap.fill(below, 31, break_on_hyphens=False)
        figure.text(middle, bottom - 0.018, below, ha="center", va="top", linespacing=1.25)
        if column < 3:
            arrow(figure, (left + 0.204, bottom + 0.145), (left + 0.241, bottom + 0.145))
    # From the end of the first row to the beginning of the second.
    line = plt.Line2D(
        (0.985, 0.985, 0.012, 0.012),
        (0.767, 0.487, 0.487, 0.275),
        color=AMBER,
        lw=2,
        transform=figure.transFigure,
    )
    figure.add_artist(line)
    figure.add_artist(plt.Line2D((0.969, 0.985), (0.767, 0.767), color=AMBER, lw=2))
    arrow(figure, (0.0105, 0.275), (0.029, 0.275))
    return figure


def arrow(figure: Figure, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow between two steps."""
    figure.add_artist(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=14,
            lw=2,
            color=AMBER,
            transform=figure.transFigure,
        )
    )


def grey(axes: Axes, image: np.ndarray) -> None:
    """Show an image as SegMake's pictures show it: its extreme grey values are left out."""
    low, high = np.percentile(image, (0.5, 99.8))
    axes.imshow(image, cmap="gray", vmin=low, vmax=high)


def draw_file(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw the image."""
    grey(axes, seen["image"])


def draw_header(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw what the header says."""
    header = seen["header"]
    values = (
        f"{header.width} × {header.height} px",
        str(len(header.channels)),
        str(header.times),
        str(header.slices),
        f"{header.pixel_size_um:.3f} µm",
    )
    frame(axes, (0.02, 0.08, 0.96, 0.84))
    axes.text(0.5, 0.81, Path(NAME).name, ha="center", fontsize=7.5, family="DejaVu Sans Mono")
    for number, (name, value) in enumerate(zip(words["header_rows"], values, strict=True)):
        height = 0.66 - 0.115 * number
        axes.text(0.09, height, name, color=PALE)
        axes.text(0.91, height, value, ha="right")


def draw_batch(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw images that share a job, the queue, and the node."""
    limits(axes)
    for number, field in enumerate(seen["fields"][:4]):
        left, bottom = 0.05 + 0.16 * number, 0.73
        low, high = np.percentile(field, (0.5, 99.8))
        axes.imshow(
            field[::4, ::4],
            cmap="gray",
            vmin=low,
            vmax=high,
            extent=(left, left + 0.15, bottom, bottom + 0.15),
        )
    axes.text(0.72, 0.785, "…", fontsize=16)
    axes.add_patch(
        FancyBboxPatch(
            (0.02, 0.70), 0.8, 0.21, boxstyle="round,pad=0.01", fill=False, ec=AMBER, lw=2
        )
    )
    axes.text(0.86, 0.785, "0001", color=AMBER, fontweight="bold", fontsize=9)
    axes.text(0.02, 0.545, words["queue"], color=PALE, fontsize=8)
    for number in range(6):
        own = number == 2
        axes.add_patch(
            Rectangle(
                (0.02 + 0.165 * number, 0.41),
                0.135,
                0.1,
                fc=AMBER if own else "#e4e7eb",
                ec="none",
            )
        )
    axes.add_patch(
        FancyArrowPatch(
            (0.42, 0.69), (0.42, 0.53), arrowstyle="-|>", mutation_scale=10, color=AMBER
        )
    )
    axes.add_patch(
        FancyArrowPatch(
            (0.42, 0.39), (0.42, 0.29), arrowstyle="-|>", mutation_scale=10, color=AMBER
        )
    )
    frame(axes, (0.12, 0.04, 0.76, 0.24))
    axes.text(0.5, 0.16, words["node"], ha="center", va="center")
    limits(axes)


def draw_probability(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw the probability that a pixel belongs to a cell."""
    axes.imshow(1 / (1 + np.exp(-seen["probability"])), cmap="magma", vmin=0, vmax=1)


def draw_flows(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw the arrows in the part of the image with most cells."""
    top, left = part_of(seen["labels"])
    part = (slice(top, top + SIDE), slice(left, left + SIDE))
    grey(axes, seen["image"][part])
    down, right = (flow[part] for flow in seen["flows"])
    rows, columns = np.mgrid[1:SIDE:2, 1:SIDE:2]
    inside = seen["labels"][part][rows, columns] > 0
    length = np.maximum(np.hypot(down, right), 1e-6)
    x, y = (right / length)[rows, columns][inside], (down / length)[rows, columns][inside]
    axes.quiver(
        columns[inside],
        rows[inside],
        x,
        y,
        np.arctan2(y, x),
        cmap="hsv",
        angles="xy",
        scale_units="xy",
        scale=0.55,
        width=0.006,
        headwidth=4,
        clim=(-np.pi, np.pi),
    )


def part_of(labels: np.ndarray) -> tuple[int, int]:
    """Return the corner of the part of the image with most pixels of cells."""
    total = np.pad((labels > 0).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[SIDE:, SIDE:] - total[:-SIDE, SIDE:] - total[SIDE:, :-SIDE] + total[:-SIDE, :-SIDE]
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    return int(top), int(left)


def draw_masks(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw each cell in a colour of its own, with some numbers."""
    labels = seen["labels"]
    colours = plt.get_cmap("tab20")(np.arange(labels.max() + 1) * 7 % 20)
    colours[0] = (0.09, 0.11, 0.13, 1)
    axes.imshow(colours[labels], interpolation="nearest")
    largest = seen["table"].nlargest(8, "area_px")
    for cell in largest.itertuples():
        axes.text(
            cell.centroid_x_px,
            cell.centroid_y_px,
            str(cell.label),
            ha="center",
            va="center",
            fontsize=6.5,
            color="white",
            fontweight="bold",
        )


def draw_table(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw the first rows of the table of cells."""
    frame(axes, (0.0, 0.08, 1.0, 0.84))
    places = (0.2, 0.42, 0.71, 0.97)
    for place, name, unit in zip(places, words["row"], words["units"], strict=True):
        axes.text(place, 0.82, name, ha="right", fontsize=7.5, fontweight="bold")
        axes.text(place, 0.75, unit, ha="right", fontsize=7.5, color=PALE)
    columns = ["label", "area_um2", "length_um", "width_um"]
    for number, row in enumerate(seen["table"][columns].head(6).itertuples(index=False)):
        texts = (f"{row[0]:.0f}", f"{row[1]:.2f}", f"{row[2]:.2f}", f"{row[3]:.2f}")
        for place, text in zip(places, texts, strict=True):
            axes.text(
                place,
                0.65 - 0.09 * number,
                text,
                ha="right",
                fontsize=8.5,
                family="DejaVu Sans Mono",
            )
    axes.text(0.5, 0.105, "…", ha="center", fontsize=12)


def draw_report(axes: Axes, seen: dict[str, Any], words: dict[str, Any]) -> None:
    """Draw a page with the picture of this image and its outlines."""
    limits(axes)
    frame(axes, (0.04, 0.0, 0.92, 1.0))
    axes.text(0.5, 0.93, words["report"], ha="center", va="center", fontsize=8.5, color=PALE)
    low, high = np.percentile(seen["image"], (0.5, 99.8))
    before = np.clip((seen["image"] - low) / (high - low), 0, 1)
    after = np.repeat(before[..., None], 3, axis=2)
    after[find_boundaries(seen["labels"], mode="inner")] = (1.0, 0.69, 0.0)
    # Above the box, which would cover them.
    axes.imshow(before, cmap="gray", extent=(0.09, 0.49, 0.46, 0.86), zorder=2)
    axes.imshow(after, extent=(0.51, 0.91, 0.46, 0.86), zorder=2)
    for number, (colour, state) in enumerate(
        (("#3a9d5d", "done"), ("#3a9d5d", "done"), ("#c0392b", "failed"))
    ):
        height = 0.36 - 0.12 * number
        axes.plot(0.13, height, "o", color=colour, ms=6)
        axes.add_patch(Rectangle((0.2, height - 0.02), 0.38, 0.04, fc="#e4e7eb", ec="none"))
        axes.text(0.64, height, words[state], va="center", fontsize=8.5)
    limits(axes)


def frame(axes: Axes, place: tuple[float, float, float, float]) -> None:
    """Draw a box with round corners in axes from 0 to 1."""
    left, bottom, width, height = place
    limits(axes)
    axes.add_patch(
        FancyBboxPatch(
            (left + 0.02, bottom + 0.02),
            width - 0.04,
            height - 0.04,
            boxstyle="round,pad=0.02",
            fc="#f5f7fa",
            ec=PALE,
        )
    )


def limits(axes: Axes) -> None:
    """Let axes go from 0 to 1, upwards."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")


def write(figure: Figure, path: Path) -> None:
    """Write a picture in few colours, so that it is small."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB").quantize(160, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    print(path.relative_to(ROOT), f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

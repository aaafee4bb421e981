"""Takes pictures of what the examples made, for the how-to pages of movies, channels and stacks.

``python -m tests.docs.pictures.example_results`` runs the examples and writes docs/pictures.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from tests.examples import finished_example
from tests.projects import ROOT

PICTURES = ROOT / "docs" / "pictures"
LONGEST = 760
STEP = 20  # of grey values and colours: noise would make files large
# The picture of the docs, the example, and what it is there.
TAKEN = {
    "movie-tracks": ("movie", "overlays/colony_overlay.png"),
    "two-channels-cells": ("two-channels", "overlays/treated/pos1_overlay.png"),
    "stack-best-focus": ("stack", "overlays/pos1_overlay.png"),
}


def main() -> None:
    """Run the examples, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (example, file) in TAKEN.items():
            made = Path(folder, example)
            finished_example(example, made)
            picture = Image.open(made / "results" / file).convert("RGB")
            picture.thumbnail((LONGEST, LONGEST))
            path = PICTURES / f"{name}.png"
            few = picture.point(lambda value: round(value / STEP) * STEP)
            few.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
            print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()

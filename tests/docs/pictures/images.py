"""Pictures of pixels, small enough for a page of the docs."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path

from PIL import Image

MOST_BYTES = 150_000


def save(png: bytes | Image.Image, path: Path) -> None:
    """Write a PNG of 256 colours, and smaller, with fewer ones, as far as its size asks for that.

    Raises
    ------
    ValueError
        If it is too large all the same.
    """
    whole = (png if isinstance(png, Image.Image) else Image.open(io.BytesIO(png))).convert("RGB")
    for scale, colours in product((1, 0.85, 0.7, 0.6), (256, 128, 64)):
        size = (round(whole.width * scale), round(whole.height * scale))
        image = whole if scale == 1 else whole.resize(size, Image.Resampling.LANCZOS)
        # Rare colours, such as those of outlines, are kept.
        palette = image.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return
    raise ValueError(f"{path.name}: {path.stat().st_size} bytes")

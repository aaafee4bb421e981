"""Pictures of pixels, small enough for a page of the docs."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

MOST_BYTES = 150_000


def save(png: bytes | Image.Image, path: Path) -> None:
    """Write a PNG with as many colours as its size allows.

    Raises
    ------
    ValueError
        If it is too large with sixteen.
    """
    image = png if isinstance(png, Image.Image) else Image.open(io.BytesIO(png))
    for colours in (256, 128, 64, 32, 16):
        image.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            return
    raise ValueError(f"{path.name}: {path.stat().st_size} bytes")

"""Pictures that users' scripts made, small enough to lie within the report."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageOps

from segmake.labels.pictures import stretch
from segmake.report.parts import data_uri

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF")
LARGEST_SVG = 300_000  # bytes
# A file that is small anyway is taken as it is.
LARGEST_AS_IS = 60_000  # bytes
# A larger picture would take more memory than a report should.
MOST_PIXELS = 80_000_000
JPEG_QUALITY = 88
# Lines and letters stay sharp where that costs little more than JPEG.
LOSSLESS_FACTOR = 1.6


def embedded(path: Path, longest: int) -> str | None:
    """Return a picture as a data URI, shrunk so that its longer side has at most so many pixels.

    Returns
    -------
    str or None
        None if it is damaged, too large, or of a format that pages do not show. Of a movie, the first frame.
    """
    try:
        if path.suffix.lower() == ".svg":
            return _svg(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _pixels(path, longest)
    except Exception:  # each format of Pillow has errors of its own
        return None


def _svg(path: Path) -> str | None:
    if path.stat().st_size >= LARGEST_SVG:
        return None
    content = path.read_bytes()
    # Expat itself refuses entities that grow without end.
    root = ElementTree.fromstring(content)  # noqa: S314
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        return None
    return data_uri(content, "image/svg+xml")


def _pixels(path: Path, longest: int) -> str | None:
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            return None
        kind, mode, small = image.format, image.mode, max(image.size) <= longest
        image.draft("RGB", (2 * longest, 2 * longest))  # JPEG alone: decoded small at once
        image.load()
        small = small and kind != "TIFF" and not _is_deep(mode)
        if small and path.stat().st_size <= LARGEST_AS_IS:
            return data_uri(path.read_bytes(), Image.MIME[str(kind)])
        return _encoded(_drawn(image, longest))


def _is_deep(mode: str) -> bool:
    return mode.startswith("I") or mode == "F"


def _drawn(image: Image.Image, longest: int) -> Image.Image:
    """Return a picture in grey or colour, on white where it was transparent, at the size of the page."""
    if _is_deep(image.mode):
        image = Image.fromarray(stretch(np.asarray(image)))
    elif image.has_transparency_data:
        # Shrunk first: a colour under full transparency must not bleed into what is seen.
        image = image.convert("RGBA")
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    elif image.mode != "L":
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = ImageOps.exif_transpose(image)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return image


def _encoded(image: Image.Image) -> str:
    lossy, lossless = io.BytesIO(), io.BytesIO()
    image.save(lossy, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    image.save(lossless, "WEBP", lossless=True, method=3)
    if len(lossless.getvalue()) <= LOSSLESS_FACTOR * len(lossy.getvalue()):
        return data_uri(lossless.getvalue(), "image/webp")
    return data_uri(lossy.getvalue(), "image/jpeg")

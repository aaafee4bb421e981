"""How much memory a step takes for a picture, so that its job asks for enough before it has run out of it once.

What stands here was measured: the most that a process had at once (peak RSS), with pictures of 1024, 2048 and 4096
pixels a side, 16 bits, and cells everywhere. It is an estimate: what is in a picture changes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from segmake import engines
from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.settings import Segmentation, Settings, Threshold
from segmake.images.image import ImageFile
from segmake.images.selection import interpreted


class Takes(NamedTuple):
    """What a step takes: megabytes for whatever picture, and bytes for each of its pixels, 16 bits of grey included."""

    once_mb: int
    per_pixel: float


class Need(NamedTuple):
    """What the images of a batch need at a step: megabytes, by the image that needs most."""

    megabytes: int
    image: str


# Of `threshold`, by its method. The first two work strip by strip, and hold the picture and two bytes for each pixel:
# 4.0 GB with 30,000 pixels a side.
# What hangs together from the top to the bottom is split as a whole, which takes far more, and is not foreseen.
THRESHOLD = {
    "otsu": Takes(600, 4),
    "yen": Takes(600, 4),
    "local": Takes(150, 114),
    "li": Takes(350, 34),
    "triangle": Takes(350, 26),
}

# Of Cellpose 3 on the CPU, a thread, 8 tiles at once: 24 for the network with its flows, then 33 for the masks, and the
# picture. Others of its kind were not measured, and count as it does.
NETWORK = Takes(1250, 38)

# Of a z-stack whose slices belong together, for each of its voxels; not measured: twice that.
STACK = Takes(1250, 76)

AFTER = {MASKS: Takes(600, 4), MEASURE: Takes(250, 12), OVERLAY: Takes(150, 10)}

# What is not above that is not worth a word: all jobs ask for more, unless the config says so.
_LEAST_MB = 2048

# Nor are pictures of fewer pixels looked at, of which there may be a hundred thousand.
_FEWEST_PIXELS = 2048**2

_GREY_BYTES = 2


def needed_mb(settings: Settings, image: ImageFile, step: str) -> int:
    """Return how many megabytes a step takes for an image, about; 0 where nothing is known of it.

    Parameters
    ----------
    settings : Settings
    image : ImageFile
    step : {"segment", "masks", "measure", "overlay"}
    """
    if image.header is None:
        return 0
    header, segmentation = interpreted(image.header, settings.images), settings.segmentation
    pixels, whole = header.width * header.height, engines.keeps_volume(segmentation)
    takes = AFTER[step] if step in AFTER else _of_engine(segmentation, whole=whole)
    channels = 1
    if step == SEGMENT:
        channels += settings.images.second_channel is not None
    elif step == MEASURE:
        channels = len(header.channels)
    per_pixel = takes.per_pixel + channels * header.pixel_bytes - _GREY_BYTES
    # Only there are the slices in memory together.
    pixels *= header.slices if whole and step in (SEGMENT, MEASURE) else 1
    return takes.once_mb + ceil(pixels * per_pixel / 2**20)


def _of_engine(segmentation: Segmentation, *, whole: bool) -> Takes:
    if isinstance(segmentation, Threshold):
        return THRESHOLD[segmentation.method]
    return STACK if whole else NETWORK


def needs(settings: Settings, images: Iterable[ImageFile]) -> dict[str, dict[str, Need]]:
    """Return what each batch needs at each step, where that is more than any job asks for.

    Parameters
    ----------
    settings : Settings
    images : iterable of ImageFile
        Those with something to do.
    """
    found: dict[str, dict[str, Need]] = {}
    for image in images:
        header = image.header
        if header is None or header.width * header.height * header.slices < _FEWEST_PIXELS:
            continue
        for step in STEPS:
            megabytes = needed_mb(settings, image, step)
            if megabytes > _LEAST_MB:
                of_batch = found.setdefault(image.batch, {})
                of_batch[step] = max(of_batch.get(step, Need(0, "")), Need(megabytes, image.image))
    return found

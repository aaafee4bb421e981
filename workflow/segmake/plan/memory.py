"""How much memory a step takes for a picture, so that its job asks for enough before it has run out of it once.

What stands here was measured: the most that a process had at once (peak RSS), with pictures of 1024, 2048 and 4096
pixels a side, 16 bits, and cells everywhere; what works strip by strip, with 30,000 too. It is an estimate: what is in
a picture changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from segmake import engines
from segmake.core.declared_steps import MASKS, MEASURE, OVERLAY, SEGMENT, STEPS
from segmake.core.settings import Segmentation, Settings, Threshold
from segmake.formats.believed import Header
from segmake.images.image import ImageFile
from segmake.images.selection import interpreted


class Takes(NamedTuple):
    """What a step takes.

    Attributes
    ----------
    once_mb : int
        Megabytes for whatever picture.
    per_pixel : float
        Bytes for each of its pixels, 16 bits of grey included.
    meanwhile : float
        Bytes per pixel more where others follow: they are read and looked at while one is finished. None does of an
        image that is worked on alone.
    """

    once_mb: int
    per_pixel: float
    meanwhile: float = 0


class Need(NamedTuple):
    """What the images of a batch need at a step: megabytes, by the image that needs most."""

    megabytes: int
    image: str


# Of `threshold`: it works strip by strip, and holds the picture and a byte for each pixel. What hangs together from the
# top to the bottom is split as a whole, which takes far more, and is not foreseen.
THRESHOLD = Takes(400, 3, 4)

# Its method `local` holds the picture as a whole, many times over.
LOCAL = Takes(150, 114)

# Of Cellpose 3 on the CPU, a thread, 8 tiles at once, with 1024 to 4096 pixels a side: for each pixel of the picture,
# and for each that its network sees, of which there are more or fewer as the diameter says. Masks are made of as many
# pixels as the picture has. Others of its kind were not measured, and count as it does.
NETWORK, SEEN, MASKS_OF_NETWORK = Takes(1100, 12), 72, 55

# On a GPU, the network sees the next picture while masks are made; on the CPU they take turns.
MEANWHILE_ON_GPU = 26

# Of a z-stack whose slices belong together, for each of its voxels; not measured.
STACK = Takes(1100, 100)

# The steps after it hold the picture, and labels some rows at a time.
AFTER = {MASKS: Takes(160, 2.1), MEASURE: Takes(300, 2.3), OVERLAY: Takes(125, 3.1)}

# With neighbours, with backgrounds, and in three dimensions, cells are measured with all of their labels.
MEASURED_WHOLE = Takes(250, 12)

# With the background around each cell, it is looked for each pixel which cell is nearest.
MEASURED_AROUND = Takes(250, 40)

# Several planes are drawn as a strip.
DRAWN_STRIP = Takes(150, 10)

# More bytes at once (5000 x 5000 pixels of 16 bits) are worked on alone, so that memory stays bounded.
ALONE_BYTES = 50_000_000

# What is not above that is not worth a word: all jobs ask for more, unless the config says so.
_LEAST_MB = 2048

# Nor are pictures of which the network sees fewer pixels looked at, of which there may be a hundred thousand.
_FEWEST_PIXELS = 2048**2

_GREY_BYTES = 2


def needed_mb(settings: Settings, image: ImageFile, step: str, *, alone: bool = True) -> int:
    """Return how many megabytes a step takes for an image, about; 0 where nothing is known of it.

    Parameters
    ----------
    settings : Settings
    image : ImageFile
    step : {"segment", "masks", "measure", "overlay"}
    alone : bool
        Whether its batch has no other of this kind; one that is worked on alone takes as much among others.
    """
    if image.header is None:
        return 0
    header, segmentation = interpreted(image.header, settings.images), settings.segmentation
    pixels, whole = header.width * header.height, engines.keeps_volume(segmentation)
    takes = _takes(settings, step, header, whole=whole)
    channels = 1
    if step == SEGMENT:
        channels += settings.images.second_channel is not None
    elif step == MEASURE:
        channels = len(header.channels)
    per_pixel = takes.per_pixel + channels * header.pixel_bytes - _GREY_BYTES
    alone = alone or is_worked_on_alone(settings, image)
    if not alone or header.times * header.slices > 1:
        per_pixel += takes.meanwhile
    # Only there are the slices in memory together.
    pixels *= header.slices if whole and step in (SEGMENT, MEASURE) else 1
    return takes.once_mb + ceil(pixels * per_pixel / 2**20)


def is_worked_on_alone(settings: Settings, image: ImageFile) -> bool:
    """Whether so much is read of an image at once, a plane or a whole stack, that no other is in memory meanwhile."""
    if image.header is None:
        return False
    header = interpreted(image.header, settings.images)
    planes = header.slices if engines.keeps_volume(settings.segmentation) else 1
    planes *= 1 if settings.images.second_channel is None else 2
    return header.width * header.height * planes * header.pixel_bytes > ALONE_BYTES


def _takes(settings: Settings, step: str, header: Header, *, whole: bool) -> Takes:
    segmentation, measured = settings.segmentation, settings.measurements
    if step == SEGMENT:
        if isinstance(segmentation, Threshold):
            return LOCAL if segmentation.method == "local" else THRESHOLD
        return STACK if whole else _of_network(segmentation)
    if step == MEASURE and measured.background == "local":
        return MEASURED_AROUND
    together = measured.neighbour_distance is not None or measured.background is not None
    if step == MEASURE and (whole or together):
        return MEASURED_WHOLE
    if step == OVERLAY and header.times * header.slices > 1:
        return DRAWN_STRIP
    return AFTER[step]


def _of_network(segmentation: Segmentation) -> Takes:
    seeing = NETWORK.per_pixel + SEEN * engines.enlarged(segmentation)
    meanwhile = MEANWHILE_ON_GPU if engines.needs_gpu(segmentation) else 0
    return NETWORK._replace(per_pixel=max(seeing, MASKS_OF_NETWORK), meanwhile=meanwhile)


def needs(settings: Settings, images: Iterable[ImageFile]) -> dict[str, dict[str, Need]]:
    """Return what each batch needs at each step, where that is more than any job asks for.

    Parameters
    ----------
    settings : Settings
    images : iterable of ImageFile
        Those with something to do.
    """
    found: dict[str, dict[str, Need]] = {}
    fewest = _FEWEST_PIXELS / max(1.0, engines.enlarged(settings.segmentation))
    large = [image for image in images if _pixels(image) >= fewest]
    number = Counter(image.batch for image in large)
    for image in large:
        for step in STEPS:
            megabytes = needed_mb(settings, image, step, alone=number[image.batch] == 1)
            if megabytes > _LEAST_MB:
                of_batch = found.setdefault(image.batch, {})
                of_batch[step] = max(of_batch.get(step, Need(0, "")), Need(megabytes, image.image))
    return found


def _pixels(image: ImageFile) -> int:
    header = image.header
    return header.width * header.height * header.slices if header else 0

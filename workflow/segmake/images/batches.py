"""Divides images into batches: what Snakemake and Slurm see as one job."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Callable, Sequence
from math import ceil, log2
from typing import TYPE_CHECKING

from segmake.core.settings import Images, Settings
from segmake.images.selection import Selector
from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.images.image import ImageFile

# So many images are the work of a job, however small they are: each has work of its own, with its files and its lines
# in the journals, and what a job that was stopped has to look through again takes a moment.
LARGEST_IMAGES = 2000

# Where nothing says how many GPUs there are, images are divided as if there were so many.
USUAL_GPUS = 18

# A byte of a file holds no more than so many pixels: those of one bit, compressed a hundred times.
PIXELS_PER_BYTE = 800

# Below the first a job spends more time starting than computing; above the second it loses much when it is killed.
SMALLEST_MEGAPIXELS = 100.0
LARGEST_MEGAPIXELS = 2000.0

# A job that takes longer comes to its time limit, or keeps its place from others for long: where it is known how long
# images take.
LONGEST_SECONDS = 2 * 3600.0


def assign_batches(
    images: Sequence[ImageFile],
    settings: Settings,
    pace: Callable[[], float | None] = lambda: None,
) -> list[ImageFile]:
    """Give each image without a batch one of its own or a shared new one; leave the others where they are.

    Parameters
    ----------
    images : sequence of ImageFile
        Old and new ones.
    settings : Settings
        Those of a checked config: of ``cluster``, ``batch_size`` (``"auto"`` or images per batch) and ``max_gpus``
        count, and ``images`` says how many planes each image has.
    pace : callable, optional
        Returns how many seconds a megapixel took so far, where that is known; asked only if new images are divided.

    Returns
    -------
    list of ImageFile
        The same images in the same order, each with a batch.
    """
    new = [index for index, image in enumerate(images) if not image.batch]
    if not new:
        return list(images)
    cluster = settings.cluster
    work = megapixels([images[index] for index in new], settings.images)
    if cluster.batch_size == "auto":
        gpus = cluster.max_gpus or USUAL_GPUS
        number = number_of_batches(sum(work), gpus, len(new), sum(work) * (pace() or 0.0))
        groups = balance(work, number, [images[index].position for index in new])
    else:
        size = cluster.batch_size
        groups = [
            list(range(start, min(start + size, len(new)))) for start in range(0, len(new), size)
        ]
    last = max((int(image.batch) for image in images if image.batch), default=0)
    assigned = list(images)
    for number, group in enumerate(groups, start=last + 1):
        for position in group:
            index = new[position]
            assigned[index] = images[index].having(batch=f"{number:04d}")
    return assigned


def number_of_batches(work: float, max_gpus: int, images: int = 0, seconds: float = 0.0) -> int:
    """Return how many batches keep every GPU busy without any having next to nothing to do.

    Parameters
    ----------
    work : float
        Of all images, in megapixels.
    max_gpus : int
    images : int
        How many there are.
    seconds : float
        How long they take, as far as that is known.
    """
    fewest = max(
        ceil(work / LARGEST_MEGAPIXELS),
        ceil(images / LARGEST_IMAGES),
        ceil(seconds / LONGEST_SECONDS),
    )
    if fewest <= max_gpus:
        return max(1, fewest, min(max_gpus, ceil(work / SMALLEST_MEGAPIXELS)))
    # Whole rounds, so that no GPU is idle in the last one.
    return max_gpus * ceil(fewest / max_gpus)


def balance(
    work: Sequence[float], groups: int, positions: Sequence[int] | None = None
) -> list[list[int]]:
    """Divide jobs into groups of about the same sum of work: the largest first, each to the group with the least.

    Parameters
    ----------
    work : sequence of float
    groups : int
        No more are made than there are jobs, and none of more than `LARGEST_IMAGES`.
    positions : sequence of int, optional
        Which position of its file each job is: among jobs of the same work, first positions come first.

    Returns
    -------
    list of list of int
        For each group that got any, the indices of its jobs in ascending order.
    """
    groups = min(groups, len(work))
    heap: list[tuple[float, int]] = [(0.0, group) for group in range(groups)]
    members: list[list[int]] = [[] for _ in range(groups)]
    later = positions or [0] * len(work)
    order = sorted(range(len(work)), key=lambda index: (-work[index], later[index], index))
    for index in order:
        load, group = heapq.heappop(heap)
        members[group].append(index)
        # A group that is full takes no more.
        if len(members[group]) < LARGEST_IMAGES or not heap:
            heapq.heappush(heap, (load + work[index], group))
    return [sorted(group) for group in members if group]


def megapixels(images: Sequence[ImageFile], section: Images) -> list[float]:
    """Return how much each image has to segment, all of its planes.

    Files of about the same size are taken to have the same work, the median of what their headers say: so one header
    that is damaged, or can't be read, changes nothing for the others. A file that has several positions says less by
    its size: what the header says of each is taken, as far as the size of the file allows.

    Parameters
    ----------
    section : Images
        The section ``images`` of the config.
    """
    selector = Selector(section)
    said = [_megapixels(image, selector) for image in images]
    alike: dict[int, list[float]] = {}
    for image, size in zip(images, said, strict=True):
        if size is not None and image.positions == 1:
            alike.setdefault(_magnitude(image), []).append(size)
    usual = {magnitude: statistics.median(sizes) for magnitude, sizes in alike.items()}
    known = [size for size in said if size is not None]
    # A file that can't be read now may be put right later: it counts as a usual one.
    otherwise = statistics.median(known) if known else 1.0
    found = []
    for image, size in zip(images, said, strict=True):
        if size is None or image.positions == 1:
            size = usual.get(_magnitude(image), otherwise)
        found.append(size)
    return found


def _magnitude(image: ImageFile) -> int:
    """Return the size of a file, so that a third more or less is mostly the same."""
    return round(2 * log2(image.size + 1))


def _megapixels(image: ImageFile, selector: Selector) -> float | None:
    if image.header is None:
        return None
    try:
        chosen = selector.select(image.header, image.path)
    except Problem:
        return None
    planes = len(chosen.times) * chosen.depth
    said = planes * image.header.width * image.header.height
    return min(said, image.size * PIXELS_PER_BYTE) / 1e6

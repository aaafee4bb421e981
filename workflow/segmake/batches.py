"""Divides images into batches: what Snakemake and Slurm see as one job."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from segmake.messages import Problem
from segmake.readers.selection import select

if TYPE_CHECKING:
    from segmake.inventory import ImageFile

# Below the first a job spends more time starting than computing; above the second it loses much when it is killed.
SMALLEST_MEGAPIXELS = 100.0
LARGEST_MEGAPIXELS = 2000.0


def assign_batches(images: Sequence[ImageFile], settings: dict[str, Any]) -> list[ImageFile]:
    """Give each image without a batch one of its own or a shared new one; leave the others where they are.

    Parameters
    ----------
    images : sequence of ImageFile
        Old and new ones.
    settings : dict
        Those of a checked config: of ``cluster``, ``batch_size`` (``"auto"`` or images per batch) and ``max_gpus``
        count, and ``images`` says how many planes each image has.

    Returns
    -------
    list of ImageFile
        The same images in the same order, each with a batch.
    """
    new = [index for index, image in enumerate(images) if not image.batch]
    if not new:
        return list(images)
    cluster = settings["cluster"]
    work = megapixels([images[index] for index in new], settings["images"])
    if cluster["batch_size"] == "auto":
        groups = balance(work, number_of_batches(sum(work), cluster["max_gpus"]))
    else:
        size = cluster["batch_size"]
        groups = [
            list(range(start, min(start + size, len(new)))) for start in range(0, len(new), size)
        ]
    last = max((int(image.batch) for image in images if image.batch), default=0)
    assigned = list(images)
    for number, group in enumerate(groups, start=last + 1):
        for position in group:
            index = new[position]
            assigned[index] = replace(images[index], batch=f"{number:04d}")
    return assigned


def number_of_batches(work: float, max_gpus: int) -> int:
    """Return how many batches keep every GPU busy without any having next to nothing to do.

    Parameters
    ----------
    work : float
        Of all images, in megapixels.
    max_gpus : int
    """
    if work <= max_gpus * LARGEST_MEGAPIXELS:
        return max(1, min(max_gpus, ceil(work / SMALLEST_MEGAPIXELS)))
    # Whole rounds, so that no GPU is idle in the last one.
    return max_gpus * ceil(work / (max_gpus * LARGEST_MEGAPIXELS))


def balance(work: Sequence[float], groups: int) -> list[list[int]]:
    """Divide jobs into groups of about the same sum of work: the largest first, each to the group with the least.

    Returns
    -------
    list of list of int
        For each group that got any, the indices of its jobs in ascending order.
    """
    heap: list[tuple[float, int]] = [(0.0, group) for group in range(groups)]
    members: list[list[int]] = [[] for _ in range(groups)]
    for index in sorted(range(len(work)), key=lambda index: (-work[index], index)):
        load, group = heapq.heappop(heap)
        members[group].append(index)
        heapq.heappush(heap, (load + work[index], group))
    return [sorted(group) for group in members if group]


def megapixels(images: Sequence[ImageFile], section: dict[str, Any]) -> list[float]:
    """Return how much each image has to segment, all of its planes; one that can't be read counts as a usual one.

    Parameters
    ----------
    section : dict
        The section ``images`` of the config.
    """
    sizes = [_megapixels(image, section) for image in images]
    known = [size for size in sizes if size is not None]
    # A file that can't be read now may be put right later: it counts as a usual one.
    usual = statistics.median(known) if known else 1.0
    return [usual if size is None else size for size in sizes]


def _megapixels(image: ImageFile, section: dict[str, Any]) -> float | None:
    if image.header is None:
        return None
    try:
        chosen = select(image.header, section, image.path)
    except Problem:
        return None
    planes = len(chosen.times) * chosen.depth
    return planes * image.header.width * image.header.height / 1e6

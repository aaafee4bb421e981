"""The ratios that README and docs quote: what was measured, within what they hold, and in which words they stand there.

``run.py`` holds them against what it measures; a test holds the words against the pages.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.house import OURS, Figure, ratios, value

# Ratios of times scatter with what else the machine does; what is counted does not.
TIMES = 0.35
COUNTS = 0.05


@dataclass(frozen=True)
class Quote:
    """One ratio, or one number that is counted.

    Attributes
    ----------
    row : str
        The benchmark's module.
    size : int
    what : str
        "seconds", "memory", or what was counted under a name.
    of, to : str
        The ways whose ratio it is; without the second it is the number itself.
    value : float
        As the pages have it.
    at_most : bool
        Whether it may not be larger; else it may not be smaller.
    slack : float
        By so much of itself it may be off.
    words : mapping of str to str
        For each page the words with the number in them.
    """

    row: str
    size: int
    what: str
    value: float
    words: Mapping[str, str]
    of: str = OURS
    to: str = ""
    at_most: bool = True
    slack: float = TIMES

    def measured(self, found: Iterable[Figure]) -> float | None:
        """Return what a round has measured for it; None where it has not."""
        by_way = {figure.way: figure for figure in found if figure.size == self.size}
        of, to = by_way.get(self.of), by_way.get(self.to)
        if of is None or not of.costs or (self.to and (to is None or not to.costs)):
            return None
        return statistics.median(ratios(of, to, self.what)) if to else value(of, self.what)

    def holds(self, number: float) -> bool:
        """Whether what was measured still bears out what is quoted."""
        if self.at_most:
            return number <= self.value * (1 + self.slack)
        return number >= self.value * (1 - self.slack)

    def __str__(self) -> str:
        to = f" / {self.to}" if self.to else ""
        return f"{self.row}, {self.size:,}, {self.what}: {self.of}{to}"


_ON_SCALE: tuple[Quote, ...] = ()
_SCALE = ("docs/scale.md", "docs/scale.fr.md")


def _scale(
    row: str, size: int, what: str, value: float, english: str, french: str, **more: Any
) -> Quote:
    """Return what the page on scale quotes."""
    words = dict(zip(_SCALE, (english, french), strict=True))
    return Quote(row, size, what, value, words, **more)


_ON_SCALE = (
    Quote(
        "status",
        10_000,
        "memory",
        23,
        {
            "docs/reference/json.md": "a tenth of a second of the processor and 23 MB",
            "docs/reference/json.fr.md": "un dixième de seconde de processeur et 23 Mo",
        },
        of=f"{OURS}, a later look",
        slack=0.15,
    ),
    _scale(
        "system_calls",
        40,
        "files per image",
        8,
        "An image has 8 files",
        "Une image a 8 fichiers",
        slack=COUNTS,
    ),
    _scale(
        "system_calls",
        40,
        "fsyncs per image",
        24,
        "flushed to the disk 24 times",
        "24 écritures par image sont forcées jusqu'au disque",
        slack=COUNTS,
    ),
    _scale(
        "start",
        10_000,
        "seconds",
        1.3,
        "all done takes 1.3 times bare Snakemake's time",
        "toutes terminées prend 1,3 fois le temps de Snakemake seul",
        to="bare Snakemake",
    ),
    _scale(
        "start",
        10_000,
        "seconds",
        0.19,
        "0.19 times that of a Snakefile with one job for each image",
        "0,19 fois celui d'un Snakefile avec une tâche par image",
        to="one job per image",
    ),
    _scale(
        "start",
        10_000,
        "memory",
        110,
        "each image; 110 MB",
        "une tâche par image ; 110 Mo",
        slack=0.15,
    ),
    _scale(
        "start",
        10_000,
        "seconds",
        1.3,
        "10,000 images | 1.3 times bare Snakemake",
        "10 000 images | 1,3 fois Snakemake seul",
        to="bare Snakemake",
    ),
    _scale(
        "start",
        10_000,
        "memory",
        110,
        "times bare Snakemake, 110 MB |",
        "fois Snakemake seul, 110 Mo |",
        slack=0.15,
    ),
    _scale(
        "start",
        100_000,
        "memory",
        1500,
        "in place of 1,500 MB",
        "au lieu de 1 500 Mo",
        of="one job per image",
        at_most=False,
        slack=0.15,
    ),
    _scale(
        "start",
        100_000,
        "memory",
        190,
        "and 190 MB in place of",
        "et 190 Mo au lieu de",
        slack=0.15,
    ),
    _scale(
        "system_calls",
        40,
        "files per image",
        8,
        "8 files for an image",
        "8 fichiers par image",
        slack=COUNTS,
    ),
    _scale(
        "start",
        12,
        "seconds",
        1.2,
        "With 12 images it is 1.2 times bare Snakemake",
        "c'est 1,2 fois Snakemake seul",
        to="bare Snakemake",
    ),
    _scale(
        "start",
        100_000,
        "seconds",
        4.8,
        "measured: 4.8 times bare Snakemake",
        "mesuré : 4,8 fois Snakemake seul",
        to="bare Snakemake",
    ),
    _scale(
        "start",
        100_000,
        "seconds",
        0.074,
        "With 100,000 it takes 0.074 times what one job for each image does",
        "Avec 100 000, cela prend 0,074 fois le temps d'une tâche par image",
        to="one job per image",
    ),
    _scale(
        "start",
        100_000,
        "memory",
        190,
        "4.8 times bare Snakemake, 190 MB",
        "4,8 fois Snakemake seul, 190 Mo",
        slack=0.15,
    ),
    _scale(
        "status",
        10_000,
        "memory",
        23,
        "23 MB, as with 12 images",
        "23 Mo, comme avec 12 images",
        of=f"{OURS}, a later look",
        slack=0.15,
    ),
    _scale(
        "cell_table",
        1_000_000,
        "MB written",
        415,
        "415 MB for a million cells",
        "415 Mo par million de cellules",
        slack=COUNTS,
    ),
    _scale(
        "cell_table",
        1_000_000,
        "seconds",
        0.14,
        "a million rows takes 0.14 times what `to_csv` of pandas takes",
        "un million de lignes prend 0,14 fois ce que prend `to_csv` de pandas",
        to="pandas' `to_csv`",
    ),
    _scale(
        "cell_table",
        1_000_000,
        "memory",
        42,
        "adds 42 MB",
        "ajoute 42 Mo",
        slack=0.5,
    ),
    _scale(
        "cells",
        5_000,
        "seconds",
        0.73,
        "takes 0.73 times what `regionprops_table`",
        "prend 0,73 fois ce que prend `regionprops_table`",
        to="scikit-image's `regionprops_table`",
    ),
    _scale(
        "large_picture",
        4096,
        "bytes per pixel: segment",
        7.5,
        "finding the cells takes 7.5 bytes for a pixel",
        "trouver les cellules prend 7,5 octets par pixel",
        slack=0.2,
    ),
    _scale(
        "large_picture",
        4096,
        "bytes per pixel: masks",
        6.5,
        "the masks 6.5, measuring",
        "les masques 6,5, les mesures",
        slack=0.2,
    ),
    _scale(
        "large_picture",
        4096,
        "bytes per pixel: measure",
        3.8,
        "measuring 3.8, the pictures",
        "les mesures 3,8, les images avant/après",
        slack=0.2,
    ),
    _scale(
        "large_picture",
        4096,
        "bytes per pixel: overlay",
        5.4,
        "the pictures 5.4;",
        "les images avant/après 5,4 ;",
        slack=0.2,
    ),
    _scale(
        "segmentation",
        3,
        "seconds",
        1.2,
        "| a plain loop: read, `eval`, write | 1.2 |",
        "| une simple boucle : lire, `eval`, écrire | 1,2 |",
        to="plain loop: read, `eval`, write",
    ),
    _scale(
        "segmentation",
        3,
        "seconds",
        1.2,
        "| `python -m cellpose --dir` | 1.2 |",
        "| `python -m cellpose --dir` | 1,2 |",
        to="`python -m cellpose --dir`",
    ),
    _scale(
        "segmentation",
        3,
        "seconds",
        1.1,
        "| napari-serialcellpose, its batch function | 1.1 |",
        "| napari-serialcellpose, sa fonction par lots | 1,1 |",
        to="napari-serialcellpose, its batch function",
    ),
    _scale(
        "segmentation",
        3,
        "seconds",
        0.7,
        "| one Snakemake job for each image | 0.7 |",
        "| une tâche Snakemake par image | 0,7 |",
        to="one Snakemake job per image (from 3)",
    ),
    _scale(
        "planning",
        10_000,
        "seconds",
        1.4,
        "takes 1.4 times what reading the headers alone takes",
        "prend 1,4 fois ce que prend la seule lecture des en-têtes",
        to="tifffile, the headers alone",
    ),
    _scale(
        "planning",
        10_000,
        "seconds",
        2.6,
        "it takes 2.6 times that",
        "cela prend 2,6 fois cette lecture",
        of=f"{OURS}, each picture described in words of its own",
        to="tifffile, the headers alone",
    ),
    _scale(
        "planning",
        100_000,
        "seconds",
        0.93,
        "with 100,000, 0.93 times",
        "avec 100 000, 0,93 fois",
        to="tifffile, the headers alone",
    ),
    _scale(
        "report",
        1_000_000,
        "file, MB",
        9.6,
        "it is 9.6 MB",
        "il fait 9,6 Mo",
        slack=0.1,
    ),
    _scale(
        "report",
        1_000_000,
        "memory",
        65,
        "adds 65 MB to the memory",
        "ajoute 65 Mo à la mémoire",
        slack=0.35,
    ),
)

_LOOP = "plain loop, 2 processes"

QUOTES: tuple[Quote, ...] = (
    *_ON_SCALE,
    Quote(
        "cluster",
        200,
        "seconds",
        1.6,
        {
            "README.md": "| SegMake: masks, tables, pictures, report | 1.6 | 4 |",
            "README.fr.md": "| SegMake : masques, tableaux, images avant/après, rapport | 1,6 | 4 |",
            "docs/explanation/cluster.md": "SegMake, with four jobs for all of them, 1.6 times",
            "docs/explanation/cluster.fr.md": "SegMake, avec quatre tâches pour toutes, 1,6 fois",
            "docs/developers/decisions/0001-batches-not-one-job-per-image.md": "a plain loop, against 1.6",
            "docs/developers/decisions/0001-batches-not-one-job-per-image.fr.md": "une simple boucle, contre 1,6",
        },
        to=_LOOP,
    ),
    Quote(
        "cluster",
        200,
        "Slurm jobs",
        4,
        {
            "README.md": "| SegMake: masks, tables, pictures, report | 1.6 | 4 |",
            "README.fr.md": "| SegMake : masques, tableaux, images avant/après, rapport | 1,6 | 4 |",
            "docs/administrators/controller.md": "200 small images are 4 jobs",
            "docs/administrators/controller.fr.md": "200 petites images font 4 tâches",
        },
        slack=COUNTS,
    ),
    Quote(
        "cluster",
        200,
        "Slurm jobs",
        2,
        {
            "README.md": "| SegMake again, with 3 new images | 0.14 | 2 |",
            "README.fr.md": "| SegMake de nouveau, avec 3 nouvelles images | 0,14 | 2 |",
        },
        of="SegMake again: 3 images are new",
        slack=COUNTS,
    ),
    Quote(
        "cluster",
        200,
        "seconds",
        14,
        {
            "README.md": "| one Slurm job per image, segmentation alone | 14 | 200 |",
            "README.fr.md": "| une tâche Slurm par image, segmentation seule | 14 | 200 |",
            "docs/explanation/cluster.md": "one job for each image took 14 times as long",
            "docs/explanation/cluster.fr.md": "une tâche par image a pris 14 fois le temps",
            "docs/developers/decisions/0001-batches-not-one-job-per-image.md": "measured, 14 times the time",
            "docs/developers/decisions/0001-batches-not-one-job-per-image.fr.md": "mesuré, 14 fois le temps",
        },
        of="one job per image (from 12)",
        to=_LOOP,
        at_most=False,
    ),
    Quote(
        "cluster",
        200,
        "seconds",
        0.14,
        {
            "README.md": "| SegMake again, with 3 new images | 0.14 | 2 |",
            "README.fr.md": "| SegMake de nouveau, avec 3 nouvelles images | 0,14 | 2 |",
        },
        of="SegMake again: 3 images are new",
        to=_LOOP,
    ),
)


def unmet(
    found: Mapping[str, Sequence[Figure]], quotes: Iterable[Quote] = QUOTES
) -> tuple[list[str], list[str]]:
    """Return what no longer holds, and what this round has not measured, in a sentence each."""
    broken, unknown = [], []
    for quote in quotes:
        number = quote.measured(found.get(quote.row, ()))
        if number is None:
            unknown.append(f"{quote} ({quote.value:g} is quoted)")
        elif not quote.holds(number):
            pages = ", ".join(quote.words)
            broken.append(f"{quote} is {number:.3g}, and {quote.value:g} is quoted in {pages}")
    return broken, unknown

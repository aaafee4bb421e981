"""Which images there are, what their headers say, and which batch each belongs to.

Listing thousands of files is quick but opening them is not, so what was read is kept and read again only when a
file's size or time of change differs. An image keeps the batch that it was first given, and keeps its row when its
file is gone: that is what makes a finished batch stay finished.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pathspec

from segmake import readers
from segmake.batches import assign_batches
from segmake.config import Config
from segmake.files import natural_key, readable, result_name, write_atomically
from segmake.folders import folder_problems
from segmake.messages import Problem, Problems
from segmake.readers import Header

COLUMNS = ("image", "path", "size", "mtime_ns", "batch", "reader", "header", "problem")


@dataclass(frozen=True)
class ImageFile:
    """One image of the inventory.

    Attributes
    ----------
    image : str
        What the image is called everywhere: its path below the images folder, with forward slashes. Always valid
        text, where a file's own name need not be.
    path : Path
        The file.
    size, mtime_ns : int
        Size in bytes and time of change in nanoseconds: together the fingerprint of the file.
    batch : str
        The batch that computes it, such as ``"0001"``; empty before it was given one.
    header : Header or None
        What the file holds; None if it could not be read.
    problem : Problem or None
        Why it could not be read.
    present : bool
        Whether the file is still there and still chosen by the config.
    """

    image: str
    path: Path
    size: int
    mtime_ns: int
    batch: str = ""
    header: Header | None = None
    problem: Problem | None = None
    present: bool = True

    @property
    def result_name(self) -> str:
        """The image's name without its suffix, which all of its results start with."""
        return result_name(self.image)


@dataclass(frozen=True)
class Inventory:
    """All images, those no longer there included.

    Attributes
    ----------
    images : tuple of ImageFile
        In natural order of their names.
    left_out : int
        Number of files in the images folders that are not taken for images.
    """

    images: tuple[ImageFile, ...]
    left_out: int

    def batches(self) -> dict[str, list[ImageFile]]:
        """Return the images of each batch, in the order of the inventory."""
        found: dict[str, list[ImageFile]] = {}
        for image in self.images:
            found.setdefault(image.batch, []).append(image)
        return dict(sorted(found.items()))


def take_inventory(config: Config, kept: Path) -> Inventory:
    """List the images that the config chooses, read their headers and give each a batch.

    Nothing is written: `write_inventory` does that, once the run really starts.

    Parameters
    ----------
    config : Config
    kept : Path
        The inventory of earlier runs, if there is one.

    Raises
    ------
    Problems
        If a folder is missing, no file is chosen, two images would write the same result, or none of them can be
        segmented with these settings.
    """
    found, left_out = find_images(config)
    _refuse_same_results(found, config)
    known = {image.image: image for image in read_inventory(kept)}
    with ThreadPoolExecutor(max_workers=8) as pool:
        images = list(pool.map(lambda image: _with_header(image, known.get(image.image)), found))
    _refuse_if_none_fits(images, config)
    _refuse_channels_of_none(images, config)
    chosen = {image.image for image in images}
    gone = [replace(image, present=False) for name, image in known.items() if name not in chosen]
    batched = assign_batches([*images, *gone], config.settings["cluster"])
    return Inventory(
        tuple(sorted(batched, key=lambda image: (natural_key(image.image), image.image))), left_out
    )


def find_images(config: Config) -> tuple[list[ImageFile], int]:
    """List the files that the config chooses, without opening them.

    Returns
    -------
    images : list of ImageFile
    left_out : int
        Number of the other files in the folders; hidden files count as none.

    Raises
    ------
    Problems
        If a folder is missing or unreadable, or no file is chosen.
    """
    section = config.settings["images"]
    folders = section["folder"]
    folders = [folders] if isinstance(folders, str) else folders
    if problems := list(folder_problems(config)):
        raise Problems(problems)
    results = Path(config.settings["results"]).resolve()
    include = _patterns(section["include"])
    exclude = _patterns(section["exclude"])
    images: list[ImageFile] = []
    other: list[str] = []
    places = [config.where("images", "folder", index) for index in range(len(folders))]
    checked = [Path(os.path.expanduser(name)) for name in folders]
    for folder, where in zip(checked, places, strict=True):
        prefix = f"{folder.resolve().name}/" if len(folders) > 1 else ""
        for relative, entry in _walk(folder, results, exclude, where):
            if include.match_file(relative.lower()) and not exclude.match_file(relative.lower()):
                stat = entry.stat()
                image = readable(prefix + relative)
                images.append(ImageFile(image, folder / relative, stat.st_size, stat.st_mtime_ns))
            else:
                other.append(relative)
    if not images:
        raise Problems([_nothing_chosen(config, ", ".join(folders), other)])
    return images, len(other)


def read_inventory(kept: Path) -> list[ImageFile]:
    """Return the images of an inventory file; none if there is no such file or it is of another version."""
    try:
        with kept.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            table = csv.DictReader(lines, dialect="excel-tab")
            rows = list(table)
    except FileNotFoundError:
        return []
    if tuple(table.fieldnames or ()) != COLUMNS:
        return []
    images = []
    for row in rows:
        # A damaged line is an image to open again.
        with suppress(ValueError, TypeError):
            images.append(_from_row(row))
    return images


def write_inventory(inventory: Inventory, kept: Path) -> None:
    """Write an inventory, so that the next run need not open the files again."""
    with write_atomically(kept) as part:
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines:
            writer = csv.DictWriter(lines, COLUMNS, dialect="excel-tab")
            writer.writeheader()
            writer.writerows(_to_row(image) for image in inventory.images)


def _patterns(patterns: Iterable[str]) -> pathspec.PathSpec:
    return pathspec.PathSpec.from_lines("gitignore", [pattern.lower() for pattern in patterns])


def _walk(
    folder: Path, results: Path, exclude: pathspec.PathSpec, where: str
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the files below a folder as (path with forward slashes, entry).

    Hidden files, the results and excluded folders are passed over.
    """
    seen: set[str] = set()
    stack = [""]
    links: list[str] = []
    while stack or links:
        # Links last: an image keeps its name when someone links to its folder.
        below = stack.pop() if stack else links.pop(0)
        here = os.path.join(folder, below)
        # A link to a folder above would lead round for ever.
        if (real := os.path.realpath(here)) in seen or real == str(results):
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            raise Problems(
                [Problem("SM-DIR-009", where=where, folder=here, error=error.strerror)]
            ) from None
        # What runs with another `results` made is no image either.
        if below and any(entry.name == ".segmake" for entry in entries):
            continue
        for entry in entries:
            relative = f"{below}{entry.name}"
            # Hidden files are not images: a Mac leaves a "._picture.tif" beside each picture that it copies.
            if entry.name.startswith("."):
                continue
            # os.path, since an entry's own is_dir raises where a link leads to itself.
            if os.path.isdir(entry.path):
                if exclude.match_file(f"{relative}/".lower()):
                    continue
                (links if entry.is_symlink() else stack).append(f"{relative}/")
            elif os.path.isfile(entry.path):
                yield relative, entry


def _nothing_chosen(config: Config, folders: str, other: list[str]) -> Problem:
    if not other:
        return Problem("SM-DIR-004", where=config.where("images", "folder"), folder=folders)
    kinds = Counter(PurePosixPath(name).suffix.lower() or "-" for name in other)
    return Problem(
        "SM-DIR-005",
        where=config.where("images", "include"),
        number=len(other),
        folder=folders,
        include=", ".join(config.settings["images"]["include"]),
        kinds=", ".join(f"{number} {kind}" for kind, number in kinds.most_common(6)),
    )


def _refuse_same_results(images: list[ImageFile], config: Config) -> None:
    first: dict[str, ImageFile] = {}
    problems = []
    where = config.where("images", "folder")
    for image in images:
        other = first.setdefault(image.result_name, image)
        if other is not image:
            names = {"result": image.result_name, "first": other.path, "second": image.path}
            problems.append(Problem("SM-DIR-006", where=where, **names))
    if problems:
        raise Problems(problems[:10])


def _with_header(image: ImageFile, known: ImageFile | None) -> ImageFile:
    if known:
        image = replace(image, batch=known.batch)
        same = (image.size, image.mtime_ns) == (known.size, known.mtime_ns)
        # Rights on a file can change although its time does not.
        refused = known.problem is not None and known.problem.code == "SM-IMG-001"
        if same and not refused and (known.header or known.problem):
            return replace(image, header=known.header, problem=known.problem)
    try:
        return replace(image, header=readers.read_header(image.path))
    except Problem as found:
        return replace(image, problem=found)


def _refuse_if_none_fits(images: list[ImageFile], config: Config) -> None:
    """Refuse a config that no readable image fits: a mistake in the config, not in the images."""
    misfits: list[tuple[ImageFile, Problem]] = []
    for image in images:
        if image.header is None:
            continue
        try:
            readers.check_selection(image.header, config.settings["images"], image.path)
            return
        except Problem as found:
            misfits.append((image, found))
    if misfits:
        image, problem = misfits[0]
        raise Problems(
            [
                Problem(
                    "SM-DIR-008",
                    where=config.where(
                        "images", "channel" if problem.code < "SM-IMG-02" else "folder"
                    ),
                    number=len(misfits),
                    image=image.image,
                    what=problem.what,
                    remedy=problem.remedy,
                )
            ]
        )


def _refuse_channels_of_none(images: list[ImageFile], config: Config) -> None:
    """Refuse channels to measure that no image has; an image without one has no values for it."""
    wanted = config.settings["measurements"]["intensity_channels"]
    headers = [image.header for image in images if image.header]
    if wanted == "all" or not headers:
        return
    where = config.where("measurements", "intensity_channels")
    names = sorted({name for header in headers for name in header.channels}, key=natural_key)
    problems = [
        Problem("SM-CFG-021", where=where, channel=channel, channels=", ".join(names))
        for channel in wanted
        if not any(readers.has_channel(header, channel) for header in headers)
    ]
    if problems:
        raise Problems(problems)


def _to_row(image: ImageFile) -> dict[str, Any]:
    problem = image.problem
    return {
        "image": image.image,
        "path": image.path,
        "size": image.size,
        "mtime_ns": image.mtime_ns,
        "batch": image.batch,
        "reader": readers.VERSION,
        "header": json.dumps(image.header.as_dict()) if image.header else "",
        "problem": json.dumps([problem.code, problem.where, problem.values]) if problem else "",
    }


def _from_row(row: dict[str, str]) -> ImageFile:
    image = ImageFile(
        row["image"], Path(row["path"]), int(row["size"]), int(row["mtime_ns"]), row["batch"]
    )
    # What another version of the readers said is not trusted, but the batch stays.
    if row["reader"] != str(readers.VERSION):
        return image
    if row["header"]:
        image = replace(image, header=Header.from_dict(json.loads(row["header"])))
    if row["problem"]:
        code, where, values = json.loads(row["problem"])
        image = replace(image, problem=Problem(code, where=where, **values))
    return image

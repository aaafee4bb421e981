"""Which images there are, what their headers say, and which batch each belongs to.

An image is a field of view: a file, or one position of a file that holds several. Listing thousands of files is quick
but opening them is not, so what was read is kept and read again only when a file's size or time of change differs. An
image keeps the batch that it was first given, and keeps its row when its file is gone: that is what makes a finished
batch stay finished.
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
from segmake.files import image_name, natural_key, readable, result_name, write_atomically
from segmake.folders import folder_problems
from segmake.messages import Problem, Problems, remembered
from segmake.readers import FOLDER_SUFFIX, Header
from segmake.readers.selection import chosen, has_channel, interpreted, select

# A header may list thousands of files that belong to an image.
csv.field_size_limit(2**31 - 1)

COLUMNS = (
    "image",
    "file",
    "path",
    "size",
    "mtime_ns",
    "position",
    "positions",
    "batch",
    "reader",
    "header",
    "problem",
)


@dataclass(frozen=True)
class ImageFile:
    """One image of the inventory.

    Attributes
    ----------
    image : str
        What the image is called everywhere: the file's path below the images folder, with forward slashes, and its
        position where the file holds several. Always valid text, where a file's own name need not be.
    file : str
        The same without the position.
    path : Path
        The file; or the folder that is an OME-Zarr image.
    size, mtime_ns : int
        Size in bytes and time of change in nanoseconds: together the fingerprint of the file, or of all the files that
        hold a part of the image.
    position : int
        Which field of view of the file it is, from 0.
    positions : int
        How many the file holds.
    batch : str
        The batch that computes it, such as ``"0001"``; empty before it was given one.
    header : Header or None
        What the file holds at this position; None if it could not be read.
    problem : Problem or None
        Why it could not be read, or has no position that the config asks for.
    present : bool
        Whether it is still there and still chosen by the config.
    """

    image: str
    file: str
    path: Path
    size: int
    mtime_ns: int
    position: int = 0
    positions: int = 1
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
    unselected : tuple of ImageFile
        The positions of their files that the config does not select.
    """

    images: tuple[ImageFile, ...]
    left_out: int
    unselected: tuple[ImageFile, ...] = ()

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
        segmented with these settings. Where the config names no folder there are no images, which is no problem.
    """
    wanted = config.settings["images"]["folder"] is not None
    files, left_out = find_images(config) if wanted else ([], 0)
    known: dict[str, list[ImageFile]] = {}
    for image in read_inventory(kept):
        known.setdefault(image.file, []).append(image)
    found = _fields_of(files, known)
    batches = {image.image: image.batch for earlier in known.values() for image in earlier}
    images, unselected = _selected(found, config.settings["images"], batches)
    _refuse_same_results(images, config)
    _refuse_if_none_fits(images, config)
    _refuse_channels_of_none(images, config)
    selected = {image.image for image in images}
    fresh = {image.image: image for image in unselected}
    gone = [
        replace(fresh.get(image.image, image), present=False)
        for earlier in known.values()
        for image in earlier
        if image.image not in selected and image.batch
    ]
    batched = assign_batches([*images, *gone], config.settings)
    batched.sort(key=lambda image: (natural_key(image.image), image.image))
    return Inventory(tuple(batched), left_out, tuple(unselected))


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
        for relative in _walk(folder, results, exclude, where):
            if include.match_file(relative.lower()) and not exclude.match_file(relative.lower()):
                file, path = readable(prefix + relative), folder / relative
                images.append(ImageFile(file, file, path, *_size_and_time(path)))
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
            # A position that was selected once has its batch, and is among the images that are gone.
            others = [image for image in inventory.unselected if not image.batch]
            writer.writerows(map(_to_row, (*inventory.images, *others)))


def _patterns(patterns: Iterable[str]) -> pathspec.PathSpec:
    return pathspec.PathSpec.from_lines("gitignore", [pattern.lower() for pattern in patterns])


def _walk(folder: Path, results: Path, exclude: pathspec.PathSpec, where: str) -> Iterator[str]:
    """Yield the files below a folder, and the folders that are images: their paths in it, with forward slashes.

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
            if relative.lower().endswith(FOLDER_SUFFIX):
                yield relative
            elif os.path.isdir(entry.path):
                if exclude.match_file(f"{relative}/".lower()):
                    continue
                (links if entry.is_symlink() else stack).append(f"{relative}/")
            elif os.path.isfile(entry.path):
                yield relative


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


def _size_and_time(path: Path, parts: Iterable[Path] = ()) -> tuple[int, int]:
    """Return the size in bytes and the latest time of change of a file and its parts, or of all files of a folder."""
    if path.is_dir():
        files = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    else:
        files = [path, *parts]
    size = latest = 0
    for file in files:
        # A file that was removed meanwhile, or a part that is missing, is told when the image is read.
        with suppress(OSError):
            stat = file.stat()
            size, latest = size + stat.st_size, max(latest, stat.st_mtime_ns)
    return size, latest


def _fields_of(files: list[ImageFile], known: dict[str, list[ImageFile]]) -> list[ImageFile]:
    """Return every field of view of the files; those of a file that did not change are not read again.

    A file that only holds a part of an image beside it is no image of its own.
    """
    files = sorted(files, key=lambda image: (natural_key(image.file), image.file))
    kept = {file.file: _kept_fields(file, known.get(file.file, [])) for file in files}
    parts = {part for fields in kept.values() for field in fields for part in _parts(field)}
    unread = [file for file in files if not kept[file.file] and file.path not in parts]
    with ThreadPoolExecutor(max_workers=8) as pool:
        read = pool.map(lambda file: _read_fields(file, known.get(file.file, [])), unread)
        kept |= {file.file: fields for file, fields in zip(unread, read, strict=True)}
    found: list[ImageFile] = []
    parts = set()
    for file in files:
        if file.path not in parts:
            found += kept[file.file]
            parts.update(part for field in kept[file.file] for part in _parts(field))
    return found


def _parts(field: ImageFile) -> list[Path]:
    return [field.path.parent / part for part in (field.header.parts if field.header else ())]


def _kept_fields(file: ImageFile, known: list[ImageFile]) -> list[ImageFile]:
    """Return what the inventory says of a file's fields of view; nothing if the file has to be read again.

    One that could not be read is read again each time: what it lacked may be there now.
    """
    for positions in {field.positions for field in known if field.header}:
        fields = [
            field
            for field in known
            if field.header and field.image == image_name(file.file, field.position, positions)
        ]
        if len(fields) == positions:
            parts = {part for field in fields for part in _parts(field)}
            now = _size_and_time(file.path, parts) if parts else (file.size, file.mtime_ns)
            if all((field.size, field.mtime_ns) == now for field in fields):
                fields.sort(key=lambda field: field.position)
                return [replace(field, path=file.path) for field in fields]
    return []


def _read_fields(file: ImageFile, known: list[ImageFile]) -> list[ImageFile]:
    """Open a file, and return its fields of view in the batches that they have; one with a problem if it can't be."""
    batches = {field.image: field.batch for field in known}
    try:
        headers = readers.read_headers(file.path)
    except Problem as found:
        return [replace(file, batch=batches.get(file.image, ""), problem=found)]
    if parts := {file.path.parent / part for header in headers for part in header.parts}:
        size, mtime_ns = _size_and_time(file.path, parts)
        file = replace(file, size=size, mtime_ns=mtime_ns)
    names = [image_name(file.file, number, len(headers)) for number in range(len(headers))]
    return [
        replace(
            file,
            image=name,
            position=number,
            positions=len(headers),
            batch=batches.get(name, ""),
            header=header,
        )
        for number, (name, header) in enumerate(zip(names, headers, strict=True))
    ]


def _selected(
    found: list[ImageFile], section: dict[str, Any], batches: dict[str, str]
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Divide fields of view into those whose position the config selects, and the others."""
    images: list[ImageFile] = []
    others: list[ImageFile] = []
    wanted = section["positions"]
    for image in found:
        selected = chosen(wanted, image.positions)
        if image.header and not selected and image.position == 0:
            # None of the file's positions: it fails, so that nobody takes it for done.
            first = wanted if isinstance(wanted, int) else wanted[0]
            values = {"wanted": wanted, "number": image.positions}
            refused = replace(
                image,
                image=image.file,
                position=first - 1,
                batch=batches.get(image.file, ""),
                header=None,
                problem=Problem("SM-IMG-024", where=str(image.path), **values),
            )
            images.append(refused)
            continue
        (images if not image.header or image.position in selected else others).append(image)
    return images, others


# The setting that an image does not fit, where it is not the channel.
_KEY_OF = {
    "SM-IMG-021": "time",
    "SM-IMG-022": "z",
    "SM-IMG-023": "z",
    "SM-IMG-024": "positions",
    "SM-IMG-025": "pages",
}


def _refuse_if_none_fits(images: list[ImageFile], config: Config) -> None:
    """Refuse a config that no readable image fits: a mistake in the config, not in the images."""
    misfits: list[tuple[ImageFile, Problem]] = []
    for image in images:
        if image.problem and image.problem.code in _KEY_OF:
            misfits.append((image, image.problem))
        if image.header is None:
            continue
        try:
            select(image.header, config.settings["images"], image.path)
            return
        except Problem as found:
            misfits.append((image, found))
    if misfits:
        image, problem = misfits[0]
        raise Problems(
            [
                Problem(
                    "SM-DIR-008",
                    where=config.where("images", _KEY_OF.get(problem.code, "channel")),
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
    pages = config.settings["images"]["pages"]
    headers = [interpreted(image.header, pages) for image in images if image.header]
    if wanted == "all" or not headers:
        return
    where = config.where("measurements", "intensity_channels")
    names = sorted({name for header in headers for name in header.channels}, key=natural_key)
    problems = [
        Problem("SM-CFG-021", where=where, channel=channel, channels=", ".join(names))
        for channel in wanted
        if not any(has_channel(header, channel) for header in headers)
    ]
    if problems:
        raise Problems(problems)


def _to_row(image: ImageFile) -> dict[str, Any]:
    problem = image.problem
    return {
        "image": image.image,
        "file": image.file,
        "path": image.path,
        "size": image.size,
        "mtime_ns": image.mtime_ns,
        "position": image.position,
        "positions": image.positions,
        "batch": image.batch,
        "reader": readers.VERSION,
        "header": json.dumps(image.header.as_dict()) if image.header else "",
        "problem": json.dumps([problem.code, problem.where, problem.values]) if problem else "",
    }


def _from_row(row: dict[str, str]) -> ImageFile:
    image = ImageFile(
        image=row["image"],
        file=row["file"],
        path=Path(row["path"]),
        size=int(row["size"]),
        mtime_ns=int(row["mtime_ns"]),
        position=int(row["position"]),
        positions=int(row["positions"]),
        batch=row["batch"],
    )
    # What another version of the readers said is not trusted, but the batch stays.
    if row["reader"] != str(readers.VERSION):
        return image
    if row["header"]:
        image = replace(image, header=Header.from_dict(json.loads(row["header"])))
    if row["problem"]:
        code, where, values = json.loads(row["problem"])
        image = replace(image, problem=remembered(code, where, values))
    return image

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
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from segmake.core import versions
from segmake.core.config import Config
from segmake.core.declared_steps import SEGMENT
from segmake.core.files import (
    file_and_position,
    image_name,
    name_apart,
    name_before,
    natural_key,
    result_name,
    same_letters,
    write_atomically,
)
from segmake.core.files import listed as listed_names
from segmake.core.journal import Journal
from segmake.core.settings import Images, as_written
from segmake.formats.believed import Header, header_of_text, text_of_header
from segmake.formats.isolated import headers_of
from segmake.images.batches import assign_batches
from segmake.images.channel_numbers import mixed_numbers
from segmake.images.derived import Derived, find_derived, write_derived
from segmake.images.file_sets import FileSet, arrangement, header_of, pattern_in, sort_files
from segmake.images.image import ImageFile
from segmake.images.image_folders import (
    ImageFolder,
    name_of,
    read_folders,
    settle_folders,
    write_folders,
)
from segmake.images.kept_headers import read_once
from segmake.images.listing import Found, Listed, by_kind, list_images
from segmake.images.name_patterns import Proposal, propose
from segmake.images.pace import seconds_per_megapixel
from segmake.images.selection import chosen, has_channel, interpreted, select
from segmake.messages import Problem, Problems, remembered

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


# To so many nanoseconds file systems and archives keep the times of files.
_TIME_STEPS = (1, 100, 1_000, 1_000_000, 1_000_000_000, 2_000_000_000)


def take_inventory(config: Config, kept: Path) -> Inventory:
    """List the images that the config chooses, read their headers and give each a batch.

    Nothing is written but what many headers say, into the user's own cache (`segmake.images.kept_headers`):
    `write_inventory` does the rest, once the run really starts.

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
    settings = config.typed
    listed = list_images(config)
    remembered = read_inventory(kept)
    folders = _folders(listed, remembered, kept.parent)
    pattern = pattern_in(settings.images)
    files, unfit, out_of_range = [], [], 0
    for each in listed:
        if pattern is None:
            files += [_image_file(folders, each, found) for found in each.found]
        else:
            there = {found.relative: found for found in each.found}
            ordered = sort_files(there, pattern)
            unfit += [_image_file(folders, each, there[name]) for name in ordered.others]
            files += [_set_of_files(folders, each, one, there) for one in ordered.sets]
            out_of_range += len(ordered.left_out)
    proposal = _proposal(listed) if settings.images.pattern is None else None
    if pattern is not None and listed and not files:
        raise Problems([_nothing_fits(config, pattern.text, unfit)])
    files = _told_apart(_spelt_as_before([*files, *unfit], remembered), remembered)
    noted = {image.file: image for image in remembered if image.batch}
    files = [_with_time_as_noted(file, noted.get(file.file)) for file in files]
    take_all = settings.images.derived == "take"
    derived = Derived() if take_all else find_derived(files, kept.parent)
    left_out = {name for names in derived.kinds.values() for name in names}
    files = [file for file in files if file.file not in left_out]
    remembered = _with_journals(remembered, files, kept)
    files, hidden = _keep_hidden(files, remembered)
    known: dict[str, list[ImageFile]] = {}
    for image in remembered:
        known.setdefault(image.file, []).append(image)
    found = _fields_of(files, known, kept.parent)
    found, unopened = _keep_unopened(found, known, kept.parent)
    hidden += unopened
    found += [image for image in hidden if image.header or image.problem]
    batches = {image.image: image.batch for earlier in known.values() for image in earlier}
    images, unselected = _selected(found, settings.images, batches)
    _refuse_what_does_not_fit(images, config)
    selected = {image.image for image in images}
    fresh = {image.image: image for image in unselected}
    gone = [
        replace(fresh.get(image.image, image), present=False)
        for earlier in known.values()
        for image in earlier
        if image.image not in selected and image.batch
    ]
    pace = partial(seconds_per_megapixel, kept.parent / SEGMENT)
    batched = assign_batches([*images, *gone], settings, pace)
    batched.sort(key=lambda image: (natural_key(image.image), image.image))
    return Inventory(
        tuple(batched),
        sum(each.left_out for each in listed) + len(left_out) + out_of_range,
        tuple(unselected),
        tuple(folders),
        tuple(image.image for image in hidden),
        derived,
        sum(image.file in left_out for image in remembered if image.batch),
        tuple(name for each in listed for name in each.system),
        *_replaced(images, remembered),
        by_kind(name for each in listed for name in each.others),
        tuple(file.file for file in unfit) if pattern else (),
        proposal,
    )


def _replaced(
    images: Iterable[ImageFile], remembered: Iterable[ImageFile]
) -> tuple[frozenset[str], frozenset[str], bool]:
    """Return the images with another file than the one that is remembered, those of them whose time alone is another.

    Last, whether several, and all, have another file.
    """
    # One that could not be read has no results.
    before = {
        each.image: (each.size, each.mtime_ns) for each in remembered if each.batch and each.header
    }
    known = [image for image in images if image.image in before]
    other = [i for i in known if before[i.image] != (i.size, i.mtime_ns)]
    touched = frozenset(i.image for i in other if i.size == before[i.image][0])
    return frozenset(i.image for i in other), touched, len(other) == len(known) > 1


def read_inventory(kept: Path) -> list[ImageFile]:
    """Return the images of an inventory file; none if there is no such file, or it is none of this version."""
    try:
        with kept.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            table = csv.DictReader(lines, dialect="excel-tab")
            if tuple(table.fieldnames or ()) != COLUMNS:
                return []
            rows = list(table)
    except (OSError, csv.Error):
        return []
    images = []
    for row in rows:
        # A damaged line is an image to open again.
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            images.append(_from_row(row))
    return images


def write_inventory(inventory: Inventory, kept: Path) -> None:
    """Write an inventory, so that the next run need not open the files again, and which folders it is of."""
    if inventory.folders:
        write_folders(inventory.folders, kept.parent)
    if inventory.derived and inventory.derived.looked_at:
        write_derived(inventory.derived, kept.parent)
    with write_atomically(kept) as part:
        with part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines:
            writer = csv.DictWriter(lines, COLUMNS, dialect="excel-tab")
            writer.writeheader()
            # A position that was selected once has its batch, and is among the images that are gone.
            others = [image for image in inventory.unselected if not image.batch]
            writer.writerows(map(_to_row, (*inventory.images, *others)))


def _folders(
    listed: Sequence[Listed], remembered: Sequence[ImageFile], state: Path
) -> list[ImageFolder]:
    """Return the folders that the results belong to from now on."""
    recorded = read_folders(state, remembered, [each.text for each in listed])
    return (
        settle_folders(listed, recorded, remembered, state, _is_same_file) if listed else recorded
    )


def _is_same_file(image: ImageFile, path: Path) -> bool:
    """Whether a file is the one that an image was read from: of the same size, written at the same time."""
    parts = image.header.parts if image.header else ()
    size, mtime_ns = size_and_time(path, [path.parent / part for part in parts])
    return _is_same_time(image, size, mtime_ns)


def _is_same_time(image: ImageFile, size: int, mtime_ns: int) -> bool:
    step = max(step for step in _TIME_STEPS if mtime_ns % step == 0)
    return 0 < size == image.size and abs(mtime_ns - image.mtime_ns) < step


def _image_file(folders: Sequence[ImageFolder], listed: Listed, found: Found) -> ImageFile:
    name = name_of(folders, listed, found.relative) + ("/*" if found.folder else "")
    return ImageFile(name, name, found.path, *size_and_time(found.path))


def _spelt_as_before(
    files: Sequence[ImageFile], remembered: Iterable[ImageFile]
) -> list[ImageFile]:
    """Return files by the names that they had in earlier runs: a Mac that copies a folder may write accents anew."""
    there = {file.file for file in files}
    before: dict[str, str] = {}
    for image in remembered:
        name = name_before(image.file)
        if image.batch and name not in there:
            before[same_letters(name)] = name
    spelt = []
    for file in files:
        # Of two that look the same, the second keeps its own.
        name = before.pop(same_letters(file.file), file.file)
        spelt.append(file if name == file.file else replace(file, image=name, file=name))
    return spelt


def _told_apart(files: Iterable[ImageFile], remembered: Iterable[ImageFile]) -> list[ImageFile]:
    """Return files; those that have the same name but for the suffix get results of two names.

    One that has results already keeps the name that it has.
    """
    noted = {image.file for image in remembered if image.batch}
    groups: dict[str, list[ImageFile]] = {}
    for file in files:
        groups.setdefault(result_name(file.file), []).append(file)
    named: list[ImageFile] = []
    for group in groups.values():
        # Those with results first, under the name that they have.
        if len(group) > 1:
            group.sort(key=lambda file: (file.file not in noted, natural_key(file.file), file.file))
        free = True
        for file in group:
            apart = name_apart(file.file)
            if free and not (apart in noted and file.file not in noted):
                named.append(file)
                free = False
            else:
                named.append(replace(file, image=apart, file=apart))
    return named


def _set_of_files(
    folders: Sequence[ImageFolder], listed: Listed, files: FileSet, there: Mapping[str, Found]
) -> ImageFile:
    """Return an image of several files; if one of them can't be looked at, it is opened by that one, and fails."""
    name = name_of(folders, listed, files.name)
    found = [there[each.relative] for each in files.members]
    lost = [each for each in found if each.lost]
    if lost:
        return ImageFile(name, name, lost[0].path, 0, 0, files=files)
    facts = [size_and_time(each.path) for each in found]
    size, mtime_ns = sum(size for size, _ in facts), max(time for _, time in facts)
    arranged = arrangement(files, facts)
    return ImageFile(name, name, found[0].path, size, mtime_ns, files=files, arranged=arranged)


def _proposal(listed: Sequence[Listed]) -> Proposal | None:
    """Return the first pattern that would put files of a folder together."""
    proposals = (propose(found.relative for found in each.found) for each in listed)
    return next(filter(None, proposals), None)


def _nothing_fits(config: Config, pattern: str, files: Sequence[ImageFile]) -> Problem:
    names = [file.file for file in files]
    return Problem(
        "SM-CFG-050",
        where=config.where("images", "pattern"),
        pattern=pattern,
        number=len(names),
        names=listed_names(names),
    )


def _with_time_as_noted(file: ImageFile, noted: ImageFile | None) -> ImageFile:
    """Return a file with the time that was noted of it, if an archive or file system only rounded it since."""
    # Between whole seconds nobody can tell what was rounded from what was written anew.
    if (
        noted
        and not file.files
        and noted.mtime_ns % 10**9
        and _is_same_time(noted, file.size, file.mtime_ns)
    ):
        return replace(file, mtime_ns=noted.mtime_ns)
    return file


def _with_journals(
    remembered: list[ImageFile], files: Iterable[ImageFile], kept: Path
) -> list[ImageFile]:
    """Return the images of the last inventory, and those that it lost, which the journals name with their batches.

    Journals are read only where there is a file that the inventory does not have.
    """
    known = {image.file for image in remembered}
    if all(file.file in known for file in files):
        return remembered
    images = {image.image for image in remembered}
    last: dict[str, tuple[float, str]] = {}
    for path in sorted((kept.parent / SEGMENT).glob("*.jsonl")):
        if path.stem.isdecimal():
            journal = Journal(path)
            times = {image: entry.time for image, entry in journal.finished().items()}
            for image in {**dict.fromkeys(journal.in_work(), 0.0), **times}:
                ended = times.get(image, 0.0)
                last[image] = max(last.get(image, (0.0, "")), (ended, path.stem))
    lost = [(image, batch) for image, (_, batch) in last.items() if image not in images]
    return remembered + [_from_journal(image, batch) for image, batch in lost]


def _from_journal(image: str, batch: str) -> ImageFile:
    file, position = file_and_position(image)
    return ImageFile(image, file, Path(), 0, 0, position=position or 0, batch=batch)


def _keep_hidden(
    files: Sequence[ImageFile], remembered: Iterable[ImageFile]
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Divide what was listed into what is to be looked at, and images with results that can't be looked at now.

    To try those again would cost them their results. A folder that can't be read fails by its own name as well.
    """
    lost = [file.file for file in files if file.size == file.mtime_ns == 0]
    if not lost:
        return list(files), []
    inside = tuple(f"{file.removesuffix('/*')}/" for file in lost)
    names = set(lost)
    hidden = [
        image
        for image in remembered
        if image.path.parts
        and (image.batch or image.header)
        and not (image.file in names and image.problem)
        and (image.file in names or image.file.startswith(inside))
    ]
    kept = {image.file for image in hidden}
    return [file for file in files if file.file not in kept], hidden


# A file that can't be opened, or not in time: nothing is known against what it was when it was computed.
_NOT_OPENED = ("SM-IMG-001", "SM-IMG-053")


def _keep_unopened(
    found: list[ImageFile], known: dict[str, list[ImageFile]], state: Path
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Divide images into those to work on, and those with results whose unchanged file can't be opened now."""
    unopened: list[ImageFile] = []
    for image in found:
        if image.problem and image.problem.code in _NOT_OPENED:
            unopened += [
                earlier
                for earlier in known.get(image.file, [])
                if (earlier.size, earlier.mtime_ns) == (image.size, image.mtime_ns)
                and (state / "labels" / f"{earlier.result_name}.tif").exists()
            ]
    files = {image.file for image in unopened}
    return [image for image in found if image.file not in files], unopened


def _refuse_what_does_not_fit(images: list[ImageFile], config: Config) -> None:
    """Refuse images and a config that do not go together."""
    _refuse_same_results(images, config)
    _refuse_if_none_fits(images, config)
    _refuse_channels_of_none(images, config)
    if mixed := list(mixed_numbers(config, images)):
        raise Problems(mixed)


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


def size_and_time(path: Path, parts: Iterable[Path] = ()) -> tuple[int, int]:
    """Return the size in bytes and the latest time of change of a file and its parts, or of all files of a folder."""
    size = latest = 0
    others: Iterable[Path] = parts
    # A file that was removed meanwhile, or a part that is missing, is told when the image is read.
    with suppress(OSError):
        found = os.stat(path)
        if S_ISDIR(found.st_mode):
            others = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
        else:
            size, latest = found.st_size, found.st_mtime_ns
    for file in others:
        with suppress(OSError):
            found = file.stat()
            size, latest = size + found.st_size, max(latest, found.st_mtime_ns)
    return size, latest


def _fields_of(
    files: list[ImageFile], known: dict[str, list[ImageFile]], state: Path
) -> list[ImageFile]:
    """Return every field of view of the files; those of a file that did not change are not read again.

    A file that only holds a part of an image beside it is no image of its own.
    """
    files = sorted(files, key=lambda image: (natural_key(image.file), image.file))
    kept = {file.file: _kept_fields(file, known.get(file.file, [])) for file in files}
    parts = {part for fields in kept.values() for field in fields for part in _parts(field)}
    unread = [f for f in files if not kept[f.file] and not (parts and f.path in parts)]
    read = read_once(unread, state, headers_of)
    for file, headers in zip(unread, read, strict=True):
        kept[file.file] = _read_fields(file, known.get(file.file, []), headers)
    found: list[ImageFile] = []
    parts = set()
    for file in files:
        if not parts or file.path not in parts:
            found += kept[file.file]
            parts.update(part for field in kept[file.file] for part in _parts(field))
    return found


def _parts(field: ImageFile) -> list[Path]:
    return [field.path.parent / part for part in (field.header.parts if field.header else ())]


def _kept_fields(file: ImageFile, known: list[ImageFile]) -> list[ImageFile]:
    """Return what the inventory says of a file's fields of view; nothing if the file has to be read again.

    One that could not be read is read again each time: what it lacked may be there now.
    """
    known = [
        field
        for field in known
        if field.header
        and not field.outdated
        and field.header.arranged == file.arranged
        # What it lacked may be there now.
        and not (field.header.lacks and (file.path.parent / field.header.lacks).exists())
    ]
    for positions in {field.positions for field in known}:
        fields = [
            field
            for field in known
            if field.positions == positions
            and field.image in _names(file.file, field.position, positions)
        ]
        if len(fields) == positions:
            parts = {part for field in fields for part in _parts(field)}
            now = size_and_time(file.path, parts) if parts else (file.size, file.mtime_ns)
            if all((field.size, field.mtime_ns) == now for field in fields):
                fields.sort(key=lambda field: field.position)
                return [
                    field
                    if (field.path, field.files) == (file.path, file.files)
                    else replace(field, path=file.path, files=file.files)
                    for field in fields
                ]
    return []


def _names(file: str, position: int, positions: int) -> set[str]:
    """Return what a field of view may be called; a single one was the first of several once (`_read_fields`)."""
    return {image_name(file, position, positions), image_name(file, position, max(positions, 2))}


def _read_fields(
    file: ImageFile, known: list[ImageFile], headers: tuple[Header, ...] | Problem
) -> list[ImageFile]:
    """Return a file's fields of view in the batches that they have; one with a problem if it can't be read."""
    batches = {field.image: field.batch for field in known}
    if isinstance(headers, Problem):
        return [replace(file, batch=batches.get(file.image, ""), problem=headers)]
    if file.files:
        try:
            headers = (_header_of_set(file, headers),)
        except Problem as problem:
            return [replace(file, batch=batches.get(file.image, ""), problem=problem)]
    if parts := {file.path.parent / part for header in headers for part in header.parts}:
        size, mtime_ns = size_and_time(file.path, parts)
        file = replace(file, size=size, mtime_ns=mtime_ns)
    if len(headers) == 1 and not headers[0].copies:
        return [file.having(batch=batches.get(file.image, ""), header=headers[0])]
    names = [image_name(file.file, number, len(headers)) for number in range(len(headers))]
    if len(headers) == 1 and headers[0].copies and not headers[0].copies_before:
        # A page that is no position counted as one once: the image keeps the name that it had then.
        same = (file.size, file.mtime_ns)
        once = {field.image for field in known if (field.size, field.mtime_ns) == same}
        names = [name for name in once if name == image_name(file.file, 0, 2)] or names
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


def _header_of_set(file: ImageFile, headers: tuple[Header, ...]) -> Header:
    """Return the header of an image of several files by that of its first."""
    if len(headers) > 1:
        raise Problem("SM-IMG-071", where=str(file.path), field="position", number=len(headers))
    if file.files is None:
        return headers[0]
    header = header_of(headers[0], file.files, file.path)
    return replace(header, arranged=file.arranged)


def _selected(
    found: list[ImageFile], section: Images, batches: dict[str, str]
) -> tuple[list[ImageFile], list[ImageFile]]:
    """Divide fields of view into those whose position the config selects, and the others."""
    images: list[ImageFile] = []
    others: list[ImageFile] = []
    wanted = section.positions
    mixed = any(image.positions > 1 for image in found)
    for image in found:
        # Beside files with several positions, one that holds a single one was never meant.
        selected = chosen("all" if mixed and image.positions == 1 else wanted, image.positions)
        if image.header and not selected and image.position == 0:
            # None of the file's positions: it fails, so that nobody takes it for done.
            first = wanted[0] if isinstance(wanted, tuple) else wanted
            values = {"wanted": as_written(wanted), "number": image.positions}
            refused = replace(
                image,
                image=image.file,
                position=first - 1 if isinstance(first, int) else 0,
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
    "SM-IMG-074": "pages",
    "SM-IMG-070": "pattern",
    "SM-IMG-071": "pattern",
    "SM-IMG-072": "pattern",
}


def _refuse_if_none_fits(images: list[ImageFile], config: Config) -> None:
    """Refuse a config that no readable image fits: a mistake in the config, not in the images."""
    section = config.typed.images
    misfits: list[tuple[ImageFile, Problem]] = []
    for image in images:
        if image.problem and image.problem.code in _KEY_OF:
            misfits.append((image, image.problem))
        if image.header is None:
            continue
        try:
            select(image.header, section, image.path)
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
    wanted = config.typed.measurements.intensity_channels
    if wanted == "all":
        return
    section = config.typed.images
    headers = [interpreted(image.header, section) for image in images if image.header]
    if not headers:
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
        "reader": 0 if image.outdated else versions.HEADERS,
        "header": text_of_header(image.header) if image.header else "",
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
    # A line that was cut off has no last column.
    if row["problem"] is None or (image.batch and not image.batch.isdecimal()):
        raise ValueError(f"no line of an inventory: {row}")
    outdated = row["reader"] != str(versions.HEADERS)
    if row["header"]:
        image = replace(image, header=header_of_text(row["header"]), outdated=outdated)
    if row["problem"] and not outdated:
        code, where, values = json.loads(row["problem"])
        image = replace(image, problem=remembered(code, where, values))
    return image


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
    folders : tuple of ImageFolder
        The folders that the results belong to.
    hidden : tuple of str
        The images whose files can't be looked at now, and which keep the results that they have.
    derived : Derived
        The files that are no images, since they were made from images beside them.
    derived_before : int
        Number of images that an earlier run took these for.
    system : tuple of str
        The folders of servers and systems among the images, which are passed over.
    replaced : frozenset of str
        The images that have another file than the one that they were last planned with.
    touched : frozenset of str
        Those of them whose file has the same size and another time.
    all_replaced : bool
        Whether these are several, and none of those that were planned has its file still.
    other_kinds : str
        How many files of each kind the config does not choose, in words.
    unfit : tuple of str
        The images that do not fit ``pattern``, where the config has one: each is one file.
    proposal : Proposal or None
        A pattern that would put files together, where the config has none.
    """

    images: tuple[ImageFile, ...]
    left_out: int
    unselected: tuple[ImageFile, ...] = ()
    folders: tuple[ImageFolder, ...] = ()
    hidden: tuple[str, ...] = ()
    derived: Derived | None = None
    derived_before: int = 0
    system: tuple[str, ...] = ()
    replaced: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    all_replaced: bool = False
    other_kinds: str = ""
    unfit: tuple[str, ...] = ()
    proposal: Proposal | None = None

    def batches(self) -> dict[str, list[ImageFile]]:
        """Return the images of each batch, in the order of the inventory."""
        found: dict[str, list[ImageFile]] = {}
        for image in self.images:
            found.setdefault(image.batch, []).append(image)
        return dict(sorted(found.items()))

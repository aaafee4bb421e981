"""Which image folders the results belong to, and what the names of their images start with.

Results are those of one experiment: images of another folder would take the place of images of the same name. So the
folders are written down when a run starts, each with its prefix, which it keeps for ever: none for a single folder, the
folder's name for those of a list and for those that are added later. A folder that was moved is known by its files.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from segmake.core.files import readable, write_atomically
from segmake.messages import Problem, Problems

if TYPE_CHECKING:
    from segmake.images.image import ImageFile
    from segmake.images.listing import Listed

# The file, in the folder `.segmake`.
RECORD = "folders.json"

# Whether a file is the one that an image was read from: the image, and where the file is now.
SameFile = Callable[["ImageFile", Path], bool]


@dataclass(frozen=True)
class ImageFolder:
    """A folder that the results belong to.

    Attributes
    ----------
    path : str
        Where it is, without links.
    from_results : str
        The same, as seen from the results folder: where both are moved together, it stays as it is.
    prefix : str
        What the names of its images start with: empty, or a name and a slash.
    """

    path: str
    from_results: str
    prefix: str

    def holds(self, path: str) -> bool:
        """Whether a path is this folder, or one in it."""
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


def write_folders(folders: Iterable[ImageFolder], state: Path) -> None:
    """Write down, in the folder ``.segmake``, which folders the results belong to."""
    with write_atomically(state / RECORD) as part:
        part.write_text(json.dumps([vars(folder) for folder in folders], indent=1) + "\n", "ascii")


def read_folders(state: Path, known: Sequence[ImageFile], now: Sequence[str]) -> list[ImageFolder]:
    """Return which folders the results belong to: what was written down, or what the images say.

    Parameters
    ----------
    state : Path
        The folder ``.segmake``.
    known : sequence of ImageFile
        The inventory of the last run.
    now : sequence of str
        The folders that the config names.
    """
    try:
        values = json.loads((state / RECORD).read_text(encoding="ascii"))
        folders = [ImageFolder(**{name: str(value[name]) for name in _FIELDS}) for value in values]
    except (OSError, ValueError, TypeError, KeyError):
        folders = []
    return folders or _folders_of_images(state, known, now)


_FIELDS = ("path", "from_results", "prefix")


def settle_folders(
    listed: Sequence[Listed],
    recorded: Sequence[ImageFolder],
    known: Sequence[ImageFile],
    state: Path,
    same: SameFile,
) -> list[ImageFolder]:
    """Return the folders that the results belong to from now on.

    Parameters
    ----------
    listed : sequence of Listed
        The folders that the config names, and what is in them.
    recorded : sequence of ImageFolder
        What `read_folders` gave.
    known : sequence of ImageFile
        The inventory of the last run.
    state : Path
        The folder ``.segmake``.
    same : callable
        Whether a file is the one that an image was read from.

    Raises
    ------
    Problems
        ``SM-DIR-020`` or ``SM-DIR-021`` if none of the folders is one that the results belong to.
    """
    computed = [image for image in known if image.batch]
    folders = _seen_from_results([*recorded], listed, state) if has_results(state) else []
    for folder in listed:
        if _home(folders, str(folder.path)) is None:
            for index, other in enumerate(folders):
                taken = any(other.holds(str(each.path)) for each in listed)
                free = not taken and not _is_around(str(folder.path), [other])
                if free and _was_moved(other, folder, _images_of(other, folders, computed), same):
                    folders[index] = _placed(folder.path, other.prefix, state)
                    break
    at_home = [each for each in listed if _home(folders, str(each.path))]
    around = [each for each in listed if _is_around(str(each.path), folders)]
    if folders and not at_home and not around:
        raise Problems([_another_experiment(listed, folders, state)])
    names = {image.file for image in known}
    names |= {name_of(folders, each, found.relative) for each in at_home for found in each.found}
    alone = not folders and len(listed) == 1
    for folder in listed:
        if _home(folders, str(folder.path)) is None:
            prefix = "" if alone else _free_prefix(folder.path, names, folders)
            folders.append(_placed(folder.path, prefix, state))
    return folders


def has_results(state: Path) -> bool:
    """Whether there is something that images of other folders could take the place of."""
    places = (state / "labels", state.parent / "masks", state.parent / "corrections")
    return any(os.path.isfile(path) for place in places for path in place.rglob("*"))


def name_of(folders: Sequence[ImageFolder], listed: Listed, relative: str) -> str:
    """Return what the image of a file is called: after the innermost of the folders that it lies in."""
    whole = f"{str(listed.path).rstrip('/')}/{relative}"
    home = _home([folder for folder in folders if folder.path != whole], whole)
    if home is None:
        return readable(relative)
    return readable(home.prefix + whole[len(home.path.rstrip("/")) + 1 :])


def _home(folders: Sequence[ImageFolder], path: str) -> ImageFolder | None:
    """Return the innermost of the folders that hold a path."""
    holding = [folder for folder in folders if folder.holds(path)]
    return max(holding, key=lambda folder: len(folder.path), default=None)


def _is_around(path: str, folders: Iterable[ImageFolder]) -> bool:
    """Whether a folder holds one that the results belong to."""
    return any(ImageFolder(path, "", "").holds(folder.path) for folder in folders)


def _placed(path: Path | str, prefix: str, state: Path) -> ImageFolder:
    return ImageFolder(str(path), os.path.relpath(path, state.parent.resolve()), prefix)


def _seen_from_results(
    folders: list[ImageFolder], listed: Sequence[Listed], state: Path
) -> list[ImageFolder]:
    """Return the folders where they are now, if they were moved together with the results."""
    results = state.parent.resolve()
    found = []
    for folder in folders:
        now = os.path.normpath(os.path.join(results, folder.from_results))
        moved = replace(folder, path=now)
        there = any(moved.holds(str(each.path)) for each in listed)
        # One that is still where it was may have been copied, and holds something else in the new place.
        found.append(moved if there and not os.path.isdir(folder.path) else folder)
    return found


def _images_of(
    folder: ImageFolder, folders: Sequence[ImageFolder], known: Iterable[ImageFile]
) -> list[tuple[ImageFile, Path]]:
    """Return the images of a folder, each with the path of its file in it.

    Earlier versions took other folders without a word: what they left of them counts only where nothing else is left.
    """
    found: dict[bool, list[tuple[ImageFile, Path]]] = {True: [], False: []}
    real_path = cache(os.path.realpath)
    for image in known:
        prefixes = [each.prefix for each in folders if image.file.startswith(each.prefix)]
        if folder.prefix == max(prefixes, key=len, default=None):
            depth = len(PurePosixPath(image.file[len(folder.prefix) :]).parts)
            relative = Path(*image.path.parts[-depth:])
            root = real_path(Path(*image.path.parts[:-depth]))
            found[root == folder.path].append((image, relative))
    return found[True] or found[False]


def _was_moved(
    before: ImageFolder, now: Listed, images: Sequence[tuple[ImageFile, Path]], same: SameFile
) -> bool:
    """Whether a folder has the files of another: most of those that the other had, or nearly no others."""
    number = sum(same(image, now.path / relative) for image, relative in images)
    # Where the other is still there, this one is a copy: of all of it, or another experiment with a control in common.
    if still := sum(same(image, Path(before.path) / relative) for image, relative in images):
        return number >= still and not any(
            os.path.lexists(now.path / relative) and not same(image, now.path / relative)
            for image, relative in images
        )
    return number > 0 and (number >= len(images) / 2 or number >= 0.9 * len(now.found))


def _free_prefix(path: Path, names: Iterable[str], folders: Iterable[ImageFolder]) -> str:
    """Return a folder's name, with as many of the folders above it as tell its images from all others."""
    taken = [
        name.casefold()
        for name in (*names, *(folder.prefix for folder in folders if folder.prefix))
    ]
    parts = path.parts[1:]
    tails = ["/".join(parts[-number:]) for number in range(1, len(parts) + 1)]
    tails += [f"{path.name}_{number}" for number in range(2, len(taken) + 3)]
    free = (
        f"{tail}/"
        for tail in tails
        if not any(name.startswith(f"{tail}/".casefold()) for name in taken)
    )
    return readable(next(free))


def _another_experiment(
    listed: Sequence[Listed], folders: Sequence[ImageFolder], state: Path
) -> Problem:
    paths = [_shown(folder.path) for folder in folders]
    there = all(os.path.isdir(folder.path) for folder in folders)
    wanted = [each.text for each in listed]
    other = f"{str(state.parent).rstrip('/')}_{listed[0].path.name}"
    values = {
        "results": state.parent,
        "folder": ", ".join(wanted),
        "known": ", ".join(paths),
        "other": json.dumps(readable(other), ensure_ascii=False),
        "both": json.dumps([*paths, *map(readable, wanted)], ensure_ascii=False),
    }
    return Problem("SM-DIR-020" if there else "SM-DIR-021", where=listed[0].where, **values)


def _shown(path: str) -> str:
    """Return a path as a user would write it: from here, if it is below."""
    near = os.path.relpath(path)
    return readable(path if near.startswith("..") else near)


def _folders_of_images(
    state: Path, known: Sequence[ImageFile], now: Sequence[str]
) -> list[ImageFolder]:
    """Return the folders of results that have no record of them: version 0.1.0 wrote none.

    The plan of the last run names them; the names of images and the paths of their files tell the prefixes.
    """
    # What the journals alone know has no path.
    images = [image for image in known if image.batch and image.path.parts]
    planned = _planned_folders(state)
    found: list[ImageFolder] = []
    for text in dict.fromkeys([*planned, *now]):
        folder = os.path.abspath(os.path.expanduser(text))
        prefixes = Counter(
            image.file.removesuffix(relative)
            for image in images
            if (relative := _relative(image.path, folder)) and image.file.endswith(relative)
        )
        name = Path(folder).resolve().name
        expected = f"{name}/" if len(planned) > 1 else ""
        certain = not prefixes or expected in prefixes
        prefix = expected if certain else prefixes.most_common(1)[0][0]
        # Of a folder that the last run did not have, older results may be there, under names of its own.
        if text in planned or (prefixes and (prefix or not planned)):
            found.append(_placed(os.path.realpath(folder), prefix, state))
    if found or not images:
        return found
    roots = Counter(str(image.path).removesuffix(f"/{image.file}") for image in images)
    return [_placed(os.path.realpath(roots.most_common(1)[0][0]), "", state)]


def _relative(path: Path, folder: str) -> str:
    """Return the path of a file in a folder as images are called; empty if it is not in there."""
    whole = os.path.abspath(path)
    return readable(whole[len(folder) + 1 :]) if whole.startswith(f"{folder}/") else ""


def _planned_folders(state: Path) -> list[str]:
    """Return the folders of the last run, as its config named them."""
    try:
        plan: Mapping[str, Any] = json.loads((state / "plan.json").read_text(encoding="ascii"))
        folder = plan["settings"]["images"]["folder"]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    folders = [folder] if isinstance(folder, str) else folder
    return [text for text in folders or [] if isinstance(text, str)]

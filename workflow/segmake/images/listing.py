"""Lists what lies in the images folders, without opening any of it.

What the config chooses by name is an image, and so is what can't be looked at: a link that leads nowhere and a folder
that can't be read fail by name when they are computed, so that no image is lost without a word.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import TYPE_CHECKING, Literal

from segmake.core.config import Config
from segmake.core.files import same_letters
from segmake.core.looks import in_parts, looks
from segmake.formats import FOLDER_SUFFIX
from segmake.images.folders import folder_problems
from segmake.messages import Problem, Problems

if TYPE_CHECKING:
    import pathspec

# What file servers and operating systems make beside images: bins, snapshots, small pictures. In lower case.
SYSTEM_FOLDERS = frozenset(
    {
        "$recycle.bin",
        "recycler",
        "recycled",
        "system volume information",
        "found.000",
        "lost+found",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "~snapshot",
        "__macosx",
        "network trash folder",
        "temporary items",
        "thevolumesettingsfolder",
    }
)

# More kinds of files are not told of.
_MOST_KINDS = 6


@dataclass(frozen=True)
class Found:
    """An entry of an images folder that is taken for an image.

    Attributes
    ----------
    relative : str
        Its path in the folder, with forward slashes.
    path : Path
    lost : bool
        Whether it can't be looked at: a link that leads nowhere, a folder that can't be read.
    folder : bool
        Whether it is a folder that can't be looked at, or seems to have been one.
    """

    relative: str
    path: Path
    lost: bool = False
    folder: bool = False


@dataclass(frozen=True)
class Listed:
    """An images folder of the config, and what is in it.

    Attributes
    ----------
    text : str
        What the config says.
    where : str
        Where it says it.
    path : Path
        The folder itself, without links.
    found : tuple of Found
    others : tuple of str
        The other files, by their paths in the folder; hidden files count as none.
    system : tuple of str
        The folders of servers and systems that were passed over.
    """

    text: str
    where: str
    path: Path
    found: tuple[Found, ...]
    others: tuple[str, ...]
    system: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """Number of the other files."""
        return len(self.others)


def list_images(config: Config) -> list[Listed]:
    """List the files that the config chooses, folder by folder; none where it names no folder.

    Raises
    ------
    Problems
        If a folder is missing or unreadable, or no file is chosen.
    """
    section = config.typed.images
    if section.folder is None:
        return []
    if problems := list(folder_problems(config)):
        raise Problems(problems)
    results = Path(config.typed.results).resolve()
    include, exclude = _patterns(section.include), _patterns(section.exclude)
    listed: list[Listed] = []
    other: list[str] = []
    for index, text in enumerate(section.folders):
        where = config.where("images", "folder", index)
        folder = Path(os.path.expanduser(text))
        images: list[Found] = []
        others: list[str] = []
        system: list[str] = []
        for relative, kind, _ in _walk(folder, results, exclude, where):
            if kind == "system":
                system.append(relative)
                continue
            name, lost = _comparable(relative), kind != "file"
            excluded = bool(section.exclude) and (
                exclude.match_file(name) or (lost and _is_excluded(exclude, relative))
            )
            if not excluded and kind != "folder" and include.match_file(name):
                images.append(Found(relative, folder / relative, lost))
            elif not excluded and lost and (kind == "folder" or _may_be_folder(folder / relative)):
                images.append(Found(relative, folder / relative, lost, folder=True))
            else:
                others.append(relative)
        found_here = (tuple(images), tuple(others), tuple(system))
        listed.append(Listed(text, where, folder.resolve(), *found_here))
        other += others
    if not any(each.found for each in listed):
        raise Problems([_nothing_chosen(config, ", ".join(section.folders), other)])
    return listed


def state_of_folders(config: Config) -> str | None:
    """Return what differs when anything in the images folders does that decides which images there are, and which.

    It takes one look at each file, and no more. None where that does not tell: where something can't be looked at, or
    an image is a folder.

    Parameters
    ----------
    config : Config
    """
    # It takes long to load, and most who list images do not need it.
    from hashlib import blake2b

    section = config.typed.images
    if section.folder is None or any(folder_problems(config)):
        return None
    results, exclude = Path(config.typed.results).resolve(), _patterns(section.exclude)
    state = blake2b(digest_size=16)
    for text in section.folders:
        folder = Path(os.path.expanduser(text))
        state.update(os.fsencode(f"{folder.resolve()}\0\0"))
        try:
            for said in looks(_state_of, in_parts(_walk(folder, results, exclude, ""))):
                if said is None:
                    return None
                state.update(os.fsencode(said))
        except (OSError, Problems):
            return None
    return state.hexdigest()


def _state_of(listed: Iterable[_Entry]) -> str | None:
    """Return what differs when some entries of folders do; None where one can't be looked at, or is no file."""
    said = []
    for relative, kind, entry in listed:
        if kind == "system":
            said.append(f"{relative}\0\0")
            continue
        found = entry.stat()
        if kind != "file" or not S_ISREG(found.st_mode):
            return None
        said.append(f"{relative}\0{found.st_size}\0{found.st_mtime_ns}\0")
    return "".join(said)


def chosen(names: Iterable[str], include: Iterable[str], exclude: Iterable[str]) -> set[str]:
    """Return which files a config would take for images, by their paths below an images folder alone.

    Of an image that is a folder, the path of that folder is returned.

    Parameters
    ----------
    names : iterable of str
    include, exclude : iterable of str
        The patterns of the section ``images``.
    """
    taken, left_out = _patterns(include), _patterns(exclude)
    found = set()
    for name in names:
        above, parts = "", name.split("/")
        for part in parts:
            above = f"{above}/{part}" if above else part
            if part.startswith(".") or part.lower() in SYSTEM_FOLDERS:
                break
            if above == name or part.lower().endswith(FOLDER_SUFFIX):
                low = _comparable(above)
                if taken.match_file(low) and not left_out.match_file(low):
                    found.add(above)
                break
            if _is_excluded(left_out, above):
                break
    return found


def _comparable(name: str) -> str:
    """Return what names have in common that differ in case, or in how a Mac writes accents."""
    return same_letters(name).lower()


def _patterns(patterns: Iterable[str]) -> pathspec.PathSpec:
    # The environments of the engines do not have it, and open images without a pattern of files.
    import pathspec

    return pathspec.PathSpec.from_lines("gitignore", map(_comparable, patterns))


# What lies in an images folder: a file, a link that leads nowhere, a folder that can't be read, one of a server or
# system, which is passed over.
_Kind = Literal["file", "lost", "folder", "system"]

# Its path in the images folder, what it is, and how the folder that it lies in lists it.
_Entry = tuple[str, _Kind, "os.DirEntry[str]"]


def _walk(folder: Path, results: Path, exclude: pathspec.PathSpec, where: str) -> Iterator[_Entry]:
    """Yield the files below a folder, the folders that are images, what can't be looked at, and folders of servers.

    Hidden files, the results and excluded folders are passed over.
    """
    seen: set[str] = set()
    stack: list[tuple[str, os.DirEntry[str] | None]] = [("", None)]
    links: list[tuple[str, os.DirEntry[str] | None]] = []
    while stack or links:
        # Links last: an image keeps its name when someone links to its folder.
        below, itself = stack.pop() if stack else links.pop(0)
        here = os.path.join(folder, below)
        # A link to a folder above would lead round for ever.
        if (real := os.path.realpath(here)) in seen or real == str(results):
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            if itself:
                yield below[:-1], "folder", itself
                continue
            raise Problems(
                [Problem("SM-DIR-009", where=where, folder=here, error=error.strerror)]
            ) from None
        # What runs with another `results` made is no image either.
        if below and any(entry.name == ".segmake" for entry in entries):
            continue
        for entry in entries:
            name = entry.name
            # Hidden files are not images: a Mac leaves a "._picture.tif" beside each picture that it copies.
            if name.startswith("."):
                continue
            relative, low = f"{below}{name}", name.lower()
            if low in SYSTEM_FOLDERS:
                yield relative, "system", entry
                continue
            kind = "file" if low.endswith(FOLDER_SUFFIX) else _kind(entry)
            if kind == "directory":
                if _is_excluded(exclude, relative):
                    continue
                (links if entry.is_symlink() else stack).append((f"{relative}/", entry))
            elif kind != "other":
                yield relative, kind, entry


def _is_excluded(exclude: pathspec.PathSpec, folder: str) -> bool:
    """Whether a pattern leaves a whole folder out."""
    return exclude.match_file(_comparable(f"{folder}/"))


def _kind(entry: os.DirEntry[str]) -> Literal["file", "directory", "lost", "other"]:
    """Return what an entry of a folder is; of a link, what it leads to."""
    try:
        if entry.is_dir():
            return "directory"
        if entry.is_file():
            return "file"
        # One that leads nowhere is neither.
        return "lost" if entry.is_symlink() and not os.path.exists(entry.path) else "other"
    except OSError:
        return "lost"


def _may_be_folder(path: Path) -> bool:
    """Whether a link that leads nowhere may have led to a folder, by its name: one without a suffix."""
    suffix = path.suffix[1:]
    return not (suffix.isalnum() and len(suffix) <= 5) or suffix.isdecimal()


def _nothing_chosen(config: Config, folders: str, other: list[str]) -> Problem:
    if not other:
        return Problem("SM-DIR-004", where=config.where("images", "folder"), folder=folders)
    return Problem(
        "SM-DIR-005",
        where=config.where("images", "include"),
        number=len(other),
        folder=folders,
        include=", ".join(config.typed.images.include),
        kinds=by_kind(other),
    )


def by_kind(names: Iterable[str]) -> str:
    """Return how many files there are of each kind, by the ends of their names: the most frequent ones."""
    kinds = Counter(PurePosixPath(name).suffix.lower() or "-" for name in names)
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(_MOST_KINDS))
    return said + (", ..." if len(kinds) > _MOST_KINDS else "")

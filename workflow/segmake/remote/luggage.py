"""What of an experiment is sent: images that the config selects, scripts with what they need, whatever it names.

What SegMake makes itself, in the results, is made over there; of what is hidden, only parts of images go.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from segmake.config.load import completed, load_config
from segmake.config.yaml_lines import read_yaml
from segmake.core.config import Config
from segmake.core.site import read_site
from segmake.images.listing import list_images
from segmake.messages import Problem, Problems
from segmake.remote.config_copy import Kind, Named
from segmake.remote.laptop_paths import Laptop
from segmake.scripts.source.followed import CODE, fitting_files, follow
from segmake.scripts.source.static import local_files

# What is sent of the files beside images: parts of an image, and small ones that a script may read.
_BESIDE = (
    *(".ome", ".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".lifext", ".nd"),
    "ndtiff.index",
)
_OME = (".ome.tif", ".ome.tiff")

# What is sent of the files beside a script, in the experiment's own folder of scripts.
_BESIDE_SCRIPT = re.compile(
    rf"\.(?:{CODE}|txt|csv|tsv|json|xml|yaml|yml|toml|cfg|ini|npy|npz|so|h|hpp)"
)

# A folder of one of these names, or with one of these files, is no part of a script.
_NOT_BESIDE = {"__pycache__", "node_modules", "site-packages"}
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")

# A list of packages that names another one.
_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)", re.MULTILINE)


@dataclass
class Luggage:
    """Files of this computer, and what they are called over there.

    Attributes
    ----------
    paths : dict
        Their paths here, by their names there, from the experiment's folder on.
    folders : list of str
        Folders over there that hold many of them, such as those of images.
    guarded : set of str
        Those that somebody may have edited over there: all but images.
    images : list of str
        What is an image of them: a file, or a folder with many.
    image_folders : list of str
        The folders of images over there.
    config : Config or None
        What chooses the images.
    left : list of Path
        What is named, and can't be sent: it can't be looked at, or has no place over there.
    """

    paths: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    guarded: set[str] = field(default_factory=set)
    images: list[str] = field(default_factory=list)
    image_folders: list[str] = field(default_factory=list)
    config: Config | None = None
    left: list[Path] = field(default_factory=list)

    @property
    def single(self) -> list[str]:
        """The files that are in none of the folders."""
        return [
            name for name in self.paths if not any(is_in(name, folder) for folder in self.folders)
        ]

    def add_folder(self, name: str) -> None:
        """Note a folder that holds many files, if it is in none that is noted."""
        if not any(is_in(name, folder) for folder in self.folders):
            self.folders.append(name)

    def add(self, name: str, path: Path, *, guarded: bool = True) -> None:
        """Take a file along; what is named twice is what it was first."""
        if name not in self.paths:
            self.paths[name] = path.absolute().as_posix()
            self.guarded |= {name} if guarded else set()


# That a path is not what was meant, on whichever computer.
_MISREAD = "SM-CFG-016"


def config_problems(config: Path, named: Iterable[Named]) -> list[Problem]:
    """Return what is wrong with a config, without what is said of paths that are the other computer's."""
    try:
        load_config(config, images=False)
    except Problems as found:
        written, lines, _ = read_yaml(config)
        own = Config(written, config, lines, written)
        elsewhere = {_place(own.where(*one.keys)) for one in named if one.source is None}
        return [
            each
            for each in found.problems
            if each.code == _MISREAD or _place(each.where) not in elsewhere
        ]
    return []


def _place(where: str) -> tuple[str, int | None, str]:
    key, line = getattr(where, "key", ""), getattr(where, "line", None)
    return where, line, key


def pack(config: Path, named: Sequence[Named], laptop: Laptop) -> Luggage:
    """Return what a run over there needs of this computer.

    Parameters
    ----------
    config : Path
        As seen from the experiment's folder, which is the working folder.
    named : sequence of Named
        The paths in it.
    laptop : Laptop

    Raises
    ------
    Problems
        What is wrong with the folders of images, or that none of their files is chosen.
    """
    written, lines, _ = read_yaml(config)
    settings, _ = completed(Config(written, config, lines, written, site=read_site()))
    luggage = Luggage()
    results = Path(os.path.abspath(os.path.expanduser(settings.typed.results)))
    _add_images(luggage, settings, _of_kind(named, "images"))
    for one in _of_kind(named, "script"):
        _add_script(luggage, one, laptop)
    for one in _of_kind(named, "list"):
        _add_list(luggage, one, laptop)
    for one in _of_kind(named, "value", "other"):
        _add_other(luggage, one, laptop, results)
    for one in named:
        if _is_pattern(one):
            _add_fitting(luggage, one, named, laptop)
    _add_corrections(luggage, results, named)
    return luggage


def pack_one(
    image: Path, named: Sequence[Named], laptop: Laptop, others: Iterable[Path] = ()
) -> tuple[Luggage, str]:
    """Return what is needed to find the cells of one image over there, and what the image is called there.

    Parameters
    ----------
    image : Path
    named : sequence of Named
        The paths in a config: folders of images, and perhaps a model.
    laptop : Laptop
    others : iterable of Path
        The other files of the image, where it lies in several.
    """
    luggage = Luggage()
    for one in _of_kind(named, "other"):
        if one.source and one.source.is_file():
            luggage.add(one.name, one.source)
    if shared := laptop.shared(str(image)):
        return luggage, shared
    name = laptop.called(str(image), is_folder=False)
    for one in _of_kind(named, "images"):
        if one.source and image.is_relative_to(one.source):
            name = _joined(one.name, image.relative_to(one.source).as_posix())
    if image.is_dir():
        _add_tree(luggage, image, name, guarded=False)
    else:
        luggage.add(name, image, guarded=False)
        above = name.rpartition("/")[0]
        _add_beside(luggage, image.parent, above, {image.name})
        for other in others:
            below = Path(os.path.relpath(other, image.parent)).as_posix()
            luggage.add(posixpath.normpath(_joined(above, below)), other, guarded=False)
    luggage.images.append(name)
    return luggage, name


def _of_kind(named: Iterable[Named], *kinds: Kind) -> list[Named]:
    return [one for one in named if one.kind in kinds and one.source]


def _is_pattern(one: Named) -> bool:
    return "files" in one.keys and one.kind == "other"


def _add_images(luggage: Luggage, config: Config, named: Sequence[Named]) -> None:
    """Take the images along that the config chooses, and what belongs to them."""
    if not named:
        return
    luggage.config = config
    # The others are not on this computer.
    texts = [one.text for one in named]
    images = {**config.settings["images"], "folder": texts}
    listed = list_images(replace(config, settings={**config.settings, "images": images}))
    names = {one.text: one.name for one in named}
    for folder in listed:
        above = names[folder.text]
        luggage.add_folder(above)
        luggage.image_folders.append(above)
        places = {}
        for found in folder.found:
            if not found.lost:
                luggage.images.append(_joined(above, found.relative))
            if found.lost:
                luggage.left.append(found.path)
            elif found.path.is_dir():
                _add_tree(luggage, found.path, _joined(above, found.relative), guarded=False)
            else:
                luggage.add(_joined(above, found.relative), found.path, guarded=False)
                places[found.path.parent] = _joined(above, found.relative.rpartition("/")[0])
        chosen = {path.name for path in (found.path for found in folder.found)}
        for place, name in places.items():
            _add_beside(luggage, place, name, chosen)


def _add_beside(luggage: Luggage, place: Path, name: str, chosen: Collection[str]) -> None:
    """Take along what may belong to the images of a folder, some of which have the names that were chosen."""
    entries = [entry for entry in os.scandir(place) if not entry.name.startswith(".")]
    is_ome = any(entry.name.lower().endswith(_OME) and entry.name in chosen for entry in entries)
    endings = (*_BESIDE, *(_OME if is_ome else ()))
    for entry in entries:
        if entry.name.lower().endswith(endings) and entry.is_file():
            luggage.add(_joined(name, entry.name), Path(entry.path), guarded=False)


def _add_script(luggage: Luggage, one: Named, laptop: Laptop) -> None:
    """Take a script along, and the files beside it that it may use."""
    if one.source is None or not one.source.is_file():
        return
    luggage.add(one.name, one.source)
    above = one.name.rpartition("/")[0]
    place = one.source.parent
    real = Path(os.path.realpath(one.source)).parent
    for file in sorted({*follow(one.source).files, *local_files(one.source)}):
        _add_near(luggage, file, (real, above), laptop)
    # Beside one on a desktop lies what nobody means.
    if above and laptop.below(str(place)) is not None:
        for file in _files(place):
            if _BESIDE_SCRIPT.fullmatch(file.suffix):
                luggage.add(_joined(above, file.relative_to(place).as_posix()), file)


def _add_list(luggage: Luggage, one: Named, laptop: Laptop) -> None:
    """Take a list of packages, or a table of a sweep, along, and the lists that it names."""
    pending = [one.source] if one.source and one.source.is_file() else []
    above = one.name.rpartition("/")[0]
    place = pending[0].parent if pending else None
    known: set[Path] = set()
    while pending and place:
        file = pending.pop()
        if file in known or not file.is_file():
            continue
        known.add(file)
        _add_near(luggage, Path(os.path.abspath(file)), (place, above), laptop)
        if file.suffix in (".txt", ".in"):
            text = file.read_text(encoding="utf-8", errors="replace")
            pending += [file.parent / name for name in _INCLUDED.findall(text)]


def _add_other(luggage: Luggage, one: Named, laptop: Laptop, results: Path) -> None:
    """Take a model along, or a file or folder that arguments name."""
    path = one.source
    # What lies in the results is made over there; a folder around the experiment is not meant.
    if path is None or _is_pattern(one) or path.is_relative_to(results):
        return
    if Path(laptop.experiment).is_relative_to(path):
        return
    if path.is_dir():
        _add_tree(luggage, path, one.name)
    else:
        luggage.add(one.name, path)


def _add_fitting(luggage: Luggage, one: Named, named: Sequence[Named], laptop: Laptop) -> None:
    """Take along what a pattern in ``files`` of a script fits, from its folder or the experiment's."""
    for script in _of_kind(named, "script"):
        if script.source is None or script.keys[:2] != one.keys[:2]:
            continue
        above = script.name.rpartition("/")[0]
        place = Path(os.path.realpath(script.source)).parent
        for file in fitting_files(script.source, one.text):
            _add_near(luggage, file, (place, above), laptop)


def _add_near(luggage: Luggage, file: Path, near: tuple[Path, str], laptop: Laptop) -> None:
    """Take a file along that lies below a folder, which has a name over there, or in the experiment's."""
    place, above = near
    if file.is_relative_to(place):
        luggage.add(_joined(above, file.relative_to(place).as_posix()), file)
    elif (inside := laptop.below(str(file))) is not None:
        luggage.add(inside, file)
    else:
        luggage.left.append(file)


def _add_corrections(luggage: Luggage, results: Path, named: Sequence[Named]) -> None:
    folder = results / "corrections"
    of_results = [one.there for one in named if one.kind == "results"] or ["results"]
    # Where the cluster sees the results themselves, it sees these.
    if folder.is_dir() and not of_results[0].startswith("/"):
        _add_tree(luggage, folder, f"{of_results[0]}/corrections")


def _add_tree(luggage: Luggage, folder: Path, name: str, *, guarded: bool = True) -> None:
    luggage.add_folder(name)
    for above, folders, files in os.walk(folder, onerror=lambda _: luggage.left.append(folder)):
        below = Path(above).relative_to(folder).as_posix()
        # An image may have hidden parts; a folder of files has none that are meant.
        keep = not guarded
        folders[:] = [each for each in folders if keep or not each.startswith(".")]
        for file in files:
            path = Path(above, file)
            if (keep or not file.startswith(".")) and path.is_file():
                luggage.add(_joined(name, _joined(below, file)), path, guarded=guarded)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder of scripts, without hidden ones and environments."""
    with suppress(OSError):
        for above, folders, files in os.walk(folder):
            folders[:] = [each for each in folders if not _is_foreign(Path(above, each))]
            yield from (Path(above, file) for file in files if not file.startswith("."))


def _is_foreign(folder: Path) -> bool:
    names: Collection[str] = _NOT_BESIDE
    return (
        folder.name in names
        or folder.name.startswith(".")
        or any((folder / name).exists() for name in (*_ENVIRONMENT, ".segmake"))
    )


def is_in(name: str, folder: str) -> bool:
    """Return whether a path is a folder or lies in it; ``.`` is the folder of all."""
    return folder in (".", name) or name.startswith(f"{folder}/")


def _joined(above: str, name: str) -> str:
    return "/".join(each for each in (above, name) if each not in ("", "."))

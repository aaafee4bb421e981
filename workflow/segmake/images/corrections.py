"""Finds the masks that users corrected and laid into ``corrections``; nothing is ever written there.

A correction has the name of its image's results: of ``day1/pos3.nd2`` it is ``day1/pos3_seg.npy`` as Cellpose's window
saves it, a label image ``day1/pos3_masks.tif`` (or ``.ome.tif``, ``.png``, ``_cp_masks.png``...), or the ROIs of
ImageJ's ROI Manager, ``day1/pos3_rois.zip``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from segmake.core.files import natural_key, same_letters
from segmake.messages import Problem, Problems

SEG, ROIS = "_seg.npy", "_rois.zip"
LABEL_IMAGES = tuple(
    f"{kind}{suffix}"
    for kind in ("_cp_masks", "_masks")
    for suffix in (".ome.tif", ".ome.tiff", ".tif", ".tiff", ".png")
)
SUFFIXES = (SEG, ROIS, *LABEL_IMAGES)


def find_corrections(
    folder: Path, result_names: Iterable[str]
) -> tuple[dict[str, Path], list[Path]]:
    """Find the corrected masks.

    Parameters
    ----------
    folder : Path
        Its sub-folders are those of the images; it need not be there.
    result_names : iterable of str
        What the results of each image start with (`segmake.core.files.result_name`).

    Returns
    -------
    dict
        The correction of each image that has one.
    list of Path
        The files that fit no image, in order. Hidden files are passed over, and so is the picture that Cellpose's
        window needs beside a ``_seg.npy``.

    Raises
    ------
    Problems
        ``SM-OUT-003`` for each image with two corrections, ``SM-OUT-021`` if one can't be looked at: without it, the
        engine's own cells would take the place of the corrected ones.
    """
    names = set(result_names)
    # A Mac writes accents in another way than the computer that the images come from.
    alike: dict[str, str] = {}
    for name in sorted(names):
        alike.setdefault(same_letters(name), name)
    found: dict[str, list[Path]] = {}
    nearly: dict[str, list[Path]] = {}
    others: list[Path] = []
    for path in sorted(_files_in(folder), key=lambda path: natural_key(path.as_posix())):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        # Of `a_cp_masks.png` the image may be called `a`, or `a_cp`.
        bases = {_base(inside, suffix) for suffix in SUFFIXES}
        looking_so = {alike[same] for same in map(same_letters, bases) if same in alike}
        if fitting := bases & names:
            found.setdefault(max(fitting, key=len), []).append(path)
        elif looking_so:
            nearly.setdefault(max(looking_so, key=len), []).append(path)
        else:
            others.append(path)
    for name, paths in nearly.items():
        # One with the very name comes before one that only looks like it.
        if name in found:
            others += paths
        else:
            found[name] = paths
    problems = [
        Problem(
            "SM-OUT-003", where=str(folder), image=name, first=paths[0].name, second=paths[1].name
        )
        for name, paths in found.items()
        if len(paths) > 1
    ]
    if problems:
        raise Problems(problems)
    corrections = {name: paths[0] for name, paths in found.items()}
    chosen = set(corrections.values())
    return corrections, [path for path in others if path.with_name(path.stem + SEG) not in chosen]


def _files_in(folder: Path) -> list[Path]:
    """Return the files in the folder of corrections and those below it."""
    problems: list[Problem] = []

    def refuse(error: OSError) -> None:
        names = {"file": str(error.filename), "error": error.strerror}
        problems.append(Problem("SM-OUT-021", where=str(folder), **names))

    files: list[Path] = []
    if os.path.lexists(folder):
        for place, _, names in os.walk(folder, onerror=refuse):
            for path in (Path(place, name) for name in names):
                if os.path.isfile(path):
                    files.append(path)
                elif path.name.lower().endswith(SUFFIXES) and not path.name.startswith("."):
                    # A link that leads nowhere, a pipe...
                    refuse(OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)))
    if problems:
        raise Problems(problems)
    return files


def correction_fingerprint(path: Path) -> list[int]:
    """Return what changes when a correction does: its size in bytes, and when it was last written."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _base(path: Path, suffix: str) -> str:
    """Return a path without a suffix, in upper or lower case; empty if it does not end so."""
    text = path.as_posix()
    return text[: -len(suffix)] if text.lower().endswith(suffix) else ""

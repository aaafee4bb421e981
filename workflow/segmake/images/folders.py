"""Checks the images folders that a config names, before anything in them is looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from segmake.core.files import readable
from segmake.messages import Problem

if TYPE_CHECKING:
    from segmake.core.config import Config


# The longest name of a file in bytes, and the longest path, less some room for what lies in the results.
_LONGEST_NAME = 255
_LONGEST_PATH = 4096 - 512


def results_problems(config: Config) -> Iterator[Problem]:
    """Yield what keeps ``results`` from being the name of a folder."""
    name, where = config.typed.results, config.where("results")
    try:
        full = os.fsencode(os.path.abspath(os.path.expanduser(name)))
    except ValueError:
        full = b"\0"
    if b"\0" in full:
        yield Problem("SM-CFG-040", where=where, value=readable(name.replace("\0", "\\0")))
    elif len(full) > _LONGEST_PATH or max(map(len, full.split(b"/"))) > _LONGEST_NAME:
        names = {"longest": _LONGEST_NAME, "most": _LONGEST_PATH}
        yield Problem("SM-CFG-041", where=where, **names)
    else:
        path = Path(os.fsdecode(full))
        # A link that leads to itself is there, and leads to no folder.
        above = [*reversed(path.parents), *([path] if path.is_symlink() else [])]
        if found := [each for each in above if os.path.lexists(each) and not os.path.isdir(each)]:
            yield Problem("SM-CFG-042", where=where, path=found[0])


def folder_problems(config: Config) -> Iterator[Problem]:
    """Yield what is wrong with the images folders that a config names."""
    images = config.typed.images
    results = Path(config.typed.results).resolve()
    made = [results, *(results / name for name in ("masks", "cells", "overlays", "logs"))]
    there: dict[str, Path] = {}
    for index, name in enumerate(images.folders):
        where = config.where("images", "folder", index)
        # Unlike Path's methods, these take any text for a path.
        folder = Path(os.path.expanduser(name))
        if os.path.isfile(folder):
            yield Problem("SM-DIR-003", where=where, folder=name, name=folder.name)
        elif not os.path.isdir(folder):
            windows = PureWindowsPath(name).drive or "\\" in name
            # What ~ was taken for is half of the answer.
            shown = str(folder) if name.startswith("~") else name
            yield Problem("SM-DIR-002" if windows else "SM-DIR-001", where=where, folder=shown)
        elif folder.resolve() in made:
            yield Problem("SM-DIR-007", where=where, results=name)
        else:
            inner = folder.resolve()
            for other, outer in there.items():
                pair = (name, other) if outer in (inner, *inner.parents) else (other, name)
                if outer in (inner, *inner.parents) or inner in outer.parents:
                    # The images in the inner one would be computed twice.
                    yield Problem("SM-DIR-010", where=where, inner=pair[0], outer=pair[1])
            there[name] = inner

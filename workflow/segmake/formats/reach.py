"""Tells why an entry of an images folder can't be looked at: a link that leads nowhere, a folder that can't be read."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from segmake.core.settings import Images
from segmake.messages import Problem, say

# What has a meaning of its own in a pattern of `exclude`, and what has one at its beginning.
_SPECIAL = re.compile(r"[\\*?\[\]]|^[#!]")


def out_of_reach(path: Path, mode: int, folder_suffix: str) -> Problem | None:
    """Return why nothing can be read of what lies at a path, and is no file itself; None where it leads to one.

    Parameters
    ----------
    path : Path
    mode : int
        What the system says it is: `st_mode` of the path itself, not of what a link leads to.
    folder_suffix : str
        A folder whose name ends so is an image, and no folder of images.

    Returns
    -------
    Problem or None
        ``SM-DIR-023`` of a link that leads nowhere, ``SM-DIR-022`` of a folder that can't be read.
    """
    if stat.S_ISLNK(mode):
        try:
            os.stat(path)
        except OSError as error:
            target = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
            words = {"target": target, "error": error.strerror, "exclude": as_pattern(path.name)}
            return Problem("SM-DIR-023", where=str(path), **words)
    if os.path.isdir(path) and not path.name.lower().endswith(folder_suffix):
        try:
            os.scandir(path).close()
            if path.suffix:
                return None
            reason = say("folder.readable_again")
        except OSError as error:
            reason = error.strerror or str(error)
        return unreadable_folder(path, reason)
    return None


def unreadable_folder(path: Path, reason: str) -> Problem:
    """Return the problem of a folder among the images that can't be read."""
    exclude = f"{as_pattern(path.name)}/"
    return Problem("SM-DIR-022", where=str(path), folder=str(path), error=reason, exclude=exclude)


def as_pattern(name: str) -> str:
    """Return what to write into `exclude` for a file or folder of this name, as text in double quotes takes it."""
    pattern = _SPECIAL.sub(r"\\\g<0>", name)
    return pattern.replace("\\", "\\\\").replace('"', '\\"')


def seen_from_folder(problem: Problem, path: Path, images: Images) -> Problem:
    """Return a problem of `out_of_reach` that tells to exclude this path alone, and no other of the same name.

    Parameters
    ----------
    problem : Problem
        Any; others stay as they are.
    path : Path
        As the plan has it.
    images : Images
        The section ``images`` of the config.
    """
    for folder in images.folders:
        for top in {os.path.expanduser(folder), os.path.realpath(os.path.expanduser(folder))}:
            if "exclude" in problem.values and path.is_relative_to(top):
                end = "/" if problem.code == "SM-DIR-022" else ""
                exclude = as_pattern("/" + path.relative_to(top).as_posix()) + end
                return Problem(
                    problem.code, where=problem.where, **{**problem.values, "exclude": exclude}
                )
    return problem

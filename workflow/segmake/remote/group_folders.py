"""A folder over there in which several accounts compute: what one of them made, the others must be able to replace."""

from __future__ import annotations

from segmake.core.files import one_line, readable
from segmake.messages import Problem
from segmake.places.place import Place

# sh FOLDER RESULTS: who has made something that a run writes to, and that this user may not write to; and what it is.
# An image of somebody else's is only read.
_CLOSED = r"""
mine=$(id -un)
closed() { find "$@" ! -user "$mine" ! -writable -printf '%u\0%p\0' -quit 2>/dev/null; }
closed "$1" "$1/config" "$1/.segmake-remote" -maxdepth 0
closed "$1/.snakemake" "$2/.segmake" -maxdepth 1 -type d
closed "$2" -maxdepth 1 ! -name corrections
"""

# sh FOLDER: makes it, and tries to write in it.
_MAKE = 'mkdir -p -- "$1" && trial=$(mktemp -- "$1/.segmake-trial-XXXXXX") && rm -f -- "$trial"'

# In a shell script: what is made from here on is the group's too, if the working folder is.
FOR_THE_GROUP = "case $(ls -ld .) in ?????w*) umask g=rwx ;; esac"

# As above, of what was made before.
_OPEN = """
case $(ls -ld .) in
?????w*) find . -type d -user "$(id -un)" ! -perm -020 -exec chmod g+w -- '{}' + ;;
esac
"""


async def make_folder(place: Place, folder: str) -> str:
    """Make a folder there, if it is not there; return why nothing can be written to it, and nothing if that is so.

    Raises
    ------
    Problem
        ``SM-REM-072`` if it is somebody else's.
    """
    answer = await place.run(["sh", "-c", _MAKE, "sh", folder])
    if not answer.code:
        return ""
    await refuse_closed(place, folder)
    return readable(one_line(answer.err.decode(errors="replace"))) or "?"


async def refuse_closed(place: Place, folder: str, results: str = "") -> None:
    """Look whether somebody else has made what a run has to write to.

    Parameters
    ----------
    place : Place
    folder, results : str
        The experiment's folder, and that of its results.

    Raises
    ------
    Problem
        ``SM-REM-072`` if so.
    """
    answer = await place.run(["sh", "-c", _CLOSED, "sh", folder, results or f"{folder}/results"])
    owner, path, *_ = [*answer.text.split("\0"), "", ""]
    if owner and path:
        names = {"owner": readable(owner), "path": readable(path), "folder": readable(folder)}
        raise Problem("SM-REM-072", where=place.name, **names)


async def open_to_group(place: Place, folder: str) -> None:
    """Let the group write to what this user has made in a folder that the group may write to."""
    await place.run(["sh", "-c", _OPEN], folder=folder)

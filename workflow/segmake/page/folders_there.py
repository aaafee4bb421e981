"""Folders of the other computer to pick images from, one level at a time: what lies there is computed where it lies."""

from __future__ import annotations

import asyncio
from posixpath import basename, dirname, join

from segmake.core.files import natural_key, readable
from segmake.formats import FOLDER_SUFFIX, SUFFIXES
from segmake.images.listing import SYSTEM_FOLDERS
from segmake.messages import Problem, say
from segmake.page.connection import Connection
from segmake.page.folders import MOST, Inner, Opened, Start, is_text
from segmake.page.works import THERE
from segmake.remote.remembered import PlaceFile

# So long a page waits for an answer; it is there later.
_PATIENCE_S = 2.5

# sh [FOLDER]: its whole path, then the kind and the name of each thing in it, with a zero behind each; of very many the
# first ones.
_LIST = r"""
cd -- "${1:-$HOME}" || exit 1
printf '%s\0' "$PWD"
find . -mindepth 1 -maxdepth 1 ! -name '.*' -printf '%Y\0%f\0' 2>/dev/null | head -c 4000000
"""


class FoldersThere:
    """The folders of the computer of an experiment, if that is another one.

    Parameters
    ----------
    connection : Connection
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked: tuple[PlaceFile | None, str, asyncio.Task[Opened]] | None = None

    def starts(self) -> list[Start]:
        """Return where to begin there: nothing for an experiment that this computer computes."""
        place = self._connection.place
        return [Start(say("page.folders.there", host=place.host), THERE)] if place else []

    async def open(self, text: str) -> Opened | None:
        """Return what is to be seen of a folder; None while no answer is there: it is asked for once.

        Parameters
        ----------
        text : str
            Its path there behind `THERE`; nothing for the home.

        Raises
        ------
        Problem
            ``SM-PAG-040`` if it is hidden, ``SM-PAG-076`` if it is not there, or may not be looked into; what a login
            may raise.
        """
        place, path = self._connection.place, text.removeprefix(THERE)
        if place is None or (path and not path.startswith("/")) or "\0" in path:
            raise Problem("SM-PAG-040", where=readable(path), folder=readable(path))
        if any(part.startswith(".") for part in path.split("/")):
            raise Problem("SM-PAG-040", where=readable(path), folder=readable(path))
        if self._asked is None or self._asked[:2] != (place, path):
            self._asked = (place, path, asyncio.create_task(self._look(path)))
        task = self._asked[2]
        await asyncio.wait([task], timeout=_PATIENCE_S)
        if not task.done():
            return None
        # The next time it is asked anew.
        self._asked = None
        return await task

    async def _look(self, path: str) -> Opened:
        session = await self._connection.session()
        answer = await session.computer.run(["sh", "-c", _LIST, "sh", path])
        if answer.code:
            names = {"folder": readable(path), "host": session.place.host}
            raise Problem("SM-PAG-076", where=readable(path), **names)
        whole, *words = answer.text.split("\0")[:-1]
        entries = sorted(
            zip(words[::2], words[1::2], strict=False), key=lambda each: _order(each[1])
        )
        folders = [name for kind, name in entries if kind == "d" and _is_shown(name)]
        shown = [name for name in folders if is_text(name)]
        inner = [Inner(name, THERE + join(whole, name), None, False) for name in shown[:MOST]]
        return Opened(
            THERE + whole,
            tuple(_way(whole)),
            sum(name.lower().endswith(tuple(SUFFIXES)) for _, name in entries),
            tuple(inner),
            more=max(0, len(shown) - MOST),
            unreadable=len(folders) - len(shown),
        )


def _order(name: str) -> list[tuple[int, int, str]]:
    return natural_key(readable(name))


def _is_shown(name: str) -> bool:
    return name.lower() not in SYSTEM_FOLDERS and not name.lower().endswith(FOLDER_SUFFIX)


def _way(path: str) -> list[Start]:
    """Return the folders from the root to a path."""
    found = [Start(basename(path) or "/", THERE + path)]
    while path not in ("/", ""):
        path = dirname(path)
        found.insert(0, Start(basename(path) or "/", THERE + path))
    return found

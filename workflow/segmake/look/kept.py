"""What was seen of the files of a folder, kept in the user's cache: a line for each as soon as it was looked at.

So a look that was interrupted goes on, and the next one reads only what has changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from segmake import __version__
from segmake.core import versions
from segmake.core.caches import own_cache
from segmake.core.files import fingerprint, write_atomically
from segmake.core.json_lines import add_line, read_lines

# What another version of the readers said counts no more.
_BY = f"{__version__} {versions.HEADERS} {versions.PIXELS}"

# A picture that nobody noted may be another look's, which is about to.
_YOUNG_S = 3600


class Kept:
    """What is kept of a folder, or of a single file.

    Parameters
    ----------
    place : Path
    pictures : Path or None
        Where the pictures go, if not beside what is kept.

    Attributes
    ----------
    folder : Path
        Where what was seen is kept.
    own : Path
        The folder of what is kept of this place alone.
    pictures : Path
        The folder of the pictures.
    error : OSError or None
        Why nothing more can be kept.
    """

    def __init__(self, place: Path, pictures: Path | None = None) -> None:
        self._file = own_cache("look", str(place.absolute())).with_suffix(".jsonl")
        self.folder = self._file.parent
        self.own = self._file.with_suffix("")
        self.pictures = (pictures or self.own).absolute()
        self.error: OSError | None = None
        self._lines = 0
        self._known: dict[str, dict[str, Any]] = {}
        for line in read_lines(self._file):
            self._lines += 1
            if line.get("by") == _BY and isinstance(path := line.get("path"), str):
                self._known[path] = line

    def picture_of(self, path: Path, size: int, mtime_ns: int, channel: str) -> Path:
        """Return where the picture of a file goes."""
        return self.pictures / f"{fingerprint(str(path), size, mtime_ns, channel)}.jpg"

    def find(
        self, path: Path, size: int, mtime_ns: int, channel: str, *, picture: bool
    ) -> dict[str, Any] | None:
        """Return what was seen of a file, if that holds still; None if it has to be looked at."""
        line = self._known.get(str(path))
        if line is None or (line["size"], line["mtime_ns"]) != (size, mtime_ns):
            return None
        if picture:
            wanted = self.picture_of(path, size, mtime_ns, channel)
            if line["channel"] != channel or not line["drawn"]:
                return None
            if line["answer"].get("shown") and not wanted.is_file():
                return None
        return line["answer"]

    def add(
        self,
        path: Path,
        size: int,
        mtime_ns: int,
        channel: str,
        answer: dict[str, Any],
        *,
        picture: bool,
    ) -> None:
        """Keep what was seen of a file."""
        line = {"by": _BY, "path": str(path), "size": size, "mtime_ns": mtime_ns}
        line |= {"channel": channel, "drawn": picture, "answer": answer}
        self._known[str(path)] = line
        if self.error:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            add_line(self._file, line, lasting=False)
            self._lines += 1
        except OSError as error:
            self.error = error

    def clear_away(self, there: Iterable[Path]) -> None:
        """Forget the files that are no longer there, with the pictures of what they were.

        Parameters
        ----------
        there : iterable of Path
            All files of the folder.
        """
        names = {str(path) for path in there}
        self._known = {path: line for path, line in self._known.items() if path in names}
        with suppress(OSError):
            if self._lines > 2 * len(self._known) + 100:
                with write_atomically(self._file, lasting=False) as part:
                    lines = [json.dumps(line) + "\n" for line in self._known.values()]
                    part.write_text("".join(lines), encoding="ascii")
                self._lines = len(self._known)
            shown = {
                self.picture_of(Path(path), line["size"], line["mtime_ns"], line["channel"]).name
                for path, line in self._known.items()
            }
            for picture in self.own.glob("*.jpg"):
                if picture.name not in shown and time.time() - picture.stat().st_mtime > _YOUNG_S:
                    picture.unlink()

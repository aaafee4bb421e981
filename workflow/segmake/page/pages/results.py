"""The results on this computer, shown in the browser: the report, and what it leads to; no other file."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from segmake.core.files import readable
from segmake.messages import Problem
from segmake.messages.numbers import shown_bytes
from segmake.outcome.status import results_of as named_results
from segmake.page.common import Common, apart
from segmake.page.desk import Desk
from segmake.remote.fetching import REPORT, results_here

# The folder of what scripts have made.
SCRIPTS = "scripts"

# By this a folder is known that a run has made.
_STATE = ".segmake"

# What a browser shows; all else is kept as a file.
_SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".json": "text/plain; charset=utf-8",
}

# What scripts have made may hold anything: it is looked at, does nothing, and is of no origin.
_LOOKED_AT = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"

# The report holds its own styles, pictures and script, and no script but that one is run.
_REPORT = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src {scripts}; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


# So many files of a script are linked: one that is run for each image may have made thousands.
_MOST_OF_SCRIPT = 20


@dataclass(frozen=True)
class OfScript:
    """What a script has made.

    Attributes
    ----------
    name : str
        Of the script.
    files : list of tuple
        The first files, those of all its runs together before those of each: where it lies in the results, what it is
        called in the script's folder, and how large it is, in words.
    has_more : bool
        Whether there are others.
    """

    name: str
    files: list[tuple[str, str, str]]
    has_more: bool


class Results:
    """What is served of the results.

    Parameters
    ----------
    common : Common
    """

    def __init__(self, common: Common) -> None:
        self._common = common

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [self._common.get("/results/{name:path}", self._results)]

    async def _results(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = await apart(lambda: confined(results_of(self._common.desk), name))
        kind = _SHOWN.get(path.suffix.lower())
        policy = _LOOKED_AT
        if name == REPORT:
            kind, policy = "text/html; charset=utf-8", _REPORT.format(scripts=_scripts())
        return FileResponse(
            path,
            media_type=kind or "application/octet-stream",
            filename=path.name,
            content_disposition_type="inline" if kind else "attachment",
            headers={"Content-Security-Policy": policy, "Cache-Control": "private, no-cache"},
        )


def results_of(desk: Desk) -> Path:
    """Return the folder of this computer with the results of an experiment."""
    config = desk.file.path
    if desk.connection.place is None:
        return Path(os.path.abspath(named_results(config)))
    return results_here(config)


def of_scripts(results: Path) -> list[OfScript]:
    """Return what lies on this computer of what each script has made."""
    with suppress(OSError):
        folders = sorted(each for each in (results / SCRIPTS).iterdir() if each.is_dir())
        found = [_of_script(results, each) for each in folders if not each.name.startswith(".")]
        return [each for each in found if each.files]
    return []


def _of_script(results: Path, folder: Path) -> OfScript:
    files = []
    for path in islice(_files(folder), _MOST_OF_SCRIPT + 1):
        name = path.relative_to(folder).as_posix()
        with suppress(OSError):
            size = shown_bytes(path.stat().st_size)
            files.append((path.relative_to(results).as_posix(), name, size))
    return OfScript(folder.name, files[:_MOST_OF_SCRIPT], len(files) > _MOST_OF_SCRIPT)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that a browser can ask for, then those of its folders, by their names."""
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        shown = (each for each in names if not each.startswith(".") and readable(each) == each)
        yield from (Path(at, each) for each in sorted(shown))


def confined(folder: Path, name: str) -> Path:
    """Return a file below a folder.

    Raises
    ------
    Problem
        ``SM-PAG-022`` if it is not there, is hidden or leads out of the folder.
    """
    with suppress(OSError, ValueError):
        is_results = (folder / _STATE).is_dir() or (folder / REPORT).is_file()
        if is_results and not any(part.startswith(".") for part in Path(name).parts):
            path = (folder / name).resolve(strict=True)
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return path
    raise Problem("SM-PAG-022", where=str(folder), name=name)


@cache
def _scripts() -> str:
    """Return the scripts of the report as a policy names them: those of this SegMake."""
    template = files("segmake.report").joinpath("templates", "report.html.j2")
    found = re.findall(r"<script>(.*?)</script>", template.read_text(encoding="utf-8"), re.DOTALL)
    sums = (base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in found)
    return " ".join(f"'sha256-{each}'" for each in sums)

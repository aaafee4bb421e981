"""The results on this computer, shown in the browser: the report, and what it leads to; no other file."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from segmake.messages import Problem
from segmake.outcome.status import results_of as named_results
from segmake.page.common import Common, apart
from segmake.page.desk import Desk
from segmake.remote.fetching import REPORT, results_here

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

"""The runs of a results folder, each with the config that it had: so that its settings can be taken up again."""

from __future__ import annotations

import re
from contextlib import suppress

from segmake.core.ended_runs import LastRun, last_runs
from segmake.core.files import fingerprint, write_atomically
from segmake.plan.result_paths import ResultPaths

# Of a name that another program may have written, which leads to a file.
_NAME = re.compile(r"[0-9a-f]+")


def keep_config(folders: ResultPaths, text: str) -> str:
    """Keep the config of a run that begins, each config once; return what it is kept under.

    Raises
    ------
    OSError
        If it can't be written.
    """
    if not text:
        return ""
    name = fingerprint(text)
    path = folders.configs / f"{name}.yaml"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as part:
            part.write_text(text, encoding="utf-8", newline="")
    return name


def kept_config(folders: ResultPaths, name: str) -> str | None:
    """Return the config that is kept under a name; None where there is none."""
    if _NAME.fullmatch(name):
        with (
            suppress(OSError, ValueError),
            (folders.configs / f"{name}.yaml").open(encoding="utf-8", newline="") as file,
        ):
            return file.read()
    return None


def past_runs(folders: ResultPaths) -> list[LastRun]:
    """Return the runs, the last one first."""
    return last_runs(folders.runs)[::-1]

"""Which experiments this user worked with on this computer, the last one first. Nothing in it is secret."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from segmake.core.files import write_atomically
from segmake.core.user_settings import own_settings_folder

# More nobody looks through.
MOST = 50


@dataclass(frozen=True)
class Recent:
    """An experiment.

    Attributes
    ----------
    folder : str
        In full.
    at : float
        When it was made, or its page was opened.
    """

    folder: str
    at: float


def recent() -> list[Recent]:
    """Return the experiments, the last one first; some may be gone."""
    with suppress(OSError, ValueError, TypeError, LookupError):
        listed = json.loads(_file().read_text(encoding="utf-8"))
        return [Recent(str(each["folder"]), float(each["at"])) for each in listed]
    return []


def note(folder: Path) -> None:
    """Note that somebody works with an experiment; where nothing can be noted, nothing is."""
    path = str(folder.absolute())
    others = [each for each in recent() if each.folder != path]
    with suppress(OSError):
        _write([Recent(path, time.time()), *others][:MOST])


def forget(folder: str) -> None:
    """Take an experiment off the list; its folder stays as it is."""
    with suppress(OSError):
        _write([each for each in recent() if each.folder != folder])


def _write(experiments: list[Recent]) -> None:
    text = json.dumps([asdict(each) for each in experiments], indent=1)
    with write_atomically(_file()) as part:
        part.write_text(f"{text}\n", encoding="ascii")


def _file() -> Path:
    return own_settings_folder() / "recent.json"
